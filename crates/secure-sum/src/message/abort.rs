//! The abort certificate: a node's word that it never released an attempt and never will.

use almoner_federation::{DecodeError, Digest, NodeId, Reader, lp};

use super::Message;

/// What the signer promises; part of the signed bytes so that they say it themselves.
const STATEMENT: &str = "never released, never will";

/// One node's certificate for one attempt, and so for every context of that attempt. Made by
/// [`NodeRound::certificate`](crate::NodeRound::certificate).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Abort {
    /// The question.
    pub spec_hash: Digest,
    /// The attempt.
    pub attempt: u32,
    /// The node.
    pub node: NodeId,
}

impl Message for Abort {
    const LABEL: &'static str = "almoner/1/abort";

    fn encode(&self) -> Vec<u8> {
        lp(&[
            Self::LABEL.as_bytes(),
            &self.spec_hash.0,
            &self.attempt.to_be_bytes(),
            &self.node.0.to_be_bytes(),
            STATEMENT.as_bytes(),
        ])
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut items = Reader::new(bytes, Self::LABEL)?;
        let abort =
            Abort { spec_hash: Digest(items.array()?), attempt: items.u32()?, node: NodeId(items.u32()?) };
        if items.bytes()? != STATEMENT.as_bytes() {
            return Err(DecodeError::Malformed("unknown statement"));
        }
        items.end()?;
        Ok(abort)
    }
}
