//! The bounded aggregate as SQL for the engine that holds the data: rows to integer cells.
//!
//! The text depends on the plan alone, and nothing in a row can make it fail: all arithmetic is in
//! doubles (which have no overflow or division error), casts are `TRY_CAST`, every case of NULL, NaN and
//! infinity is defined, and sums of 64-bit integers wrap as the ring does.
//!
//! What an expression sees:
//! * conditions (WHERE, FILTER, CASE WHEN) and group keys see values as they are stored, NaN being NULL
//!   and a division by zero giving NULL; they decide which rows count, never by how much;
//! * measured numbers see columns clamped to their declared ranges, on which the interval rests. Whatever
//!   rounding in doubles does, the integer that is summed is clamped once more, so that the row bound
//!   of the plan holds for every row that can exist.

use almoner_federation::{ColumnType, Exact, Table, show_date};

use crate::expr::{Expr, Operator, Part, Type};
use crate::keys::Domain;
use crate::layout::{Content, Layout};
use crate::question::Question;
use crate::text::{quoted, text_literal};

/// An engine's SQL dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// DataFusion inside the node.
    DataFusion,
}

/// How an expression sees its columns.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sight {
    /// As stored.
    Stored,
    /// Numbers and dates within their declared ranges.
    Clamped,
}

/// The whole statement. Its rows are `cell, c0, c1, ...`, all BIGINT; cells without rows are absent.
pub(crate) fn source(question: &Question<'_>, layout: &Layout, dialect: Dialect) -> String {
    let Dialect::DataFusion = dialect;
    let table = question.table;
    let mut values = Values::default();
    let coordinates = coordinates(layout, table, &mut values);
    let keys = question.keys.iter().enumerate();
    let mut columns: Vec<String> =
        keys.map(|(i, key)| format!("{} AS \"k{i}\"", render(&key.expr, table, Sight::Stored))).collect();
    columns.extend(values.texts.iter().enumerate().map(|(i, text)| format!("{text} AS \"v{i}\"")));
    if columns.is_empty() {
        columns.push("1 AS \"row\"".into());
    }
    let condition = question.condition.as_ref().map_or(String::new(), |condition| {
        format!("\n    WHERE {}", render(condition, table, Sight::Stored))
    });
    let names: Vec<String> = (0..coordinates.len()).map(|i| format!("\"c{i}\"")).collect();
    let sums: Vec<String> = names.iter().map(|name| format!("SUM({name}) AS {name}")).collect();
    let steps: Vec<String> =
        coordinates.iter().zip(&names).map(|(text, name)| format!("{text} AS {name}")).collect();
    format!(
        "SELECT \"cell\", {sums}\nFROM (\n  SELECT {cell} AS \"cell\",\n    {steps}\n  FROM (\n    SELECT {columns}\n    FROM {from}{condition}\n  ) AS \"stored\"\n) AS \"steps\"\nWHERE \"cell\" IS NOT NULL\nGROUP BY \"cell\"",
        sums = sums.join(", "),
        cell = cell(question),
        steps = steps.join(",\n    "),
        columns = columns.join(",\n      "),
        from = quoted(&table.name),
    )
}

/// Values and filters of rows that coordinates refer to, each computed once.
#[derive(Default)]
struct Values {
    texts: Vec<String>,
}

impl Values {
    fn column(&mut self, expr: &Expr, table: &Table, sight: Sight) -> String {
        let text = render(expr, table, sight);
        let index = self.texts.iter().position(|other| *other == text).unwrap_or_else(|| {
            self.texts.push(text);
            self.texts.len() - 1
        });
        format!("\"v{index}\"")
    }
}

/// The text of every coordinate, over the columns of `values`.
fn coordinates(layout: &Layout, table: &Table, values: &mut Values) -> Vec<String> {
    let mut texts = Vec::with_capacity(layout.width);
    for measure in &layout.measures {
        let mut conditions: Vec<String> =
            measure.filter.iter().map(|filter| values.column(filter, table, Sight::Stored)).collect();
        let mut number = |value: &Expr| {
            let column = values.column(value, table, Sight::Clamped);
            // Neither NULL nor NaN passes.
            conditions.push(format!("NOT isnan({column})"));
            column
        };
        let terms = match &measure.content {
            Content::Count { present: None } => vec!["1".to_owned()],
            Content::Count { present: Some(value) } if value.ty(table) == Some(Type::Number) => {
                number(value);
                vec!["1".to_owned()]
            }
            Content::Count { present: Some(value) } => {
                let column = values.column(value, table, Sight::Stored);
                conditions.push(format!("{column} IS NOT NULL"));
                vec!["1".to_owned()]
            }
            Content::Sum { value, step, low, high } => {
                let column = number(value);
                vec![clamped_steps(&per_step(&column, step), *low, *high)]
            }
            Content::Pair { value, low, step, steps } => {
                let column = number(value);
                let above = format!("({column} - {})", double(low));
                let top = i64::try_from(*steps).expect("coarsening keeps steps at or below 2^31");
                let j = clamped_steps(&per_step(&above, step), 0, top);
                vec![format!("{top} - {j}"), j]
            }
        };
        let guard = (!conditions.is_empty()).then(|| conditions.join(" AND "));
        texts.extend(terms.into_iter().map(|term| match &guard {
            Some(guard) => format!("CASE WHEN {guard} THEN {term} ELSE 0 END"),
            None => term,
        }));
    }
    texts
}

/// `value / step` with a factor and a divisor that are whole wherever the step is a decimal.
fn per_step(value: &str, step: &Exact) -> String {
    let (numerator, denominator) =
        (Exact::from(step.numerator().clone()), Exact::from(step.denominator().clone()));
    let mut text = value.to_owned();
    if !denominator.is_one() {
        text = format!("{text} * {}", double(&denominator));
    }
    if !numerator.is_one() {
        text = format!("{text} / {}", double(&numerator));
    }
    text
}

fn clamped_steps(quotient: &str, low: i64, high: i64) -> String {
    format!("LEAST(GREATEST(TRY_CAST(round({quotient}) AS BIGINT), {}), {})", whole(low), whole(high))
}

/// The cell number, row-major over the keys; NULL when a key is outside its domain.
fn cell(question: &Question<'_>) -> String {
    if question.keys.is_empty() {
        return "0".into();
    }
    let mut text = String::new();
    for (i, key) in question.keys.iter().enumerate() {
        let index = index(&format!("\"k{i}\""), &key.domain);
        text = match i {
            0 => index,
            _ => format!("({text}) * {} + {index}", key.domain.len()),
        };
    }
    text
}

/// The number of a key's value in its domain, or NULL.
fn index(column: &str, domain: &Domain) -> String {
    match domain {
        Domain::Texts(values) => {
            let mut text = format!("CASE {column}");
            for (i, value) in values.iter().enumerate() {
                text += &format!(" WHEN {} THEN {i}", text_literal(value));
            }
            text + " END"
        }
        Domain::Booleans => format!("CASE WHEN {column} THEN 1 WHEN NOT {column} THEN 0 END"),
        Domain::Integers { first, count } => {
            let last = first + *count as i64 - 1;
            let (low, high) = (double(&Exact::from(*first)), double(&Exact::from(last)));
            format!(
                "CASE WHEN {column} >= {low} AND {column} <= {high} THEN TRY_CAST({column} - {low} AS BIGINT) END"
            )
        }
        Domain::Bands { starts, last, .. } => {
            let mut text = format!("CASE WHEN {column} < {} THEN NULL", double(&starts[0]));
            for (i, next) in starts.iter().skip(1).enumerate() {
                text += &format!(" WHEN {column} < {} THEN {i}", double(next));
            }
            text + &format!(" WHEN {column} <= {} THEN {} END", double(last), starts.len() - 1)
        }
    }
}

/// An exact number as the nearest double, written so that it reads back as the same double.
fn double(value: &Exact) -> String {
    let nearest = value.to_f64().value();
    if nearest < 0.0 { format!("({nearest:?})") } else { format!("{nearest:?}") }
}

fn whole(value: i64) -> String {
    if value < 0 { format!("({value})") } else { value.to_string() }
}

fn date(day: i32) -> String {
    format!("DATE '{}'", show_date(day))
}

fn render(expr: &Expr, table: &Table, sight: Sight) -> String {
    let here = |one: &Expr| render(one, table, sight);
    let stored = |one: &Expr| render(one, table, Sight::Stored);
    let list = |all: &[Expr]| all.iter().map(here).collect::<Vec<_>>().join(", ");
    match expr {
        Expr::Column(index) => column(&table.columns[*index].name, &table.columns[*index].kind, sight),
        Expr::Number(value) => double(value),
        Expr::Text(text) => text_literal(text),
        Expr::Boolean(true) => "TRUE".into(),
        Expr::Boolean(false) => "FALSE".into(),
        Expr::Date(day) => date(*day),
        Expr::Null => "NULL".into(),
        // Never -0.0, which engines order below 0.0: hence 0.0 - x here and + 0.0 below.
        Expr::Negate(one) => format!("(0.0 - {})", here(one)),
        Expr::Arithmetic { operator, left, right, .. } => {
            let (left, right) = (here(left), here(right));
            match (operator, sight) {
                (Operator::Add | Operator::Subtract, _) => format!("({left} {} {right})", operator.sign()),
                (Operator::Divide, Sight::Stored) => format!("({left} / NULLIF({right}, 0.0) + 0.0)"),
                (Operator::Multiply | Operator::Divide, _) => {
                    format!("({left} {} {right} + 0.0)", operator.sign())
                }
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
    let taken = format!("CAST(date_part('{part}', {day}) AS DOUBLE)");
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
        (ColumnType::Integer { .. }, Sight::Stored) => format!("CAST({name} AS DOUBLE)"),
        (ColumnType::Integer { min, max, .. }, Sight::Clamped) => {
            format!("CAST(CASE {} AS DOUBLE)", clamp(whole(*min), whole(*max), &name))
        }
        (ColumnType::Number { .. }, Sight::Stored) => {
            format!("CASE WHEN isnan({name}) THEN NULL ELSE {name} + 0.0 END")
        }
        (ColumnType::Number { min, max, .. }, Sight::Clamped) => {
            let inside = format!("{name} + 0.0");
            format!("CASE WHEN isnan({name}) THEN NULL {}", clamp(double(min), double(max), &inside))
        }
    }
}
