//! From the noisy total of the federation to the table a planner reads. Post-processing only: it sees
//! the released total and public numbers, so that it costs nothing and anyone can repeat it.

use std::cmp::Ordering;

use almoner_privacy::Estimate;

use crate::QueryError;
use crate::aggregate::POINTS;
use crate::conclude::Conclusions;
use crate::layout::ColumnValue;
use crate::plan::Plan;
use crate::question::POINT_COLUMN;

/// A table of estimates.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The output columns in the order of the question.
    pub columns: Vec<AnswerColumn>,
    /// One row per cell (for a table-valued aggregate nine, with a column `p`) in the asked order, otherwise in the order of the keys' domains; every row has one
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

impl AnswerValue {
    /// The estimate, if it is one.
    pub fn estimate(&self) -> Option<&Estimate> {
        match self {
            AnswerValue::Estimate(estimate) => Some(estimate),
            AnswerValue::Key(_) => None,
        }
    }
}

impl Plan {
    /// The table of estimates from the released total, to which `participants` nodes each added a share of
    /// noise. ORDER BY and LIMIT work on the noisy values; keys are ordered as their domains list them,
    /// unknown values stand last, and ties keep the order of the keys.
    ///
    /// # Errors
    /// When the total has another length than this plan's vector, or nobody took part.
    pub fn answer(&self, total: &[i64], participants: u32) -> Result<Answer, QueryError> {
        if participants == 0 {
            return Err(QueryError::NoParticipants);
        }
        Conclusions::new(self, participants).answer(total)
    }

    /// The values of one row, a curve's at one of its points.
    fn values(&self, key_indices: &[usize], estimates: &[Vec<Estimate>], point: usize) -> Vec<AnswerValue> {
        let columns = self.draft.layout.columns.iter().zip(estimates);
        columns
            .map(|(column, estimates)| match &column.value {
                ColumnValue::Key(key) => {
                    AnswerValue::Key(self.draft.keys[*key].domain.label(key_indices[*key]))
                }
                ColumnValue::Estimate { .. } => {
                    let at = if column.value.is_curve() { point } else { 0 };
                    AnswerValue::Estimate(estimates.get(at).copied().unwrap_or(Estimate::UNKNOWN))
                }
            })
            .collect()
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

    fn compare(&self, left: &Row, right: &Row) -> Ordering {
        let by_column = self.draft.order.iter().map(|order| {
            let forward = |ordering: Ordering| if order.descending { ordering.reverse() } else { ordering };
            match &self.draft.layout.columns[order.output].value {
                ColumnValue::Key(key) => forward(left.key_indices[*key].cmp(&right.key_indices[*key])),
                ColumnValue::Estimate { .. } => {
                    match (known(&left.values[order.output]), known(&right.values[order.output])) {
                        (Some(a), Some(b)) => forward(a.total_cmp(&b)),
                        // Last in both directions.
                        (a, b) => b.is_some().cmp(&a.is_some()),
                    }
                }
            }
        });
        by_column.fold(Ordering::Equal, Ordering::then)
    }
}

impl Conclusions<'_> {
    /// The answer to one release of the plan: see [`Plan::answer`].
    ///
    /// # Errors
    /// When the total has another length than the plan's vector.
    pub fn answer(&self, total: &[i64]) -> Result<Answer, QueryError> {
        let plan = self.plan();
        if total.len() != plan.dimension() {
            return Err(QueryError::Total { expected: plan.dimension(), found: total.len() });
        }
        let columns = &plan.draft.layout.columns;
        let first_curve = columns.iter().position(|column| column.value.is_curve());
        let cells: Vec<&[i64]> = total.chunks_exact(plan.width()).collect();
        let mut rows: Vec<Row> = self
            .of_all(&cells)
            .into_iter()
            .enumerate()
            .flat_map(|(cell, estimates)| {
                let key_indices = plan.key_indices(cell);
                let points = first_curve.map_or(1, |_| POINTS);
                (0..points).map(move |point| Row {
                    values: plan.values(&key_indices, &estimates, usize::from(point)),
                    key_indices: key_indices.clone(),
                    point,
                })
            })
            .collect();
        rows.sort_by(|left, right| plan.compare(left, right));
        let limit = plan.draft.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        let mut answer = Answer {
            columns: columns
                .iter()
                .map(|column| AnswerColumn {
                    name: column.name.clone(),
                    is_key: matches!(column.value, ColumnValue::Key(_)),
                })
                .collect(),
            rows: Vec::new(),
        };
        if let Some(first) = first_curve {
            answer.columns.insert(first, AnswerColumn { name: POINT_COLUMN.into(), is_key: true });
        }
        answer.rows = rows
            .into_iter()
            .take(limit)
            .map(|Row { mut values, point, .. }| {
                if let Some(first) = first_curve {
                    values.insert(first, AnswerValue::Key(format!("0.{}", point + 1)));
                }
                values
            })
            .collect();
        Ok(answer)
    }
}

/// One row before the column of points is added.
struct Row {
    key_indices: Vec<usize>,
    /// 0 is the first tenth.
    point: u8,
    values: Vec<AnswerValue>,
}

fn known(value: &AnswerValue) -> Option<f64> {
    value.estimate().and_then(|estimate| estimate.value)
}
