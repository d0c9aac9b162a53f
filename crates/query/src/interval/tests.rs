//! Intervals against an interpreter in doubles, over random expressions and random rows, whose values lie
//! within the declared ranges, outside them, at their ends, or are missing, NaN or infinite.

use std::sync::LazyLock;

use almoner_federation::{ColumnType, Exact, Manifest, Table, show_date};
use proptest::prelude::*;

use super::range;
use crate::expr::{At, Comparison, Expr, Operator, Part};
use crate::places::START;

fn table() -> &'static Table {
    static TABLE: LazyLock<Table> = LazyLock::new(|| {
        let text = include_str!("../../tests/query/federation.toml");
        let manifest = Manifest::parse(text, "federation.toml").expect("the manifest is sound");
        manifest.tables[0].clone()
    });
    &TABLE
}

fn column(table: &Table, name: &str) -> Expr {
    Expr::Column(table.columns.iter().position(|column| column.name == name).expect("the column exists"))
}

/// What a row holds in a numeric or date column, as a double; `None` for NULL.
type Row = Vec<Option<f64>>;

/// The meaning of a measured number, written down a second time: columns are clamped, conditions see
/// what is stored, NULL and NaN pass through everything but COALESCE and CASE. `largest` becomes the largest
/// intermediate value, to which rounding is relative.
fn number(expr: &Expr, row: &Row, table: &Table, largest: &mut f64) -> Option<f64> {
    let mut eval = |one: &Expr| number(one, row, table, largest);
    let value = match expr {
        Expr::Column(index) => {
            let (low, high) = match &table.columns[*index].kind {
                ColumnType::Integer { min, max, .. } => (*min as f64, *max as f64),
                ColumnType::Number { min, max, .. } => (min.to_f64().value(), max.to_f64().value()),
                ColumnType::Date { min, max } => (f64::from(*min), f64::from(*max)),
                other => panic!("a {} is no number", other.word()),
            };
            row[*index].filter(|value| !value.is_nan())?.clamp(low, high)
        }
        Expr::Number(value) => value.to_f64().value(),
        Expr::Null => return None,
        Expr::Negate(one) => -eval(one)?,
        Expr::Arithmetic { operator, left, right, .. } => {
            let (left, right) = (eval(left)?, eval(right)?);
            match operator {
                Operator::Add => left + right,
                Operator::Subtract => left - right,
                Operator::Multiply => left * right,
                Operator::Divide => left / right,
            }
        }
        Expr::Case { operand: None, branches, otherwise } => {
            let taken = branches.iter().find(|(when, _)| condition(when, row) == Some(true));
            match (taken, otherwise) {
                (Some((_, then)), _) => eval(then)?,
                (None, Some(otherwise)) => eval(otherwise)?,
                (None, None) => return None,
            }
        }
        Expr::Coalesce(all) => all.iter().find_map(eval)?,
        Expr::Least(all) | Expr::Greatest(all) => {
            let values = all.iter().map(eval).collect::<Option<Vec<f64>>>()?;
            let pick = if matches!(expr, Expr::Least(_)) { f64::min } else { f64::max };
            values.into_iter().reduce(pick)?
        }
        Expr::Part { part, date } => {
            let text = show_date(eval(date)? as i32);
            let position = match part {
                Part::Year => 0,
                Part::Month => 1,
                Part::Day => 2,
            };
            text.split('-')
                .nth(position)
                .and_then(|digits| digits.parse().ok())
                .expect("a date has three parts")
        }
        other => panic!("not a number: {other:?}"),
    };
    *largest = largest.max(value.abs());
    Some(value)
}

/// A comparison of a stored column with a literal.
fn condition(expr: &Expr, row: &Row) -> Option<bool> {
    match expr {
        Expr::Compare { comparison: Comparison::Less, left, right } => match (&**left, &**right) {
            (Expr::Column(index), Expr::Number(bound)) => {
                Some(row[*index].filter(|value| !value.is_nan())? < bound.to_f64().value())
            }
            other => panic!("no such condition here: {other:?}"),
        },
        other => panic!("no such condition here: {other:?}"),
    }
}

fn literals() -> impl Strategy<Value = Expr> {
    (-4_000i64..4_000, prop::sample::select(vec![1i64, 4, 100]))
        .prop_map(|(n, d)| Expr::Number(Exact::from(n) / Exact::from(d)))
}

fn columns() -> impl Strategy<Value = Expr> {
    prop::sample::select(vec!["age", "children", "income", "balance", "fixed"])
        .prop_map(|name| column(table(), name))
}

fn dates() -> impl Strategy<Value = Expr> {
    let part = prop::sample::select(vec![Part::Year, Part::Month, Part::Day]);
    part.prop_map(|part| Expr::Part { part, date: Box::new(column(table(), "born")) })
}

fn expressions() -> impl Strategy<Value = Expr> {
    let leaf = prop_oneof![3 => columns(), 2 => literals(), 1 => dates()];
    leaf.prop_recursive(4, 24, 3, |inner| {
        let operators = prop::sample::select(vec![
            Operator::Add,
            Operator::Subtract,
            Operator::Multiply,
            Operator::Divide,
        ]);
        let several = || prop::collection::vec(inner.clone(), 2..4);
        let optional = prop::option::of(inner.clone());
        prop_oneof![
            4 => (operators, inner.clone(), inner.clone()).prop_map(|(operator, left, right)| {
                Expr::Arithmetic { operator, left: Box::new(left), right: Box::new(right), at: At(START) }
            }),
            1 => inner.clone().prop_map(|one| Expr::Negate(Box::new(one))),
            1 => several().prop_map(Expr::Least),
            1 => several().prop_map(Expr::Greatest),
            1 => several().prop_map(Expr::Coalesce),
            1 => (columns(), literals(), inner.clone(), optional).prop_map(|(left, right, then, otherwise)| {
                let (left, right) = (Box::new(left), Box::new(right));
                let when = Expr::Compare { comparison: Comparison::Less, left, right };
                Expr::Case { operand: None, branches: vec![(when, then)], otherwise: otherwise.map(Box::new) }
            }),
        ]
    })
}

/// One value: anywhere near the declared ranges, at the ends that some column has, or none.
fn values() -> impl Strategy<Value = Option<f64>> {
    prop_oneof![
        4 => (-2_000.0..150_000.0f64).prop_map(Some),
        3 => (-2i32..130).prop_map(|value| Some(f64::from(value))),
        3 => prop::sample::select(vec![0.0, -0.0, 120.0, -1.0, 12.0, 1e5, -500.5, 250.0, 1e300, -1e300])
            .prop_map(Some),
        1 => prop::sample::select(vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY]).prop_map(Some),
        1 => Just(None),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn no_row_leaves_the_interval(
        expr in expressions(),
        rows in prop::collection::vec(prop::collection::vec(values(), 10), 30),
    ) {
        let table = table();
        prop_assert_eq!(table.columns.len(), 10);
        // Without an interval there is no plan, and nothing to leave.
        let Ok(range) = range(&expr, table, START) else { return Ok(()) };
        prop_assert!(range.low <= range.high && range.step > Exact::ZERO);
        let (low, high) = (range.low.to_f64().value(), range.high.to_f64().value());
        for row in &rows {
            let mut largest = 1.0;
            if let Some(value) = number(&expr, row, table, &mut largest) {
                let rounding = 1e-9 * largest;
                prop_assert!(low - rounding <= value && value <= high + rounding, "{value} outside {low}..{high}");
            } else {
                prop_assert!(!expr.never_null(), "NULL from what is never NULL");
            }
        }
    }
}

#[test]
fn intervals_are_tight_where_they_can_be() {
    let table = table();
    let income = || column(table, "income");
    let literal = |n: i64| Expr::Number(Exact::from(n));
    let binary = |operator, left, right| Expr::Arithmetic {
        operator,
        left: Box::new(left),
        right: Box::new(right),
        at: At(START),
    };
    let gap = Expr::Greatest(vec![binary(Operator::Subtract, literal(4_000), income()), literal(0)]);
    let found = range(&gap, table, START).expect("a gap has an interval");
    assert_eq!((found.low, found.high), (Exact::ZERO, Exact::from(4_000)));
    assert_eq!(found.step, Exact::ONE / Exact::from(100));

    let monthly = range(&binary(Operator::Divide, income(), literal(12)), table, START).expect("12 is not 0");
    assert_eq!(monthly.step, Exact::ONE / Exact::from(1_200), "a constant divides the step as the value");
    for denominator in ["children", "age", "balance"] {
        let quotient = binary(Operator::Divide, income(), column(table, denominator));
        assert!(range(&quotient, table, START).is_err(), "{denominator} may be 0");
    }
}
