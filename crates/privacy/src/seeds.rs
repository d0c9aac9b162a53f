//! The seeds of noise: from the operating system alone, with a health test. There is no weaker source to fall
//! back to: when the system gives nothing, or repeats itself, it is refused for good.

use almoner_federation::Digest;
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

use crate::PrivacyError;

/// Length of the pieces that the health test compares.
const PIECE: usize = 32;
/// Bytes asked of the system for one seed: two pieces.
const SEED: usize = 2 * PIECE;

/// Writes fresh random bytes over the whole slice, or fails.
type Fill = Box<dyn FnMut(&mut [u8]) -> Result<(), PrivacyError> + Send>;

/// Seeds one after another, all from one generator.
///
/// Health test, made on every seed before it is used: neither half is all zero or equals the half before it,
/// and no seed begins as the one before it did. A good generator fails it with probability below 2^-250 a
/// seed; a constant, stuck or restarted one is refused at once, because construction compares two seeds.
pub(crate) struct Seeds {
    fill: Fill,
    /// Hashes of the last seed's halves: enough to see a repetition, useless to recover the seed.
    previous: [Option<Digest>; 2],
    failed: Option<PrivacyError>,
}

impl Seeds {
    /// The operating system's cryptographic random source, through ring.
    pub(crate) fn of_system() -> Result<Self, PrivacyError> {
        let system = SystemRandom::new();
        Self::over(move |seed| system.fill(seed).map_err(|_| PrivacyError::RandomSource))
    }

    /// Over any generator.
    pub(crate) fn over(
        fill: impl FnMut(&mut [u8]) -> Result<(), PrivacyError> + Send + 'static,
    ) -> Result<Self, PrivacyError> {
        let mut seeds = Seeds { fill: Box::new(fill), previous: [None; 2], failed: None };
        seeds.next()?;
        Ok(seeds)
    }

    /// The key of one block of the stream: the hash of a fresh seed.
    pub(crate) fn next(&mut self) -> Result<Zeroizing<[u8; 32]>, PrivacyError> {
        if let Some(failure) = self.failed {
            return Err(failure);
        }
        let key = self.fresh();
        self.failed = key.as_ref().err().copied();
        key
    }

    fn fresh(&mut self) -> Result<Zeroizing<[u8; 32]>, PrivacyError> {
        let mut seed = Zeroizing::new([0; SEED]);
        (self.fill)(seed.as_mut_slice())?;
        let (pieces, _) = seed.as_chunks::<PIECE>();
        let [first, second] = [0, 1].map(|piece| Some(Digest::of(&pieces[piece])));
        let [first_before, second_before] = std::mem::replace(&mut self.previous, [first, second]);
        let repeats = first == second || first == second_before || first == first_before;
        if repeats || pieces.contains(&[0; PIECE]) {
            return Err(PrivacyError::RandomHealth);
        }
        Ok(Zeroizing::new(Digest::of(seed.as_slice()).0))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A generator whose n-th seed is `SHA-256(n, 0), SHA-256(n, 1)`.
    pub(crate) fn counting(mut count: u64) -> impl FnMut(&mut [u8]) -> Result<(), PrivacyError> {
        move |seed| {
            count += 1;
            for (index, piece) in seed.chunks_mut(PIECE).enumerate() {
                let text = format!("{count} {index}");
                piece.copy_from_slice(Digest::of(text.as_bytes()).as_bytes());
            }
            Ok(())
        }
    }

    fn failure_of(
        fill: impl FnMut(&mut [u8]) -> Result<(), PrivacyError> + Send + 'static,
    ) -> Option<PrivacyError> {
        // The second is asked for before anything is drawn.
        Seeds::over(fill).and_then(|mut seeds| seeds.next()).err()
    }

    #[test]
    fn a_stuck_generator_is_refused_before_its_first_byte_is_used() {
        let refused = Some(PrivacyError::RandomHealth);
        assert_eq!(failure_of(|_| Ok(())), refused);
        let constant = |seed: &mut [u8]| {
            seed.fill(0xa5);
            Ok(())
        };
        assert_eq!(failure_of(constant), refused);
        assert_eq!(failure_of(|seed| counting(7)(seed)), refused, "the same seed twice");
        let mut count = 0;
        let shifted = move |seed: &mut [u8]| {
            count += 1;
            let [mut one, mut two] = [[0; SEED]; 2];
            counting(count)(&mut one)?;
            counting(count + 1)(&mut two)?;
            seed[..PIECE].copy_from_slice(&one[..PIECE]);
            seed[PIECE..].copy_from_slice(&two[..PIECE]);
            Ok(())
        };
        assert_eq!(failure_of(shifted), refused, "a seed begins as the one before it ended");
        let mut calls = 0;
        let half_zero = move |seed: &mut [u8]| {
            calls += 1;
            counting(calls)(seed)?;
            seed[PIECE..].fill(if calls == 2 { 0 } else { 1 });
            Ok(())
        };
        assert_eq!(failure_of(half_zero), refused);
        assert_eq!(failure_of(|_| Err(PrivacyError::RandomSource)), Some(PrivacyError::RandomSource));
        assert_eq!(failure_of(counting(0)), None);
    }

    #[test]
    fn a_generator_that_fails_later_is_refused_then_and_for_ever() {
        let (mut calls, mut good) = (0, counting(0));
        let mut seeds = Seeds::over(move |seed| {
            calls += 1;
            if calls == 4 { Err(PrivacyError::RandomSource) } else { good(seed) }
        })
        .expect("the first seeds are good");
        for _ in 0..2 {
            seeds.next().expect("two seeds are left");
        }
        assert_eq!(seeds.next(), Err(PrivacyError::RandomSource));
        assert_eq!(seeds.next(), Err(PrivacyError::RandomSource), "the fifth seed would be good again");
    }
}
