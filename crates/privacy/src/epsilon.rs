//! rho for people: the epsilon that a zCDP loss amounts to at a given delta, and back.
//!
//! For display and for a planner's wish only: ledgers add and compare pico-rho, never epsilon.

use almoner_federation::PicoRho;

/// Relative allowance for the rounding of the dozen floating-point operations below, each good to a few
/// units in the last place of 2^-53.
const ALLOWANCE: f64 = 64.0 * f64::EPSILON;

/// An epsilon such that every mechanism with `rho`-zCDP is `(epsilon, delta)`-differentially private; never
/// below the least value of the formula, and above it by rounding alone. Infinite for `delta` outside `(0, 1)`.
///
/// Canonne, Kamath, Steinke (NeurIPS 2020), Proposition 7:
/// `epsilon = min_{alpha > 1} alpha rho + (ln(1/delta) + (alpha-1) ln(1 - 1/alpha) - ln alpha)/(alpha-1)`.
/// Every alpha gives a valid epsilon. The derivative in alpha is
/// `rho - (ln(1/delta) - ln alpha)/(alpha-1)^2`, so the minimum lies where `rho (alpha-1)^2 + ln alpha`, which
/// is increasing, passes `ln(1/delta)`. The result is rounded up by more than its arithmetic can err.
pub fn epsilon(rho: PicoRho, delta: f64) -> f64 {
    if !(delta > 0.0 && delta < 1.0) {
        return f64::INFINITY;
    }
    if rho == PicoRho::ZERO {
        return 0.0;
    }
    let (rho, log) = (rho.as_f64(), -delta.ln());
    let a = least(rho, log);
    // alpha rho + (log - ln alpha)/a + ln(a/alpha), with alpha = 1 + a.
    let terms = [rho, a * rho, log / a, -a.ln_1p() / a, -(1.0 / a).ln_1p()];
    let value: f64 = terms.iter().sum();
    let size: f64 = terms.iter().map(|term| term.abs()).sum();
    (value + ALLOWANCE * size).max(0.0)
}

/// The `a` = alpha - 1 at which the formula is least: the root of `rho a^2 + ln(1 + a) = log`, by bisection.
/// The first term alone bounds it: `a <= sqrt(log/rho)`, which is finite because rho is at least 1e-12.
fn least(rho: f64, log: f64) -> f64 {
    let (mut low, mut high) = (0.0, (log / rho).sqrt());
    loop {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            return high;
        }
        if rho * middle * middle + middle.ln_1p() < log { low = middle } else { high = middle }
    }
}

/// The largest rho whose [`epsilon`] at `delta` is at most `epsilon`; `None` when there is none (a `delta`
/// outside `(0, 1)`, an `epsilon` that is negative, NaN or too small for one pico-rho).
pub fn rho_for_epsilon(epsilon: f64, delta: f64) -> Option<PicoRho> {
    let fits = |pico: u64| self::epsilon(PicoRho::new(pico), delta) <= epsilon;
    let (mut low, mut high) = (1, u64::MAX);
    if !fits(low) {
        return None;
    }
    if fits(high) {
        return Some(PicoRho::new(high));
    }
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if fits(middle) { low = middle } else { high = middle }
    }
    Some(PicoRho::new(low))
}
