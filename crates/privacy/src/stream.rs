//! The random numbers that noise is made of: blocks of AES-256 key stream, each under a key of its own from
//! the operating system. A number is given out once and erased.

use std::sync::{Arc, Mutex};

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use zeroize::Zeroizing;

use crate::PrivacyError;
use crate::digits::Digits;
use crate::seeds::Seeds;

/// Bytes of one block: within a processor's nearest cache, and many enough that the key costs little.
const BLOCK: usize = 16 * 1024;
/// Bytes of one number.
const WORD: usize = size_of::<u64>();

/// A buffered stream of random numbers for noise.
///
/// Every block is AES-256 in counter mode under a key that is hashed from a fresh seed of the operating system
/// and used for nothing else, so that what was given out cannot be found again from what is in memory. Every
/// seed passes a health test first; a source that fails once fails for ever, with all that were made
/// [beside](NoiseSource::beside) it.
pub struct NoiseSource {
    seeds: Arc<Mutex<Seeds>>,
    /// On the heap, so that moving the source leaves no copy behind.
    block: Zeroizing<Box<[u8]>>,
    /// Words of the block that were given out.
    used: usize,
    /// Bits for coins, below a highest 1 that marks their end.
    coins: Zeroizing<u64>,
}

impl NoiseSource {
    /// A source with seeds of the operating system, through ring.
    ///
    /// # Errors
    /// `RandomSource` when the system gives no bytes; `RandomHealth` when they repeat themselves.
    pub fn from_system() -> Result<Self, PrivacyError> {
        Self::start(Seeds::of_system()?)
    }

    /// A source with seeds of any generator: for tests that need a faulty or a repeatable one. Noise made from it
    /// protects nobody.
    ///
    /// # Errors
    /// As for [`NoiseSource::from_system`].
    #[doc(hidden)]
    pub fn insecure_for_tests(
        fill: impl FnMut(&mut [u8]) -> Result<(), PrivacyError> + Send + 'static,
    ) -> Result<Self, PrivacyError> {
        Self::start(Seeds::over(fill)?)
    }

    fn start(seeds: Seeds) -> Result<Self, PrivacyError> {
        let mut source = Self::over(Arc::new(Mutex::new(seeds)));
        source.refill()?;
        Ok(source)
    }

    fn over(seeds: Arc<Mutex<Seeds>>) -> Self {
        let block = Zeroizing::new(vec![0; BLOCK].into_boxed_slice());
        NoiseSource { seeds, block, used: BLOCK / WORD, coins: Zeroizing::new(1) }
    }

    /// Another source for another thread: independent numbers, from seeds of the same generator, which take
    /// turns and fail together.
    pub(crate) fn beside(&self) -> Self {
        Self::over(Arc::clone(&self.seeds))
    }

    /// The next number: uniform in 64 bits.
    #[inline]
    pub(crate) fn word(&mut self) -> Result<u64, PrivacyError> {
        loop {
            if let Some(word) = self.block.as_chunks_mut::<WORD>().0.get_mut(self.used) {
                self.used += 1;
                return Ok(u64::from_le_bytes(std::mem::take(word)));
            }
            self.refill()?;
        }
    }

    #[cold]
    fn refill(&mut self) -> Result<(), PrivacyError> {
        // A panic in another thread may have left the generator anywhere.
        let key = self.seeds.lock().map_err(|_| PrivacyError::RandomSource)?.next()?;
        // ring offers no bare stream cipher: the key stream is what encrypting zeros lays bare. The key seals
        // this one block and nothing else, so that neither a fixed nonce nor a dropped tag can be misused.
        let key = UnboundKey::new(&AES_256_GCM, key.as_slice()).expect("32 bytes are an AES-256 key");
        self.block.fill(0);
        let _tag = LessSafeKey::new(key)
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key([0; 12]), Aad::empty(), &mut self.block)
            .expect("a block is far below the limit of AES-GCM");
        self.used = 0;
        Ok(())
    }
}

impl Digits for NoiseSource {
    const BITS: u32 = u64::BITS;

    #[inline]
    fn digit(&mut self) -> Result<u64, PrivacyError> {
        self.word()
    }

    #[inline]
    fn coin(&mut self) -> Result<bool, PrivacyError> {
        if *self.coins == 1 {
            *self.coins = self.word()? | 1 << (u64::BITS - 1);
        }
        let coin = *self.coins & 1 == 1;
        *self.coins >>= 1;
        Ok(coin)
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
    use crate::seeds::tests::counting;

    const WORDS: usize = BLOCK / WORD;

    fn source() -> NoiseSource {
        NoiseSource::insecure_for_tests(counting(0)).expect("healthy")
    }

    #[test]
    fn numbers_are_given_once_from_blocks_of_their_own_and_erased() {
        let (mut source, mut seen) = (source(), std::collections::BTreeSet::new());
        for _ in 0..3 {
            for _ in 0..WORDS {
                // Two of 6,144 are equal with probability below 2^-39.
                assert!(seen.insert(source.word().expect("healthy")));
            }
            assert!(source.block.iter().all(|byte| *byte == 0));
        }
    }

    /// The first block of the stream whose key is SHA-256 of the second seed: AES-256 of the counter blocks
    /// that AES-GCM begins with (NIST SP 800-38D, 7.1: a 96-bit nonce of zeros, then a counter from 2).
    #[test]
    fn a_block_is_the_key_stream_of_the_hashed_seed() {
        let mut seeds = Seeds::over(counting(0)).expect("healthy");
        let key = seeds.next().expect("healthy");
        let mut expected = vec![0u8; BLOCK];
        LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key.as_slice()).expect("a key"))
            .seal_in_place_append_tag(Nonce::assume_unique_for_key([0; 12]), Aad::empty(), &mut expected)
            .expect("short");
        let mut source = source();
        for word in &expected.as_chunks::<WORD>().0[..WORDS] {
            assert_eq!(source.word(), Ok(u64::from_le_bytes(*word)));
        }
    }

    #[test]
    fn coins_are_the_bits_of_numbers_used_once() {
        let (mut coins, mut words) = (source(), source());
        for _ in 0..3 {
            let word = words.word().expect("healthy");
            for place in 0..63 {
                assert_eq!(coins.coin(), Ok(word >> place & 1 == 1));
            }
            assert_eq!(*coins.coins, 1, "nothing is left of the number");
        }
    }

    #[test]
    fn sources_beside_each_other_give_different_numbers_and_fail_together() {
        let (mut calls, mut good) = (0, counting(0));
        let mut one = NoiseSource::insecure_for_tests(move |seed| {
            calls += 1;
            if calls == 4 { Err(PrivacyError::RandomSource) } else { good(seed) }
        })
        .expect("healthy");
        let mut other = one.beside();
        for _ in 0..WORDS {
            assert_ne!(one.word().expect("healthy"), other.word().expect("healthy"));
        }
        for _ in 0..2 {
            assert_eq!(other.word(), Err(PrivacyError::RandomSource));
            assert_eq!(one.word(), Err(PrivacyError::RandomSource), "the fifth seed would be good again");
        }
        assert!(one.beside().word().is_err());
    }
}
