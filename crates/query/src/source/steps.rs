//! Doubles to whole steps, as SQL.

use almoner_federation::Exact;

use super::render::double;

/// How far a double lies above `low`.
pub(super) fn beyond(column: &str, low: &Exact) -> String {
    if low.is_zero() { column.to_owned() } else { format!("({column} - {})", double(low)) }
}

/// `value / step` with a factor and a divisor that are whole wherever the step is a decimal.
pub(super) fn per_step(value: &str, step: &Exact) -> String {
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

#[derive(Clone, Copy)]
pub(super) enum Rounding {
    Down,
    /// Halves go up: engines round them differently on their own.
    Nearest,
}

pub(super) fn clamped_steps(quotient: &str, low: i64, high: i64) -> String {
    clamped(quotient, Rounding::Nearest, low, high)
}

/// The integer of `low..=high` nearest to a double, both of which doubles hold: steps are below 2^41.
pub(super) fn clamped(value: &str, rounding: Rounding, low: i64, high: i64) -> String {
    let rounded = match rounding {
        Rounding::Down => format!("floor({value})"),
        Rounding::Nearest => format!("floor({value} + 0.5)"),
    };
    let (low, high) = (double(&Exact::from(low)), double(&Exact::from(high)));
    format!("CAST(LEAST(GREATEST({rounded}, {low}), {high}) AS BIGINT)")
}
