//! Logarithms in integers, rounded outward by a proven margin.
//!
//! No floating point may ever enter this file.

use dashu::base::BitTest;
use dashu::integer::UBig;

/// Binary digits behind the point: an integer v stands for `v * 2^-BITS`.
pub(super) const BITS: usize = 160;

/// How far the lower bound of a logarithm of a number in `[1, 2)` may lie below it, in units of the last
/// digit.
const SLACK: u32 = 256;

/// A real number known to lie between two fixed-point numbers.
#[derive(Debug)]
pub(super) struct Bounds {
    /// At most the number.
    pub low: UBig,
    /// At least the number.
    pub high: UBig,
}

/// The fixed-point number 1.
pub(super) fn one() -> UBig {
    UBig::ONE << BITS
}

/// `a / b`, rounded up to an integer, for `b > 0`.
pub(super) fn divide_up(a: UBig, b: &UBig) -> UBig {
    (a + b - UBig::ONE) / b
}

/// The product of two fixed-point numbers, rounded up.
pub(super) fn multiply_up(a: &UBig, b: &UBig) -> UBig {
    divide_up(a * b, &one())
}

/// Natural logarithms of rationals.
pub(super) struct Logarithms {
    /// A lower bound of ln 2, less than `SLACK` below it.
    two: UBig,
}

impl Logarithms {
    pub fn new() -> Logarithms {
        // ln 2 = 2 artanh(1/3).
        Logarithms { two: twice_artanh(&UBig::ONE, &UBig::from(3u8)) }
    }

    /// `ln(n/d)` for `n >= d > 0`: with `2^k <= n/d < 2^(k+1)` it is `k ln 2 + ln(n/(d 2^k))`, whose k + 1
    /// lower bounds are each less than `SLACK` too low.
    pub fn ln(&self, n: &UBig, d: &UBig) -> Bounds {
        let lengths = n.bit_len() - d.bit_len();
        let k = if *n < d << lengths { lengths - 1 } else { lengths };
        let d = d << k;
        // For w in [1, 2): ln w = 2 artanh((w - 1)/(w + 1)), and the quotient is below 1/3.
        let low = UBig::from(k) * &self.two + twice_artanh(&(n - &d), &(n + &d));
        let high = &low + UBig::from(k + 1) * UBig::from(SLACK);
        Bounds { low, high }
    }
}

/// A lower bound of `2 artanh(p/q) = 2 sum_i z^(2i+1)/(2i+1)`, `z = p/q <= 1/3`, less than `SLACK` below it.
///
/// Every operation rounds down, so the result is never above. In units of the last digit, z is less than 1
/// too low, its square less than `2/3 + 1 = 5/3`, and a power e too low makes the next less than
/// `e/9 + (1/3)(5/3) + 1` too low; so no power is 7/4 too low, and no term 2. A power found to be 0 is below
/// 7/4, and the terms from it on are below `7/4 * 9/8 < 2` together. Powers from `3^-101 < 2^-160` on are
/// found to be 0: at most 51 terms count. Together: below `2 (51 * 2 + 2) = 208`.
fn twice_artanh(p: &UBig, q: &UBig) -> UBig {
    let mut power = (p << BITS) / q;
    let square = (&power * &power) >> BITS;
    let mut sum = UBig::ZERO;
    let mut divisor = 1u32;
    while !power.is_zero() {
        sum += &power / divisor;
        power = (power * &square) >> BITS;
        divisor += 2;
    }
    sum << 1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number(text: &str) -> UBig {
        UBig::from_str_radix(text, 10).expect("digits")
    }

    /// `ln 2`, `ln 3` and `ln 10` to 60 decimal places (OEIS A002162, A002391, A002392), cut off.
    #[test]
    fn logarithms_enclose_published_digits() {
        let scale = UBig::from(10u8).pow(60);
        for (n, digits) in [
            (2u8, "693147180559945309417232121458176568075500134360255254120680"),
            (3, "1098612288668109691395245236922525704647490557822749451734694"),
            (10, "2302585092994045684017991454684364207601101488628772976033327"),
        ] {
            let found = Logarithms::new().ln(&UBig::from(n), &UBig::ONE);
            let digits = number(digits);
            // The true logarithm is in [digits, digits + 1) / 10^60, and 10^60 > 2^160.
            assert!(&found.low * &scale < (&digits + UBig::ONE) << BITS, "{n}");
            assert!(&found.high * &scale > digits.clone() << BITS, "{n}");
            assert!((digits << BITS) - &found.low * &scale < &scale * UBig::from(4 * SLACK), "{n} is tight");
        }
        let nothing = Logarithms::new().ln(&UBig::from(7u8), &UBig::from(7u8));
        assert!(nothing.low.is_zero());
    }

    proptest! {
        /// `ln(ab) = ln a + ln b` holds of the enclosed numbers only if the enclosures meet.
        #[test]
        fn logarithms_of_products_are_sums(a in 1u64.., b in 1u64.., c in 1u64..) {
            let logarithms = Logarithms::new();
            let ln = |n: u128, d: u64| logarithms.ln(&UBig::from(n), &UBig::from(d));
            let (top, bottom) = (u128::from(a) * u128::from(b), c.min(a).min(b));
            let whole = ln(top, bottom);
            let parts = [ln(u128::from(a), bottom), ln(u128::from(b), 1)];
            prop_assert!(whole.low <= &parts[0].high + &parts[1].high);
            prop_assert!(&parts[0].low + &parts[1].low <= whole.high);
            let float = (top as f64 / bottom as f64).ln();
            let middle = (&whole.low >> (BITS - 64)).to_f64().value() / 2f64.powi(64);
            prop_assert!((middle - float).abs() <= 1e-14 * (1.0 + float), "{middle} {float}");
        }
    }

    #[test]
    fn quotients_and_products_are_rounded_up() {
        let small = UBig::from(3u8);
        assert_eq!(divide_up(UBig::from(6u8), &small), UBig::from(2u8));
        assert_eq!(divide_up(UBig::from(7u8), &small), UBig::from(3u8));
        assert_eq!(multiply_up(&small, &one()), small);
        assert_eq!(multiply_up(&small, &UBig::ONE), UBig::ONE);
    }
}
