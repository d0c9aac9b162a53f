//! What is concluded from a released distribution, against the sampler's own noise.

use std::sync::Arc;

use almoner_federation::Digest;
use almoner_privacy::{DiscreteGaussian, Distribution, NoiseSource, Statistic, Strategy};

const TRIALS: usize = 2_500;

/// 95 % intervals that rest on 400 replicates and, for quantiles, on even spread within a bin are allowed a
/// coverage of 93 to 97 %. One of these falls below 90 % or above 99.2 % in 2,500 trials with probability below
/// 1e-7: six standard deviations of 0.51 and 0.34 %.
#[test]
fn intervals_cover_what_exact_totals_give() {
    let bins = 64;
    let strategy = Arc::new(Strategy::new(bins));
    let edges: Vec<(f64, f64)> = (0..bins).map(|k| (k as f64, k as f64 + 1.0)).collect();
    // A hump with a long upper tail, 6,900 people.
    let mut exact: Vec<i64> = (0..bins as i64).map(|k| (k + 1) * 2_000 / (40 + (k - 8).pow(2) * 2)).collect();
    exact[0] = 0;
    let people: i64 = exact.iter().sum();
    assert!((5_000..9_000).contains(&people), "{people}");
    strategy.apply(&mut exact);
    // 20 people's worth in every released number.
    let sigma = 20 * strategy.norm();
    let wanted = [
        Statistic::Quantile(0.5),
        Statistic::Quantile(0.9),
        Statistic::RiskThreshold(0.6),
        Statistic::AtRisk(0.6),
        Statistic::Gini,
        Statistic::S80S20,
        Statistic::Lorenz(0.4),
    ];
    let with = |sd: f64| Distribution::new(Arc::clone(&strategy), edges.clone(), 1.0, sd, Digest([7; 32]));
    let truth: Vec<f64> =
        with(1e-3).estimates(&exact, &wanted).iter().map(|one| one.value.expect("known")).collect();
    let distribution = with(sigma as f64);
    let noise = DiscreteGaussian::new(sigma).expect("a valid scale");
    let mut source = NoiseSource::from_system().expect("the system gives randomness");
    let mut covered = vec![0usize; wanted.len()];
    for _ in 0..TRIALS {
        let mut released = exact.clone();
        for number in &mut released {
            *number += noise.sample(&mut source).expect("the system gives randomness");
        }
        for ((covered, estimate), truth) in
            covered.iter_mut().zip(distribution.estimates(&released, &wanted)).zip(&truth)
        {
            *covered += usize::from(estimate.low <= *truth && *truth <= estimate.high);
        }
    }
    for (covered, statistic) in covered.iter().zip(&wanted) {
        let share = *covered as f64 / TRIALS as f64;
        assert!((0.90..0.992).contains(&share), "{statistic:?}: {share}");
    }
}

/// The noise on prefix sums of a released distribution is as large as the strategy computes, within 5 %, with the
/// sampler's own noise. The mean over the prefixes of `(noise / its standard deviation)^2` has the variance
/// `2 mean(r^2)` in one release, r the correlations of two prefixes: that 5 % are six standard deviations over all
/// releases, a false alarm below 1e-8, is checked from the strategy itself.
#[test]
fn prefix_sums_are_as_noisy_as_the_strategy_computes() {
    const RELEASES: usize = 6_000;
    let bins = 256;
    let strategy = Strategy::new(bins);
    let variances: Vec<f64> = (0..bins).map(|bin| strategy.prefix_variance(bin)).collect();
    let weights: Vec<Vec<f64>> = (0..bins)
        .map(|bin| strategy.weights(&[vec![1.0; bin + 1], vec![0.0; bins - bin - 1]].concat()))
        .collect();
    let mut squared = 0.0;
    for (one, variance) in weights.iter().zip(&variances) {
        for (other, other_variance) in weights.iter().zip(&variances) {
            let covariance: f64 = one.iter().zip(other).map(|(a, b)| a * b).sum();
            squared += covariance * covariance / (variance * other_variance);
        }
    }
    let deviation = (2.0 * squared / (bins * bins) as f64 / RELEASES as f64).sqrt();
    assert!(6.0 * deviation < 0.05, "{deviation}");

    let sigma = 300u64;
    let noise = DiscreteGaussian::new(sigma).expect("a valid scale");
    let mut source = NoiseSource::from_system().expect("the system gives randomness");
    let mut sum = 0.0;
    for _ in 0..RELEASES {
        let mut released = || noise.sample(&mut source).expect("the system gives randomness") as f64;
        let released: Vec<f64> = (0..bins).map(|_| released()).collect();
        let prefixes = strategy.prefixes(&released);
        let relative = prefixes.iter().zip(&variances).map(|(sum, variance)| sum * sum / variance);
        sum += relative.sum::<f64>() / bins as f64 / (sigma * sigma) as f64;
    }
    let mean = sum / RELEASES as f64;
    assert!((mean - 1.0).abs() < 0.05, "{mean}");
}

/// A third of all stand at the line itself, in a bin that reaches on: nobody there is below it, and an interval that
/// believed in people spread evenly would not know. Almost without noise.
#[test]
fn poverty_at_a_line_within_a_bin_is_known_to_the_width_of_the_bin() {
    let strategy = Arc::new(Strategy::new(4));
    let bins = vec![(0.0, 0.0), (0.0, 100.0), (100.0, 200.0), (200.0, 300.0)];
    let mut released = vec![0, 3_000_000, 3_000_000, 3_000_000];
    strategy.apply(&mut released);
    let distribution = Distribution::new(Arc::clone(&strategy), bins, 1.0, 1.0, Digest([7; 32]));
    let wanted = [
        Statistic::ShareBelow(150.0),
        Statistic::ShareBelow(200.0),
        Statistic::ShareBelow(300.0),
        Statistic::Gap(150.0),
        Statistic::Severity(150.0),
        Statistic::Mean,
    ];
    // People at the lower ends of their bins, and at the upper ends; at 300, the end of the range, people may stand.
    let ends = [
        (1.0 / 3.0, 2.0 / 3.0),
        (2.0 / 3.0, 2.0 / 3.0),
        (2.0 / 3.0, 1.0),
        (1.0 / 9.0, 4.0 / 9.0),
        (1.0 / 27.0, 10.0 / 27.0),
        (100.0, 200.0),
    ];
    for ((statistic, estimate), (low, high)) in
        wanted.iter().zip(distribution.estimates(&released, &wanted)).zip(ends)
    {
        let near = |found: f64, expected: f64| (found - expected).abs() < 1e-3 * expected.max(1.0);
        assert!(near(estimate.low, low) && near(estimate.high, high), "{statistic:?}: {estimate:?}");
    }
}
