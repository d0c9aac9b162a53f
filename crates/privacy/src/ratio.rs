//! Ratios of noisy totals: shares, means, poverty measures.

use crate::estimate::{Estimate, Z};

/// One released total and how it enters a ratio.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Term {
    /// The released total.
    pub total: f64,
    /// Its factor in the numerator.
    pub numerator: f64,
    /// Its factor in the denominator.
    pub denominator: f64,
}

/// `N / D` for two linear combinations of totals whose noises are independent with standard deviation
/// `sd` each.
///
/// By the delta method `Var = (Var N - 2 r Cov(N, D) + r^2 Var D) / D^2` at `r = N/D`. The interval is
/// Fieller's (1954): all `r` with `(N - r D)^2 <= z^2 (Var N - 2 r Cov + r^2 Var D)`, which is bounded
/// exactly when `D^2 > z^2 Var D`; otherwise it is the whole line. For `D <= 0` nothing can be said.
/// The value is not moved into any range: that would bias sums and differences of several ratios.
pub fn ratio(terms: &[Term], sd: f64) -> Estimate {
    let sum = |part: fn(&Term) -> f64| terms.iter().map(part).sum::<f64>();
    let (n, d) = (sum(|term| term.total * term.numerator), sum(|term| term.total * term.denominator));
    if d.is_nan() || d <= 0.0 {
        return Estimate::UNKNOWN;
    }
    let variance = sd * sd;
    let var_n = variance * sum(|term| term.numerator * term.numerator);
    let var_d = variance * sum(|term| term.denominator * term.denominator);
    let cov = variance * sum(|term| term.numerator * term.denominator);
    let r = n / d;
    // A variance: what rounding takes below zero is zero.
    let standard_error = (var_n - 2.0 * r * cov + r * r * var_d).max(0.0).sqrt() / d;
    let z2 = Z * Z;
    let leading = d * d - z2 * var_d;
    if leading <= 0.0 {
        return Estimate::checked(r, standard_error, f64::NEG_INFINITY, f64::INFINITY);
    }
    let middle = n * d - z2 * cov;
    let root = (middle * middle - leading * (n * n - z2 * var_n)).max(0.0).sqrt();
    Estimate::checked(r, standard_error, (middle - root) / leading, (middle + root) / leading)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The pair of PROTOCOL C: `a` without, `b` with.
    fn share(a: f64, b: f64, sd: f64) -> Estimate {
        let term = |total, numerator| Term { total, numerator, denominator: 1.0 };
        ratio(&[term(a, 0.0), term(b, 1.0)], sd)
    }

    proptest! {
        #[test]
        fn no_input_makes_a_nan_or_an_interval_without_its_value(
            totals in prop::collection::vec(any::<f64>(), 3), small in prop::collection::vec(-3.0f64..3.0, 9),
            sd in any::<f64>(),
        ) {
            for (totals, sd) in [(&totals, sd), (&small, 0.0), (&small, 1.0), (&totals, f64::NAN)] {
                let terms: Vec<Term> = (0..3)
                    .map(|i| Term { total: totals[i], numerator: small[i + 3], denominator: small[i + 6] })
                    .collect();
                let found = ratio(&terms, sd);
                prop_assert!(found.value.is_none_or(|value| value.is_finite()));
                prop_assert!(found.standard_error >= 0.0);
                prop_assert!(found.value.is_none_or(|value| found.low <= value && value <= found.high));
            }
        }

        /// The ends are the two r at which `N - r D` is exactly z standard deviations from 0.
        #[test]
        fn the_ends_of_a_bounded_interval_solve_fiellers_equation(
            persons in 1_000.0f64..1e12, part in 0.0f64..1.0, noise in 0.0001f64..0.35,
        ) {
            let sd = persons * noise;
            let (a, b) = (persons * (1.0 - part), persons * part);
            let estimate = share(a, b, sd);
            for u in [estimate.low, estimate.high] {
                let distance = (b - u * (a + b)).abs();
                let allowed = Z * sd * ((1.0 - u).powi(2) + u * u).sqrt();
                prop_assert!((distance - allowed).abs() <= 1e-6 * allowed, "{distance} {allowed}");
            }
        }
    }

    #[test]
    fn without_noise_the_ratio_is_exact() {
        let exact = Estimate { value: Some(0.25), standard_error: 0.0, low: 0.25, high: 0.25 };
        assert_eq!(share(300.0, 100.0, 0.0), exact);
    }

    #[test]
    fn little_noise_gives_the_delta_method() {
        let estimate = share(600_000.0, 400_000.0, 50.0);
        assert_eq!(estimate.value, Some(0.4));
        let expected = 50.0 * (0.36f64 + 0.16).sqrt() / 1e6;
        assert!((estimate.standard_error - expected).abs() < 1e-12);
        assert!((estimate.high - 0.4 - Z * expected).abs() < 1e-3 * expected);
        assert!((0.4 - estimate.low - Z * expected).abs() < 1e-3 * expected);
    }

    #[test]
    fn persons_lost_in_the_noise_give_the_whole_line_or_nothing() {
        let lost = share(100.0, 100.0, 80.0);
        assert_eq!((lost.value, lost.low, lost.high), (Some(0.5), f64::NEG_INFINITY, f64::INFINITY));
        for (a, b) in [(0.0, 0.0), (-5.0, 5.0), (-100.0, 20.0)] {
            assert_eq!(share(a, b, 3.0), Estimate::UNKNOWN);
        }
    }
}
