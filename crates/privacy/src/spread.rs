//! Variances and standard deviations from the joint triple of PROTOCOL C.

use crate::estimate::{Estimate, Z};
use crate::ratio::{Term, ratio};

/// Which measure of spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spread {
    /// Mean squared distance from the mean.
    VariancePopulation,
    /// The same times `n/(n-1)`.
    VarianceSample,
    /// Square root of the population's variance.
    DeviationPopulation,
    /// Square root of the sample's variance.
    DeviationSample,
}

/// The spread of values in a public range of width `range`, from the totals of the Lagrange basis at
/// 0, 1/2 and 1 over `u = (x - low)/range`: `(1-u)(1-2u)`, `4u(1-u)`, `u(2u-1)`, in persons, each with
/// independent noise of standard deviation `sd`. With `n` their sum, `s1 = b/2 + c` the sum of `u` and
/// `s2 = b/4 + c` the sum of its square, the variance is `range^2 (s2/n - (s1/n)^2)`; its standard error and
/// interval are those of [`ratio`], unbounded where the noise hides `n`. A variance may come out negative, and then says that the noise is larger than it;
/// a deviation never does.
pub fn spread(totals: [f64; 3], sd: f64, range: f64, kind: Spread) -> Estimate {
    let [a, b, c] = totals;
    let n = a + b + c;
    let mean = (b / 2.0 + c) / n;
    let sample = matches!(kind, Spread::VarianceSample | Spread::DeviationSample);
    if n.is_nan() || n <= f64::from(u8::from(sample)) {
        return Estimate::UNKNOWN;
    }
    // The squared distances from the mean over the rows: a ratio of sums, which to first order does not move with
    // the mean that it is taken from.
    let terms = [(a, 0.0), (b, 0.5), (c, 1.0)].map(|(total, node): (f64, f64)| Term {
        total,
        numerator: (node - mean).powi(2),
        denominator: 1.0,
    });
    let scale = range * range * if sample { n / (n - 1.0) } else { 1.0 };
    let found = ratio(&terms, sd).affine(0.0, scale);
    let (Some(value), error) = (found.value, found.standard_error) else { return Estimate::UNKNOWN };
    match kind {
        Spread::VariancePopulation | Spread::VarianceSample => found,
        Spread::DeviationPopulation | Spread::DeviationSample => {
            let root = |variance: f64| variance.max(0.0).sqrt();
            // Where noise has pushed the whole interval below 0, its width still tells how much there may be.
            let high = found.high.max(Z * error);
            let (low, high) = (root(found.low), root(high));
            // Not by the delta method, which near zero divides by the deviation and trusts it far from there.
            Estimate::checked(root(value), (high - low) / (2.0 * Z), low, high)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn totals(values: &[f64]) -> [f64; 3] {
        let sum = |basis: fn(f64) -> f64| values.iter().map(|u| basis(*u)).sum();
        [sum(|u| (1.0 - u) * (1.0 - 2.0 * u)), sum(|u| 4.0 * u * (1.0 - u)), sum(|u| u * (2.0 * u - 1.0))]
    }

    #[test]
    fn without_noise_the_spread_is_exact() {
        let values = [0.1, 0.5, 0.75, 0.2, 1.0, 0.0];
        let mean = values.iter().sum::<f64>() / 6.0;
        let squares: f64 = values.iter().map(|u| (u - mean).powi(2)).sum();
        for (kind, expected) in [
            (Spread::VariancePopulation, squares / 6.0 * 100.0),
            (Spread::VarianceSample, squares / 5.0 * 100.0),
            (Spread::DeviationPopulation, (squares / 6.0).sqrt() * 10.0),
            (Spread::DeviationSample, (squares / 5.0).sqrt() * 10.0),
        ] {
            let found = spread(totals(&values), 0.0, 10.0, kind);
            assert!((found.value.expect("known") - expected).abs() < 1e-9, "{kind:?}");
            assert!(found.standard_error.abs() < 1e-9);
        }
    }

    /// The delta method against the variance of a thousand fixed perturbations.
    #[test]
    fn the_standard_error_is_that_of_the_noise() {
        let base = totals(&[0.2, 0.3, 0.35, 0.9].repeat(2_500));
        let exact = spread(base, 20.0, 1.0, Spread::VariancePopulation);
        let mut state = 1u64;
        let mut normal = || {
            (0..12)
                .map(|_| {
                    state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                    (state >> 40) as f64 / f64::from(1u32 << 24)
                })
                .sum::<f64>()
                - 6.0
        };
        let values: Vec<f64> = (0..4_000)
            .map(|_| {
                let noisy = base.map(|total| total + 20.0 * normal());
                spread(noisy, 20.0, 1.0, Spread::VariancePopulation).value.expect("known")
            })
            .collect();
        let mean = values.iter().sum::<f64>() / 4_000.0;
        let sd = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 4_000.0).sqrt();
        assert!((sd / exact.standard_error - 1.0).abs() < 0.06, "{sd} {}", exact.standard_error);
    }

    #[test]
    fn nobody_and_one_person_have_defined_answers() {
        for kind in [Spread::VarianceSample, Spread::DeviationPopulation, Spread::DeviationSample] {
            assert_eq!(spread([0.0; 3], 10.0, 1.0, kind), Estimate::UNKNOWN);
            assert_eq!(spread([-4.0, 1.0, 1.0], 10.0, 1.0, kind), Estimate::UNKNOWN);
        }
        assert_eq!(spread(totals(&[0.3]), 0.0, 1.0, Spread::VarianceSample), Estimate::UNKNOWN);
        let lost = spread(totals(&[0.5; 10]), 50.0, 1.0, Spread::DeviationPopulation);
        assert!(lost.low == 0.0 && lost.high > 1.0 && lost.value.is_some_and(|value| value >= 0.0));
    }
}
