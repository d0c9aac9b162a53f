//! Against doubles themselves: random expressions over the most extreme values that a table can hold.

use std::sync::LazyLock;

use almoner_federation::{Manifest, parse_exact};
use proptest::prelude::*;

use super::*;
use crate::expr::At;
use crate::places::START;

fn table() -> &'static Table {
    static TABLE: LazyLock<Table> = LazyLock::new(|| {
        let text = include_str!("../../tests/query/federation.toml");
        let manifest = Manifest::parse(text, "federation.toml").expect("the manifest is sound");
        manifest.tables[0].clone()
    });
    &TABLE
}

fn column(name: &str) -> Expr {
    let found = table().columns.iter().position(|column| column.name == name);
    Expr::Column(found.expect("the column exists"))
}

fn expressions() -> impl Strategy<Value = Expr> {
    let literal = |text: &str| Expr::Number(parse_exact(text).expect("a number"));
    let leaf = prop_oneof![
        Just(column("income")),
        Just(column("age")),
        Just(literal("0.000000000000000001")),
        Just(literal("3")),
        Just(literal("0.1")),
        Just(literal("1000000000000000000")),
        Just(literal("0")),
    ];
    leaf.prop_recursive(6, 40, 2, |inner| {
        let operator = prop_oneof![
            Just(Operator::Add),
            Just(Operator::Subtract),
            Just(Operator::Multiply),
            Just(Operator::Divide),
        ];
        (operator, inner.clone(), inner.clone()).prop_map(|(operator, left, right)| Expr::Arithmetic {
            operator,
            left: Box::new(left),
            right: Box::new(right),
            at: At(START),
        })
    })
}

/// Values at the ends of what a table can hold, and between.
fn value(number: bool) -> impl Strategy<Value = f64> {
    let magnitude = if number { -MAGNITUDE_BITS..=MAGNITUDE_BITS } else { 0..=63 };
    (magnitude, 0u64..1 << 52, any::<bool>(), 0..8u8).prop_map(move |(power, bits, negative, kind)| {
        let mantissa =
            if power == MAGNITUDE_BITS || kind < 4 { 1.0 } else { 1.0 + bits as f64 / 2f64.powi(52) };
        let value = mantissa * 2f64.powi(power);
        let value = if number { value } else { value.trunc() };
        match (kind, negative) {
            (0, _) => 0.0,
            (_, true) => -value,
            (_, false) => value,
        }
    })
}

/// The value as engines compute it; panics where an engine may raise an error.
fn compute(expr: &Expr, income: f64, age: f64) -> Option<f64> {
    let Expr::Arithmetic { operator, left, right, .. } = expr else {
        return Some(match expr {
            Expr::Number(value) => value.to_f64().value(),
            leaf if *leaf == column("income") => income,
            _ => age,
        });
    };
    let (left, right) = (compute(left, income, age)?, compute(right, income, age)?);
    let result = match operator {
        Operator::Add => left + right,
        Operator::Subtract => left - right,
        Operator::Multiply => left * right,
        Operator::Divide if right == 0.0 => return None,
        Operator::Divide => left / right,
    };
    assert!(result.is_finite(), "{left} {} {right} overflows", operator.sign());
    let vanishes = matches!(operator, Operator::Multiply | Operator::Divide) && left != 0.0;
    assert!(!(vanishes && right != 0.0 && result == 0.0), "{left} {} {right} underflows", operator.sign());
    let reach = reach(expr, table());
    assert!(
        result == 0.0 || (result.abs() >= 2f64.powi(reach.least) && result.abs() < 2f64.powi(reach.most)),
        "{result} is out of {reach:?}"
    );
    Some(result)
}

/// Whether every operation in the expression passes the check, as lowering asks of each.
fn held(expr: &Expr) -> bool {
    let inside = match expr {
        Expr::Arithmetic { left, right, .. } => held(left) && held(right),
        _ => true,
    };
    inside && check(expr, table(), START).is_ok()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_held_neither_overflows_nor_underflows(expr in expressions(), income in value(true), age in value(false)) {
        if held(&expr) {
            compute(&expr, income, age);
        }
    }
}

#[test]
fn what_a_register_can_hold_is_multiplied_a_few_times() {
    let product = |factors: usize| {
        (1..factors).fold(column("income"), |product, _| Expr::Arithmetic {
            operator: Operator::Multiply,
            left: Box::new(product),
            right: Box::new(column("income")),
            at: At(START),
        })
    };
    assert!(held(&product(4)), "2^400");
    assert!(!held(&product(5)), "2^500");
}
