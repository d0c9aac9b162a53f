//! What can go wrong, split by who is to blame. Every text depends on public things alone: policy,
//! membership and protocol state; never on a cell, a mask or a key.

use almoner_federation::{DecodeError, NodeId};
use thiserror::Error;

/// Every error of this crate.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SecureSumError {
    /// The sender's bytes are no message of this protocol version.
    #[error(transparent)]
    Malformed(#[from] DecodeError),
    /// The sender's signature is not that of the key it must be made with.
    #[error("the signature of a message labelled {0} does not verify")]
    Signature(&'static str),
    /// The coordinator asked for what no correct coordinator asks.
    #[error(transparent)]
    Coordinator(#[from] CoordinatorFault),
    /// A node sent what no correct node sends.
    #[error("node {node}: {fault}")]
    Node {
        /// Who is to blame.
        node: NodeId,
        /// For what.
        fault: NodeFault,
    },
    /// Nobody is to blame: policy or the state of the attempt says no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// This installation or the calling code.
    #[error(transparent)]
    Local(#[from] LocalFault),
}

impl SecureSumError {
    pub(crate) fn node(node: NodeId, fault: NodeFault) -> Self {
        SecureSumError::Node { node, fault }
    }
}

/// A release that no correct coordinator sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum CoordinatorFault {
    /// The context names another manifest than the pinned one.
    #[error("the context is for another manifest than the pinned one")]
    Manifest,
    /// The context is about another question or attempt than the READY.
    #[error("the context is for another question or attempt")]
    Question,
    /// The context combines the vectors in another ring than this node's READY says. What came of the
    /// vectors then would be another function of them than the one that was noised and priced.
    #[error("the context is for another ring than this node noised its vector for")]
    Ring,
    /// This node is not among the participants.
    #[error("this node is not among the participants")]
    NotParticipant,
    /// A participant is not a member of the roster.
    #[error("node {0} is a participant but not a member of the federation")]
    Stranger(NodeId),
    /// The mask graph is not the one the rules give.
    #[error("the mask graph has degree {found} instead of {expected}")]
    GraphDegree {
        /// The degree in the context.
        found: u32,
        /// The degree that [`graph_degree`](crate::graph_degree) gives.
        expected: u32,
    },
    /// The proof does not show this node's READY at this node's place under the context's root.
    #[error("this node's READY is not included in the context")]
    NotIncluded,
}

/// A message that no correct node sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NodeFault {
    /// Not a member of the roster.
    #[error("is not a member of the federation")]
    Stranger,
    /// The message carries another node's number.
    #[error("sent a message in another node's name")]
    Sender,
    /// READY for another manifest.
    #[error("answered under another manifest")]
    Manifest,
    /// READY for another question or attempt.
    #[error("answered another question or attempt")]
    Question,
    /// READY with another plan or price.
    #[error("planned or priced the question differently")]
    Plan,
    /// READY with another ring.
    #[error("noised its vector for another ring")]
    Ring,
    /// A second, different READY for one attempt.
    #[error("sent two different READYs for one attempt")]
    TwoReadys,
    /// READY that has expired on arrival.
    #[error("sent a READY that has expired")]
    Expired,
    /// Output from a node that is no participant.
    #[error("sent an output but is not a participant")]
    NotParticipant,
    /// Output for another context.
    #[error("sent an output of another context")]
    Context,
    /// A vector of the wrong length.
    #[error("sent a vector of the wrong length")]
    VectorLength,
    /// A vector that is not the one the output's hash commits to.
    #[error("sent a vector that does not match its signed hash")]
    VectorHash,
    /// A second, different output in one context.
    #[error("sent two different outputs for one context")]
    TwoOutputs,
    /// The mask key in the roster is a point of low order.
    #[error("has a mask key of low order")]
    LowOrderKey,
}

/// Why policy or the state of an attempt says no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Refusal {
    /// Fewer participants than the quorum.
    #[error("{found} participants are fewer than the quorum of {quorum}")]
    Quorum {
        /// Participants there are.
        found: u32,
        /// Participants there must be.
        quorum: u32,
    },
    /// Fewer trusted participants than this node demands.
    #[error("{found} of this node's anchors participate, {wanted} must")]
    Anchors {
        /// Anchors among the participants.
        found: u32,
        /// Anchors there must be.
        wanted: u32,
    },
    /// Fewer honest noise shares than this node demands.
    #[error("{honest} honest noise shares are promised, {wanted} must be")]
    Honest {
        /// The shares that any release is sure to have.
        honest: u32,
        /// The shares there must be.
        wanted: u32,
    },
    /// The READY has expired.
    #[error("the READY has expired")]
    Expired,
    /// The READY has not expired yet.
    #[error("the READY has not expired yet")]
    NotExpired,
    /// The attempt was aborted; it is never released.
    #[error("the attempt was aborted")]
    Aborted,
    /// The attempt was charged for another context; there is never a second one.
    #[error("the attempt was charged for another context")]
    OtherContext,
    /// The attempt was charged; it can neither expire nor be aborted.
    #[error("the attempt was charged")]
    Charged,
    /// The attempt is still open, so nobody may say that it never will be released.
    #[error("the attempt is still open")]
    Open,
    /// The outputs of some participants are missing.
    #[error("{0} participants have not sent their outputs")]
    Incomplete(u32),
}

/// What this installation or the calling code did wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum LocalFault {
    /// The random source failed.
    #[error("the random source failed")]
    Random,
    /// The roster is not one.
    #[error("not a roster: {0}")]
    Roster(&'static str),
    /// The mask key is not the one that the roster holds for this node.
    #[error("the mask key is not the one in the manifest")]
    MaskKey,
    /// The signing key is not the one that the roster holds for the coordinator.
    #[error("the signing key is not the coordinator's in the manifest")]
    SigningKey,
    /// A vector is empty or too long.
    #[error("a vector must have 1 to 16777216 cells")]
    VectorLength,
    /// The pair roots are another node's or another epoch's.
    #[error("the pair roots belong to another node or manifest")]
    PairRoots,
    /// The accepted context belongs to another attempt.
    #[error("the accepted context belongs to another attempt")]
    OtherAttempt,
}
