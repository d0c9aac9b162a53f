//! Events of probability `exp(-x)` and `exp(-x^2/2)` for a fraction x, out of comparisons of uniform numbers
//! alone (von Neumann 1951; Karney, "Sampling exactly from the normal distribution", ACM TOMS 42, 2016).

use crate::PrivacyError;
use crate::digits::{Digits, Real};

/// True with probability `exp(-x)`, `x = p/q`, for `p <= q`, `1 <= q <= 2^63`.
///
/// Let N be the length of the longest run `x > u_1 > u_2 > ... > u_N` at the beginning of a row of uniform
/// numbers. `P(N >= n) = x^n/n!`, hence `P(N even) = sum_n (-x)^n/n! = exp(-x)`. A run ends after fewer than e
/// numbers on average.
#[inline]
pub(crate) fn decay<D: Digits>(p: u64, q: u64, digits: &mut D) -> Result<bool, PrivacyError> {
    let mut last = Real::draw(digits)?;
    if !last.is_below(p, q, digits)? {
        return Ok(true);
    }
    let mut even = false;
    loop {
        let mut next = Real::draw(digits)?;
        if !next.is_less(&mut last, digits)? {
            return Ok(even);
        }
        (last, even) = (next, !even);
    }
}

/// True with probability `exp(-x^2/2)`, `x = p/q`, for `p <= q`, `1 <= q <= 2^63`.
///
/// As [`decay`], but every step of the run must also pass a fair coin and another uniform number below x:
/// `P(N >= n) = x^n/n! (x/2)^n`.
#[inline]
pub(crate) fn bell<D: Digits>(p: u64, q: u64, digits: &mut D) -> Result<bool, PrivacyError> {
    // The coin first: it is the cheapest way to fail.
    if !digits.coin()? {
        return Ok(true);
    }
    let mut last = Real::draw(digits)?;
    if !last.is_below(p, q, digits)? || !Real::draw(digits)?.is_below(p, q, digits)? {
        return Ok(true);
    }
    let mut even = false;
    loop {
        if !digits.coin()? {
            return Ok(even);
        }
        let mut next = Real::draw(digits)?;
        if !next.is_less(&mut last, digits)? || !Real::draw(digits)?.is_below(p, q, digits)? {
            return Ok(even);
        }
        (last, even) = (next, !even);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::enumerate::{Path, enumerate};

    const FRACTIONS: [(u64, u64); 10] =
        [(0, 1), (1, 1), (1, 2), (1, 3), (2, 3), (1, 10), (9, 10), (1, 512), (999, 1000), (3, 4)];

    /// Digits of one bit tie half of the time, those of three seldom: both kinds of path are followed.
    #[test]
    fn the_enumerated_probabilities_are_exact() {
        for (p, q) in FRACTIONS {
            let x = p as f64 / q as f64;
            enumerate(2e-8, |path: &mut Path<1>| decay(p, q, path)).assert(&true, (-x).exp(), 2e-2);
            enumerate(2e-8, |path: &mut Path<3>| decay(p, q, path)).assert(&true, (-x).exp(), 2e-2);
            let exact = (-x * x / 2.0).exp();
            enumerate(2e-8, |path: &mut Path<1>| bell(p, q, path)).assert(&true, exact, 2e-2);
            enumerate(2e-8, |path: &mut Path<3>| bell(p, q, path)).assert(&true, exact, 2e-2);
        }
    }
}
