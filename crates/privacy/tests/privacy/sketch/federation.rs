//! The estimate over simulated federations: five nodes, of which four are honest. Every comparison has a
//! false-alarm rate of about 1e-6 at most.

use almoner_federation::PicoRho;
use almoner_privacy::{Estimate, NoiseSource, add_flips, combined, distinct, flips};

use crate::statistics::{FIVE_SIGMA, is_plausible};

const NODES: u64 = 5;
const BUCKETS: u64 = 16_384;
const TRIALS: u64 = 300;

/// A bucket for a person, by the finaliser of splitmix64: as good as random, and different in every trial.
fn bucket(trial: u64, person: u64) -> usize {
    let mut x = (trial << 32 | person).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((x ^ x >> 31) % BUCKETS) as usize
}

/// What a federation of `persons` releases, when person p is known to `multiplicity(p)` of the nodes.
fn release(
    trial: u64,
    persons: u64,
    multiplicity: fn(u64) -> u64,
    flip: u64,
    source: &mut NoiseSource,
) -> u64 {
    let mut nodes = vec![vec![0u64; BUCKETS as usize / 64]; NODES as usize];
    for person in 0..persons {
        let bucket = bucket(trial, person);
        for copy in 0..multiplicity(person) {
            nodes[((person + copy) % NODES) as usize][bucket / 64] |= 1 << (bucket % 64);
        }
    }
    for words in &mut nodes {
        add_flips(words, flip, source).expect("the system gives randomness");
    }
    (0..BUCKETS as usize / 64)
        .map(|word| nodes.iter().fold(0, |xor, words| xor ^ words[word]).count_ones())
        .map(u64::from)
        .sum()
}

fn least_flip(rho: &str) -> u64 {
    flips(rho.parse::<PicoRho>().expect("a rho"), NODES as u32 - 1, 1).expect("enough rho").flip
}

fn estimates(persons: u64, multiplicity: fn(u64) -> u64, rho: &str) -> Vec<Estimate> {
    let flip = least_flip(rho);
    let mut source = NoiseSource::from_system().expect("the system gives randomness");
    (0..TRIALS)
        .map(|trial| release(trial, persons, multiplicity, flip, &mut source))
        .map(|ones| distinct(ones, BUCKETS, flip, NODES as u32))
        .collect()
}

/// Mean and standard deviation.
fn moments(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    (mean, (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt())
}

/// Mean, standard deviation and coverage against the truth and the predicted standard error. The mean of 300
/// trials has the standard error `sd/sqrt 300`, their standard deviation `sd/sqrt 600`.
fn check(persons: u64, found: &[Estimate]) -> (f64, f64) {
    let values: Vec<f64> = found.iter().map(|estimate| estimate.value.expect("little noise")).collect();
    let (mean, sd) = moments(&values);
    let (error, _) = moments(&found.iter().map(|estimate| estimate.standard_error).collect::<Vec<_>>());
    let n = TRIALS as f64;
    let (truth, bias) = (persons as f64, error * error / (2.0 * BUCKETS as f64));
    println!("{persons}: mean {mean:.0} (bias {bias:.0}), sd {sd:.0}, predicted {error:.0}");
    assert!((mean - truth - bias).abs() < FIVE_SIGMA * sd / n.sqrt(), "{persons}: {mean} {bias} {sd}");
    assert!((sd / error - 1.0).abs() < FIVE_SIGMA / (2.0 * n).sqrt(), "{persons}: {sd} {error}");
    let missed = found.iter().filter(|found| truth < found.low || found.high < truth).count() as u64;
    println!("missed {missed} of {TRIALS}");
    assert!(is_plausible(missed, TRIALS, 0.05), "{persons}: {missed} of {TRIALS} intervals miss");
    (mean, sd)
}

#[test]
fn twenty_thousand_are_counted_without_bias_however_often_they_are_known() {
    let all: [fn(u64) -> u64; 3] = [|_| 1, |person| 1 + person % 5, |_| 5];
    let results = all.map(|multiplicity| check(20_000, &estimates(20_000, multiplicity, "0.26")));
    for (mean, sd) in results {
        let distance = (mean - results[0].0).abs();
        assert!(distance < FIVE_SIGMA * sd * (2.0 / TRIALS as f64).sqrt(), "{results:?}");
    }
}

#[test]
fn few_are_counted_without_bias_at_little_rho_though_many_counts_are_negative() {
    for persons in [0, 300] {
        let found = estimates(persons, |person| 1 + person % 5, "0.0251");
        check(persons, &found);
        assert!(found.iter().any(|estimate| estimate.value.is_some_and(|value| value < 0.0)));
    }
}

/// Hardly any bucket is unset: an interval has an upper end only when u is found above z standard deviations.
#[test]
fn a_full_sketch_never_pretends_to_know() {
    let found = estimates(200_000, |_| 2, "0.26");
    let bounded = found.iter().filter(|estimate| estimate.high < f64::INFINITY).count() as u64;
    assert!(is_plausible(bounded, TRIALS, 0.025), "{bounded}");
    let nothing = found.iter().filter(|estimate| estimate.value.is_none()).count() as u64;
    assert!(is_plausible(nothing, TRIALS, 0.5), "{nothing}");
}

/// Those in A and B, as A and B less their union, from three releases with different keys.
#[test]
fn an_overlap_is_counted_by_inclusion_and_exclusion() {
    let (flip, mut keys) = (least_flip("0.26"), 1_000_000..);
    let mut source = NoiseSource::from_system().expect("the system gives randomness");
    let mut count = |persons| {
        let key = keys.next().expect("keys without end");
        distinct(release(key, persons, |_| 2, flip, &mut source), BUCKETS, flip, NODES as u32)
    };
    let found: Vec<Estimate> = (0..TRIALS)
        .map(|_| combined(&[(1.0, count(8_000)), (1.0, count(9_000)), (-1.0, count(12_000))]))
        .collect();
    check(5_000, &found);
}
