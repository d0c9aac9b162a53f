//! The pseudorandom stream that hides the cells: AES-256 in counter mode, as the ciphertext of zero
//! chunks under AES-256-GCM whose tags are dropped (ring offers no bare stream cipher). Chunk `c` has
//! 64 KiB and the nonce `LE32(0) || LE64(c)`. One key serves one stream, and nothing is ever sealed
//! with it, so neither a dropped tag nor a counting nonce can be misused.

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

/// A buffer of one chunk that serves stream after stream, so that no whole pad is ever held.
pub(crate) struct Keystream {
    buffer: Zeroizing<Vec<u8>>,
}

impl Keystream {
    pub(crate) fn new() -> Self {
        Keystream { buffer: Zeroizing::new(vec![0; CHUNK_BYTES]) }
    }

    /// Adds the stream of `seed`, read as little-endian `u64`s, to `vector`, or takes it away, in `ring`.
    pub(crate) fn apply(&mut self, seed: &Secret, ring: Ring, sign: Sign, vector: &mut [u64]) {
        let key = stream_key(seed);
        for (chunk, vector) in (0u64..).zip(vector.chunks_mut(CHUNK_WORDS)) {
            let (stream, _) = self.chunk(&key, chunk, vector.len() * 8).as_chunks::<8>();
            let pairs = vector.iter_mut().zip(stream.iter().map(|word| u64::from_le_bytes(*word)));
            match (ring, sign) {
                (Ring::Z64, Sign::Plus) => pairs.for_each(|(v, s)| *v = v.wrapping_add(s)),
                (Ring::Z64, Sign::Minus) => pairs.for_each(|(v, s)| *v = v.wrapping_sub(s)),
                (Ring::Gf2, Sign::Plus | Sign::Minus) => pairs.for_each(|(v, s)| *v ^= s),
            }
        }
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
