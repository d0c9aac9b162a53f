//! How an output follows from the released totals of its cell.

use almoner_federation::Exact;
use almoner_privacy::{Spread, Statistic};
use dashu::base::Abs;

use crate::aggregate::{Multidimensional, Summary};

/// The first coordinate of a measure stands for it: coordinates belong to one measure each.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Estimator {
    /// The sum of the totals at these coordinates (of one block), each times its weight.
    Linear(Vec<(usize, Exact)>),
    /// `low + span N / D` for two sums over coordinates of one block.
    Ratio { terms: Vec<Term>, low: Exact, span: Exact },
    /// A variance or deviation of values over a range of that width.
    Spread { first: usize, kind: Spread, range: Exact },
    /// Concluded from a distribution.
    Distribution { first: usize, summary: Summary },
    /// Concluded from a distribution that was released for another question.
    Read { first: usize, statistic: Statistic },
    /// The sum of the distinct units of these sketches, each with a factor.
    Distinct(Vec<(usize, i32)>),
    /// Concluded from the deprivation scores `0..=top`, who reaches `from` being poor.
    Scores { first: usize, what: Multidimensional, from: u64, top: u64 },
}

impl Estimator {
    /// A coordinate that it needs; those of one estimator all belong to one measure. Sketches have none.
    pub(crate) fn coordinate(&self) -> usize {
        match self {
            Estimator::Linear(terms) => terms.first().map_or(0, |(at, _)| *at),
            Estimator::Ratio { terms, .. } => terms.first().map_or(0, |term| term.at),
            Estimator::Distinct(_) => 0,
            Estimator::Spread { first, .. }
            | Estimator::Distribution { first, .. }
            | Estimator::Read { first, .. }
            | Estimator::Scores { first, .. } => *first,
        }
    }
}

/// A coordinate's part in a ratio.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Term {
    pub(crate) at: usize,
    pub(crate) numerator: Exact,
    pub(crate) denominator: Exact,
}

/// One column of the answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) value: ColumnValue,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ColumnValue {
    /// Index into the keys.
    Key(usize),
    Estimate {
        estimator: Estimator,
        /// The largest absolute value that one row can have: 1 for counts and shares.
        magnitude: Exact,
    },
}

impl ColumnValue {
    /// Whether there is a value at each tenth.
    pub(crate) fn is_curve(&self) -> bool {
        matches!(self, ColumnValue::Estimate { estimator: Estimator::Distribution { summary, .. }, .. }
            if summary.is_curve())
    }
}

/// The absolute value of an estimator's weights squared and summed: its variance in units of the block's.
pub(crate) fn squared_norm(terms: &[(usize, Exact)]) -> Exact {
    terms
        .iter()
        .map(|(_, weight)| weight.clone().abs())
        .fold(Exact::ZERO, |sum, weight| sum + &weight * &weight)
}
