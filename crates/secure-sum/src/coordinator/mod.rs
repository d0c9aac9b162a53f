//! The coordinator's side of one attempt: gather READYs, fix one context, gather outputs, add them up.
//! It is trusted for liveness alone, so nothing here protects privacy; it finds out which node is to
//! blame when something is wrong, and keeps the evidence for others.

mod collecting;
mod releasing;

use almoner_federation::{Digest, NodeId, PicoRho};

pub use collecting::Collecting;
pub use releasing::{Evidence, Releasing, Total};

use crate::{LocalFault, MAX_CELLS, NodeFault, Ready, Ring, Roster, SecureSumError, Signed, Verified};

/// What the coordinator asks in one attempt, and what every READY must agree with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Question {
    /// The question.
    pub spec_hash: Digest,
    /// The plan that the coordinator found itself.
    pub plan_hash: Digest,
    /// The plan's price.
    pub cost: PicoRho,
    /// The ring that every vector must be noised for, which is the plan's.
    pub ring: Ring,
    /// Words of the vector, 1 to [`MAX_CELLS`]: its cells, or a 64th of its bits, rounded up.
    pub cells: usize,
    /// The attempt.
    pub attempt: u32,
    /// Fewest participants, `q`.
    pub quorum: u32,
    /// Most colluders, `t`.
    pub colluders: u32,
}

impl Question {
    fn check(&self) -> Result<(), SecureSumError> {
        if (1..=MAX_CELLS).contains(&self.cells) { Ok(()) } else { Err(LocalFault::VectorLength.into()) }
    }

    /// Verifies that `ready` is that node's own answer to this very question.
    fn verify(
        &self,
        roster: &Roster,
        node: NodeId,
        ready: &Signed<Ready>,
    ) -> Result<Verified<Ready>, SecureSumError> {
        let fault = |fault| Err(SecureSumError::node(node, fault));
        let ready = ready.verify(&roster.require(node)?.signing_key)?;
        if ready.node != node {
            return fault(NodeFault::Sender);
        }
        if ready.manifest_hash != roster.manifest_hash() {
            return fault(NodeFault::Manifest);
        }
        if ready.spec_hash != self.spec_hash || ready.attempt != self.attempt {
            return fault(NodeFault::Question);
        }
        if ready.plan_hash != self.plan_hash || ready.cost != self.cost {
            return fault(NodeFault::Plan);
        }
        if ready.ring != self.ring {
            return fault(NodeFault::Ring);
        }
        Ok(ready)
    }
}

/// Whether a message was news.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Received {
    /// The first of its sender.
    New,
    /// The same bytes as before; nothing changed.
    Repeat,
}
