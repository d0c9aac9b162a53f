//! Expressions and literals as SQL.

use almoner_federation::{ColumnType, Exact, Table, show_date};

use crate::expr::{Expr, Operator, Part};
use crate::text::{quoted, text_literal};

/// How an expression sees its columns.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Sight {
    /// As stored.
    Stored,
    /// Numbers and dates within their declared ranges.
    Clamped,
}

/// A whole number of 64 bits.
pub(super) fn integer(value: &Exact) -> Option<i64> {
    if value.is_int() { i64::try_from(value.numerator().clone()).ok() } else { None }
}

/// An exact number as the nearest double, written so that it reads back as the same double.
pub(super) fn double(value: &Exact) -> String {
    let nearest = value.to_f64().value();
    if nearest < 0.0 { format!("({nearest:?})") } else { format!("{nearest:?}") }
}

pub(super) fn whole(value: i64) -> String {
    if value < 0 { format!("({value})") } else { value.to_string() }
}

fn date(day: i32) -> String {
    format!("DATE '{}'", show_date(day))
}

pub(super) fn render(expr: &Expr, table: &Table, sight: Sight) -> String {
    let here = |one: &Expr| render(one, table, sight);
    let stored = |one: &Expr| render(one, table, Sight::Stored);
    let list = |all: &[Expr]| all.iter().map(here).collect::<Vec<_>>().join(", ");
    match expr {
        Expr::Column(index) => column(&table.columns[*index].name, &table.columns[*index].kind, sight),
        // Without the cast some engines would take it for an exact decimal, and compute with such.
        Expr::Number(value) => format!("CAST({} AS DOUBLE PRECISION)", double(value)),
        Expr::Text(text) => text_literal(text),
        Expr::Boolean(true) => "TRUE".into(),
        Expr::Boolean(false) => "FALSE".into(),
        Expr::Date(day) => date(*day),
        Expr::Null => "NULL".into(),
        // Never -0.0, which engines order below 0.0: hence 0.0 - x here and + 0.0 below.
        Expr::Negate(one) => format!("(0.0 - {})", here(one)),
        Expr::Arithmetic { operator, left, right, .. } => {
            let (left, right) = (here(left), here(right));
            match operator {
                Operator::Add | Operator::Subtract => format!("({left} {} {right})", operator.sign()),
                Operator::Multiply => format!("({left} * {right} + 0.0)"),
                Operator::Divide => format!("({left} / NULLIF({right}, 0.0) + 0.0)"),
            }
        }
        Expr::Compare { comparison, left, right } => {
            format!("({} {} {})", here(left), comparison.sign(), here(right))
        }
        Expr::Between { value, low, high } => {
            format!("({} BETWEEN {} AND {})", here(value), here(low), here(high))
        }
        Expr::In { value, list: all } => format!("({} IN ({}))", here(value), list(all)),
        Expr::IsNull(one) => format!("({} IS NULL)", here(one)),
        Expr::Not(one) => format!("(NOT {})", here(one)),
        Expr::And(all) => balanced(&all.iter().map(here).collect::<Vec<_>>(), "AND"),
        Expr::Or(all) => balanced(&all.iter().map(here).collect::<Vec<_>>(), "OR"),
        Expr::Case { operand, branches, otherwise } => {
            let operand = operand.as_ref().map_or(String::new(), |operand| format!(" {}", stored(operand)));
            let branches: String = branches
                .iter()
                .map(|(when, then)| format!(" WHEN {} THEN {}", stored(when), here(then)))
                .collect();
            let otherwise =
                otherwise.as_ref().map_or(String::new(), |value| format!(" ELSE {}", here(value)));
            format!("CASE{operand}{branches}{otherwise} END")
        }
        Expr::Coalesce(all) => format!("COALESCE({})", list(all)),
        Expr::Least(all) => extreme("LEAST", all, list(all), &here),
        Expr::Greatest(all) => extreme("GREATEST", all, list(all), &here),
        Expr::Part { part, date } => self::part(*part, date, table, sight),
    }
}

/// Engines leave NULL out of LEAST and GREATEST; here it is NULL that comes out.
fn extreme(function: &str, all: &[Expr], list: String, here: &dyn Fn(&Expr) -> String) -> String {
    let present: Vec<String> =
        all.iter().filter(|one| !one.never_null()).map(|one| format!("{} IS NOT NULL", here(one))).collect();
    if present.is_empty() {
        return format!("{function}({list})");
    }
    format!("CASE WHEN {} THEN {function}({list}) END", present.join(" AND "))
}

/// Outside the years 1 to 9999 a part of a date is NULL, whatever the engine's calendar can do.
fn part(part: Part, day: &Expr, table: &Table, sight: Sight) -> String {
    let day = render(day, table, sight);
    let part = part.word().to_ascii_lowercase();
    let taken = format!("CAST(date_part('{part}', {day}) AS DOUBLE PRECISION)");
    match sight {
        Sight::Clamped => taken,
        Sight::Stored => {
            format!("CASE WHEN {day} BETWEEN DATE '0001-01-01' AND DATE '9999-12-31' THEN {taken} END")
        }
    }
}

/// A chain as a balanced tree, so that a long one stays shallow in the engine.
fn balanced(all: &[String], word: &str) -> String {
    match all {
        [] => "TRUE".into(),
        [one] => one.clone(),
        many => {
            let (left, right) = many.split_at(many.len() / 2);
            format!("({} {word} {})", balanced(left, word), balanced(right, word))
        }
    }
}

fn column(name: &str, kind: &ColumnType, sight: Sight) -> String {
    let name = quoted(name);
    let clamp = |low: String, high: String, inside: &str| {
        format!("WHEN {name} < {low} THEN {low} WHEN {name} > {high} THEN {high} ELSE {inside} END")
    };
    match (kind, sight) {
        (ColumnType::Text { .. } | ColumnType::Boolean, _) | (ColumnType::Date { .. }, Sight::Stored) => name,
        (ColumnType::Date { min, max }, Sight::Clamped) => {
            format!("CASE {}", clamp(date(*min), date(*max), &name))
        }
        (ColumnType::Integer { .. }, Sight::Stored) => format!("CAST({name} AS DOUBLE PRECISION)"),
        (ColumnType::Integer { min, max, .. }, Sight::Clamped) => {
            format!("CAST(CASE {} AS DOUBLE PRECISION)", clamp(whole(*min), whole(*max), &name))
        }
        (ColumnType::Number { .. }, Sight::Stored) => name,
        (ColumnType::Number { min, max, .. }, Sight::Clamped) => {
            format!("CASE {}", clamp(double(min), double(max), &name))
        }
    }
}

/// Whether it is a column of whole numbers itself, which then stays one.
pub(super) fn is_whole(expr: &Expr, table: &Table) -> bool {
    matches!(expr, Expr::Column(index) if matches!(table.columns[*index].kind, ColumnType::Integer { .. }))
}

/// A key as stored: whole numbers where it is a column of such.
pub(super) fn key(expr: &Expr, table: &Table) -> String {
    match expr {
        Expr::Column(index) if is_whole(expr, table) => quoted(&table.columns[*index].name),
        _ => render(expr, table, Sight::Stored),
    }
}

/// How far a whole number lies above `first`.
pub(super) fn above(column: &str, first: i64) -> String {
    if first == 0 { column.to_owned() } else { format!("({column} - {})", whole(first)) }
}
