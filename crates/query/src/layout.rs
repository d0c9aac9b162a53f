//! What is summed in every cell, and how each output follows from the sums. Aggregates that need the
//! same sums share them and their price.

use almoner_federation::{Exact, Table};
use dashu::base::{Abs, UnsignedAbs};
use dashu::integer::{IBig, UBig};

use crate::QueryError;
use crate::error::Position;
use crate::expr::{Expr, Type};
use crate::interval::{Range, range};
use crate::lower::Aggregate;
use crate::question::{Measured, OutputValue, Question};

/// Coordinates that one row changes together, with their joint bound.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Measure {
    pub(crate) content: Content,
    /// `FILTER (WHERE ...)`.
    pub(crate) filter: Option<Expr>,
    /// First coordinate within a cell.
    pub(crate) first: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Content {
    /// One coordinate: 1 for every row, or for every row where the expression is present.
    Count { present: Option<Expr> },
    /// One coordinate: `round(value / step)`, clamped to `low..=high`.
    Sum { value: Expr, step: Exact, low: i64, high: i64 },
    /// Two coordinates, `steps - j` and `j` with `j = round((value - low) / step)` clamped to `0..=steps`:
    /// the joint pair of PROTOCOL C, whose norm is at most `steps` because
    /// `(K-j)^2 + j^2 <= K^2` for `0 <= j <= K`.
    Pair { value: Expr, low: Exact, step: Exact, steps: u64 },
}

impl Content {
    /// Coordinates per cell.
    pub(crate) fn width(&self) -> usize {
        match self {
            Content::Count { .. } | Content::Sum { .. } => 1,
            Content::Pair { .. } => 2,
        }
    }

    /// Largest L2 norm of what one row adds, in integer steps; at least 1.
    pub(crate) fn row_bound(&self) -> u128 {
        match self {
            Content::Count { .. } => 1,
            Content::Sum { low, high, .. } => low.unsigned_abs().max(high.unsigned_abs()).max(1).into(),
            Content::Pair { steps, .. } => (*steps).into(),
        }
    }
}

/// How an output follows from the released totals of its cell.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Estimator {
    /// The sum of the totals at these coordinates (of one block), each times its weight.
    Linear(Vec<(usize, Exact)>),
    /// `low + (high - low) b / (a + b)` where `a` and `b` stand at `first` and `first + 1`.
    Mean { first: usize, low: Exact, high: Exact },
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
        /// The largest absolute value that one row can have: 1 for counts.
        magnitude: Exact,
    },
}

/// Measures and output columns of one question.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    pub(crate) measures: Vec<Measure>,
    pub(crate) columns: Vec<Column>,
    pub(crate) width: usize,
}

/// Lays out a question. `most_steps` bounds the integer that one row may add.
///
/// # Errors
/// Measured values without a finite interval.
pub(crate) fn layout(question: &Question<'_>, most_steps: u64) -> Result<Layout, QueryError> {
    let table = question.table;
    // Averages first: counts and sums over the same values follow from their pairs at no cost.
    let averaged: Vec<(&Expr, &Option<Expr>)> = question
        .outputs
        .iter()
        .filter_map(|output| match &output.value {
            OutputValue::Measured(Measured { aggregate: Aggregate::Average, argument, filter }) => {
                argument.as_ref().map(|value| (value, filter))
            }
            _ => None,
        })
        .collect();
    let mut layout = Layout { measures: Vec::new(), columns: Vec::new(), width: 0 };
    for output in &question.outputs {
        let value = match &output.value {
            OutputValue::Key(key) => ColumnValue::Key(*key),
            OutputValue::Measured(measured) => {
                let pair = averaged.iter().find(|(value, filter)| {
                    **filter == measured.filter
                        && match &measured.argument {
                            Some(argument) => argument == *value,
                            None => value.never_null(),
                        }
                });
                let paired = pair.map(|(value, _)| *value);
                layout.estimate(measured, paired, table, output.at, most_steps)?
            }
        };
        layout.columns.push(Column { name: output.name.clone(), value });
    }
    Ok(layout)
}

impl Layout {
    fn estimate(
        &mut self,
        measured: &Measured,
        paired: Option<&Expr>,
        table: &Table,
        at: Position,
        most_steps: u64,
    ) -> Result<ColumnValue, QueryError> {
        if let Some(value) = paired {
            let interval = range(value, table, at)?;
            let (content, grid) = pair(value, &interval, most_steps);
            let first = self.measure(content, &measured.filter);
            let Grid { low, high, steps } = grid;
            let both = |a: Exact, b: Exact| {
                let per_row = Exact::from(steps);
                Estimator::Linear(vec![(first, a / &per_row), (first + 1, b / per_row)])
            };
            return Ok(match measured.aggregate {
                Aggregate::Average => ColumnValue::Estimate {
                    estimator: Estimator::Mean { first, low, high },
                    magnitude: interval.magnitude(),
                },
                Aggregate::Count => {
                    ColumnValue::Estimate { estimator: both(Exact::ONE, Exact::ONE), magnitude: Exact::ONE }
                }
                Aggregate::Sum => {
                    ColumnValue::Estimate { estimator: both(low, high), magnitude: interval.magnitude() }
                }
            });
        }
        let (content, weight, magnitude) = match (&measured.aggregate, &measured.argument) {
            (Aggregate::Sum | Aggregate::Average, Some(value)) => {
                let interval = range(value, table, at)?;
                let (content, step) = sum(value, &interval, most_steps);
                (content, step, interval.magnitude())
            }
            (_, present) => {
                // A number is counted where its measured form is present, which must be computable.
                if let Some(value) = present.as_ref().filter(|value| value.ty(table) == Some(Type::Number)) {
                    range(value, table, at)?;
                }
                (Content::Count { present: present.clone() }, Exact::ONE, Exact::ONE)
            }
        };
        let first = self.measure(content, &measured.filter);
        Ok(ColumnValue::Estimate { estimator: Estimator::Linear(vec![(first, weight)]), magnitude })
    }

    /// The first coordinate of a measure, which is added when no other output needs it already.
    fn measure(&mut self, content: Content, filter: &Option<Expr>) -> usize {
        let same = |other: &&Measure| other.content == content && other.filter == *filter;
        if let Some(shared) = self.measures.iter().find(same) {
            return shared.first;
        }
        let first = self.width;
        self.width += content.width();
        self.measures.push(Measure { content, filter: filter.clone(), first });
        first
    }
}

/// The step, doubled until at most `most` of them span `length`.
fn coarsened(step: &Exact, length: &Exact, most: u64) -> Exact {
    let ratio: UBig = (length / step / Exact::from(most)).ceil().unsigned_abs();
    // The smallest power of two at or above the ratio.
    let doublings = if ratio <= UBig::ONE { 0 } else { dashu::base::BitTest::bit_len(&(ratio - UBig::ONE)) };
    step * Exact::from(UBig::ONE << doublings)
}

/// The coordinate of a sum, with the value of one of its steps.
fn sum(value: &Expr, interval: &Range, most: u64) -> (Content, Exact) {
    let step = coarsened(&interval.step, &interval.magnitude(), most);
    let steps = |end: &Exact| small((end / &step).round());
    let (low, high) = (steps(&interval.low), steps(&interval.high));
    (Content::Sum { value: value.clone(), step: step.clone(), low, high }, step)
}

/// The ends of a pair, `high` being `low + steps * step`: at or just above the interval's.
struct Grid {
    low: Exact,
    high: Exact,
    steps: u64,
}

/// The coordinates of a pair. When the interval is one value, `steps` is 1 and `j` always 0: the pair
/// counts rows.
fn pair(value: &Expr, interval: &Range, most: u64) -> (Content, Grid) {
    let length = &interval.high - &interval.low;
    let step = coarsened(&interval.step, &length, most);
    let steps = small((&length / &step).ceil()).unsigned_abs().max(1);
    let low = interval.low.clone();
    // One value has no width, whatever its step.
    let high = if length.is_zero() { low.clone() } else { &low + &step * Exact::from(steps) };
    (Content::Pair { value: value.clone(), low: low.clone(), step, steps }, Grid { low, high, steps })
}

/// A number of steps, which coarsening keeps at or below 2^31.
fn small(steps: IBig) -> i64 {
    i64::try_from(steps).expect("coarsening keeps the number of steps at or below 2^31")
}

/// The absolute value of an estimator's weights squared and summed: its variance in units of the block's.
pub(crate) fn squared_norm(terms: &[(usize, Exact)]) -> Exact {
    terms
        .iter()
        .map(|(_, weight)| weight.clone().abs())
        .fold(Exact::ZERO, |sum, weight| sum + &weight * &weight)
}
