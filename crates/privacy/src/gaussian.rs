//! The discrete Gaussian, drawn exactly in integers (Canonne, Kamath, Steinke, NeurIPS 2020).
//!
//! The time of a draw depends on its value: nodes must draw while they prepare, never between a release
//! request and its answer.

use crate::exact::Choices;
use crate::price::MAX_SIGMA;
use crate::{NoiseSource, PrivacyError};

/// The distribution on the integers with `P(y)` proportional to `exp(-y^2 / (2 sigma^2))`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiscreteGaussian {
    sigma: u64,
}

impl DiscreteGaussian {
    /// The distribution with parameter `sigma` in `1..=2^50`; for `sigma` >= 2 its standard deviation is
    /// `sigma` to ten digits.
    ///
    /// # Errors
    /// `Sigma` outside that range.
    pub fn new(sigma: u64) -> Result<Self, PrivacyError> {
        if (1..=MAX_SIGMA).contains(&sigma) { Ok(Self { sigma }) } else { Err(PrivacyError::Sigma) }
    }

    /// One draw, reduced modulo 2^64 to an `i64` as the cells are: the distribution of the reduced value is
    /// exact, tails included.
    ///
    /// # Errors
    /// `RandomSource` or `RandomHealth` when no trustworthy randomness is to be had.
    pub fn sample(&self, source: &mut NoiseSource) -> Result<i64, PrivacyError> {
        draw(self.sigma, source)
    }
}

/// Algorithm 3 of the paper with the Laplace scale `t = sigma`: draw `y` from the discrete Laplace of scale
/// sigma, keep it with probability `exp(-(|y| - sigma)^2 / (2 sigma^2))`. The product of the two weights is
/// `exp(-1/2) exp(-y^2 / (2 sigma^2))`.
///
/// The Laplace draw is the paper's Algorithm 2: `|y| = u + sigma v` with `u` uniform in `0..sigma` kept with
/// probability `exp(-u/sigma)`, and `v` the number of events of probability `exp(-1)` before the first
/// failure. The sign is drawn last, and "minus zero" begins anew; as all these are independent, the order
/// does not matter.
///
/// Every candidate is kept with a probability bounded away from zero, so the loop ends with probability 1.
/// No integer can overflow: `v` would need 2^64 successes; the value itself is wanted modulo 2^64 only.
fn draw(sigma: u64, choices: &mut impl Choices) -> Result<i64, PrivacyError> {
    loop {
        let u = choices.below(sigma)?;
        if !choices.exponential(u.into(), sigma.into())? {
            continue;
        }
        let mut v: u64 = 0;
        while choices.exponential(1, 1)? {
            v += 1;
        }
        if !keep(choices, sigma, u, v)? {
            continue;
        }
        let negative = choices.chance(1, 2)?;
        if negative && u == 0 && v == 0 {
            continue;
        }
        let magnitude = sigma.wrapping_mul(v).wrapping_add(u) as i64;
        return Ok(if negative { magnitude.wrapping_neg() } else { magnitude });
    }
}

/// True with probability `exp(-(u + sigma v - sigma)^2 / (2 sigma^2))`, for `u < sigma`.
///
/// With the distance from sigma written `sigma a + b`, `b <= sigma`, the exponent is
/// `a^2/2 + a b/sigma + b^2/(2 sigma^2)`: the probability is that of `a^2` independent events `exp(-1/2)`,
/// `a` events `exp(-b/sigma)` and one event `exp(-b^2/(2 sigma^2))` all happening. With `sigma <= 2^50` no
/// integer exceeds 2^101, however large `v` is, except `a^2 < 2^128`; the first failure ends the work.
fn keep(choices: &mut impl Choices, sigma: u64, u: u64, v: u64) -> Result<bool, PrivacyError> {
    let (a, b) = if v == 0 { (0, sigma - u) } else { (v - 1, u) };
    let (sigma, a, b) = (u128::from(sigma), u128::from(a), u128::from(b));
    for _ in 0..a * a {
        if !choices.exponential(1, 2)? {
            return Ok(false);
        }
    }
    for _ in 0..a {
        if !choices.exponential(b, sigma)? {
            return Ok(false);
        }
    }
    choices.exponential(b * b, 2 * sigma * sigma)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::enumerate::enumerate;

    /// One round of the sampler gives y with probability `(1 - 1/e)/(2 sigma) exp(-1/2) exp(-y^2/(2 sigma^2))`,
    /// or begins anew: every outcome of every choice is followed, with the events of probability exp(-p/q), whose
    /// own enumeration is tested beside them, as single choices.
    #[test]
    fn the_enumerated_sampler_has_the_discrete_gaussians_weights() {
        for sigma in [1u64, 2, 3] {
            let outcomes = enumerate(1e-11, |path| draw(sigma, path));
            let s = sigma as f64;
            let scale = (1.0 - (-1f64).exp()) / (2.0 * s) * (-0.5f64).exp();
            assert!(outcomes.unresolved < 1e-8, "sigma {sigma}: {} left", outcomes.unresolved);
            for y in -4 * sigma as i64..=4 * sigma as i64 {
                let exact = scale * (-(y * y) as f64 / (2.0 * s * s)).exp();
                let found = outcomes.mass.get(&y).copied().unwrap_or_default();
                assert!(
                    found <= exact + 1e-13 && exact <= found + outcomes.unresolved + 1e-13,
                    "sigma {sigma}, y {y}: {found} {exact}"
                );
            }
        }
    }

    #[test]
    fn the_probability_to_keep_a_candidate_is_exact() {
        for (sigma, u, v) in
            [(5u64, 0u64, 0u64), (5, 4, 0), (5, 0, 1), (5, 3, 1), (5, 2, 2), (5, 1, 3), (1, 0, 2)]
        {
            let outcomes = enumerate(1e-13, |path| keep(path, sigma, u, v));
            let distance = u as f64 + sigma as f64 * v as f64 - sigma as f64;
            let exact = (-(distance * distance) / (2.0 * (sigma * sigma) as f64)).exp();
            let found = outcomes.mass[&true];
            assert!(outcomes.unresolved < 1e-12);
            assert!(
                found <= exact + 1e-13 && exact <= found + outcomes.unresolved + 1e-13,
                "{sigma} {u} {v}"
            );
        }
    }

    /// Chooses as told and counts; proves that the extremes of every argument overflow nothing.
    struct Stubborn {
        u: u64,
        yes: u64,
    }

    impl Choices for Stubborn {
        fn below(&mut self, n: u64) -> Result<u64, PrivacyError> {
            assert!(n <= MAX_SIGMA);
            Ok(self.u.min(n - 1))
        }
        fn chance(&mut self, p: u128, q: u128) -> Result<bool, PrivacyError> {
            assert!(p <= q && q <= 1 << 101, "{p}/{q}");
            self.yes = self.yes.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            Ok(self.yes >> 63 == 1)
        }
    }

    #[test]
    fn the_largest_scale_overflows_nothing() {
        for seed in 0..2_000 {
            let mut choices = Stubborn { u: u64::MAX - seed % 3, yes: seed };
            draw(MAX_SIGMA, &mut choices).expect("never fails");
            for (u, v) in [(0, 0), (MAX_SIGMA - 1, 0), (MAX_SIGMA - 1, 1), (MAX_SIGMA - 1, u64::MAX)] {
                keep(&mut choices, MAX_SIGMA, u, v).expect("never fails");
            }
        }
        assert_eq!(DiscreteGaussian::new(0), Err(PrivacyError::Sigma));
        assert_eq!(DiscreteGaussian::new(MAX_SIGMA + 1), Err(PrivacyError::Sigma));
    }
}
