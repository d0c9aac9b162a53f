//! Exact random choices out of random bytes: uniform integers, events of rational probability, events of
//! probability exp(-p/q). No probability here is ever rounded.

use crate::{NoiseSource, PrivacyError};

/// The elementary choices from which every noise draw is made. Tests replace the random stream by an
/// enumeration of all outcomes with their exact probabilities.
pub(crate) trait Choices: Sized {
    /// A uniform integer in `0..n`, for `n >= 1`.
    fn below(&mut self, n: u64) -> Result<u64, PrivacyError>;
    /// True with probability `p/q`, for `p <= q`, `1 <= q <= 2^101`.
    fn chance(&mut self, p: u128, q: u128) -> Result<bool, PrivacyError>;
    /// True with probability `exp(-p/q)`, for `p <= q`, `1 <= q <= 2^101`.
    fn exponential(&mut self, p: u128, q: u128) -> Result<bool, PrivacyError> {
        exponential(self, p, q)
    }
}

impl Choices for NoiseSource {
    fn below(&mut self, n: u64) -> Result<u64, PrivacyError> {
        uniform(n, || self.byte())
    }

    fn chance(&mut self, p: u128, q: u128) -> Result<bool, PrivacyError> {
        rational(p, q, || self.byte())
    }
}

/// Uniform in `0..n` by rejection from the least power of two that is not below `n`; a try succeeds with
/// probability above 1/2, so that the loop ends with probability 1.
fn uniform(n: u64, mut byte: impl FnMut() -> Result<u8, PrivacyError>) -> Result<u64, PrivacyError> {
    let bits = u64::BITS - (n - 1).leading_zeros();
    let mask = if bits == 0 { 0 } else { u64::MAX >> (u64::BITS - bits) };
    loop {
        let mut candidate = 0;
        for _ in 0..bits.div_ceil(8) {
            candidate = candidate << 8 | u64::from(byte()?);
        }
        let candidate = candidate & mask;
        if candidate < n {
            return Ok(candidate);
        }
    }
}

/// True with probability exactly `p/q`: compares a uniform real in `[0, 1)`, drawn one base-256 digit at a
/// time, with the digits of `p/q`. A digit leaves the comparison open with probability 1/256, so that the
/// loop ends with probability 1. `256 p <= 2^109` cannot overflow.
fn rational(
    mut p: u128,
    q: u128,
    mut byte: impl FnMut() -> Result<u8, PrivacyError>,
) -> Result<bool, PrivacyError> {
    loop {
        let (digit, rest) = (p * 256 / q, p * 256 % q);
        let drawn = u128::from(byte()?);
        if drawn != digit {
            return Ok(drawn < digit);
        }
        if rest == 0 {
            return Ok(false);
        }
        p = rest;
    }
}

/// True with probability `exp(-p/q)`, for `p <= q <= 2^101`.
///
/// Canonne, Kamath, Steinke, "The Discrete Gaussian for Differential Privacy" (NeurIPS 2020), Algorithm 1:
/// with `K` the first k >= 1 whose event of probability `(p/q)/k` fails, K is odd with probability
/// `sum_k (-p/q)^k/k! = exp(-p/q)`. The event is drawn as the independent pair 1/k and p/q, so that no
/// denominator grows. Step k is passed with probability at most 1/k: the loop ends with probability 1, and
/// the count overflows only after 2^64 steps.
fn exponential(choices: &mut impl Choices, p: u128, q: u128) -> Result<bool, PrivacyError> {
    let mut k: u64 = 1;
    while (k == 1 || choices.chance(1, u128::from(k))?) && choices.chance(p, q)? {
        k += 1;
    }
    Ok(k % 2 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::enumerate::enumerate;

    /// Gives `bytes`, then fails.
    fn script(bytes: &[u8]) -> impl FnMut() -> Result<u8, PrivacyError> {
        let mut bytes = bytes.iter().copied();
        move || bytes.next().ok_or(PrivacyError::RandomSource)
    }

    #[test]
    fn every_two_byte_prefix_decides_a_rational_event_as_the_real_number_it_begins() {
        for (p, q) in
            [(0, 1), (1, 1), (1, 2), (1, 3), (2, 3), (1, 256), (255, 256), (1, 257), (3, 65_537), (7, 7)]
        {
            for prefix in 0..=u16::MAX {
                let [first, second] = prefix.to_be_bytes();
                // The real number lies in [prefix, prefix + 1) / 2^16.
                let (below, above) =
                    ((u128::from(prefix) + 1) * q <= p << 16, u128::from(prefix) * q >= p << 16);
                match rational(p, q, script(&[first, second])) {
                    Ok(decision) => assert_eq!((decision, !decision), (below, above), "{p}/{q} {prefix:#x}"),
                    Err(_) => assert!(!below && !above, "{p}/{q} {prefix:#x} should be decided"),
                }
            }
        }
    }

    #[test]
    fn the_largest_fraction_of_the_sampler_does_not_overflow() {
        let q = 1u128 << 101;
        // 1 - 2^-101 is 101 binary ones: twelve digits 0xff and one 0xf8.
        let almost_one = |last| [[0xff; 12].as_slice(), &[last]].concat();
        assert_eq!(rational(q - 1, q, script(&[0xff; 12])), Err(PrivacyError::RandomSource));
        assert_eq!(rational(q - 1, q, script(&almost_one(0xf7))), Ok(true));
        assert_eq!(rational(q - 1, q, script(&almost_one(0xf8))), Ok(false));
        assert_eq!(rational(q, q, script(&[255])), Ok(true));
        assert_eq!(
            rational(1, q, script(&[0; 12])),
            Err(PrivacyError::RandomSource),
            "12 digits are not enough"
        );
        assert_eq!(rational(1, q, script(&[0; 13])), Ok(true));
    }

    #[test]
    fn every_bit_pattern_of_a_uniform_draw_is_used_once() {
        for n in [1u64, 2, 3, 5, 200, 255, 256, 257, 1000] {
            let mut hits = vec![0u32; n as usize];
            for word in 0..=u16::MAX {
                let bytes = word.to_be_bytes();
                let bytes = if n <= 256 { &bytes[1..] } else { &bytes[..] };
                // A rejected candidate asks for more bytes and finds none.
                if let Ok(value) = uniform(n, script(if n == 1 { &[] } else { bytes })) {
                    hits[value as usize] += 1;
                }
            }
            assert!(hits[0] > 0 && hits.iter().all(|count| *count == hits[0]), "{n}: {hits:?}");
        }
    }

    #[test]
    fn the_enumerated_probability_of_an_exponential_event_is_exact() {
        for (p, q) in [(0, 1), (1, 1), (1, 2), (1, 3), (2, 3), (1, 10), (9, 10), (1, 512), (999, 1000)] {
            let outcomes = enumerate(1e-15, |path| exponential(path, p, q));
            let found = outcomes.mass.get(&true).copied().unwrap_or_default();
            let exact = (-(p as f64) / q as f64).exp();
            assert!((found - exact).abs() <= outcomes.unresolved + 1e-15, "{p}/{q}: {found} {exact}");
            assert!(outcomes.unresolved < 1e-12, "{p}/{q}: {}", outcomes.unresolved);
        }
    }
}
