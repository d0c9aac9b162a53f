//! READY: a node has computed, noised, sealed and reserved, and will release under a context that
//! includes these very bytes. Nothing in it depends on the data.

use almoner_federation::{DecodeError, Digest, NodeId, PicoRho, Reader, lp};

use super::Message;
use crate::Ring;

/// One node's READY for one attempt at one question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ready {
    /// The question.
    pub spec_hash: Digest,
    /// The manifest that the node has pinned.
    pub manifest_hash: Digest,
    /// The node.
    pub node: NodeId,
    /// The attempt; every attempt has noise of its own.
    pub attempt: u32,
    /// Random and never repeated, so that no restored backup can bring an old mask back.
    pub nonce: [u8; 32],
    /// The time, in seconds since 1970, from which the READY is void.
    pub expires_at_s: u64,
    /// Entries in the node's ledger, the reservation included.
    pub ledger_size: u64,
    /// The ledger's Merkle root at that size.
    pub ledger_root: Digest,
    /// What was reserved.
    pub cost: PicoRho,
    /// The node's own plan, which holds the sensitivity and sigma of every block.
    pub plan_hash: Digest,
    /// The ring that the vector was noised for; it is released in no other one.
    pub ring: Ring,
    /// The data that the node answered from.
    pub snapshot: Digest,
}

impl Message for Ready {
    const LABEL: &'static str = "almoner/1/ready";

    fn encode(&self) -> Vec<u8> {
        lp(&[
            Self::LABEL.as_bytes(),
            &self.spec_hash.0,
            &self.manifest_hash.0,
            &self.node.0.to_be_bytes(),
            &self.attempt.to_be_bytes(),
            &self.nonce,
            &self.expires_at_s.to_be_bytes(),
            &self.ledger_size.to_be_bytes(),
            &self.ledger_root.0,
            &self.cost.get().to_be_bytes(),
            &self.plan_hash.0,
            &self.ring.bits().to_be_bytes(),
            &self.snapshot.0,
        ])
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut items = Reader::new(bytes, Self::LABEL)?;
        let ready = Ready {
            spec_hash: Digest(items.array()?),
            manifest_hash: Digest(items.array()?),
            node: NodeId(items.u32()?),
            attempt: items.u32()?,
            nonce: items.array()?,
            expires_at_s: items.u64()?,
            ledger_size: items.u64()?,
            ledger_root: Digest(items.array()?),
            cost: PicoRho::new(items.u64()?),
            plan_hash: Digest(items.array()?),
            ring: Ring::of_bits(items.u32()?)?,
            snapshot: Digest(items.array()?),
        };
        items.end()?;
        Ok(ready)
    }
}
