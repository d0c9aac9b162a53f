//! The error of every output before any data are touched. Display only: no privacy decision rests on it.

use almoner_privacy::{Estimate, Spread, distinct_error};

use crate::conclude::{Conclusions, approximately};
use crate::layout::{Binned, Column, ColumnValue, Content, Estimator, squared_norm};
use crate::plan::{Draft, Plan};

/// The error of one output column, known before any data are touched.
#[derive(Debug, Clone, PartialEq)]
pub struct ExpectedError {
    /// The output column.
    pub name: String,
    /// Standard error of one cell when every agency of the federation takes part; with fewer there is less
    /// noise.
    pub standard_error: f64,
    /// `None`: it is the same in every cell whatever it holds, as for counts and sums. `Some(rows)`: it gets
    /// better with the rows that it rests on; this is the error over that many rows, which are the average
    /// cell's if every unit of the population has one row. For a ratio it is the error at the end of the range
    /// where it is largest; for what follows from a distribution, and for a standard deviation, it is the error
    /// over rows that are spread evenly over the bins, or over the range.
    pub for_cell_of: Option<f64>,
}

impl Draft {
    /// Whether errors are found by simulation, which takes its time.
    pub(crate) fn simulates(&self) -> bool {
        self.layout.columns.iter().any(|column| {
            matches!(column.value, ColumnValue::Estimate { estimator: Estimator::Distribution { .. }, .. })
        })
    }
}

impl Plan {
    /// The expected error of every estimate, in the order of the output columns.
    pub fn expected(&self) -> Vec<ExpectedError> {
        self.errors().into_iter().map(|(error, _)| error).collect()
    }

    /// For each estimate the standard deviation that no unbiased answer of the same price can be below, where
    /// one is known: for a total, by Chapman and Robbins (Annals of Mathematical Statistics 22, 1951), from the
    /// most that one unit adds to a cell and the chi-squared divergence `exp(2 rho) - 1` that zCDP allows (Bun
    /// and Steinke, TCC 2016, at order 2).
    pub fn least_errors(&self) -> Vec<Option<f64>> {
        let values = self.draft.layout.columns.iter().map(|column| &column.value);
        let estimators = values.filter_map(|value| match value {
            ColumnValue::Estimate { estimator, .. } => Some(estimator),
            ColumnValue::Key(_) => None,
        });
        estimators
            .map(|estimator| {
                let Estimator::Linear(terms) = estimator else { return None };
                let [(at, weight)] = terms.as_slice() else { return None };
                let block = self.block_of(*at);
                let rho = block.cost.as_f64();
                Some(block.d2 as f64 * approximately(weight).abs() / (2.0 * rho).exp_m1().sqrt())
            })
            .collect()
    }

    /// Rows of an average cell if every unit of the population has one.
    pub(crate) fn average_cell(&self) -> f64 {
        self.draft.facts.population as f64 / self.cells() as f64
    }

    /// Each error with the size of an average cell's answer, to which a relative goal refers: for a count
    /// its rows, for a sum its rows times the largest absolute value of one, for anything else that value.
    pub(crate) fn errors(&self) -> Vec<(ExpectedError, f64)> {
        let simulated = if self.draft.simulates() { self.simulated() } else { Vec::new() };
        let columns = self.draft.layout.columns.iter().enumerate();
        let errors = columns.filter_map(|(index, Column { name, value })| {
            let ColumnValue::Estimate { estimator, magnitude } = value else { return None };
            let simulated = simulated.get(index).copied().unwrap_or(f64::INFINITY);
            let (standard_error, size) = self.error(estimator, approximately(magnitude), simulated);
            let fixed = matches!(estimator, Estimator::Linear(_));
            let for_cell_of = (!fixed).then(|| self.average_cell());
            Some((ExpectedError { name: name.clone(), standard_error, for_cell_of }, size))
        });
        errors.collect()
    }

    /// The rows of an average cell in the measure of a coordinate, a weight counting half of its largest, over
    /// which one standard deviation of the noise is spread.
    fn noise_per_row(&self, coordinate: usize) -> f64 {
        let noise = self.noise(coordinate, self.draft.facts.agencies) * self.unit(coordinate);
        noise / (self.average_cell() * self.typical_row(coordinate) * self.whole_of(coordinate))
    }

    /// What a typical row counts: 1, or half of the largest weight.
    fn typical_row(&self, coordinate: usize) -> f64 {
        let weight = self.measure_at(coordinate).content.weight();
        weight.map_or(1.0, |weight| approximately(&weight.step) * weight.steps as f64 / 2.0)
    }

    /// The standard error, and the size of an average cell's answer.
    fn error(&self, estimator: &Estimator, magnitude: f64, simulated: f64) -> (f64, f64) {
        match estimator {
            Estimator::Linear(terms) => {
                let noise = self.noise(terms[0].0, self.draft.facts.agencies) * self.unit(terms[0].0);
                let error = approximately(&squared_norm(terms)).sqrt() * noise;
                (error, self.average_cell() * magnitude)
            }
            Estimator::Ratio { terms, span, .. } => {
                let parts = terms.iter().map(|term| (&term.numerator, &term.denominator));
                let parts = parts.map(|(n, d)| (approximately(n), approximately(d)));
                (approximately(span) * largest_error(parts) * self.noise_per_row(terms[0].at), magnitude)
            }
            Estimator::Spread { first, kind, range } => {
                // The variance's slopes by the three totals are largest for values at one end of the range:
                // 0, 1/4 and 1.
                let range = approximately(range);
                let error = (1.0f64 + 1.0 / 16.0).sqrt() * range * range * self.noise_per_row(*first);
                match kind {
                    Spread::VariancePopulation | Spread::VarianceSample => (error, magnitude),
                    // Over an evenly filled range the deviation is range / sqrt(12).
                    Spread::DeviationPopulation | Spread::DeviationSample if range > 0.0 => {
                        (error * 12f64.sqrt() / (2.0 * range), range)
                    }
                    Spread::DeviationPopulation | Spread::DeviationSample => (0.0, 0.0),
                }
            }
            Estimator::Scores { first, what, from, top } => {
                let parts = self.score_factors(*first, *what, *from, *top);
                (largest_error(parts.into_iter()) * self.noise_per_row(*first), magnitude)
            }
            Estimator::Distribution { .. } | Estimator::Read { .. } => (simulated, magnitude),
            Estimator::Distinct(terms) => {
                let units = self.average_cell();
                let one = |(sketch, factor): &(usize, i32)| {
                    let flip = self.sketches[*sketch].flip;
                    let error = distinct_error(units, self.buckets(), flip, self.draft.facts.agencies);
                    (f64::from(*factor) * error).powi(2)
                };
                (terms.iter().map(one).sum::<f64>().sqrt(), units)
            }
        }
    }

    /// The standard error of each column that follows from a distribution, over rows that are spread evenly
    /// over its bins.
    fn simulated(&self) -> Vec<f64> {
        let mut totals = vec![0i64; self.width()];
        for measure in &self.draft.layout.measures {
            let Content::Histogram { bins: Binned::Values { .. }, strategy, .. } = &measure.content else {
                continue;
            };
            let rows = self.average_cell() * self.typical_row(measure.first) / self.unit(measure.first);
            let released = &mut totals[measure.first..measure.first + strategy.bins()];
            released.fill((rows / strategy.bins() as f64).round() as i64);
            strategy.apply(released);
        }
        let estimates = Conclusions::new(self, self.draft.facts.agencies).of(&totals);
        let error = |estimates: Vec<Estimate>| {
            estimates.iter().map(|estimate| estimate.standard_error).fold(0.0, f64::max)
        };
        estimates.into_iter().map(error).collect()
    }
}

/// The standard deviation of a ratio at the value between 0 and 1 where it is largest, for noise of 1 in every
/// total and a denominator of 1, from each total's factors in numerator and denominator. It is convex in the
/// ratio, and so largest at an end.
fn largest_error(parts: impl Iterator<Item = (f64, f64)>) -> f64 {
    let (at_0, at_1) = parts.fold((0.0, 0.0), |(at_0, at_1), (numerator, denominator)| {
        (at_0 + numerator * numerator, at_1 + (numerator - denominator).powi(2))
    });
    f64::max(at_0, at_1).sqrt()
}
