//! What a row adds to the coordinates of its cell, in exact integers, and by how much at most.

use std::sync::Arc;

use almoner_federation::Exact;
use almoner_privacy::Strategy;

use crate::aggregate::Degree;
use crate::bins::Piece;
use crate::expr::Expr;

/// Coordinates that one row changes together, with their joint bound.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Measure {
    pub(crate) content: Content,
    /// `FILTER (WHERE ...)`.
    pub(crate) filter: Option<Expr>,
    /// First coordinate within a cell.
    pub(crate) first: usize,
    /// How much its squared error counts when rho is split.
    pub(crate) emphasis: Exact,
}

/// How much a row counts: `round(value / step)` clamped to `0..=steps`, and nothing where it is missing.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Weight {
    pub(crate) value: Expr,
    pub(crate) step: Exact,
    pub(crate) steps: u64,
}

/// Every coordinate but those of counts and sums is multiplied by the row's weight, where there is one.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Content {
    /// One coordinate: 1 for every row, or for every row where the expression is present.
    Count { present: Option<Expr> },
    /// One coordinate: 1 for every unit with a row.
    Units,
    /// One coordinate: `round(value / step)`, clamped to `low..=high`.
    Sum { value: Expr, step: Exact, low: i64, high: i64 },
    /// The basis of `curve` at `j = round((value - low) / step)` clamped to `0..=steps`.
    Moments { curve: Curve, value: Expr, low: Exact, step: Exact, steps: u64, weight: Option<Weight> },
    /// `(steps^degree, 0...)` for who is not poor, and `(0, basis)` for who is, which is `value < line`: the
    /// basis for `j = round(steps (line - value) / line)` clamped to `0..=steps`.
    Poverty { degree: Degree, value: Expr, line: Expr, steps: u64, weight: Option<Weight> },
    /// One coordinate a bin, 1 for the value's; released through the square-root strategy.
    Histogram { bins: Binned, strategy: Arc<Strategy>, weight: Option<Weight> },
}

/// Polynomials of a whole number `j` of `0..=K` that add up to a constant and of which the squares add up to
/// at most its square (PROTOCOL C; Fejer 1932), so that a row's joint norm is at most that constant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Curve {
    /// 1: one coordinate.
    Constant,
    /// `K - j`, `j`: the value 1 at 0 and at 1 of `j / K`.
    Linear,
    /// `2j^2 - 3jK + K^2`, `4j(K - j)`, `j(2j - K)`: the value `K^2` at 0, at 1/2 and at 1.
    Quadratic,
}

impl Curve {
    pub(crate) fn width(self) -> usize {
        self.power() as usize + 1
    }

    /// The coordinates add up to `K` to this power.
    pub(crate) fn power(self) -> u32 {
        match self {
            Curve::Constant => 0,
            Curve::Linear => 1,
            Curve::Quadratic => 2,
        }
    }

    /// Where on `0..=1` each coordinate stands alone.
    pub(crate) fn nodes(self) -> Vec<Exact> {
        let half = Exact::from_parts(1.into(), 2u8.into());
        match self {
            Curve::Constant => vec![Exact::ZERO],
            Curve::Linear => vec![Exact::ZERO, Exact::ONE],
            Curve::Quadratic => vec![Exact::ZERO, half, Exact::ONE],
        }
    }
}

impl Degree {
    /// The curve that the gaps of the poor need.
    pub(crate) fn curve(self) -> Curve {
        match self {
            Degree::Headcount => Curve::Constant,
            Degree::Gap => Curve::Linear,
            Degree::Severity => Curve::Quadratic,
        }
    }
}

/// What a histogram's bins tell apart.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Binned {
    /// Values of a number.
    Values { value: Expr, pieces: Vec<Piece> },
    /// The whole numbers from 0 to the sum of all weights: the sum of those of the conditions that hold.
    /// A row where one of them is unknown counts nothing.
    Scores { indicators: Vec<(Expr, u64)> },
}

impl Content {
    /// Coordinates per cell.
    pub(crate) fn width(&self) -> usize {
        match self {
            Content::Count { .. } | Content::Units | Content::Sum { .. } => 1,
            Content::Moments { curve, .. } => curve.width(),
            Content::Poverty { degree, .. } => degree.curve().width() + 1,
            Content::Histogram { strategy, .. } => strategy.bins(),
        }
    }

    /// Largest L2 norm of what one row adds, in integer steps; at least 1.
    pub(crate) fn row_bound(&self) -> u128 {
        let weighted = |bound: u128, weight: &Option<Weight>| {
            bound * weight.as_ref().map_or(1, |weight| u128::from(weight.steps))
        };
        match self {
            Content::Count { .. } | Content::Units => 1,
            Content::Sum { low, high, .. } => low.unsigned_abs().max(high.unsigned_abs()).max(1).into(),
            Content::Moments { weight, .. } | Content::Poverty { weight, .. } => {
                weighted(self.whole().into(), weight)
            }
            Content::Histogram { strategy, weight, .. } => weighted(strategy.norm().into(), weight),
        }
    }

    /// What one row without a weight adds to all coordinates together.
    pub(crate) fn whole(&self) -> u64 {
        match self {
            Content::Moments { curve, steps, .. } => steps.pow(curve.power()),
            Content::Poverty { degree, steps, .. } => steps.pow(degree.curve().power()),
            _ => 1,
        }
    }

    pub(crate) fn weight(&self) -> Option<&Weight> {
        match self {
            Content::Count { .. } | Content::Units | Content::Sum { .. } => None,
            Content::Moments { weight, .. }
            | Content::Poverty { weight, .. }
            | Content::Histogram { weight, .. } => weight.as_ref(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn basis(curve: Curve, j: i64, k: i64) -> Vec<i64> {
        match curve {
            Curve::Constant => vec![1],
            Curve::Linear => vec![k - j, j],
            Curve::Quadratic => vec![2 * j * j - 3 * j * k + k * k, 4 * j * (k - j), j * (2 * j - k)],
        }
    }

    /// The claim on which the joint sensitivity rests, for every j of several K.
    #[test]
    fn a_rows_norm_is_at_most_the_constant() {
        for curve in [Curve::Constant, Curve::Linear, Curve::Quadratic] {
            for k in [1i64, 2, 3, 10, 97, 1024] {
                let whole = k.pow(curve.power());
                for j in 0..=k {
                    let basis = basis(curve, j, k);
                    assert_eq!(basis.iter().sum::<i64>(), whole, "{curve:?} {j} {k}");
                    let square = basis.iter().map(|value| i128::from(*value).pow(2)).sum::<i128>();
                    assert!(square <= i128::from(whole).pow(2), "{curve:?} {j} {k}");
                }
            }
        }
    }
}
