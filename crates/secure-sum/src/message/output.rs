//! The output record: a node commits to its masked vector and to the ledger that holds the charge.

use almoner_federation::{DecodeError, Digest, NodeId, Reader, lp};

use super::Message;

/// What a node signs beside its masked vector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// The context whose masks are in the vector.
    pub ctx_hash: Digest,
    /// The node.
    pub node: NodeId,
    /// [`Masked::hash`](crate::Masked::hash) of the vector.
    pub vector_hash: Digest,
    /// Entries in the node's ledger, the charge included.
    pub ledger_size: u64,
    /// The ledger's Merkle root at that size.
    pub ledger_root: Digest,
}

impl Message for Output {
    const LABEL: &'static str = "almoner/1/out";

    fn encode(&self) -> Vec<u8> {
        lp(&[
            Self::LABEL.as_bytes(),
            &self.ctx_hash.0,
            &self.node.0.to_be_bytes(),
            &self.vector_hash.0,
            &self.ledger_size.to_be_bytes(),
            &self.ledger_root.0,
        ])
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut items = Reader::new(bytes, Self::LABEL)?;
        let output = Output {
            ctx_hash: Digest(items.array()?),
            node: NodeId(items.u32()?),
            vector_hash: Digest(items.array()?),
            ledger_size: items.u64()?,
            ledger_root: Digest(items.array()?),
        };
        items.end()?;
        Ok(output)
    }
}
