//! From the noisy totals of one cell to its estimates. Post-processing only.

use std::sync::Arc;
use std::thread;

use almoner_federation::Exact;
use almoner_privacy::{
    Distribution, Estimate, Statistic, Strategy, Term, combined, distinct, linear, ratio, spread,
};

use crate::aggregate::{Multidimensional, POINTS, Summary};
use crate::bins::Piece;
use crate::layout::{Binned, ColumnValue, Content, Estimator, squared_norm};
use crate::plan::Plan;

/// Concludes the answers to releases of one plan: what does not depend on a release is worked out once.
pub struct Conclusions<'p> {
    plan: &'p Plan,
    participants: u32,
    distributions: Vec<Concluded>,
    /// For each output column that follows from deprivation scores each released number's factors.
    scores: Vec<Vec<Factors>>,
}

/// Most threads that conclude at once.
const MAX_THREADS: usize = 16;

/// A released number's factors in the numerator and the denominator of a ratio.
pub(crate) type Factors = (f64, f64);

/// One released distribution with everything that is concluded from it.
struct Concluded {
    first: usize,
    bins: usize,
    distribution: Distribution,
    /// All statistics, and which output column each belongs to; one column may have several.
    statistics: Vec<(usize, Statistic)>,
}

impl<'p> Conclusions<'p> {
    /// For releases to which `participants` nodes each added a share of noise. For 0 the totals are taken as
    /// exact, and so are the values: for benchmarks over data that need no protection.
    pub fn new(plan: &'p Plan, participants: u32) -> Conclusions<'p> {
        let measures = plan.draft.layout.measures.iter();
        let distributions = measures.filter_map(|measure| match &measure.content {
            Content::Histogram { bins: Binned::Values { pieces, .. }, strategy, .. } => {
                Some(plan.concluded(measure.first, pieces, strategy, participants))
            }
            _ => None,
        });
        let scores = plan.draft.layout.columns.iter().map(|column| match &column.value {
            ColumnValue::Estimate { estimator: Estimator::Scores { first, what, from, top }, .. } => {
                plan.score_factors(*first, *what, *from, *top)
            }
            _ => Vec::new(),
        });
        Conclusions { plan, participants, distributions: distributions.collect(), scores: scores.collect() }
    }

    pub(crate) fn plan(&self) -> &'p Plan {
        self.plan
    }

    /// The estimates of every cell. Those of distributions take milliseconds each, and so are shared out to threads;
    /// the result is the same whatever their number.
    pub(crate) fn of_all(&self, cells: &[&[i64]]) -> Vec<Vec<Vec<Estimate>>> {
        let all = |cells: &[&[i64]]| cells.iter().map(|totals| self.of(totals)).collect::<Vec<_>>();
        if self.distributions.is_empty() || cells.len() == 1 {
            return all(cells);
        }
        let threads = thread::available_parallelism().map_or(1, usize::from).min(MAX_THREADS);
        let parts = cells.chunks(cells.len().div_ceil(threads).max(1));
        thread::scope(|scope| {
            let begun: Vec<_> = parts.map(|part| scope.spawn(move || all(part))).collect();
            begun.into_iter().flat_map(|thread| thread.join().expect("concluding never panics")).collect()
        })
    }

    /// The estimates of each output column from the totals of one cell: none for a key, [`POINTS`] for a
    /// curve, one otherwise.
    pub(crate) fn of(&self, totals: &[i64]) -> Vec<Vec<Estimate>> {
        let columns = &self.plan.draft.layout.columns;
        let mut estimates: Vec<Vec<Estimate>> = columns
            .iter()
            .zip(&self.scores)
            .map(|(column, factors)| match &column.value {
                ColumnValue::Key(_)
                | ColumnValue::Estimate {
                    estimator: Estimator::Distribution { .. } | Estimator::Read { .. },
                    ..
                } => Vec::new(),
                ColumnValue::Estimate { estimator: Estimator::Scores { first, .. }, .. } => {
                    let terms: Vec<Term> = totals[*first..]
                        .iter()
                        .zip(factors)
                        .map(|(total, (numerator, denominator))| Term {
                            total: *total as f64,
                            numerator: *numerator,
                            denominator: *denominator,
                        })
                        .collect();
                    vec![ratio(&terms, self.plan.noise(*first, self.participants))]
                }
                ColumnValue::Estimate { estimator, .. } => {
                    vec![self.plan.estimate(estimator, totals, self.participants)]
                }
            })
            .collect();
        for concluded in &self.distributions {
            let released = &totals[concluded.first..concluded.first + concluded.bins];
            let wanted: Vec<Statistic> =
                concluded.statistics.iter().map(|(_, statistic)| *statistic).collect();
            let found = concluded.distribution.estimates(released, &wanted);
            for ((column, _), estimate) in concluded.statistics.iter().zip(found) {
                estimates[*column].push(estimate);
            }
        }
        estimates
    }
}

impl Plan {
    fn concluded(
        &self,
        first: usize,
        pieces: &[Piece],
        strategy: &Arc<Strategy>,
        participants: u32,
    ) -> Concluded {
        let columns = self.draft.layout.columns.iter().enumerate();
        let statistics = columns.flat_map(|(column, output)| match &output.value {
            ColumnValue::Estimate { estimator: Estimator::Distribution { first: of, summary }, .. }
                if *of == first =>
            {
                statistics(summary).into_iter().map(|statistic| (column, statistic)).collect()
            }
            ColumnValue::Estimate { estimator: Estimator::Read { first: of, statistic }, .. }
                if *of == first =>
            {
                vec![(column, *statistic)]
            }
            _ => Vec::new(),
        });
        let distribution = Distribution::new(
            Arc::clone(strategy),
            pieces.iter().flat_map(Piece::ends).collect(),
            self.unit(first),
            self.noise(first, participants),
            self.hash(),
        );
        Concluded { first, bins: strategy.bins(), distribution, statistics: statistics.collect() }
    }

    /// One estimate from the totals of one cell, by anything but a distribution.
    fn estimate(&self, estimator: &Estimator, totals: &[i64], participants: u32) -> Estimate {
        match estimator {
            Estimator::Linear(terms) => {
                let (unit, noise) = (self.unit(terms[0].0), self.noise(terms[0].0, participants));
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
            Estimator::Ratio { terms, low, span } => {
                let noise = self.noise(terms[0].at, participants);
                let terms: Vec<Term> = terms
                    .iter()
                    .map(|term| Term {
                        total: totals[term.at] as f64,
                        numerator: approximately(&term.numerator),
                        denominator: approximately(&term.denominator),
                    })
                    .collect();
                ratio(&terms, noise).affine(approximately(low), approximately(span))
            }
            Estimator::Spread { first, kind, range } => {
                let unit = self.unit(*first) / self.whole_of(*first);
                let people = std::array::from_fn(|k| totals[first + k] as f64 * unit);
                spread(people, self.noise(*first, participants) * unit, approximately(range), *kind)
            }
            Estimator::Distinct(terms) => {
                let part = |(index, factor): &(usize, i32)| {
                    let sketch = &self.sketches[*index];
                    let words = &totals[sketch.first..sketch.first + sketch.words];
                    let ones = words.iter().map(|word| u64::from(word.count_ones())).sum();
                    (f64::from(*factor), distinct(ones, self.buckets(), sketch.flip, participants))
                };
                combined(&terms.iter().map(part).collect::<Vec<_>>())
            }
            // Concluded from what is worked out once for all cells.
            Estimator::Scores { .. } | Estimator::Distribution { .. } | Estimator::Read { .. } => {
                Estimate::UNKNOWN
            }
        }
    }

    /// Each released number's part in a measure of multidimensional poverty.
    pub(crate) fn score_factors(
        &self,
        first: usize,
        what: Multidimensional,
        from: u64,
        top: u64,
    ) -> Vec<Factors> {
        let Content::Histogram { strategy, .. } = &self.measure_at(first).content else {
            return Vec::new();
        };
        let poor = |score: u64| f64::from(u8::from(score >= from));
        let score = |score: u64| score as f64 / top as f64;
        let factors =
            |factor: &dyn Fn(u64) -> f64| strategy.weights(&(0..=top).map(factor).collect::<Vec<f64>>());
        let (numerator, denominator) = match what {
            Multidimensional::Headcount => (factors(&poor), factors(&|_| 1.0)),
            Multidimensional::Intensity => (factors(&|s| poor(s) * score(s)), factors(&poor)),
            Multidimensional::Adjusted => (factors(&|s| poor(s) * score(s)), factors(&|_| 1.0)),
        };
        numerator.into_iter().zip(denominator).collect()
    }

    /// What one scaled step of a coordinate's block is: 2^-shift, times the value of a weight's step.
    pub(crate) fn unit(&self, coordinate: usize) -> f64 {
        let weight = self.measure_at(coordinate).content.weight();
        let step = weight.map_or(1.0, |weight| approximately(&weight.step));
        step * (-f64::from(self.block_of(coordinate).shift)).exp2()
    }

    /// What one row without a weight adds to the coordinates of its measure together.
    pub(crate) fn whole_of(&self, coordinate: usize) -> f64 {
        self.measure_at(coordinate).content.whole() as f64
    }

    /// Standard deviation of everyone's noise together at a coordinate, in scaled steps (PROTOCOL B.2).
    pub(crate) fn noise(&self, coordinate: usize, participants: u32) -> f64 {
        self.block_of(coordinate).sigma as f64 * f64::from(participants).sqrt()
    }
}

fn statistics(summary: &Summary) -> Vec<Statistic> {
    let points = |statistic: fn(f64) -> Statistic| {
        (1..=POINTS).map(|tenth| statistic(f64::from(tenth) / 10.0)).collect()
    };
    vec![match summary {
        Summary::Lorenz => return points(Statistic::Lorenz),
        Summary::Deciles => return points(Statistic::Quantile),
        Summary::Quantile(share) => Statistic::Quantile(approximately(share)),
        Summary::AtRisk(share) => Statistic::AtRisk(approximately(share)),
        Summary::RiskThreshold(share) => Statistic::RiskThreshold(approximately(share)),
        Summary::AtRiskGap(share) => Statistic::AtRiskGap(approximately(share)),
        Summary::MedianGap(line) => Statistic::MedianGap(approximately(line)),
        Summary::Gini => Statistic::Gini,
        Summary::S80S20 => Statistic::S80S20,
        Summary::Palma => Statistic::Palma,
    }]
}

/// For display only.
pub(crate) fn approximately(value: &Exact) -> f64 {
    value.to_f64().value()
}
