//! The error of every output before any data are touched. Display only: no privacy decision rests on it.

use almoner_federation::Exact;

use crate::answer::approximately;
use crate::layout::{ColumnValue, Estimator, squared_norm};
use crate::plan::Plan;

/// The error of one output column, known before any data are touched.
#[derive(Debug, Clone, PartialEq)]
pub struct ExpectedError {
    /// The output column.
    pub name: String,
    /// Standard error of one cell when every agency of the federation takes part; with fewer there is less
    /// noise.
    pub standard_error: f64,
    /// `None`: it is the same in every cell whatever it holds, as for counts and sums. `Some(rows)`: an
    /// average gets better with the rows it rests on; this is its error over that many rows, which are the
    /// average cell's if every unit of the population has one row, and at the end of the range where it is
    /// largest.
    pub for_cell_of: Option<f64>,
}

impl Plan {
    /// The expected error of every estimate, in the order of the output columns.
    pub fn expected(&self) -> Vec<ExpectedError> {
        self.errors().map(|(error, _)| error).collect()
    }

    /// Rows of an average cell if every unit of the population has one.
    pub(crate) fn average_cell(&self) -> f64 {
        self.draft.facts.population as f64 / self.cells() as f64
    }

    /// Each error with the size of an average cell's answer, to which a relative goal refers: for a count
    /// its rows, for a sum its rows times the largest absolute value of one, for an average that value.
    pub(crate) fn errors(&self) -> impl Iterator<Item = (ExpectedError, f64)> + '_ {
        self.draft.layout.columns.iter().filter_map(|column| {
            let ColumnValue::Estimate { estimator, magnitude } = &column.value else { return None };
            let (standard_error, for_cell_of, size) = self.error(estimator, magnitude);
            Some((ExpectedError { name: column.name.clone(), standard_error, for_cell_of }, size))
        })
    }

    fn error(&self, estimator: &Estimator, magnitude: &Exact) -> (f64, Option<f64>, f64) {
        let rows = self.average_cell();
        let (magnitude, agencies) = (approximately(magnitude), self.draft.facts.agencies);
        match estimator {
            Estimator::Linear(terms) => {
                let noise = self.noise(terms[0].0, agencies) * self.unit(terms[0].0);
                (approximately(&squared_norm(terms)).sqrt() * noise, None, rows * magnitude)
            }
            Estimator::Mean { first, low, high } => {
                // PROTOCOL C: Var = (U-L)^2 sd^2 ((1-u)^2 + u^2) / n^2, at most with u = 0 or 1; the pair
                // counts every row `row_bound` times.
                let noise = self.noise(*first, agencies) * self.unit(*first);
                let counted = rows * self.block_of(*first).row_bound as f64;
                (approximately(&(high - low)) * noise / counted, Some(rows), magnitude)
            }
        }
    }
}
