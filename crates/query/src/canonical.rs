//! The normal form of a question: one text for all spellings of one meaning that differ in case, spaces,
//! comments or parentheses. Planning the normal form gives the same plan, which is what nodes do.

use almoner_federation::{Exact, Table, show_date};

use crate::aggregate::{Aggregate, Measured, Summary, is_half};
use crate::bins::Piece;
use crate::expr::{Expr, Operator};
use crate::layout::{Binned, Content, Curve, Measure, Weight};
use crate::question::{Output, OutputValue, Question};
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
    let mut sql = format!("SELECT {} {}", outputs.join(", "), from(question));
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

/// `FROM`, with `WHERE` where there is a condition.
pub(crate) fn from(question: &Question<'_>) -> String {
    let table = question.table;
    let condition = question.condition.as_ref();
    let condition =
        condition.map_or(String::new(), |condition| format!(" WHERE {}", expression(condition, table)));
    format!("FROM {}{condition}", bare(&table.name, false))
}

fn output(output: &Output, question: &Question<'_>) -> String {
    let (text, default) = match &output.value {
        OutputValue::Key(key) => {
            let expr = &question.keys[*key].expr;
            (expression(expr, question.table), default_name(expr, question.table))
        }
        OutputValue::Measured(measured) => {
            let text = self::measured(measured, question.table, question.unit);
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

/// One aggregate. `unit` is the unit's column.
pub(crate) fn measured(measured: &Measured, table: &Table, unit: &str) -> String {
    let one = |expr: &Expr| expression(expr, table);
    let mut arguments: Vec<String> = match &measured.aggregate {
        Aggregate::Count(None) => vec!["*".into()],
        Aggregate::Units => vec![format!("DISTINCT {}", bare(unit, false))],
        Aggregate::Count(Some(value))
        | Aggregate::Sum(value)
        | Aggregate::Average(value)
        | Aggregate::Spread(_, value) => vec![one(value)],
        Aggregate::Poverty { value, line, .. } => vec![one(value), one(line)],
        Aggregate::Distribution(summary, value) => {
            let number = match summary {
                Summary::Quantile(share) if is_half(share) => None,
                Summary::Quantile(share)
                | Summary::AtRisk(share)
                | Summary::RiskThreshold(share)
                | Summary::AtRiskGap(share)
                | Summary::MedianGap(share) => Some(decimal(share)),
                Summary::Gini | Summary::S80S20 | Summary::Palma | Summary::Lorenz | Summary::Deciles => None,
            };
            std::iter::once(one(value)).chain(number).collect()
        }
        Aggregate::Multidimensional { cutoff, indicators, .. } => {
            let pairs = indicators.iter().flat_map(|(indicator, weight)| [one(indicator), decimal(weight)]);
            std::iter::once(decimal(cutoff)).chain(pairs).collect()
        }
    };
    arguments.extend(measured.weight.as_ref().map(|weight| format!("weight => {}", one(weight))));
    let filter =
        measured.filter.as_ref().map_or(String::new(), |expr| format!(" FILTER (WHERE {})", one(expr)));
    let text = format!("{}({}){filter}", measured.aggregate.word(), arguments.join(", "));
    if measured.emphasis.is_one() {
        return text;
    }
    format!("EMPHASIS({text}, {})", decimal(&measured.emphasis))
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
    let one = |expr: &Expr| expression(expr, table);
    let weighted = |weight: &Option<Weight>| {
        weight.as_ref().map_or(String::new(), |weight| {
            format!(", weight {} in {} steps of {}", one(&weight.value), weight.steps, decimal(&weight.step))
        })
    };
    let what = match &measure.content {
        Content::Count { present: None } => "rows".to_owned(),
        Content::Count { present: Some(value) } => format!("rows with {}", one(value)),
        Content::Units => "units".to_owned(),
        Content::Sum { value, step, low, high } => {
            format!("{} in steps of {}, {low} to {high}", one(value), decimal(step))
        }
        Content::Moments { curve, value, low, step, steps, weight } => {
            let name = match curve {
                Curve::Constant => "count",
                Curve::Linear => "pair",
                Curve::Quadratic => "triple",
            };
            let (low, step) = (decimal(low), decimal(step));
            format!("{name} of {} from {low} in {steps} steps of {step}{}", one(value), weighted(weight))
        }
        Content::Poverty { degree, value, line, steps, weight } => format!(
            "poverty to degree {} of {} below {}, gap in {steps} steps{}",
            degree.curve().power(),
            one(value),
            one(line),
            weighted(weight)
        ),
        Content::Histogram { bins: Binned::Values { value, pieces }, weight, .. } => {
            let pieces: Vec<String> = pieces.iter().map(piece).collect();
            format!("distribution of {} over {}{}", one(value), pieces.join(", "), weighted(weight))
        }
        Content::Histogram { bins: Binned::Scores { indicators }, weight, .. } => {
            let scores: Vec<String> = indicators
                .iter()
                .map(|(indicator, score)| format!("{score} where {}", one(indicator)))
                .collect();
            format!("distribution of scores, {}{}", scores.join(", "), weighted(weight))
        }
    };
    let filter = measure.filter.as_ref().map_or(String::new(), |filter| format!(" where {}", one(filter)));
    what + &filter
}

fn piece(piece: &Piece) -> String {
    match piece {
        Piece::Points { low, count: 1, .. } => decimal(low),
        Piece::Points { low, step, count } => {
            format!("{count} values from {} in steps of {}", decimal(low), decimal(step))
        }
        Piece::Even { low, high, count } => {
            format!("{count} bins from {} to {}", decimal(low), decimal(high))
        }
    }
}
