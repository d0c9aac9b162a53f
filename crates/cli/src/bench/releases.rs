//! Releases of one plan again and again, under three kinds of noise, and how far from the exact values they fall.

use std::thread;

use almoner_privacy::{DiscreteGaussian, NoiseSource};
use almoner_query::{Answer, AnswerValue, Conclusions, Estimate, Plan};

use crate::bench::BenchError;

/// Most threads.
const MAX_THREADS: usize = 16;

/// How many noise shares there are, and how many of them the promise rests on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shares {
    pub all: u32,
    pub honest: u32,
}

/// One output of one cell over all releases.
#[derive(Debug, Clone)]
pub(super) struct Measured {
    /// The labels of the cell's keys.
    pub keys: Vec<String>,
    pub column: String,
    /// Without noise; `None` when there is none, as for the mean of nobody.
    pub exact: Option<f64>,
    /// With the federation's noise.
    pub federation: Tally,
    /// With a trusted curator's noise at the same price.
    pub central: Tally,
    /// When every agency's own answer is protected for itself and these are added.
    pub local: Tally,
    /// No unbiased answer of this price has a smaller error.
    pub least: Option<f64>,
}

/// What releases add up to.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tally {
    /// Releases in which the value was known.
    known: u32,
    covered: u32,
    sum: f64,
    squares: f64,
}

impl Tally {
    fn add(&mut self, estimate: &Estimate, exact: f64) {
        let Some(value) = estimate.value else { return };
        self.known += 1;
        self.sum += value;
        self.squares += (value - exact).powi(2);
        self.covered += u32::from(estimate.low <= exact && exact <= estimate.high);
    }

    fn merge(&mut self, other: &Tally) {
        self.known += other.known;
        self.covered += other.covered;
        self.sum += other.sum;
        self.squares += other.squares;
    }

    /// In how many releases the value was known.
    pub(super) fn known(&self) -> u32 {
        self.known
    }

    /// The mean value; NaN when it never was known.
    pub(super) fn mean(&self) -> f64 {
        self.sum / f64::from(self.known)
    }

    /// The root-mean-square error.
    pub(super) fn error(&self) -> f64 {
        (self.squares / f64::from(self.known)).sqrt()
    }

    /// The share of intervals that hold the exact value.
    pub(super) fn coverage(&self) -> f64 {
        f64::from(self.covered) / f64::from(self.known)
    }
}

/// A kind of noise, and where its answers are tallied.
type Kind<'p> = (Conclusions<'p>, fn(&mut Measured) -> &mut Tally);

/// Releases `plan` so often over the exact, scaled `cells`.
///
/// Federation and curator have the same draws in common: what h honest nodes add is what a curator adds, so
/// that their ratio does not hang on luck. What n agencies add for themselves is n curators' noise.
pub(super) fn measure(
    plan: &Plan,
    cells: &[i64],
    shares: Shares,
    releases: u32,
) -> Result<Vec<Measured>, BenchError> {
    let exact =
        Conclusions::new(plan, 0).answer(cells).map_err(|error| statistic(plan, error.to_string()))?;
    let kinds: [Kind<'_>; 3] = [
        (Conclusions::new(plan, shares.all), |measured| &mut measured.federation),
        (Conclusions::new(plan, shares.honest), |measured| &mut measured.central),
        (Conclusions::new(plan, shares.all * shares.honest), |measured| &mut measured.local),
    ];
    let kinds = &kinds;
    let mut measured = empty(plan, &exact);
    let threads = thread::available_parallelism().map_or(1, usize::from).min(MAX_THREADS) as u32;
    let parts = thread::scope(|scope| {
        let begun: Vec<_> = (0..threads)
            .map(|thread| {
                let own = releases / threads + u32::from(thread < releases % threads);
                let mut measured = measured.clone();
                scope.spawn(move || repeat(plan, cells, shares, own, kinds, &mut measured).map(|()| measured))
            })
            .collect();
        let lost = || BenchError::Statistic {
            sql: plan.canonical_sql().to_owned(),
            message: "a thread was lost".into(),
            remedy: "run it again",
        };
        begun.into_iter().map(|thread| thread.join().map_err(|_| lost())?).collect::<Result<Vec<_>, _>>()
    })?;
    for part in parts {
        for (whole, part) in measured.iter_mut().zip(&part) {
            whole.federation.merge(&part.federation);
            whole.central.merge(&part.central);
            whole.local.merge(&part.local);
        }
    }
    Ok(measured)
}

fn statistic(plan: &Plan, message: String) -> BenchError {
    BenchError::Statistic {
        sql: plan.canonical_sql().to_owned(),
        message,
        remedy: "write it without ORDER BY and LIMIT",
    }
}

/// The outputs of all cells with nothing tallied yet.
fn empty(plan: &Plan, exact: &Answer) -> Vec<Measured> {
    let names: Vec<&String> =
        exact.columns.iter().filter(|column| !column.is_key).map(|column| &column.name).collect();
    let least = plan.least_errors();
    let mut measured = Vec::new();
    for row in &exact.rows {
        let keys = labels(row);
        for ((estimate, name), least) in estimates(row).zip(&names).zip(&least) {
            measured.push(Measured {
                keys: keys.clone(),
                column: (*name).clone(),
                exact: estimate.value,
                federation: Tally::default(),
                central: Tally::default(),
                local: Tally::default(),
                least: *least,
            });
        }
    }
    measured
}

fn repeat(
    plan: &Plan,
    cells: &[i64],
    shares: Shares,
    releases: u32,
    kinds: &[Kind<'_>; 3],
    measured: &mut [Measured],
) -> Result<(), BenchError> {
    let mut source = NoiseSource::from_system()?;
    // So many shares add up to a discrete Gaussian of this parameter but for far less than the bench can see
    // (PROTOCOL B.2).
    let together = |sigma: u64| (sigma as f64 * f64::from(shares.all * shares.honest).sqrt()).round() as u64;
    for _ in 0..releases {
        let (mut central, mut federation, mut local) = (cells.to_vec(), cells.to_vec(), cells.to_vec());
        for index in 0..cells.len() {
            let sigma = plan.sigma_of(index);
            let share = DiscreteGaussian::new(sigma)?;
            let mut noise = 0i64;
            for number in 0..shares.all {
                noise = noise.wrapping_add(share.sample(&mut source)?);
                if number + 1 == shares.honest {
                    central[index] = central[index].wrapping_add(noise);
                }
            }
            federation[index] = federation[index].wrapping_add(noise);
            let own = DiscreteGaussian::new(together(sigma))?.sample(&mut source)?;
            local[index] = local[index].wrapping_add(own);
        }
        for ((conclusions, tally), total) in kinds.iter().zip([&federation, &central, &local]) {
            let answer = conclusions.answer(total).map_err(|error| statistic(plan, error.to_string()))?;
            let mut rest = measured.iter_mut();
            for row in &answer.rows {
                let keys = labels(row);
                for estimate in estimates(row) {
                    let Some(into) = rest.next().filter(|into| into.keys == keys) else {
                        return Err(statistic(plan, "its rows change their places".into()));
                    };
                    if let Some(exact) = into.exact {
                        tally(into).add(estimate, exact);
                    }
                }
            }
        }
    }
    Ok(())
}

fn labels(row: &[AnswerValue]) -> Vec<String> {
    let labels = row.iter().filter_map(|value| match value {
        AnswerValue::Key(label) => Some(label.clone()),
        AnswerValue::Estimate(_) => None,
    });
    labels.collect()
}

fn estimates(row: &[AnswerValue]) -> impl Iterator<Item = &Estimate> {
    row.iter().filter_map(AnswerValue::estimate)
}
