//! The normal form of a question: one text for all spellings of one meaning that differ in case, spaces,
//! comments or parentheses. Planning the normal form gives the same plan, which is what nodes do.

use almoner_federation::{Exact, Table, show_date};

use crate::expr::{Expr, Operator};
use crate::layout::{Content, Measure};
use crate::question::{Measured, Output, OutputValue, Question};
use crate::text::{bare, decimal, text_literal};

/// How tightly an expression binds; one that binds more loosely than its place allows gets parentheses.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Binding {
    Or,
    And,
    Condition,
    Sum,
    Product,
    Sign,
    Atom,
}

/// The whole question.
pub(crate) fn question(question: &Question<'_>) -> String {
    let table = question.table;
    let outputs: Vec<String> = question.outputs.iter().map(|output| self::output(output, question)).collect();
    let mut sql = format!("SELECT {} FROM {}", outputs.join(", "), bare(&table.name, false));
    if let Some(condition) = &question.condition {
        sql += &format!(" WHERE {}", expression(condition, table));
    }
    if !question.keys.is_empty() {
        let keys: Vec<String> = question.keys.iter().map(|key| expression(&key.expr, table)).collect();
        sql += &format!(" GROUP BY {}", keys.join(", "));
    }
    if !question.order.is_empty() {
        let order: Vec<String> = question
            .order
            .iter()
            .map(|order| format!("{}{}", order.output + 1, if order.descending { " DESC" } else { "" }))
            .collect();
        sql += &format!(" ORDER BY {}", order.join(", "));
    }
    if let Some(limit) = question.limit {
        sql += &format!(" LIMIT {limit}");
    }
    sql
}

fn output(output: &Output, question: &Question<'_>) -> String {
    let (text, default) = match &output.value {
        OutputValue::Key(key) => {
            let expr = &question.keys[*key].expr;
            (expression(expr, question.table), default_name(expr, question.table))
        }
        OutputValue::Measured(measured) => {
            let text = self::measured(measured, question.table);
            (text.clone(), text)
        }
    };
    if output.name == default { text } else { format!("{text} AS {}", bare(&output.name, true)) }
}

/// What a key is called without an alias: the column's own name, or its text.
pub(crate) fn default_name(expr: &Expr, table: &Table) -> String {
    match expr {
        Expr::Column(index) => table.columns[*index].name.clone(),
        other => expression(other, table),
    }
}

/// One aggregate.
pub(crate) fn measured(measured: &Measured, table: &Table) -> String {
    let argument = measured.argument.as_ref().map_or("*".into(), |expr| expression(expr, table));
    let filter = measured
        .filter
        .as_ref()
        .map_or(String::new(), |expr| format!(" FILTER (WHERE {})", expression(expr, table)));
    format!("{}({argument}){filter}", measured.aggregate.word())
}

/// One expression.
pub(crate) fn expression(expr: &Expr, table: &Table) -> String {
    write(expr, table).0
}

/// An expression for a place that needs at least this binding.
fn within(expr: &Expr, table: &Table, needed: Binding) -> String {
    let (text, binding) = write(expr, table);
    if binding < needed { format!("({text})") } else { text }
}

fn list(all: &[Expr], table: &Table, needed: Binding, separator: &str) -> String {
    all.iter().map(|one| within(one, table, needed)).collect::<Vec<_>>().join(separator)
}

fn write(expr: &Expr, table: &Table) -> (String, Binding) {
    let operand = |one: &Expr| within(one, table, Binding::Sum);
    match expr {
        Expr::Column(index) => (bare(&table.columns[*index].name, false), Binding::Atom),
        Expr::Number(value) if *value < Exact::ZERO => (decimal(value), Binding::Sign),
        Expr::Number(value) => (decimal(value), Binding::Atom),
        Expr::Text(text) => (text_literal(text), Binding::Atom),
        Expr::Boolean(true) => ("TRUE".into(), Binding::Atom),
        Expr::Boolean(false) => ("FALSE".into(), Binding::Atom),
        Expr::Date(day) => (format!("DATE '{}'", show_date(*day)), Binding::Atom),
        Expr::Null => ("NULL".into(), Binding::Atom),
        Expr::Negate(one) => (format!("-{}", within(one, table, Binding::Atom)), Binding::Sign),
        Expr::Arithmetic { operator, left, right, .. } => {
            // Left-associative, and never re-associated: doubles would round differently.
            let (here, right_needs) = match operator {
                Operator::Add | Operator::Subtract => (Binding::Sum, Binding::Product),
                Operator::Multiply | Operator::Divide => (Binding::Product, Binding::Sign),
            };
            let (left, right) = (within(left, table, here), within(right, table, right_needs));
            (format!("{left} {} {right}", operator.sign()), here)
        }
        Expr::Compare { comparison, left, right } => {
            (format!("{} {} {}", operand(left), comparison.sign(), operand(right)), Binding::Condition)
        }
        Expr::Between { value, low, high } => {
            (format!("{} BETWEEN {} AND {}", operand(value), operand(low), operand(high)), Binding::Condition)
        }
        Expr::In { value, list: all } => {
            (format!("{} IN ({})", operand(value), list(all, table, Binding::Or, ", ")), Binding::Condition)
        }
        Expr::IsNull(one) => (format!("{} IS NULL", within(one, table, Binding::Atom)), Binding::Condition),
        Expr::Not(one) => match &**one {
            Expr::IsNull(inner) => {
                (format!("{} IS NOT NULL", within(inner, table, Binding::Atom)), Binding::Condition)
            }
            other => (format!("NOT {}", within(other, table, Binding::Atom)), Binding::Condition),
        },
        Expr::And(all) => (list(all, table, Binding::Condition, " AND "), Binding::And),
        Expr::Or(all) => (list(all, table, Binding::And, " OR "), Binding::Or),
        Expr::Case { operand, branches, otherwise } => {
            let mut text = String::from("CASE");
            if let Some(operand) = operand {
                text += &format!(" {}", within(operand, table, Binding::Sum));
            }
            for (when, then) in branches {
                text += &format!(" WHEN {} THEN {}", expression(when, table), expression(then, table));
            }
            if let Some(value) = otherwise {
                text += &format!(" ELSE {}", expression(value, table));
            }
            (text + " END", Binding::Atom)
        }
        Expr::Coalesce(all) => (format!("COALESCE({})", list(all, table, Binding::Or, ", ")), Binding::Atom),
        Expr::Least(all) => (format!("LEAST({})", list(all, table, Binding::Or, ", ")), Binding::Atom),
        Expr::Greatest(all) => (format!("GREATEST({})", list(all, table, Binding::Or, ", ")), Binding::Atom),
        Expr::Part { part, date } => {
            (format!("EXTRACT({} FROM {})", part.word(), expression(date, table)), Binding::Atom)
        }
    }
}

/// What a measure sums, in words.
pub(crate) fn measure(measure: &Measure, table: &Table) -> String {
    let what = match &measure.content {
        Content::Count { present: None } => "rows".to_owned(),
        Content::Count { present: Some(value) } => format!("rows with {}", expression(value, table)),
        Content::Sum { value, step, low, high } => {
            format!("{} in steps of {}, {low} to {high}", expression(value, table), decimal(step))
        }
        Content::Pair { value, low, step, steps } => format!(
            "pair of {} from {} in {steps} steps of {}",
            expression(value, table),
            decimal(low),
            decimal(step)
        ),
    };
    let filter =
        measure.filter.as_ref().map_or(String::new(), |f| format!(" where {}", expression(f, table)));
    what + &filter
}
