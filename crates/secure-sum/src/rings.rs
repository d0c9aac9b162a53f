//! What a vector is made of and how vectors are added up.

use almoner_federation::DecodeError;

/// The ring of a release: what the words of its vectors hold, and so how vectors and masks combine.
///
/// It is signed twice, by every node in its READY and by the coordinator in the context, and it is in
/// the label of every mask's key. The noise of a vector was drawn and priced for one ring. The XOR of
/// vectors that were noised for a sum, or the sum of vectors that were noised for an XOR, is another
/// function of the honest vectors than the one that was priced: no proof covers it, and it is never
/// computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ring {
    /// Integers modulo 2^64: one cell a word, read as signed in a total.
    Z64,
    /// Bits: 64 cells a word, the first in the lowest place; vectors and masks combine by XOR. When the
    /// bits do not fill the last word, whoever fills a vector leaves the rest zero, so that it is zero
    /// in the total.
    Gf2,
}

impl Ring {
    /// Bits of one cell: what the canonical bytes hold.
    pub fn bits(self) -> u32 {
        match self {
            Ring::Z64 => 64,
            Ring::Gf2 => 1,
        }
    }

    /// The ring whose cells have that many bits.
    pub(crate) fn of_bits(bits: u32) -> Result<Self, DecodeError> {
        match bits {
            64 => Ok(Ring::Z64),
            1 => Ok(Ring::Gf2),
            _ => Err(DecodeError::Malformed("unknown ring width")),
        }
    }

    /// Adds `vector` to `sum`, word by word: the one rule by which a total comes from masked vectors.
    /// Both have the same length; that is for the caller to check, since the vector is somebody else's.
    pub fn combine(self, sum: &mut [u64], vector: &[u64]) {
        debug_assert_eq!(sum.len(), vector.len(), "vectors of one release have one length");
        let pairs = sum.iter_mut().zip(vector);
        match self {
            Ring::Z64 => pairs.for_each(|(sum, word)| *sum = sum.wrapping_add(*word)),
            Ring::Gf2 => pairs.for_each(|(sum, word)| *sum ^= *word),
        }
    }
}
