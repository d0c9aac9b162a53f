//! Variances and standard deviations from the joint triple of PROTOCOL C.

use crate::estimate::{Estimate, Z};

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
/// `s2 = b/4 + c` the sum of its square, the variance is `range^2 (s2/n - (s1/n)^2)`; its standard error is
/// by the delta method. A variance may come out negative, and then says that the noise is larger than it;
/// a deviation never does.
pub fn spread(totals: [f64; 3], sd: f64, range: f64, kind: Spread) -> Estimate {
    let [a, b, c] = totals;
    let n = a + b + c;
    let (mean, square) = ((b / 2.0 + c) / n, (b / 4.0 + c) / n);
    let sample = matches!(kind, Spread::VarianceSample | Spread::DeviationSample);
    if n.is_nan() || n <= f64::from(u8::from(sample)) {
        return Estimate::UNKNOWN;
    }
    let variance = square - mean * mean;
    // Derivatives of s2/n - (s1/n)^2 by the three totals.
    let slope = |node: f64| (node * node - square - 2.0 * mean * (node - mean)) / n;
    let error = sd.abs() * (slope(0.0).powi(2) + slope(0.5).powi(2) + slope(1.0).powi(2)).sqrt();
    let scale = range * range * if sample { n / (n - 1.0) } else { 1.0 };
    let (value, error) = (variance * scale, error * scale);
    let (low, high) = (value - Z * error, value + Z * error);
    match kind {
        Spread::VariancePopulation | Spread::VarianceSample => Estimate::checked(value, error, low, high),
        Spread::DeviationPopulation | Spread::DeviationSample => {
            let root = |variance: f64| variance.max(0.0).sqrt();
            let deviation = root(value);
            let half = (root(high) - root(low)) / (2.0 * Z);
            // Near zero the delta method divides by it; the interval's own width does not.
            let error = if deviation > 0.0 { half.min(error / (2.0 * deviation)) } else { half };
            Estimate::checked(deviation, error, root(low), root(high))
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
