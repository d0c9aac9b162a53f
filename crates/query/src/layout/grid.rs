//! From exact ranges to integer steps: as fine as declared where all rows fit the ring, otherwise coarser by
//! a power of two.

use almoner_federation::{Exact, Table};
use dashu::base::UnsignedAbs;
use dashu::integer::{IBig, UBig};

use super::content::{Content, Curve, Weight};
use crate::QueryError;
use crate::error::Position;
use crate::expr::Expr;
use crate::interval::{Range, range};

/// The most integer steps that one row may add, such that all rows together fit the ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MostSteps {
    /// To one coordinate that is a single number.
    pub(crate) single: u64,
    /// To one that is a product of several: powers of a number, and a weight.
    pub(crate) product: u64,
}

/// Steps to which a value is cut that is multiplied by itself or by a weight.
const FACTOR_STEPS: u64 = 1 << 12;

/// Most steps of a poor row's gap: a hundred-thousandth of the line is finer than any line is known.
const GAP_STEPS: u64 = 1 << 17;

/// The step, doubled until at most `most` of them span `length`.
fn coarsened(step: &Exact, length: &Exact, most: u64) -> Exact {
    let ratio: UBig = (length / step / Exact::from(most)).ceil().unsigned_abs();
    // The smallest power of two at or above the ratio.
    let doublings = if ratio <= UBig::ONE { 0 } else { dashu::base::BitTest::bit_len(&(ratio - UBig::ONE)) };
    step * Exact::from(UBig::ONE << doublings)
}

/// A number of steps, which coarsening keeps at or below 2^31.
fn small(steps: IBig) -> i64 {
    i64::try_from(steps).expect("coarsening keeps the number of steps at or below 2^31")
}

/// The coordinate of a sum, with the value of one of its steps.
pub(crate) fn sum(value: &Expr, interval: &Range, most: MostSteps) -> (Content, Exact) {
    let step = coarsened(&interval.step, &interval.magnitude(), most.single);
    let steps = |end: &Exact| small((end / &step).round());
    let (low, high) = (steps(&interval.low), steps(&interval.high));
    (Content::Sum { value: value.clone(), step: step.clone(), low, high }, step)
}

/// The most steps of a factor to a power, beside a weight.
fn factor_steps(power: u32, weighted: bool, most: MostSteps) -> u64 {
    match (power, weighted) {
        (0, _) => 1,
        (1, false) => most.single,
        // Equal parts of the product's bits, so that neither factor takes all of them.
        (power, _) => {
            let parts = power + u32::from(weighted);
            let root = 1u64 << (most.product.ilog2() / parts);
            if weighted { root.min(FACTOR_STEPS) } else { root.min(most.single) }
        }
    }
}

/// The coordinates of a value's moments, with the ends of its grid: `high` is `low + steps * step`, at or just
/// above the interval's. When the interval is one value, `steps` is 1 and `j` always 0.
pub(crate) fn moments(
    curve: Curve,
    value: &Expr,
    interval: &Range,
    weight: Option<(Expr, Range)>,
    most: MostSteps,
) -> (Content, Exact, Exact) {
    let length = &interval.high - &interval.low;
    let finest = factor_steps(curve.power(), weight.is_some(), most);
    let step = coarsened(&interval.step, &length, finest);
    let steps = small((&length / &step).ceil()).unsigned_abs().max(1);
    let low = interval.low.clone();
    // One value has no width, whatever its step.
    let high = if length == Exact::ZERO { low.clone() } else { &low + &step * Exact::from(steps) };
    let weight = weight.map(|weight| self::weight(weight, steps.pow(curve.power()), most));
    let content = Content::Moments { curve, value: value.clone(), low: low.clone(), step, steps, weight };
    (content, low, high)
}

/// The steps into which the gap of the poor is cut, and their weight.
pub(crate) fn poverty(curve: Curve, weight: Option<(Expr, Range)>, most: MostSteps) -> (u64, Option<Weight>) {
    let steps = factor_steps(curve.power(), weight.is_some(), most).min(GAP_STEPS);
    (steps, weight.map(|weight| self::weight(weight, steps.pow(curve.power()), most)))
}

/// A weight whose steps times `whole` stay within the bounds.
pub(crate) fn weight(weight: (Expr, Range), whole: u64, most: MostSteps) -> Weight {
    let (value, interval) = weight;
    let finest = (most.product / whole.max(1)).clamp(1, most.single);
    let step = coarsened(&interval.step, &interval.high, finest);
    let steps = small((&interval.high / &step).ceil()).unsigned_abs().max(1);
    Weight { value, step, steps }
}

/// A weight with its interval, which the lowering has found to be above 0.
pub(crate) fn weight_range(
    weight: Option<&Expr>,
    table: &Table,
    at: Position,
) -> Result<Option<(Expr, Range)>, QueryError> {
    weight.map(|weight| Ok((weight.clone(), range(weight, table, at)?))).transpose()
}
