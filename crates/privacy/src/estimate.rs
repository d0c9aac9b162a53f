//! What a planner may conclude from noisy totals: values, standard errors and 95 % intervals.
//!
//! Post-processing only: it sees released totals and public numbers, and never a citizen's record.
//! The intervals cover the privacy noise alone. Nothing here ever returns NaN.

/// The 97.5 % point of the standard normal distribution.
const Z: f64 = 1.959_963_984_540_054;

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
    fn checked(value: f64, standard_error: f64, low: f64, high: f64) -> Estimate {
        if !value.is_finite() || standard_error.is_nan() || low.is_nan() || high.is_nan() {
            return Estimate::UNKNOWN;
        }
        // Rounding must not push the value out of its own interval.
        Estimate { value: Some(value), standard_error, low: low.min(value), high: high.max(value) }
    }
}

/// A count or a sum: `total` is the released integer, `unit` the value of one integer step, `sd` > 0 the
/// standard deviation of the released total's noise in integer steps.
pub fn linear(total: i64, unit: f64, sd: f64) -> Estimate {
    let value = total as f64 * unit;
    let standard_error = (sd * unit).abs();
    Estimate::checked(value, standard_error, value - Z * standard_error, value + Z * standard_error)
}

/// A mean of values in the public range `low..=high`, from the pair of totals of PROTOCOL C: `a` estimates
/// the sum of `1 - u` and `b` the sum of `u = (x - low)/(high - low)` over the persons, both in the same
/// unit and each with independent noise of standard deviation `sd` in that unit.
///
/// With `n = a + b` and `u = b/n` the value is `low + (high - low) u` and, by the delta method,
/// `Var = (high - low)^2 sd^2 ((1-u)^2 + u^2) / n^2`. The interval is Fieller's (1954): all `u` with
/// `(b - u n)^2 <= z^2 sd^2 ((1-u)^2 + u^2)`, which is bounded exactly when `n^2 > 2 z^2 sd^2`; otherwise
/// it is the whole line. For `n <= 0` nothing can be said.
/// The value is not moved into the range: that would bias sums and differences of several means.
pub fn mean(a: i64, b: i64, low: f64, high: f64, sd: f64) -> Estimate {
    let n = (i128::from(a) + i128::from(b)) as f64;
    let (a, b) = (a as f64, b as f64);
    if n <= 0.0 {
        return Estimate::UNKNOWN;
    }
    let range = high - low;
    let u = b / n;
    let standard_error = (range * sd).abs() * ((1.0 - u) * (1.0 - u) + u * u).sqrt() / n;
    let value = low + range * u;
    // u^2 (n^2 - 2c) - 2u (b n - c) + (b^2 - c) <= 0 with c = z^2 sd^2; its discriminant, over 4, is
    // c (a^2 + b^2 - c), positive whenever n^2 > 2c because a^2 + b^2 >= n^2/2.
    let c = (Z * sd) * (Z * sd);
    let leading = n * n - 2.0 * c;
    if leading <= 0.0 {
        return Estimate::checked(value, standard_error, f64::NEG_INFINITY, f64::INFINITY);
    }
    let root = (c * (a * a + b * b - c)).max(0.0).sqrt();
    let (first, second) = ((b * n - c - root) / leading, (b * n - c + root) / leading);
    let (first, second) = (low + range * first, low + range * second);
    Estimate::checked(value, standard_error, first.min(second), first.max(second))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn has_no_nan(estimate: &Estimate) -> bool {
        estimate.value.is_none_or(f64::is_finite)
            && estimate.standard_error >= 0.0
            && estimate.low <= estimate.value.unwrap_or(0.0)
            && estimate.value.unwrap_or(0.0) <= estimate.high
    }

    proptest! {
        #[test]
        fn no_input_makes_a_nan_or_an_interval_without_its_value(
            a: i64, b: i64, c in -3i64..3, d in -3i64..3,
            low in any::<f64>(), high in any::<f64>(), sd in any::<f64>(),
        ) {
            for (a, b) in [(a, b), (c, d), (a, d)] {
                prop_assert!(has_no_nan(&mean(a, b, low, high, sd)));
                prop_assert!(has_no_nan(&mean(a, b, -5.0, 7.5, sd)));
                prop_assert!(has_no_nan(&mean(a, b, 0.0, 1.0, 0.0)));
                prop_assert!(has_no_nan(&linear(a, low, sd)));
            }
            for odd in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
                prop_assert!(has_no_nan(&mean(a, b, 0.0, 1.0, odd)));
                prop_assert!(has_no_nan(&mean(a, b, odd, 1.0, 10.0)));
                prop_assert!(has_no_nan(&linear(a, odd, 1.0)));
            }
        }

        /// The ends of the interval are the two u at which `b - u n` is exactly z standard deviations from 0.
        #[test]
        fn the_ends_of_a_bounded_interval_solve_fiellers_equation(
            persons in 1_000.0f64..1e12, share in 0.0f64..1.0, noise in 0.0001f64..0.35,
        ) {
            let sd = persons * noise;
            let (a, b) = ((persons * (1.0 - share)) as i64, (persons * share) as i64);
            let estimate = mean(a, b, 0.0, 1.0, sd);
            let n = (a + b) as f64;
            for u in [estimate.low, estimate.high] {
                let distance = (b as f64 - u * n).abs();
                let allowed = Z * sd * ((1.0 - u).powi(2) + u * u).sqrt();
                prop_assert!((distance - allowed).abs() <= 1e-6 * allowed, "{distance} {allowed}");
            }
            prop_assert!(estimate.low < share + 1e-3 && share - 1e-3 < estimate.high);
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
    fn without_noise_the_mean_is_exact() {
        let estimate = mean(300, 100, 10.0, 50.0, 0.0);
        assert_eq!(estimate, Estimate { value: Some(20.0), standard_error: 0.0, low: 20.0, high: 20.0 });
    }

    #[test]
    fn little_noise_gives_the_delta_method() {
        let estimate = mean(600_000, 400_000, 0.0, 10.0, 50.0);
        assert_eq!(estimate.value, Some(4.0));
        let expected = 10.0 * 50.0 * (0.36f64 + 0.16).sqrt() / 1e6;
        assert!((estimate.standard_error - expected).abs() < 1e-12);
        assert!((estimate.high - 4.0 - Z * expected).abs() < 1e-3 * expected);
        assert!((4.0 - estimate.low - Z * expected).abs() < 1e-3 * expected);
    }

    #[test]
    fn a_number_of_persons_lost_in_the_noise_gives_the_whole_line_or_nothing() {
        let lost = mean(100, 100, 0.0, 1.0, 80.0);
        assert_eq!((lost.value, lost.low, lost.high), (Some(0.5), f64::NEG_INFINITY, f64::INFINITY));
        for (a, b) in [(0, 0), (-5, 5), (-100, 20), (i64::MIN, i64::MIN)] {
            assert_eq!(mean(a, b, 0.0, 1.0, 3.0), Estimate::UNKNOWN);
        }
    }
}
