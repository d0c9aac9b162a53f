//! Thresholds with stated false-alarm rates, and the true probabilities of the discrete Gaussian.

/// `1e-6 = exp(-TAIL)` at most, with a little room for Pearson's approximation.
const TAIL: f64 = 14.5;

/// What a chi-square variable with `freedom` degrees of freedom passes with probability below 1e-6
/// (Laurent and Massart, Annals of Statistics 2000, Lemma 1: `k + 2 sqrt(k x) + 2x` is passed with
/// probability at most `exp(-x)`).
pub fn chi_square_limit(freedom: usize) -> f64 {
    let k = freedom as f64;
    k + 2.0 * (k * TAIL).sqrt() + 2.0 * TAIL
}

/// What a standard normal variable passes in absolute value with probability 5.7e-7.
pub const FIVE_SIGMA: f64 = 5.0;

/// Whether `hits` of `trials` independent events of probability `0 < p < 1` are no surprise: false with
/// probability below 1.1e-6 when they are that (Chernoff: as many or more, and as few or fewer, have
/// probability at most `exp(-trials KL(hits/trials || p))` each).
pub fn is_plausible(hits: u64, trials: u64, p: f64) -> bool {
    let (hits, trials) = (hits as f64, trials as f64);
    let part = |found: f64, expected: f64| if found > 0.0 { found * (found / expected).ln() } else { 0.0 };
    part(hits, trials * p) + part(trials - hits, trials * (1.0 - p)) < TAIL
}

/// Probabilities of the discrete Gaussian on `-reach..=reach`, with a tail beyond it below 1e-30.
pub struct Truth {
    pub reach: i64,
    pub probability: Vec<f64>,
}

impl Truth {
    pub fn new(sigma: f64) -> Truth {
        let reach = (12.0 * sigma).ceil() as i64 + 1;
        let weight = |y: i64| (-((y * y) as f64) / (2.0 * sigma * sigma)).exp();
        let total: f64 = (-reach..=reach).map(weight).sum();
        Truth { reach, probability: (-reach..=reach).map(|y| weight(y) / total).collect() }
    }

    /// `E[y^power]`.
    pub fn moment(&self, power: i32) -> f64 {
        (-self.reach..=self.reach).zip(&self.probability).map(|(y, p)| (y as f64).powi(power) * p).sum()
    }
}

/// Consecutive cells of integers, the first and last of them open to infinity, each with probability at
/// least `floor`; `edges[i]` is the first integer of cell `i + 1`.
pub struct Cells {
    edges: Vec<i64>,
    pub probability: Vec<f64>,
}

impl Cells {
    pub fn new(truth: &Truth, floor: f64) -> Cells {
        let (mut edges, mut probability, mut open) = (Vec::new(), Vec::new(), 0.0);
        for (y, p) in (-truth.reach..=truth.reach).zip(&truth.probability) {
            open += p;
            if open >= floor {
                edges.push(y + 1);
                probability.push(open);
                open = 0.0;
            }
        }
        // What is left of the upper tail joins the last cell, whose edge is dropped.
        edges.pop();
        *probability.last_mut().expect("the whole line is at least one cell") += open;
        Cells { edges, probability }
    }

    pub fn counts(&self, draws: impl Iterator<Item = i64>) -> Vec<f64> {
        let mut counts = vec![0.0; self.probability.len()];
        draws.for_each(|y| counts[self.edges.partition_point(|edge| *edge <= y)] += 1.0);
        counts
    }
}
