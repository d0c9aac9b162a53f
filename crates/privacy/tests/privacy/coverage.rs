//! The 95 % intervals against the sampler's own noise.

use almoner_privacy::{DiscreteGaussian, Estimate, NoiseSource, Term, linear, ratio};

use crate::statistics::FIVE_SIGMA;

const TRIALS: usize = 40_000;

/// The share of a pair's totals that `b` is.
fn share(a: i64, b: i64, sd: f64) -> Estimate {
    let term = |total: i64, numerator| Term { total: total as f64, numerator, denominator: 1.0 };
    ratio(&[term(a, 0.0), term(b, 1.0)], sd)
}

/// Fraction of trials whose interval holds `truth`.
fn coverage(truth: f64, mut trial: impl FnMut(&mut NoiseSource) -> Estimate) -> f64 {
    let mut source = NoiseSource::from_system().expect("the system gives randomness");
    let holds = |estimate: Estimate| estimate.low <= truth && truth <= estimate.high;
    (0..TRIALS).filter(|_| holds(trial(&mut source))).count() as f64 / TRIALS as f64
}

/// Fieller's interval is exact for normal noise, so it covers 95 % however noisy the denominator is, up to the
/// whole lines that count as covering: sd of the fraction 0.0011, false alarm 5.7e-7 each.
#[test]
fn intervals_cover_the_truth_as_often_as_they_say() {
    let allowed = FIVE_SIGMA * (0.05f64 * 0.95 / TRIALS as f64).sqrt();
    let sigma = 1000;
    let noise = DiscreteGaussian::new(sigma).expect("a valid scale");
    let draw = move |source: &mut NoiseSource| noise.sample(source).expect("the system gives randomness");

    let found = coverage(50.0, |source| linear(100_000 + draw(source), 0.0005, sigma as f64));
    assert!((found - 0.95).abs() < allowed, "total: {found}");

    for persons in [1_000_000i64, 20_000, 8_000] {
        for part in [0.02, 0.5, 0.9] {
            let b = (persons as f64 * part) as i64;
            let truth = 10.0 + 90.0 * b as f64 / persons as f64;
            let found = coverage(truth, |source| {
                share(persons - b + draw(source), b + draw(source), sigma as f64).affine(10.0, 90.0)
            });
            assert!((found - 0.95).abs() < allowed, "{persons} persons, {part}: {found}");
        }
    }
}

/// Where the denominator may well be zero, coverage can only be larger.
#[test]
fn intervals_of_a_lost_denominator_still_cover() {
    let noise = DiscreteGaussian::new(1000).expect("a valid scale");
    let draw = move |source: &mut NoiseSource| noise.sample(source).expect("the system gives randomness");
    for persons in [0i64, 500, 2_000] {
        let b = persons / 4;
        let found = coverage(0.25, |source| share(persons - b + draw(source), b + draw(source), 1000.0));
        assert!(found > 0.95 - FIVE_SIGMA * 0.0011, "{persons}: {found}");
    }
}
