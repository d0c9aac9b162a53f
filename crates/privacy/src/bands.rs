//! How many whole sigmas a draw is away from zero, before the candidate is kept or not: k with probability
//! `exp(-k^2/2) / Z`, `Z = sum_k exp(-k^2/2)`.

use dashu::integer::UBig;

use crate::PrivacyError;
use crate::digits::Digits;

/// `floor(2^64 (w_0 + ... + w_k) / Z)` with `w_k = exp(-k^2/2)`: where the first 64 bits of a uniform number
/// decide the band. A test computes them anew.
const FIRST_64_BITS: [u64; 10] = [
    10_521_071_843_634_112_299,
    16_902_424_489_837_522_835,
    18_326_296_727_748_496_302,
    18_443_175_278_438_026_257,
    18_446_704_704_847_042_882,
    18_446_743_913_232_802_628,
    18_446_744_073_468_513_700,
    18_446_744_073_709_418_348,
    18_446_744_073_709_551_588,
    u64::MAX,
];

/// Bits by which the thresholds are computed finer than the number that is compared with them.
const GUARD: usize = 64;

/// The k with which `w_0 + ... + w_(k-1) <= u Z < w_0 + ... + w_k` for a uniform number u, drawn as far as
/// that takes. The first digit leaves it open with probability below 2^-60.
#[inline]
pub(crate) fn band<D: Digits>(digits: &mut D) -> Result<u64, PrivacyError> {
    let first = digits.digit()?;
    if D::BITS == u64::BITS {
        let passed = FIRST_64_BITS.iter().map(|bits| u64::from(first > *bits)).sum();
        let reached: u64 = FIRST_64_BITS.iter().map(|bits| u64::from(first >= *bits)).sum();
        if passed == reached {
            return Ok(passed);
        }
    }
    search(first, digits)
}

/// Compares a number that begins with `first` with the thresholds, computed as finely as the digits ask for.
/// More digits are needed only while a threshold lies among the numbers that begin with those drawn: the loop
/// ends with probability 1.
#[cold]
fn search<D: Digits>(first: u64, digits: &mut D) -> Result<u64, PrivacyError> {
    let (mut drawn, mut bits) = (UBig::from(first), D::BITS as usize);
    loop {
        if let Some(band) = decided(&drawn, bits) {
            return Ok(band);
        }
        drawn = (drawn << D::BITS as usize) + UBig::from(digits.digit()?);
        bits += D::BITS as usize;
    }
}

/// The band of all numbers in `[drawn, drawn + 1) / 2^bits`, if it is one and the same.
fn decided(drawn: &UBig, bits: usize) -> Option<u64> {
    let weights = Weights::new(bits + GUARD);
    let (least, most) = (drawn * &weights.total.low, (drawn + UBig::ONE) * &weights.total.high);
    let mut sum = Between::default();
    for (k, weight) in weights.each.iter().enumerate() {
        if least < &sum.high << bits {
            return None;
        }
        sum = sum.plus(weight);
        if most <= &sum.low << bits {
            return Some(k as u64);
        }
    }
    None
}

/// Two integers between which a number lies.
#[derive(Clone, Default)]
struct Between {
    low: UBig,
    high: UBig,
}

impl Between {
    fn plus(&self, other: &Between) -> Between {
        Between { low: &self.low + &other.low, high: &self.high + &other.high }
    }

    /// The product of two numbers in fixed point with `bits` binary places.
    fn times(&self, other: &Between, bits: usize) -> Between {
        Between {
            low: (&self.low * &other.low) >> bits,
            high: ((&self.high * &other.high) >> bits) + UBig::ONE,
        }
    }
}

/// `w_k` and Z in fixed point.
struct Weights {
    /// The last is below four units of the last place.
    each: Vec<Between>,
    total: Between,
}

impl Weights {
    fn new(bits: usize) -> Weights {
        let one = Between { low: UBig::ONE << bits, high: UBig::ONE << bits };
        let root = root(bits);
        let e = root.times(&root, bits);
        // w_(k+1) = w_k exp(-1/2 - k).
        let (mut each, mut factor, mut total) = (vec![one.clone()], root, one);
        let mut last = total.clone();
        while last.high > UBig::from(4u8) {
            last = last.times(&factor, bits);
            factor = factor.times(&e, bits);
            total = total.plus(&last);
            each.push(last.clone());
        }
        // Each weight is less than half of the one before it: all others together are less than the last.
        total.high += last.high;
        Weights { each, total }
    }
}

/// `exp(-1/2) = sum_m (-1/2)^m/m!`. Each term is rounded down from the one before and so is less than two
/// units too small; what is left after a term below one is less than that.
fn root(bits: usize) -> Between {
    let (mut plus, mut minus) = (UBig::ZERO, UBig::ZERO);
    let (mut term, mut m) = (UBig::ONE << bits, 0u32);
    while term != UBig::ZERO {
        if m.is_multiple_of(2) {
            plus += &term
        } else {
            minus += &term
        }
        m += 1;
        term /= UBig::from(2 * m);
    }
    let (value, error) = (plus - minus, UBig::from(2 * m + 2));
    Between { low: &value - &error, high: value + error }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::enumerate::{Path, enumerate};

    fn probability(k: u64) -> f64 {
        let weight = |k: u64| (-((k * k) as f64) / 2.0).exp();
        weight(k) / (0..40).map(weight).sum::<f64>()
    }

    /// Gives 64-bit digits, then fails.
    struct Script(Vec<u64>);

    impl Digits for Script {
        const BITS: u32 = 64;
        fn digit(&mut self) -> Result<u64, PrivacyError> {
            if self.0.is_empty() { Err(PrivacyError::RandomSource) } else { Ok(self.0.remove(0)) }
        }
        fn coin(&mut self) -> Result<bool, PrivacyError> {
            Err(PrivacyError::RandomSource)
        }
    }

    #[test]
    fn the_enumerated_probabilities_of_the_bands_are_exact() {
        fn check<const BITS: u32>() {
            let outcomes = enumerate(1e-11, |path: &mut Path<BITS>| band(path));
            (0..12).for_each(|k| outcomes.assert(&k, probability(k), 1e-8));
        }
        check::<1>();
        check::<2>();
        check::<5>();
    }

    #[test]
    fn the_table_holds_the_first_64_bits_of_the_thresholds_and_decides_nothing_that_they_leave_open() {
        for (k, bits) in (0u64..).zip(FIRST_64_BITS) {
            // Below the threshold's bits the band is k or less; with the very bits nothing is decided.
            assert_eq!(decided(&UBig::from(bits), 64), None, "{k}");
            assert_eq!(decided(&UBig::from(bits - 1), 64), Some(k));
            assert_eq!(band(&mut Script(vec![bits - 1])), Ok(k));
            assert_eq!(
                band(&mut Script(vec![bits])),
                Err(PrivacyError::RandomSource),
                "one digit is not enough"
            );
            if let Some(above) = bits.checked_add(1) {
                assert_eq!(decided(&UBig::from(above), 64), Some(k + 1));
                assert_eq!(band(&mut Script(vec![above])), Ok(k + 1));
            }
        }
        assert_eq!(band(&mut Script(vec![0])), Ok(0));
    }

    #[test]
    fn a_tie_is_decided_by_the_digits_after_it() {
        for (k, bits) in (0u64..).zip(FIRST_64_BITS) {
            assert_eq!(band(&mut Script(vec![bits, 0])), Ok(k));
            let after = band(&mut Script(vec![bits, u64::MAX]));
            // Beyond the last threshold of the table lie bands without end.
            assert_eq!(after, if bits == u64::MAX { Err(PrivacyError::RandomSource) } else { Ok(k + 1) });
        }
        // 1 - (w_10 + ...)/Z begins with 64 ones and then 0.99797...: what is above is the eleventh band.
        assert_eq!(band(&mut Script(vec![u64::MAX, u64::MAX / 1000 * 997])), Ok(9));
        assert_eq!(band(&mut Script(vec![u64::MAX, u64::MAX / 1000 * 999])), Ok(10));
    }
}
