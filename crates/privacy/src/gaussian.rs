//! The discrete Gaussian, drawn exactly in integers (Karney, "Sampling exactly from the normal distribution",
//! ACM TOMS 42, 2016, section 6, for a whole sigma and mean 0).
//!
//! The time of a draw depends on its value: nodes must draw while they prepare, never between a release
//! request and its answer.

use crate::digits::{Digits, below};
use crate::price::MAX_SIGMA;
use crate::{NoiseSource, PrivacyError, bands, events};

/// The elementary choices from which every noise draw is made. Tests replace the random stream by an
/// enumeration of all outcomes with their exact probabilities.
pub(crate) trait Choices {
    /// k >= 0 with probability proportional to `exp(-k^2/2)`.
    fn band(&mut self) -> Result<u64, PrivacyError>;
    /// A uniform integer in `0..n`, for `1 <= n <= 2^63`.
    fn below(&mut self, n: u64) -> Result<u64, PrivacyError>;
    /// True with probability `exp(-p/q)`, for `p <= q`, `1 <= q <= 2^63`.
    fn decay(&mut self, p: u64, q: u64) -> Result<bool, PrivacyError>;
    /// True with probability `exp(-(p/q)^2/2)`, for `p <= q`, `1 <= q <= 2^63`.
    fn bell(&mut self, p: u64, q: u64) -> Result<bool, PrivacyError>;
    /// True with probability 1/2.
    fn sign(&mut self) -> Result<bool, PrivacyError>;
}

impl Choices for NoiseSource {
    #[inline]
    fn band(&mut self) -> Result<u64, PrivacyError> {
        bands::band(self)
    }

    #[inline]
    fn below(&mut self, n: u64) -> Result<u64, PrivacyError> {
        below(n, self)
    }

    #[inline]
    fn decay(&mut self, p: u64, q: u64) -> Result<bool, PrivacyError> {
        events::decay(p, q, self)
    }

    #[inline]
    fn bell(&mut self, p: u64, q: u64) -> Result<bool, PrivacyError> {
        events::bell(p, q, self)
    }

    #[inline]
    fn sign(&mut self) -> Result<bool, PrivacyError> {
        self.coin()
    }
}

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

/// The size of a draw is `sigma (k + x)` with a whole k and a fraction `x = j/sigma`. Draw k with probability
/// proportional to `exp(-k^2/2)` and j uniform in `0..sigma`; keep them with probability `exp(-k x - x^2/2)`, that
/// of k events `exp(-x)` and one `exp(-x^2/2)`, all of them independent. The product of the weights is
/// `exp(-(k + x)^2 / 2)`. Then draw the sign; "minus zero" begins anew, as what is not kept does.
///
/// A candidate is kept with a probability above 0.7: the loop ends with probability 1. The value is wanted
/// modulo 2^64 only.
fn draw(sigma: u64, choices: &mut impl Choices) -> Result<i64, PrivacyError> {
    'anew: loop {
        let band = choices.band()?;
        let j = choices.below(sigma)?;
        for _ in 0..band {
            if !choices.decay(j, sigma)? {
                continue 'anew;
            }
        }
        if !choices.bell(j, sigma)? {
            continue;
        }
        let negative = choices.sign()?;
        if negative && band == 0 && j == 0 {
            continue;
        }
        let size = sigma.wrapping_mul(band).wrapping_add(j) as i64;
        return Ok(if negative { size.wrapping_neg() } else { size });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::enumerate::{Path, enumerate};

    /// One round of the sampler gives y with probability `exp(-y^2/(2 sigma^2)) / (2 sigma Z)`,
    /// `Z = sum_k exp(-k^2/2)`, or begins anew: every outcome of every choice is followed, with bands and events,
    /// whose own enumerations are tested beside them, as single choices.
    #[test]
    fn the_enumerated_sampler_has_the_discrete_gaussians_weights() {
        for sigma in [1u64, 2, 3, 7] {
            let outcomes = enumerate(1e-11, |path: &mut Path<1>| draw(sigma, path));
            let s = sigma as f64;
            let z: f64 = (0..30).map(|k| (-f64::from(k * k) / 2.0).exp()).sum();
            for y in -4 * sigma as i64..=4 * sigma as i64 {
                let exact = (-(y * y) as f64 / (2.0 * s * s)).exp() / (2.0 * s * z);
                outcomes.assert(&y, exact, 1e-8);
            }
        }
    }

    /// The same with events made of digits, so that none of them can be wired wrongly.
    #[test]
    fn the_sampler_made_of_enumerated_digits_has_those_weights_too() {
        struct Digital<'a, const BITS: u32>(&'a mut Path<BITS>);

        impl<const BITS: u32> Choices for Digital<'_, BITS> {
            fn band(&mut self) -> Result<u64, PrivacyError> {
                self.0.band()
            }
            fn below(&mut self, n: u64) -> Result<u64, PrivacyError> {
                below(n, self.0)
            }
            fn decay(&mut self, p: u64, q: u64) -> Result<bool, PrivacyError> {
                events::decay(p, q, self.0)
            }
            fn bell(&mut self, p: u64, q: u64) -> Result<bool, PrivacyError> {
                events::bell(p, q, self.0)
            }
            fn sign(&mut self) -> Result<bool, PrivacyError> {
                self.0.coin()
            }
        }

        for (sigma, width) in [(1u64, 1e-2), (2, 2e-2), (3, 6e-2)] {
            let outcomes = enumerate(1e-7, |path: &mut Path<3>| draw(sigma, &mut Digital(path)));
            let s = sigma as f64;
            let z: f64 = (0..30).map(|k| (-f64::from(k * k) / 2.0).exp()).sum();
            for y in -3 * sigma as i64..=3 * sigma as i64 {
                let exact = (-(y * y) as f64 / (2.0 * s * s)).exp() / (2.0 * s * z);
                outcomes.assert(&y, exact, width);
            }
        }
    }

    /// Chooses the extremes of every argument; proves that they overflow nothing.
    struct Stubborn {
        band: u64,
        round: u32,
    }

    impl Choices for Stubborn {
        fn band(&mut self) -> Result<u64, PrivacyError> {
            Ok(self.band)
        }
        fn below(&mut self, n: u64) -> Result<u64, PrivacyError> {
            assert!(n <= MAX_SIGMA);
            Ok(n - 1)
        }
        fn decay(&mut self, p: u64, q: u64) -> Result<bool, PrivacyError> {
            assert!(p <= q && q <= 1 << 63, "{p}/{q}");
            Ok(true)
        }
        fn bell(&mut self, p: u64, q: u64) -> Result<bool, PrivacyError> {
            self.decay(p, q)
        }
        fn sign(&mut self) -> Result<bool, PrivacyError> {
            self.round += 1;
            Ok(self.round.is_multiple_of(2))
        }
    }

    #[test]
    fn the_largest_scale_overflows_nothing() {
        for band in [0, 1, 40, 1 << 14] {
            let mut choices = Stubborn { band, round: 0 };
            let size = MAX_SIGMA.wrapping_mul(band).wrapping_add(MAX_SIGMA - 1) as i64;
            assert_eq!(draw(MAX_SIGMA, &mut choices), Ok(size));
            assert_eq!(draw(MAX_SIGMA, &mut choices), Ok(size.wrapping_neg()));
        }
        assert_eq!(DiscreteGaussian::new(0), Err(PrivacyError::Sigma));
        assert_eq!(DiscreteGaussian::new(MAX_SIGMA + 1), Err(PrivacyError::Sigma));
    }
}
