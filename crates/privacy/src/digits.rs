//! Uniform random reals that are drawn one digit at a time, as far as it takes to compare them, and uniform
//! integers. No probability here is ever rounded.

use crate::PrivacyError;

/// Where random digits come from. Noise is drawn with digits of 64 bits, so that nearly every comparison is
/// decided by the first; tests enumerate digits of few bits, so that all later ones are reached.
pub(crate) trait Digits {
    /// Bits of a digit, 1 to 64.
    const BITS: u32;
    /// The next digit: uniform in `0..2^BITS`, independent of all others.
    fn digit(&mut self) -> Result<u64, PrivacyError>;
    /// True with probability 1/2.
    fn coin(&mut self) -> Result<bool, PrivacyError>;
}

/// A real number uniform in `[0, 1)`, known up to the digits that a comparison has asked for. What is not yet
/// drawn is independent of everything, so that drawing it later changes nothing.
pub(crate) struct Real {
    first: u64,
    /// The second digit and those after it: nearly always none.
    rest: Vec<u64>,
}

impl Real {
    /// A new number.
    #[inline]
    pub(crate) fn draw(digits: &mut impl Digits) -> Result<Self, PrivacyError> {
        Ok(Real { first: digits.digit()?, rest: Vec::new() })
    }

    /// Digit number `place`, counted from 0; drawn when it is the first beyond the known ones.
    fn at(&mut self, place: usize, digits: &mut impl Digits) -> Result<u64, PrivacyError> {
        let Some(place) = place.checked_sub(1) else { return Ok(self.first) };
        while self.rest.len() <= place {
            self.rest.push(digits.digit()?);
        }
        Ok(self.rest[place])
    }

    /// Whether the number is below `p/q`, for `p <= q`, `1 <= q <= 2^63`.
    ///
    /// With the first digit `d` it lies in `[d, d + 1) / 2^BITS`, so that `d q` and `(d + 1) q` against
    /// `p 2^BITS` decide, or leave it to the number with the digits from the next one on, and
    /// `p 2^BITS - d q < q` in the place of p. That happens for at most one digit in `2^BITS`: the work ends
    /// with probability 1.
    #[inline]
    pub(crate) fn is_below<D: Digits>(
        &mut self,
        p: u64,
        q: u64,
        digits: &mut D,
    ) -> Result<bool, PrivacyError> {
        match compare::<D>(self.first, p, q) {
            Ok(below) => Ok(below),
            Err(rest) => self.is_below_from(1, rest, q, digits),
        }
    }

    #[cold]
    fn is_below_from<D: Digits>(
        &mut self,
        place: usize,
        p: u64,
        q: u64,
        digits: &mut D,
    ) -> Result<bool, PrivacyError> {
        let (mut place, mut p) = (place, p);
        loop {
            match compare::<D>(self.at(place, digits)?, p, q) {
                Ok(below) => return Ok(below),
                Err(rest) => (place, p) = (place + 1, rest),
            }
        }
    }

    /// Whether the number is below another, independent one. Digits are equal with probability `2^-BITS`: the
    /// work ends with probability 1.
    #[inline]
    pub(crate) fn is_less(
        &mut self,
        other: &mut Real,
        digits: &mut impl Digits,
    ) -> Result<bool, PrivacyError> {
        if self.first != other.first {
            return Ok(self.first < other.first);
        }
        self.is_less_from(1, other, digits)
    }

    #[cold]
    fn is_less_from(
        &mut self,
        place: usize,
        other: &mut Real,
        digits: &mut impl Digits,
    ) -> Result<bool, PrivacyError> {
        let mut place = place;
        loop {
            let (own, others) = (self.at(place, digits)?, other.at(place, digits)?);
            if own != others {
                return Ok(own < others);
            }
            place += 1;
        }
    }
}

/// Whether every number that begins with `digit` is below `p/q`, or none is; else the p of what follows.
#[inline]
fn compare<D: Digits>(digit: u64, p: u64, q: u64) -> Result<bool, u64> {
    // Below 2^127, as digit < 2^64, p <= q <= 2^63 and BITS <= 64.
    let (reached, bound) = (u128::from(digit) * u128::from(q), u128::from(p) << D::BITS);
    if reached >= bound {
        Ok(false)
    } else if reached + u128::from(q) <= bound {
        Ok(true)
    } else {
        Err((bound - reached) as u64)
    }
}

/// Uniform in `0..n`, for `1 <= n <= 2^63` and `n <= 2^BITS`, by the whole part of `digit n / 2^BITS` (Lemire,
/// "Fast Random Integer Generation in an Interval", ACM TOMACS 2019): of the digits with one whole part those
/// with the `2^BITS mod n` least remainders are rejected, which leaves equally many to each. A try succeeds with
/// probability above 1/2, so that the loop ends with probability 1.
#[inline]
pub(crate) fn below<D: Digits>(n: u64, digits: &mut D) -> Result<u64, PrivacyError> {
    let all = 1u128 << D::BITS;
    loop {
        let product = u128::from(digits.digit()?) * u128::from(n);
        let (whole, remainder) = ((product >> D::BITS) as u64, product & (all - 1));
        // The division is needed for few digits alone: what is rejected is less than n.
        if remainder >= u128::from(n) || remainder >= all % u128::from(n) {
            return Ok(whole);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::enumerate::{Path, enumerate};

    /// Gives its digits, then fails.
    pub(crate) struct Script<const BITS: u32>(Vec<u64>);

    impl<const B: u32> Digits for Script<B> {
        const BITS: u32 = B;
        fn digit(&mut self) -> Result<u64, PrivacyError> {
            if self.0.is_empty() { Err(PrivacyError::RandomSource) } else { Ok(self.0.remove(0)) }
        }
        fn coin(&mut self) -> Result<bool, PrivacyError> {
            Ok(self.digit()? & 1 == 1)
        }
    }

    const FRACTIONS: [(u64, u64); 12] = [
        (0, 1),
        (1, 1),
        (1, 2),
        (1, 3),
        (2, 3),
        (1, 256),
        (255, 256),
        (1, 257),
        (3, 65_537),
        (7, 7),
        (5, 9),
        (0, 9),
    ];

    #[test]
    fn every_two_digit_prefix_decides_a_comparison_as_the_real_number_it_begins() {
        for (p, q) in FRACTIONS {
            for prefix in 0..=u16::MAX {
                let [first, second] = prefix.to_be_bytes().map(u64::from);
                let mut script = Script::<8>(vec![first, second]);
                let mut real = Real::draw(&mut script).expect("two digits");
                // The number lies in [prefix, prefix + 1) / 2^16.
                let (below, above) =
                    ((u64::from(prefix) + 1) * q <= p << 16, u64::from(prefix) * q >= p << 16);
                match real.is_below(p, q, &mut script) {
                    Ok(decision) => assert_eq!((decision, !decision), (below, above), "{p}/{q} {prefix:#x}"),
                    Err(_) => assert!(!below && !above, "{p}/{q} {prefix:#x} should be decided"),
                }
            }
        }
    }

    #[test]
    fn the_largest_fraction_overflows_nothing_and_ends_with_its_digits() {
        let q = 1u64 << 63;
        let decide = |p, digits: &[u64]| {
            let mut script = Script::<64>(digits.to_vec());
            Real::draw(&mut script).and_then(|mut real| real.is_below(p, q, &mut script))
        };
        // 1 - 2^-63 is 63 binary ones: one digit of 64 bits.
        assert_eq!(decide(q - 1, &[u64::MAX]), Ok(false));
        assert_eq!(decide(q - 1, &[u64::MAX - 1]), Ok(false));
        assert_eq!(decide(q - 1, &[u64::MAX - 2]), Ok(true));
        assert_eq!(decide(q, &[u64::MAX]), Ok(true));
        assert_eq!(decide(0, &[0]), Ok(false));
        // A third is 0x5555... for ever.
        let third = |digits: &[u64]| {
            let mut script = Script::<64>(digits.to_vec());
            Real::draw(&mut script).and_then(|mut real| real.is_below(1, 3, &mut script))
        };
        let five = u64::MAX / 3;
        assert_eq!(third(&[five; 5]), Err(PrivacyError::RandomSource));
        assert_eq!(third(&[five, five, five - 1]), Ok(true));
        assert_eq!(third(&[five, five, five + 1]), Ok(false));
    }

    /// Digits that a tie has revealed are those of every later comparison.
    #[test]
    fn a_number_keeps_the_digits_that_were_drawn() {
        for prefix in 0..1u32 << 12 {
            let part = |place: u32| u64::from(prefix >> (9 - 3 * place) & 7);
            let mut script = Script::<3>((0..4).map(part).collect());
            let mut real = Real::draw(&mut script).expect("a digit");
            for (p, q) in [(1, 3), (2, 7), (1, 3), (333, 1000), (2, 7)] {
                let exact = (u64::from(prefix) + 1) * q <= p << 12;
                let undecided = !exact && u64::from(prefix) * q < p << 12;
                assert_eq!(
                    real.is_below(p, q, &mut script).ok(),
                    (!undecided).then_some(exact),
                    "{prefix:#o}"
                );
            }
        }
    }

    #[test]
    fn the_enumerated_probability_of_a_comparison_is_the_fraction() {
        for (p, q) in FRACTIONS {
            let outcomes = enumerate(1e-15, |path: &mut Path<2>| {
                let mut real = Real::draw(path)?;
                real.is_below(p, q, path)
            });
            outcomes.assert(&true, p as f64 / q as f64, 1e-13);
        }
    }

    /// Three numbers in a row: the first step may leave digits behind for the second.
    #[test]
    fn the_enumerated_orders_of_three_numbers_are_equally_likely() {
        let outcomes = enumerate(1e-9, |path: &mut Path<1>| {
            let (mut a, mut b, mut c) = (Real::draw(path)?, Real::draw(path)?, Real::draw(path)?);
            Ok((a.is_less(&mut b, path)?, b.is_less(&mut c, path)?, a.is_less(&mut c, path)?))
        });
        for order in [(true, true, true), (true, false, true), (false, true, true)]
            .into_iter()
            .flat_map(|(x, y, z)| [(x, y, z), (!x, !y, !z)])
        {
            outcomes.assert(&order, 1.0 / 6.0, 1e-3);
        }
        assert_eq!(outcomes.mass.len(), 6, "no order contradicts itself");
    }

    #[test]
    fn every_digit_of_a_uniform_integer_is_used_equally_often() {
        fn check<const BITS: u32>(n: u64) {
            let mut hits = vec![0u32; n as usize];
            for digit in 0..1 << BITS {
                // A rejected digit asks for another and finds none.
                if let Ok(value) = below(n, &mut Script::<BITS>(vec![digit])) {
                    hits[value as usize] += 1;
                }
            }
            assert!(
                hits.iter().all(|count| *count == ((1 << BITS) / n) as u32),
                "{BITS} bits, {n}: {hits:?}"
            );
        }
        (1..=256).for_each(check::<8>);
        (1..=1024).for_each(check::<10>);
        assert_eq!(below(1 << 50, &mut Script::<64>(vec![u64::MAX])), Ok((1 << 50) - 1));
        assert_eq!(below((1 << 50) - 1, &mut Script::<64>(vec![0, 1 << 63])), Ok((1 << 49) - 1));
    }
}
