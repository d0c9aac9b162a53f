//! From the noisy total of the federation to the table a planner reads. Post-processing only: it sees
//! the released total and public numbers, so that it costs nothing and anyone can repeat it.

use std::cmp::Ordering;

use almoner_federation::Exact;
use almoner_privacy::{Estimate, Term, linear, ratio};

use crate::QueryError;
use crate::layout::{ColumnValue, Estimator, squared_norm};
use crate::plan::Plan;

/// A table of estimates.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The output columns in the order of the question.
    pub columns: Vec<AnswerColumn>,
    /// One row per cell in the asked order, otherwise in the order of the keys' domains; every row has one
    /// value per column.
    pub rows: Vec<Vec<AnswerValue>>,
}

/// One output column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerColumn {
    /// Its alias, or its canonical SQL.
    pub name: String,
    /// Whether it holds keys (public) or estimates.
    pub is_key: bool,
}

/// One value of a row.
#[derive(Debug, Clone, PartialEq)]
pub enum AnswerValue {
    /// A group's public label.
    Key(String),
    /// A noisy number with its interval.
    Estimate(Estimate),
}

impl Plan {
    /// The table of estimates from the released total, to which `participants` nodes each added a share of
    /// noise. ORDER BY and LIMIT work on the noisy values; keys are ordered as their domains list them,
    /// unknown values stand last, and ties keep the order of the keys.
    ///
    /// # Errors
    /// When the total has another length than this plan's vector, or nobody took part.
    pub fn answer(&self, total: &[i64], participants: u32) -> Result<Answer, QueryError> {
        if total.len() != self.dimension() {
            return Err(QueryError::Total { expected: self.dimension(), found: total.len() });
        }
        if participants == 0 {
            return Err(QueryError::NoParticipants);
        }
        let columns = &self.draft.layout.columns;
        let mut rows: Vec<(Vec<usize>, Vec<AnswerValue>)> = total
            .chunks_exact(self.width())
            .enumerate()
            .map(|(cell, totals)| {
                let key_indices = self.key_indices(cell);
                let values = columns
                    .iter()
                    .map(|column| match &column.value {
                        ColumnValue::Key(key) => {
                            AnswerValue::Key(self.draft.keys[*key].domain.label(key_indices[*key]))
                        }
                        ColumnValue::Estimate { estimator, .. } => {
                            AnswerValue::Estimate(self.estimate(estimator, totals, participants))
                        }
                    })
                    .collect();
                (key_indices, values)
            })
            .collect();
        rows.sort_by(|left, right| self.compare(left, right));
        let limit = self.draft.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(Answer {
            columns: columns
                .iter()
                .map(|column| AnswerColumn {
                    name: column.name.clone(),
                    is_key: matches!(column.value, ColumnValue::Key(_)),
                })
                .collect(),
            rows: rows.into_iter().take(limit).map(|(_, values)| values).collect(),
        })
    }

    /// The index of each key's value in its domain, for a cell.
    fn key_indices(&self, cell: usize) -> Vec<usize> {
        let mut rest = cell;
        let mut indices: Vec<usize> = self
            .draft
            .keys
            .iter()
            .rev()
            .map(|key| {
                let index = rest % key.domain.len();
                rest /= key.domain.len();
                index
            })
            .collect();
        indices.reverse();
        indices
    }

    fn compare(
        &self,
        left: &(Vec<usize>, Vec<AnswerValue>),
        right: &(Vec<usize>, Vec<AnswerValue>),
    ) -> Ordering {
        let by_column = self.draft.order.iter().map(|order| {
            let forward = |ordering: Ordering| if order.descending { ordering.reverse() } else { ordering };
            match &self.draft.layout.columns[order.output].value {
                ColumnValue::Key(key) => forward(left.0[*key].cmp(&right.0[*key])),
                ColumnValue::Estimate { .. } => {
                    match (known(&left.1[order.output]), known(&right.1[order.output])) {
                        (Some(a), Some(b)) => forward(a.total_cmp(&b)),
                        // Last in both directions.
                        (a, b) => b.is_some().cmp(&a.is_some()),
                    }
                }
            }
        });
        by_column.fold(Ordering::Equal, Ordering::then)
    }

    /// One estimate from the totals of one cell.
    fn estimate(&self, estimator: &Estimator, totals: &[i64], participants: u32) -> Estimate {
        match estimator {
            Estimator::Mean { first, low, high } => {
                let (low, high) = (approximately(low), approximately(high));
                let term = |total: i64, numerator| Term { total: total as f64, numerator, denominator: 1.0 };
                let pair = [term(totals[*first], 0.0), term(totals[first + 1], 1.0)];
                ratio(&pair, self.noise(*first, participants)).affine(low, high - low)
            }
            Estimator::Linear(terms) => {
                let unit = self.unit(terms[0].0);
                let noise = self.noise(terms[0].0, participants);
                if let [(at, weight)] = terms.as_slice() {
                    return linear(totals[*at], approximately(weight) * unit, noise);
                }
                let value: f64 =
                    terms.iter().map(|(at, weight)| totals[*at] as f64 * approximately(weight)).sum::<f64>()
                        * unit;
                // The terms share one block and so one variance.
                let around_zero = linear(0, approximately(&squared_norm(terms)).sqrt() * unit, noise);
                Estimate {
                    value: Some(value),
                    standard_error: around_zero.standard_error,
                    low: value + around_zero.low,
                    high: value + around_zero.high,
                }
            }
        }
    }

    /// What one scaled step of a coordinate's block is of an unscaled one: 2^-shift.
    pub(crate) fn unit(&self, coordinate: usize) -> f64 {
        (-f64::from(self.block_of(coordinate).shift)).exp2()
    }

    /// Standard deviation of everyone's noise together at a coordinate, in scaled steps (PROTOCOL B.2).
    pub(crate) fn noise(&self, coordinate: usize, participants: u32) -> f64 {
        self.block_of(coordinate).sigma as f64 * f64::from(participants).sqrt()
    }
}

fn known(value: &AnswerValue) -> Option<f64> {
    match value {
        AnswerValue::Estimate(estimate) => estimate.value,
        AnswerValue::Key(_) => None,
    }
}

/// For display only.
pub(crate) fn approximately(value: &Exact) -> f64 {
    value.to_f64().value()
}
