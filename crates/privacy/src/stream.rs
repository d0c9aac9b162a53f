//! The random bytes that noise is made of: from the operating system, in blocks, with a health test.
//!
//! A byte is given out once and erased. The source may never fall back to a weaker generator: when the
//! system gives nothing, or repeats itself, it refuses for good.

use almoner_federation::Digest;
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

use crate::PrivacyError;

/// Bytes asked of the system at once: enough for some 200 draws, so that the system call costs little.
const BLOCK: usize = 4096;
/// Length of the pieces that the health test compares.
const PIECE: usize = 32;

/// Writes fresh random bytes over the whole slice, or fails.
type Fill = Box<dyn FnMut(&mut [u8]) -> Result<(), PrivacyError> + Send>;

/// A buffered stream of random bytes for noise.
///
/// Health test, made on every block before any of it is used: no 32-byte piece is all zero or equals the
/// piece before it, and no block begins as the block before it did. A good generator fails it with probability
/// below 2^-240 per block; a constant, stuck or restarted one is refused at once, because construction
/// already compares two blocks.
pub struct NoiseSource {
    fill: Fill,
    /// On the heap, so that moving the source leaves no copy behind.
    block: Zeroizing<Box<[u8]>>,
    used: usize,
    /// Hash of the first piece of the last block: enough to see a repetition, useless to recover the piece.
    previous: Option<Digest>,
    failed: Option<PrivacyError>,
}

impl NoiseSource {
    /// The operating system's cryptographic random source, through ring.
    ///
    /// # Errors
    /// `RandomSource` when the system gives no bytes; `RandomHealth` when they repeat themselves.
    pub fn from_system() -> Result<Self, PrivacyError> {
        let system = SystemRandom::new();
        Self::start(Box::new(move |block| system.fill(block).map_err(|_| PrivacyError::RandomSource)))
    }

    /// A source over any generator: for tests that need a faulty or a repeatable one. Noise made from it
    /// protects nobody.
    ///
    /// # Errors
    /// As for [`NoiseSource::from_system`].
    #[doc(hidden)]
    pub fn insecure_for_tests(
        fill: impl FnMut(&mut [u8]) -> Result<(), PrivacyError> + Send + 'static,
    ) -> Result<Self, PrivacyError> {
        Self::start(Box::new(fill))
    }

    fn start(fill: Fill) -> Result<Self, PrivacyError> {
        let block = Zeroizing::new(vec![0; BLOCK].into_boxed_slice());
        let mut source = NoiseSource { fill, block, used: BLOCK, previous: None, failed: None };
        source.refill()?;
        source.refill()?;
        Ok(source)
    }

    /// The next byte of the stream.
    pub(crate) fn byte(&mut self) -> Result<u8, PrivacyError> {
        if self.used == BLOCK {
            self.refill()?;
        }
        let byte = std::mem::take(&mut self.block[self.used]);
        self.used += 1;
        Ok(byte)
    }

    /// The next eight bytes of the stream as one integer, the lowest first.
    pub(crate) fn word(&mut self) -> Result<u64, PrivacyError> {
        if self.used == BLOCK {
            self.refill()?;
        }
        if let Some(bytes) = self.block[self.used..].first_chunk_mut() {
            self.used += size_of::<u64>();
            return Ok(u64::from_le_bytes(std::mem::take(bytes)));
        }
        // The block ends within the integer.
        let mut bytes = [0; size_of::<u64>()];
        for byte in &mut bytes {
            *byte = self.byte()?;
        }
        Ok(u64::from_le_bytes(bytes))
    }

    #[cold]
    fn refill(&mut self) -> Result<(), PrivacyError> {
        if let Some(failure) = self.failed {
            return Err(failure);
        }
        let outcome = (self.fill)(&mut self.block).and_then(|()| self.check_health());
        match outcome {
            Ok(()) => self.used = 0,
            Err(failure) => {
                self.used = BLOCK;
                self.failed = Some(failure);
            }
        }
        outcome
    }

    fn check_health(&mut self) -> Result<(), PrivacyError> {
        let (pieces, _) = self.block.as_chunks::<PIECE>();
        let stuck = pieces.contains(&[0; PIECE]) || pieces.windows(2).any(|pair| pair[0] == pair[1]);
        let first = Digest::of(&pieces[0]);
        if stuck || self.previous.replace(first) == Some(first) {
            return Err(PrivacyError::RandomHealth);
        }
        Ok(())
    }
}

impl std::fmt::Debug for NoiseSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NoiseSource").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A generator whose n-th block is `SHA-256(n, 0), SHA-256(n, 1), ...`.
    fn counting(mut count: u64) -> impl FnMut(&mut [u8]) -> Result<(), PrivacyError> {
        move |block| {
            count += 1;
            for (index, piece) in block.chunks_mut(PIECE).enumerate() {
                let text = format!("{count} {index}");
                piece.copy_from_slice(Digest::of(text.as_bytes()).as_bytes());
            }
            Ok(())
        }
    }

    fn failure_of(
        fill: impl FnMut(&mut [u8]) -> Result<(), PrivacyError> + Send + 'static,
    ) -> Option<PrivacyError> {
        NoiseSource::insecure_for_tests(fill).err()
    }

    #[test]
    fn a_stuck_generator_is_refused_before_its_first_byte_is_used() {
        assert_eq!(failure_of(|_| Ok(())), Some(PrivacyError::RandomHealth));
        assert_eq!(
            failure_of(|block| {
                block.fill(0xa5);
                Ok(())
            }),
            Some(PrivacyError::RandomHealth)
        );
        assert_eq!(
            failure_of(|block| counting(7)(block)),
            Some(PrivacyError::RandomHealth),
            "same block twice"
        );
        assert_eq!(
            failure_of(|block| {
                counting(7)(block)?;
                block.copy_within(96..128, 128);
                Ok(())
            }),
            Some(PrivacyError::RandomHealth),
            "a repeated piece"
        );
        assert_eq!(failure_of(|_| Err(PrivacyError::RandomSource)), Some(PrivacyError::RandomSource));
    }

    #[test]
    fn a_generator_that_fails_later_is_refused_then_and_for_ever() {
        let mut calls = 0;
        let mut good = counting(0);
        let mut source = NoiseSource::insecure_for_tests(move |block| {
            calls += 1;
            if calls == 4 { Err(PrivacyError::RandomSource) } else { good(block) }
        })
        .expect("the first three blocks are good");
        for _ in 0..2 * BLOCK {
            source.byte().expect("two blocks are left");
        }
        assert_eq!(source.byte(), Err(PrivacyError::RandomSource));
        assert_eq!(source.byte(), Err(PrivacyError::RandomSource), "the fifth block would be good again");
    }

    #[test]
    fn bytes_are_given_once_in_order_and_erased() {
        let mut source = NoiseSource::insecure_for_tests(counting(0)).expect("healthy");
        let mut expected = counting(1);
        for _ in 0..3 {
            let mut block = [0; BLOCK];
            expected(&mut block).expect("cannot fail");
            let drawn: Vec<u8> = (0..BLOCK).map(|_| source.byte().expect("healthy")).collect();
            assert_eq!(drawn, block);
            assert!(source.block.iter().all(|byte| *byte == 0));
        }
    }

    #[test]
    fn integers_are_made_of_the_next_eight_bytes_across_blocks_too() {
        let stream = || NoiseSource::insecure_for_tests(counting(0)).expect("healthy");
        for before in [0, 3, 8] {
            let (mut bytes, mut words) = (stream(), stream());
            for _ in 0..before {
                assert_eq!(bytes.byte(), words.byte());
            }
            for _ in 0..BLOCK / 8 + 2 {
                let expected = [0; 8].map(|_: u8| bytes.byte().expect("healthy"));
                assert_eq!(words.word(), Ok(u64::from_le_bytes(expected)));
                assert!(words.block[..words.used].iter().all(|byte| *byte == 0));
            }
        }
    }
}
