//! The pseudorandom stream that hides the cells: AES-256 in counter mode, as the ciphertext of zero
//! chunks under AES-256-GCM whose tags are dropped (ring offers no bare stream cipher). Chunk `c` has
//! 64 KiB and the nonce `LE32(0) || LE64(c)`. One key serves one stream, and nothing is ever sealed
//! with it, so neither a dropped tag nor a counting nonce can be misused.

use std::num::NonZeroUsize;
use std::thread::{available_parallelism, scope};

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use zeroize::Zeroizing;

use crate::Ring;
use crate::schedule::Secret;

/// Bytes of one chunk.
const CHUNK_BYTES: usize = 64 * 1024;

/// Words of one chunk.
const CHUNK_WORDS: usize = CHUNK_BYTES / 8;

/// Whether a stream is added or taken away; among bits that is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sign {
    Plus,
    Minus,
}

/// The streams that hide one vector: a key and a sign for each.
pub(crate) struct Pads {
    keys: Vec<(LessSafeKey, Sign)>,
    ring: Ring,
}

/// Bytes of key stream for which another thread pays: about a millisecond's.
const LEAST_PART_BYTES: usize = 4 * 1024 * 1024;

impl Pads {
    pub(crate) fn new<'a>(ring: Ring, seeds: impl IntoIterator<Item = (&'a Secret, Sign)>) -> Self {
        Pads { keys: seeds.into_iter().map(|(seed, sign)| (stream_key(seed), sign)).collect(), ring }
    }

    /// Applies all streams, read as little-endian `u64`s, to `vector`. Much work is shared among as many threads
    /// as there are processors, the calling one among them.
    pub(crate) fn apply(&self, vector: &mut [u64]) {
        let bytes = size_of_val(vector).saturating_mul(self.keys.len());
        let most = if bytes < 2 * LEAST_PART_BYTES { 1 } else { bytes / LEAST_PART_BYTES };
        let threads =
            if most == 1 { 1 } else { most.min(available_parallelism().map_or(1, NonZeroUsize::get)) };
        self.apply_by(threads, vector);
    }

    /// The same by at most so many threads, in parts of whole chunks.
    fn apply_by(&self, threads: usize, vector: &mut [u64]) {
        let chunks = vector.len().div_ceil(CHUNK_WORDS).div_ceil(threads).max(1);
        scope(|scope| {
            let mut parts = vector.chunks_mut(chunks * CHUNK_WORDS).zip((0u64..).step_by(chunks));
            let own = parts.next();
            for (part, first) in parts {
                scope.spawn(move || self.apply_from(first, part));
            }
            if let Some((part, first)) = own {
                self.apply_from(first, part);
            }
        });
    }

    /// Applies all streams from their chunk `first` on. Every chunk of the vector meets all streams before the
    /// next one does, so that it stays in the processor's cache.
    fn apply_from(&self, first: u64, vector: &mut [u64]) {
        let mut keystream = Keystream::of(size_of_val(vector).min(CHUNK_BYTES));
        for (chunk, vector) in (first..).zip(vector.chunks_mut(CHUNK_WORDS)) {
            for (key, sign) in &self.keys {
                let (stream, _) = keystream.chunk(key, chunk, size_of_val(vector)).as_chunks::<8>();
                let pairs = vector.iter_mut().zip(stream.iter().map(|word| u64::from_le_bytes(*word)));
                match (self.ring, sign) {
                    (Ring::Z64, Sign::Plus) => pairs.for_each(|(v, s)| *v = v.wrapping_add(s)),
                    (Ring::Z64, Sign::Minus) => pairs.for_each(|(v, s)| *v = v.wrapping_sub(s)),
                    (Ring::Gf2, Sign::Plus | Sign::Minus) => pairs.for_each(|(v, s)| *v ^= s),
                }
            }
        }
    }
}

/// A buffer of at most one chunk that serves stream after stream, so that no whole pad is ever held.
pub(crate) struct Keystream {
    buffer: Zeroizing<Vec<u8>>,
}

impl Keystream {
    pub(crate) fn new() -> Self {
        Keystream::of(CHUNK_BYTES)
    }

    /// For chunks of which no more than so many bytes are wanted: wiping a whole buffer takes longer than
    /// masking a short vector.
    fn of(bytes: usize) -> Self {
        Keystream { buffer: Zeroizing::new(vec![0; bytes]) }
    }

    /// Hands the stream of `seed` to `take` word by word until it returns `None`.
    pub(crate) fn words(&mut self, seed: &Secret, mut take: impl FnMut(u64) -> Option<()>) {
        let key = stream_key(seed);
        for chunk in 0.. {
            let (words, _) = self.chunk(&key, chunk, CHUNK_BYTES).as_chunks::<8>();
            for word in words {
                if take(u64::from_le_bytes(*word)).is_none() {
                    return;
                }
            }
        }
    }

    /// The first `bytes` bytes of one chunk of the stream.
    fn chunk(&mut self, key: &LessSafeKey, chunk: u64, bytes: usize) -> &[u8] {
        let mut nonce = [0u8; 12];
        nonce[4..].copy_from_slice(&chunk.to_le_bytes());
        let stream = &mut self.buffer[..bytes];
        stream.fill(0);
        // The tag is dropped: what is wanted is the key stream, which encrypting zeros lays bare.
        let _tag = key
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), stream)
            .expect("a chunk is far below the limit of AES-GCM");
        stream
    }
}

fn stream_key(seed: &Secret) -> LessSafeKey {
    let key =
        UnboundKey::new(&AES_256_GCM, seed.as_slice()).expect("a seed has the 32 bytes of an AES-256 key");
    LessSafeKey::new(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// However many threads share the work, the streams are those of one pad after the other, chunk by chunk.
    #[test]
    fn parts_and_pads_in_any_order_give_the_streams_word_by_word() {
        let seeds: Vec<Secret> = (1..=3).map(|number| Secret::new([number; 32])).collect();
        let signs = [Sign::Plus, Sign::Minus, Sign::Plus];
        for ring in [Ring::Z64, Ring::Gf2] {
            for words in [1, 5, CHUNK_WORDS - 1, CHUNK_WORDS, CHUNK_WORDS + 1, 4 * CHUNK_WORDS + 7] {
                let mut expected = vec![3u64; words];
                for (seed, sign) in seeds.iter().zip(signs) {
                    let mut place = 0;
                    Keystream::new().words(seed, |word| {
                        let cell = expected.get_mut(place)?;
                        *cell = match (ring, sign) {
                            (Ring::Gf2, _) => *cell ^ word,
                            (Ring::Z64, Sign::Plus) => cell.wrapping_add(word),
                            (Ring::Z64, Sign::Minus) => cell.wrapping_sub(word),
                        };
                        place += 1;
                        Some(())
                    });
                }
                let pads = Pads::new(ring, seeds.iter().zip(signs));
                for threads in [1, 2, 3, 64] {
                    let mut found = vec![3u64; words];
                    pads.apply_by(threads, &mut found);
                    assert!(found == expected, "{words} words by {threads} threads in {ring:?}");
                }
                let mut found = vec![3u64; words];
                pads.apply(&mut found);
                assert!(found == expected);
            }
        }
    }
}
