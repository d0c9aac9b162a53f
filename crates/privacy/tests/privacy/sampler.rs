//! The noise sampler against the true probabilities and against OpenDP's sampler. Every statistic has a
//! false-alarm rate of at most 1e-6.

use std::time::Instant;

use almoner_privacy::{DiscreteGaussian, NoiseSource};
use dashu::rational::RBig;
use opendp::traits::samplers::sample_discrete_gaussian;

use crate::statistics::{Cells, FIVE_SIGMA, Truth, chi_square_limit};

const DRAWS: usize = 1_000_000;
const SIGMAS: [u64; 4] = [1, 3, 4, 256];

fn draw(sigma: u64, draws: usize) -> Vec<i64> {
    let mut source = NoiseSource::from_system().expect("the system gives randomness");
    let gaussian = DiscreteGaussian::new(sigma).expect("a valid scale");
    (0..draws).map(|_| gaussian.sample(&mut source).expect("the system gives randomness")).collect()
}

#[test]
fn frequencies_match_the_true_probabilities() {
    for sigma in SIGMAS {
        // At least 200 expected draws in every cell.
        let cells = Cells::new(&Truth::new(sigma as f64), 2e-4);
        let counts = cells.counts(draw(sigma, DRAWS).into_iter());
        let statistic: f64 = counts
            .iter()
            .zip(&cells.probability)
            .map(|(count, p)| (count - p * DRAWS as f64).powi(2) / (p * DRAWS as f64))
            .sum();
        assert!(statistic < chi_square_limit(counts.len() - 1), "sigma {sigma}: {statistic}");
    }
}

#[test]
fn frequencies_match_opendps_sampler() {
    const THEIRS: usize = 20_000;
    for sigma in SIGMAS {
        let cells = Cells::new(&Truth::new(sigma as f64), 5e-3);
        let ours = cells.counts(draw(sigma, DRAWS).into_iter());
        let theirs = cells.counts((0..THEIRS).map(|_| {
            let draw = sample_discrete_gaussian(RBig::from(sigma)).expect("OpenDP draws");
            i64::try_from(draw).expect("within 64 bits")
        }));
        let weight = (THEIRS as f64 / DRAWS as f64).sqrt();
        let statistic: f64 =
            ours.iter().zip(&theirs).map(|(a, b)| (a * weight - b / weight).powi(2) / (a + b)).sum();
        assert!(statistic < chi_square_limit(ours.len() - 1), "sigma {sigma}: {statistic}");
    }
}

#[test]
fn mean_variance_and_signs_are_those_of_the_distribution() {
    for sigma in SIGMAS {
        let truth = Truth::new(sigma as f64);
        let draws = draw(sigma, DRAWS);
        let n = DRAWS as f64;
        let power = |power: i32| draws.iter().map(|y| (*y as f64).powi(power)).sum::<f64>() / n;
        let variance = truth.moment(2);
        let z_mean = power(1) / (variance / n).sqrt();
        let z_variance = (power(2) - variance) / ((truth.moment(4) - variance * variance) / n).sqrt();
        let z_third = power(3) / (truth.moment(6) / n).sqrt();
        let signs: i64 = draws.iter().map(|y| y.signum()).sum();
        let unequal = draws.iter().filter(|y| **y != 0).count();
        let z_signs = signs as f64 / (unequal as f64).sqrt();
        for (name, z) in [("mean", z_mean), ("variance", z_variance), ("third", z_third), ("signs", z_signs)]
        {
            assert!(z.abs() < FIVE_SIGMA, "sigma {sigma}, {name}: {z}");
        }
    }
}

#[test]
fn successive_draws_are_uncorrelated_in_value_and_in_size() {
    // 4 scales x 2 statistics x 16 lags, each passing 5.9 standard deviations with probability 3.7e-9.
    for sigma in SIGMAS {
        let draws: Vec<f64> = draw(sigma, DRAWS).into_iter().map(|y| y as f64).collect();
        let variance = Truth::new(sigma as f64).moment(2);
        let spread = (Truth::new(sigma as f64).moment(4) - variance * variance).sqrt();
        let values: Vec<f64> = draws.iter().map(|y| y / variance.sqrt()).collect();
        let sizes: Vec<f64> = draws.iter().map(|y| (y * y - variance) / spread).collect();
        for lag in 1..=16 {
            for series in [&values, &sizes] {
                let sum: f64 = series.iter().zip(&series[lag..]).map(|(a, b)| a * b).sum();
                let z = sum / ((DRAWS - lag) as f64).sqrt();
                assert!(z.abs() < 5.9, "sigma {sigma}, lag {lag}: {z}");
            }
        }
    }
}

/// Draws at the largest scale, in sixteen cells that a normal variable fills equally: sign, and eighth of its size.
#[test]
fn the_largest_scale_is_gaussian_too() {
    // The points below which a standard normal's absolute value lies with probability 1/8, 2/8, ... 7/8.
    const OCTILES: [f64; 7] = [0.1573107, 0.3186394, 0.4887764, 0.6744898, 0.8871466, 1.1503494, 1.5341206];
    let sigma = 1u64 << 50;
    let mut counts = [0.0f64; 16];
    for y in draw(sigma, 200_000) {
        let size = y.unsigned_abs() as f64 / sigma as f64;
        counts[OCTILES.partition_point(|edge| *edge <= size) + if y < 0 { 8 } else { 0 }] += 1.0;
    }
    let expected = 200_000.0 / 16.0;
    let statistic: f64 = counts.iter().map(|count| (count - expected).powi(2) / expected).sum();
    assert!(statistic < chi_square_limit(15), "{statistic}");
}

/// A draw costs about a microsecond; a hundred would be a defect that makes large releases impossible.
#[test]
fn a_draw_is_cheap() {
    let start = Instant::now();
    draw(1000, 100_000);
    assert!(start.elapsed().as_secs_f64() < 10.0, "{:?} for 100,000 draws", start.elapsed());
}
