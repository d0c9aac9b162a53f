//! The privacy claim itself: Rényi divergences between neighbours, from the exact probabilities of the sum of
//! h shares, against the bound that `price` charges.

use std::f64::consts::PI;

use almoner_privacy::price;

/// ln P(y) of a distribution symmetric around 0, for `0 <= y <= reach`; relative precision is kept in the far
/// tails, where the divergence of high order lives, because only logarithms are stored.
struct LogPmf(Vec<f64>);

fn log_sum(terms: impl Iterator<Item = f64> + Clone) -> f64 {
    let most = terms.clone().fold(f64::NEG_INFINITY, f64::max);
    most + terms.map(|term| (term - most).exp()).sum::<f64>().ln()
}

impl LogPmf {
    fn gaussian(sigma: f64, reach: i64) -> LogPmf {
        let log = |y: i64| -((y * y) as f64) / (2.0 * sigma * sigma);
        let total = log_sum((-reach..=reach).map(log));
        LogPmf((0..=reach).map(|y| log(y) - total).collect())
    }

    fn at(&self, y: i64) -> f64 {
        self.0[y.unsigned_abs() as usize]
    }

    fn reach(&self) -> i64 {
        self.0.len() as i64 - 1
    }

    /// The sum of two independent variables, on `0..=reach`, where the split of `y` that weighs most is
    /// `share * y` for this and the rest for the other, and splits farther than `window` from it are nil.
    fn plus(&self, other: &LogPmf, share: f64, window: i64, reach: i64) -> LogPmf {
        let sum = |y: i64| {
            let middle = (share * y as f64) as i64;
            log_sum((middle - window..=middle + window).map(|x| self.at(x) + other.at(y - x)))
        };
        LogPmf((0..=reach).map(sum).collect())
    }

    /// `D_alpha(Y || Y + shift)`, exact up to a tail of the integrand more than 12 standard deviations from its peak.
    fn renyi(&self, shift: i64, alpha: f64, deviation: f64) -> f64 {
        let peak = ((1.0 - alpha) * shift as f64) as i64;
        let window = (12.0 * deviation) as i64 + 8;
        assert!(-peak + window + shift <= self.reach());
        let term = |y: i64| alpha * self.at(y) + (1.0 - alpha) * self.at(y - shift);
        log_sum((peak - window..=peak + window).map(term)) / (alpha - 1.0)
    }
}

/// The sum of `h` shares, on as much of the line as divergences up to `reach` need.
fn sum_of(h: u32, sigma: f64, reach: i64) -> LogPmf {
    let window = (13.0 * sigma) as i64 + 6;
    let share = LogPmf::gaussian(sigma, reach + i64::from(h) * window);
    let mut sum = LogPmf(share.0.clone());
    for k in 1..h {
        // Each sum that follows looks one window beyond its own reach.
        let reach = reach + i64::from(h - k - 1) * window;
        let part = f64::from(k) / f64::from(k + 1);
        sum = sum.plus(&share, part, window, reach);
    }
    sum
}

fn tau(h: u32, sigma: f64) -> f64 {
    let term = |k: u32| (-2.0 * PI * PI * sigma * sigma * f64::from(k) / f64::from(k + 1)).exp();
    10.0 * (1..h).map(term).sum::<f64>()
}

/// Small scales, where the sum of discrete Gaussians visibly differs from a discrete Gaussian: the divergence passes
/// the central value (the tau term is needed) and never the bound.
#[test]
fn neighbours_stay_within_the_central_term_plus_tau() {
    const ROUNDING: f64 = 1e-11;
    let mut passed_central = 0;
    for (sigma, h) in [(0.5, 2), (0.5, 4), (0.7, 3), (1.0, 2), (1.0, 5), (1.5, 3), (2.0, 2), (4.0, 3)] {
        let deviation = sigma * f64::from(h).sqrt();
        for (shift, alpha) in [(1, 2.0), (1, 8.0), (1, 32.0), (2, 2.0), (2, 8.0), (2, 32.0)] {
            let reach = (alpha * shift as f64 + 12.0 * deviation) as i64 + 12;
            let exact = sum_of(h, sigma, reach).renyi(shift, alpha, deviation);
            let central = alpha * (shift * shift) as f64 / (2.0 * f64::from(h) * sigma * sigma);
            let excess = exact - central;
            assert!(
                excess <= tau(h, sigma) + ROUNDING,
                "sigma {sigma} h {h} shift {shift} alpha {alpha}: {excess}"
            );
            assert!(excess >= -0.5 * tau(h, sigma) - ROUNDING, "the bound is about the right distribution");
            passed_central += usize::from(excess > 1e-7);
        }
    }
    assert!(
        passed_central > 5,
        "without tau the claim would be false for small scales, and this test would show it"
    );
}

/// At the least scale that may be priced, the charge covers the exact divergence and hardly exceeds it.
#[test]
fn the_price_covers_the_exact_divergence_of_the_least_scale() {
    let (sigma, h, shift) = (256u64, 2u32, 40i64);
    let charge = price(shift as u128, h, sigma, 1).expect("in range").as_f64();
    let deviation = sigma as f64 * f64::from(h).sqrt();
    let orders = [2.0, 8.0, 32.0];
    let reach = (32.0 * shift as f64 + 12.0 * deviation) as i64 + 12;
    let sum = sum_of(h, sigma as f64, reach);
    for alpha in orders {
        let exact = sum.renyi(shift, alpha, deviation);
        assert!(exact <= alpha * charge + 1e-11, "{alpha}: {exact} {}", alpha * charge);
        assert!(exact >= alpha * (charge - 2e-12) - 1e-11, "{alpha}: {exact} {}", alpha * charge);
    }
}
