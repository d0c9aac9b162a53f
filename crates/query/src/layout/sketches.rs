//! Sketches of distinct units (PROTOCOL D.7): where several agencies hold the same unit, the sum of their counts
//! is not the number of units. A sketch has one bit a bucket; a unit is in one bucket, whoever holds it.

use almoner_federation::Exact;

use super::{Column, ColumnValue, Estimator, Layout};
use crate::QueryError;
use crate::aggregate::Aggregate;
use crate::expr::Expr;
use crate::lower::unsupported;
use crate::question::{OutputValue, Question};

/// One sketch in every cell.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sketch {
    /// First word within a cell.
    pub(crate) first: usize,
    /// How much its squared error counts when rho is split.
    pub(crate) emphasis: Exact,
}

/// Lays out a question that counts distinct units: one sketch for each of the filters that are given back.
///
/// # Errors
/// Other aggregates, which are sums and not bits.
pub(crate) fn sketches(
    question: &Question<'_>,
    words: usize,
) -> Result<(Layout, Vec<Option<Expr>>), QueryError> {
    let mut layout = Layout::default();
    let mut filters: Vec<Option<Expr>> = Vec::new();
    for output in &question.outputs {
        let value = match &output.value {
            OutputValue::Key(key) => ColumnValue::Key(*key),
            OutputValue::Measured(measured) if measured.aggregate == Aggregate::Units => {
                let known = filters.iter().position(|filter| *filter == measured.filter);
                let index = known.unwrap_or_else(|| {
                    filters.push(measured.filter.clone());
                    layout.add_sketch(words)
                });
                let sketch = &mut layout.sketches[index];
                sketch.emphasis = sketch.emphasis.clone().max(measured.emphasis.clone());
                ColumnValue::Estimate {
                    estimator: Estimator::Distinct(vec![(index, 1)]),
                    magnitude: Exact::ONE,
                }
            }
            OutputValue::Measured(measured) => {
                return Err(unsupported(
                    output.at,
                    format!("{} beside COUNT(DISTINCT {})", measured.aggregate.word(), question.unit),
                    "ask each in a question of its own: where several agencies hold the same unit, distinct units \
                     are counted in another way",
                ));
            }
        };
        layout.columns.push(Column { name: output.name.clone(), value });
    }
    Ok((layout, filters))
}

impl Layout {
    /// Adds a sketch of so many words, and gives its index.
    pub(crate) fn add_sketch(&mut self, words: usize) -> usize {
        self.sketches.push(Sketch { first: self.width, emphasis: Exact::ONE });
        self.width += words;
        self.sketches.len() - 1
    }
}
