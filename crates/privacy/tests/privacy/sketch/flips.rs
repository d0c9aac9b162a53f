//! The noise of a sketch as it is drawn. Every comparison of frequencies has a false-alarm rate below 1.1e-6.

use std::time::Instant;

use almoner_privacy::{NoiseSource, PrivacyError, add_flips};

use crate::statistics::is_plausible;

const WORDS: usize = 20_000;
const BITS: u64 = 64 * WORDS as u64;
const FLIPS: [u64; 5] = [1 << 40, 0x0123_4567_89ab_cdef, 1 << 61, 0x5555_5555_5555_5555, 1 << 63];

fn system() -> NoiseSource {
    NoiseSource::from_system().expect("the system gives randomness")
}

fn ones(words: &[u64]) -> u64 {
    words.iter().map(|word| u64::from(word.count_ones())).sum()
}

fn probability(flip: u64) -> f64 {
    flip as f64 / 2f64.powi(64)
}

#[test]
fn set_buckets_become_fair_coins_and_unset_ones_flip_as_planned() {
    let mut source = system();
    for flip in FLIPS {
        let q = probability(flip);
        for (bits, p) in [(0, q), (u64::MAX, 0.5)] {
            let mut words = vec![bits; WORDS];
            add_flips(&mut words, flip, &mut source).expect("the system gives randomness");
            assert!(is_plausible(ones(&words), BITS, p), "{flip:#x} {p}: {}", ones(&words));
            // Neighbours in a word, and the same bucket of neighbouring words, are independent.
            let both = words.iter().map(|word| word & word.rotate_left(1) & 0x5555_5555_5555_5555);
            let both: Vec<u64> = both.collect();
            assert!(is_plausible(ones(&both), BITS / 2, p * p), "{flip:#x} {p}: {}", ones(&both));
            let both: Vec<u64> = words.chunks_exact(2).map(|pair| pair[0] & pair[1]).collect();
            assert!(is_plausible(ones(&both), BITS / 2, p * p), "{flip:#x} {p}: {}", ones(&both));
        }
    }
}

#[test]
fn every_bucket_of_a_word_is_treated_alike() {
    let mut source = system();
    let (set, flip) = (0xffff_0000_00ff_ff00, 1 << 61);
    let mut words = vec![set; WORDS];
    add_flips(&mut words, flip, &mut source).expect("the system gives randomness");
    for bucket in 0..64 {
        let found = words.iter().map(|word| word >> bucket & 1).sum();
        let p = if set >> bucket & 1 == 1 { 0.5 } else { probability(flip) };
        assert!(is_plausible(found, WORDS as u64, p), "{bucket}: {found}");
    }
}

#[test]
fn the_xor_of_five_nodes_forgets_how_many_hold_a_person() {
    let mut source = system();
    for flip in FLIPS {
        for holders in 0..=5 {
            let mut total = vec![0u64; WORDS];
            for node in 0..5 {
                let mut words = vec![if node < holders { u64::MAX } else { 0 }; WORDS];
                add_flips(&mut words, flip, &mut source).expect("the system gives randomness");
                total.iter_mut().zip(words).for_each(|(total, word)| *total ^= word);
            }
            let unset = (1.0 - (1.0 - 2.0 * probability(flip)).powi(5)) / 2.0;
            let p = if holders == 0 { unset } else { 0.5 };
            assert!(is_plausible(ones(&total), BITS, p), "{flip:#x} {holders}: {}", ones(&total));
        }
    }
}

#[test]
fn no_bucket_without_its_noise_survives_a_failure() {
    let mut fills = 0u64;
    let mut source = NoiseSource::insecure_for_tests(move |block| {
        fills += 1;
        if fills == 6 {
            return Err(PrivacyError::RandomSource);
        }
        let mut state = fills;
        block.fill_with(|| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 56) as u8
        });
        Ok(())
    })
    .expect("the first fills are healthy");
    let mut words = vec![u64::MAX; 10_000];
    assert_eq!(add_flips(&mut words, 1 << 60, &mut source), Err(PrivacyError::RandomSource));
    assert!(words.iter().all(|word| *word == 0));

    for bad in [0, (1 << 63) + 1, u64::MAX] {
        let mut words = vec![u64::MAX; 10];
        assert_eq!(add_flips(&mut words, bad, &mut system()), Err(PrivacyError::Flip));
        assert!(words.iter().all(|word| *word == 0));
    }
    assert_eq!(add_flips(&mut [], 1, &mut system()), Ok(()));
}

#[test]
fn a_flip_is_cheap() {
    let (mut source, mut words) = (system(), vec![0; 1 << 15]);
    let start = Instant::now();
    add_flips(&mut words, 0x0123_4567_89ab_cdef, &mut source).expect("the system gives randomness");
    let took = start.elapsed();
    println!("{:.2} ns a bucket", took.as_secs_f64() * 1e9 / (64 << 15) as f64);
    assert!(took.as_secs_f64() < 2.0, "{took:?} for 2 million buckets");
}
