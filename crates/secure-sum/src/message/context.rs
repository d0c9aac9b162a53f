//! The context: everything that the participants of one release must agree on, since its hash is in
//! every mask. Who was shown another context computes other masks, and the sum is uniform bytes.

use almoner_federation::{DecodeError, Digest, NodeId, Reader, lp};

use super::{Message, Signed};
use crate::{MAX_PARTICIPANTS, Ring};

/// One release's context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context {
    /// The question.
    pub spec_hash: Digest,
    /// The manifest.
    pub manifest_hash: Digest,
    /// The attempt.
    pub attempt: u32,
    /// The participants, strictly ascending, 2 to [`MAX_PARTICIPANTS`].
    pub participants: Vec<NodeId>,
    /// The Merkle tree hash (RFC 9162, 2.1.1) of their READYs' bytes in that order.
    pub ready_root: Digest,
    /// Neighbours of every node in the mask graph, as [`graph_degree`](crate::graph_degree) gives it.
    pub graph_degree: u32,
    /// The ring in which the vectors are masked and added up, the one in every READY.
    pub ring: Ring,
}

impl Context {
    /// The place of `node` among the participants.
    pub fn index_of(&self, node: NodeId) -> Option<usize> {
        self.participants.binary_search(&node).ok()
    }
}

impl Message for Context {
    const LABEL: &'static str = "almoner/1/ctx";

    fn encode(&self) -> Vec<u8> {
        let participants: Vec<u8> = self.participants.iter().flat_map(|node| node.0.to_be_bytes()).collect();
        lp(&[
            Self::LABEL.as_bytes(),
            &self.spec_hash.0,
            &self.manifest_hash.0,
            &self.attempt.to_be_bytes(),
            &participants,
            &self.ready_root.0,
            &self.graph_degree.to_be_bytes(),
            &self.ring.bits().to_be_bytes(),
        ])
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut items = Reader::new(bytes, Self::LABEL)?;
        let context = Context {
            spec_hash: Digest(items.array()?),
            manifest_hash: Digest(items.array()?),
            attempt: items.u32()?,
            participants: participants(items.bytes()?)?,
            ready_root: Digest(items.array()?),
            graph_degree: items.u32()?,
            ring: Ring::of_bits(items.u32()?)?,
        };
        items.end()?;
        Ok(context)
    }
}

/// Reads a list of big-endian node numbers; an order of its own would be a second encoding of one set.
fn participants(bytes: &[u8]) -> Result<Vec<NodeId>, DecodeError> {
    let (numbers, rest) = bytes.as_chunks::<4>();
    if !rest.is_empty() || !(2..=MAX_PARTICIPANTS).contains(&numbers.len()) {
        return Err(DecodeError::Malformed("number of participants"));
    }
    let nodes: Vec<NodeId> = numbers.iter().map(|number| NodeId(u32::from_be_bytes(*number))).collect();
    if nodes.is_sorted_by(|a, b| a < b) {
        Ok(nodes)
    } else {
        Err(DecodeError::Malformed("participants must ascend"))
    }
}

/// What the coordinator sends to one participant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// The context with the coordinator's signature, not yet verified.
    pub context: Signed<Context>,
    /// The inclusion proof (RFC 9162, 2.1.3) of this participant's READY under the context's root.
    pub proof: Vec<Digest>,
}
