//! What noise costs: a draw against OpenDP's sampler, the random numbers it is made of, and whole vectors by one
//! thread and by two.
//!
//! `cargo bench -p almoner-privacy --bench noise` prints three tables. What is compared takes turns within each
//! row, and each figure is the median over the turns.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use almoner_privacy::{DiscreteGaussian, NoiseSource, add_flips, add_share_by};
use dashu::rational::RBig;
use opendp::traits::samplers::sample_discrete_gaussian;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};

const TURNS: usize = 15;
const OURS: u32 = 200_000;
const THEIRS: u32 = 3_000;

fn timed(work: impl FnOnce()) -> Duration {
    let begun = Instant::now();
    work();
    begun.elapsed()
}

/// The middle one of several times, in nanoseconds for each of `count`.
fn median(mut times: Vec<Duration>, count: f64) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1e9 / count
}

/// Both works in turns; the medians of their times.
fn in_turns(mut one: impl FnMut(), mut other: impl FnMut()) -> [Vec<Duration>; 2] {
    let mut times = [const { Vec::new() }; 2];
    for _ in 0..TURNS {
        times[0].push(timed(&mut one));
        times[1].push(timed(&mut other));
    }
    times
}

fn source() -> NoiseSource {
    NoiseSource::from_system().expect("the system gives randomness")
}

fn sum(gaussian: &DiscreteGaussian, source: &mut NoiseSource, draws: u32) -> i64 {
    let draw = |_| gaussian.sample(source).expect("the system gives randomness");
    (0..draws).map(draw).fold(0, i64::wrapping_add)
}

/// Random bytes of one draw, from the blocks of 16 KiB that it used up.
fn bytes_of_a_draw(gaussian: &DiscreteGaussian) -> f64 {
    let seeds = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&seeds);
    let system = SystemRandom::new();
    let mut source = NoiseSource::insecure_for_tests(move |seed| {
        count.fetch_add(1, Ordering::Relaxed);
        system.fill(seed).map_err(|_| almoner_privacy::PrivacyError::RandomSource)
    })
    .expect("healthy");
    black_box(sum(gaussian, &mut source, OURS));
    (seeds.load(Ordering::Relaxed) - 1) as f64 * 16.0 * 1024.0 / f64::from(OURS)
}

fn draws() {
    println!("one draw, nanoseconds, median of {TURNS} turns of {OURS} and {THEIRS} draws");
    println!("{:>8} {:>10} {:>10} {:>8} {:>16}", "sigma", "OpenDP", "ours", "ratio", "random bytes");
    for (name, sigma) in [("10", 10), ("1000", 1_000), ("1e6", 1_000_000), ("2^50", 1 << 50)] {
        let gaussian = DiscreteGaussian::new(sigma).expect("a valid scale");
        let mut source = source();
        let [theirs, ours] = in_turns(
            || {
                for _ in 0..THEIRS {
                    black_box(sample_discrete_gaussian(RBig::from(sigma)).expect("OpenDP draws"));
                }
            },
            || {
                black_box(sum(&gaussian, &mut source, OURS));
            },
        );
        let (theirs, ours) = (median(theirs, THEIRS.into()), median(ours, OURS.into()));
        let bytes = bytes_of_a_draw(&gaussian);
        println!("{name:>8} {theirs:>10.0} {ours:>10.1} {:>7.0}x {bytes:>16.1}", theirs / ours);
    }
}

/// The operating system's random bytes, as the noise once took them, against the key stream it takes now.
fn random_numbers() {
    const BLOCK: usize = 16 * 1024;
    const BLOCKS: usize = 500;
    let (system, bytes) = (SystemRandom::new(), (BLOCK * BLOCKS) as f64);
    let (mut one, mut other) = ([0; 4096], vec![0; BLOCK]);
    let [direct, stream] = in_turns(
        || (0..BLOCKS * BLOCK / one.len()).for_each(|_| system.fill(&mut one).expect("random bytes")),
        || {
            for _ in 0..BLOCKS {
                let mut seed = [0; 64];
                system.fill(&mut seed).expect("random bytes");
                let key = UnboundKey::new(&AES_256_GCM, &seed[..32]).expect("a key");
                other.fill(0);
                let _tag = LessSafeKey::new(key)
                    .seal_in_place_separate_tag(
                        Nonce::assume_unique_for_key([0; 12]),
                        Aad::empty(),
                        &mut other,
                    )
                    .expect("short");
            }
        },
    );
    let (direct, stream) = (median(direct, bytes), median(stream, bytes));
    println!("\nrandom numbers, nanoseconds for 8 bytes");
    println!("{:>24} {:>24} {:>8}", "system, 4 KiB at a time", "AES-256, 16 KiB a seed", "ratio");
    println!("{:>24.2} {:>24.2} {:>7.1}x", direct * 8.0, stream * 8.0, direct / stream);
}

fn vectors() {
    println!("\nnoise of a vector, sigma 1000, milliseconds; nanoseconds a cell");
    println!("{:>9} {:>20} {:>20} {:>7}", "cells", "one thread", "two threads", "gain");
    for cells in [1_000usize, 4_000, 16_000, 100_000, 1_000_000] {
        let (mut one, mut other) = (vec![0i64; cells], vec![0i64; cells]);
        let (mut source_of_one, mut source_of_other) = (source(), source());
        // Short vectors several times, so that every turn is long enough to be measured.
        let times = (100_000 / cells).max(1);
        let share = |threads, cells: &mut [i64], source: &mut NoiseSource| {
            for _ in 0..times {
                add_share_by(threads, cells, |_| 1_000, source).expect("the system gives randomness");
            }
        };
        let [alone, together] = in_turns(
            || share(1, &mut one, &mut source_of_one),
            || share(2, &mut other, &mut source_of_other),
        );
        let count = (cells * times) as f64;
        let (alone, together) = (median(alone, count), median(together, count));
        let ms = |each: f64| each * cells as f64 / 1e6;
        println!(
            "{cells:>9} {:>12.3} {alone:>7.1} {:>12.3} {together:>7.1} {:>6.2}x",
            ms(alone),
            ms(together),
            alone / together
        );
    }
    let (mut words, mut source) = (vec![0u64; 1 << 13], source());
    let time =
        (0..TURNS).map(|_| timed(|| add_flips(&mut words, 1 << 60, &mut source).expect("random bytes")));
    let time = median(time.collect(), words.len() as f64 * 64.0);
    println!("\nflips of a sketch: {time:.3} nanoseconds a bucket, one thread");
}

fn main() {
    draws();
    random_numbers();
    vectors();
}
