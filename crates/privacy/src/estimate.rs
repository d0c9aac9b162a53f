//! What a planner may conclude from noisy totals: values, standard errors and 95 % intervals.
//!
//! Post-processing only: it sees released totals and public numbers, and never a citizen's record.
//! The intervals cover the privacy noise alone. Nothing here ever returns NaN.

/// The 97.5 % point of the standard normal distribution.
pub(crate) const Z: f64 = 1.959_963_984_540_054;

/// A number concluded from noisy totals.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The best guess; `None` when there is none, as for a mean when the noisy number of persons is not positive.
    pub value: Option<f64>,
    /// Standard deviation of the value over the privacy noise; infinite when unknown.
    pub standard_error: f64,
    /// Lower end of the 95 % interval; `-inf` when there is none.
    pub low: f64,
    /// Upper end of the 95 % interval; `+inf` when there is none.
    pub high: f64,
}

impl Estimate {
    /// Nothing can be said.
    pub const UNKNOWN: Estimate =
        Estimate { value: None, standard_error: f64::INFINITY, low: f64::NEG_INFINITY, high: f64::INFINITY };

    /// The estimate when none of its parts is NaN, `UNKNOWN` otherwise.
    pub(crate) fn checked(value: f64, standard_error: f64, low: f64, high: f64) -> Estimate {
        if !value.is_finite() || standard_error.is_nan() || low.is_nan() || high.is_nan() {
            return Estimate::UNKNOWN;
        }
        // Rounding must not push the value out of its own interval.
        Estimate { value: Some(value), standard_error, low: low.min(value), high: high.max(value) }
    }

    /// A value whose error is normal, with its 95 % interval.
    pub(crate) fn normal(value: f64, standard_error: f64) -> Estimate {
        Estimate::checked(value, standard_error, value - Z * standard_error, value + Z * standard_error)
    }

    /// A value that nothing bounds.
    pub(crate) fn unbounded(value: f64) -> Estimate {
        Estimate::checked(value, f64::INFINITY, f64::NEG_INFINITY, f64::INFINITY)
    }

    /// `offset + scale * self`.
    pub fn affine(self, offset: f64, scale: f64) -> Estimate {
        let Some(value) = self.value else { return Estimate::UNKNOWN };
        if scale == 0.0 {
            return Estimate::checked(offset, 0.0, offset, offset);
        }
        let (first, second) = (offset + scale * self.low, offset + scale * self.high);
        let error = self.standard_error * scale.abs();
        Estimate::checked(offset + scale * value, error, first.min(second), first.max(second))
    }

    /// Whether the noise dominates: nothing is known, nothing bounds it, or the standard error is above `limit` times
    /// the value.
    pub fn is_noisy(&self, limit: f64) -> bool {
        let bounded = self.low.is_finite() && self.high.is_finite();
        !self.value.is_some_and(|value| bounded && self.standard_error <= limit * value.abs())
    }
}

/// A count or a sum: `total` is the released integer, `unit` the value of one integer step, `sd` > 0 the
/// standard deviation of the released total's noise in integer steps.
pub fn linear(total: i64, unit: f64, sd: f64) -> Estimate {
    let value = total as f64 * unit;
    Estimate::normal(value, (sd * unit).abs())
}

#[cfg(test)]
impl Estimate {
    /// Whether nothing is NaN and the value lies in its interval.
    pub(crate) fn is_sound(&self) -> bool {
        self.value.is_none_or(f64::is_finite)
            && self.standard_error >= 0.0
            && self.low <= self.value.unwrap_or(0.0)
            && self.value.unwrap_or(0.0) <= self.high
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_input_makes_a_nan_or_an_interval_without_its_value(
            a: i64, low in any::<f64>(), high in any::<f64>(), sd in any::<f64>(),
        ) {
            prop_assert!(linear(a, low, sd).is_sound());
            prop_assert!(linear(a, low, sd).affine(high, low).is_sound());
            for odd in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
                prop_assert!(linear(a, odd, 1.0).is_sound());
                prop_assert!(linear(a, 1.0, sd).affine(odd, high).is_sound());
            }
        }
    }

    #[test]
    fn a_total_is_scaled_by_its_unit() {
        let estimate = linear(-4000, 0.25, 100.0);
        assert_eq!(estimate.value, Some(-1000.0));
        assert_eq!(estimate.standard_error, 25.0);
        assert!((estimate.high - (-1000.0 + 25.0 * 1.959964)).abs() < 1e-4);
        assert!((estimate.low - (-1000.0 - 25.0 * 1.959964)).abs() < 1e-4);
    }

    #[test]
    fn an_estimate_moves_and_turns_with_its_scale() {
        let estimate = Estimate { value: Some(2.0), standard_error: 0.5, low: 1.0, high: f64::INFINITY };
        let turned = Estimate { value: Some(6.0), standard_error: 1.0, low: f64::NEG_INFINITY, high: 8.0 };
        assert_eq!(estimate.affine(10.0, -2.0), turned);
        let still = Estimate { value: Some(7.0), standard_error: 0.0, low: 7.0, high: 7.0 };
        assert_eq!(estimate.affine(7.0, 0.0), still);
        assert_eq!(Estimate::UNKNOWN.affine(1.0, 1.0), Estimate::UNKNOWN);
    }

    #[test]
    fn a_number_is_noisy_when_its_error_passes_the_limit() {
        assert!(!linear(100, 1.0, 25.0).is_noisy(0.25));
        assert!(linear(-99, 1.0, 25.0).is_noisy(0.25));
        assert!(linear(0, 1.0, 1.0).is_noisy(1e9));
        assert!(Estimate::UNKNOWN.is_noisy(f64::INFINITY));
    }
}
