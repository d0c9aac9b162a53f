//! Signed messages and masked vectors between their wire form and the domain's own types.

use almoner_federation::{Digest, Signature};
use almoner_secure_sum::{Masked, Message, Signed};

use crate::{CHUNK_VALUES, Refusal, v1};

impl v1::Signed {
    /// Joins canonical bytes with their signature.
    pub fn new(body: Vec<u8>, signature: &Signature) -> Self {
        v1::Signed { body, signature: signature.0.to_vec() }
    }

    /// The signature, when it has the right shape.
    pub fn signature(&self) -> Result<Signature, Refusal> {
        Signature::try_from(self.signature.as_slice()).map_err(|_| Refusal::Signature)
    }
}

/// Longest consistency proof: a tree has fewer than 2^64 leaves.
const MAX_PROOF: usize = 65;

impl v1::Proof {
    /// A proof as it travels.
    pub fn new(hashes: &[Digest]) -> Self {
        v1::Proof { hashes: hashes.iter().map(|hash| hash.0.to_vec()).collect() }
    }

    /// Its hashes, when they are hashes and no more than any tree needs.
    pub fn digests(&self) -> Result<Vec<Digest>, Refusal> {
        if self.hashes.len() > MAX_PROOF {
            return Err(Refusal::Malformed);
        }
        let digest = |hash: &Vec<u8>| hash.as_slice().try_into().map(Digest).map_err(|_| Refusal::Malformed);
        self.hashes.iter().map(digest).collect()
    }
}

/// A field that must be there.
pub fn signed(field: Option<v1::Signed>) -> Result<v1::Signed, Refusal> {
    field.ok_or(Refusal::Malformed)
}

/// What arrived, as a message whose signature nobody has verified yet.
pub fn to_signed<M: Message>(wire: v1::Signed) -> Result<Signed<M>, Refusal> {
    let signature = wire.signature()?;
    Signed::from_parts(wire.body, signature).map_err(|_| Refusal::Malformed)
}

/// A signed message as it travels.
pub fn to_wire<M: Message>(signed: &Signed<M>) -> v1::Signed {
    v1::Signed::new(signed.bytes().to_vec(), signed.signature())
}

/// The parts in which a masked vector travels, its receipt last, with a checkpoint of the ledger that holds its charge.
pub fn masked_chunks(
    masked: &Masked,
    output: v1::Signed,
    checkpoint: String,
) -> impl Iterator<Item = v1::MaskedChunk> + '_ {
    let values = masked.cells().chunks(CHUNK_VALUES);
    let receipt = v1::MaskedChunk { values: Vec::new(), output: Some(output), checkpoint };
    values
        .map(|part| v1::MaskedChunk { values: part.to_vec(), ..v1::MaskedChunk::default() })
        .chain(std::iter::once(receipt))
}
