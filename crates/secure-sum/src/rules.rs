//! What a node demands of every release, from the manifest's policy and its operator's own file;
//! never from the coordinator.

use std::collections::BTreeSet;

use almoner_federation::{NodeId, Policy};

use crate::Refusal;

/// The least honest noise shares of any release: with one alone, a release would be a local one.
const LEAST_HONEST: u32 = 2;

/// One node's demands (PROTOCOL A.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseRules {
    /// Fewest participants: the larger of the manifest's quorum and the node's own.
    pub quorum: u32,
    /// Most members that may collude with the coordinator; decides the mask graph's degree.
    pub colluders: u32,
    /// The honest noise shares that the noise was calibrated for (the manifest's `q - t`).
    pub honest: u32,
    /// Fewest honest noise shares: the larger of the manifest's number and the node's own; below 2 counts as 2.
    pub min_honest: u32,
    /// The members that this agency has verified out of band.
    pub anchors: BTreeSet<NodeId>,
    /// How many of them must participate.
    pub min_anchors: u32,
}

impl ReleaseRules {
    /// The manifest's policy made stricter, never laxer, by the node's own numbers.
    pub fn new(
        policy: &Policy,
        own_quorum: u32,
        own_min_honest: u32,
        anchors: BTreeSet<NodeId>,
        min_anchors: u32,
    ) -> Self {
        ReleaseRules {
            quorum: policy.quorum.max(own_quorum),
            colluders: policy.colluders,
            honest: policy.honest_shares(),
            min_honest: policy.min_honest.max(own_min_honest),
            anchors,
            min_anchors,
        }
    }

    /// Succeeds when a release by exactly `participants` keeps the promise.
    pub(crate) fn check(&self, participants: &[NodeId]) -> Result<(), Refusal> {
        let found = participants.len() as u32;
        if found < self.quorum {
            return Err(Refusal::Quorum { found, quorum: self.quorum });
        }
        let found = participants.iter().filter(|node| self.anchors.contains(node)).count() as u32;
        if found < self.min_anchors {
            return Err(Refusal::Anchors { found, wanted: self.min_anchors });
        }
        // Noise calibrated for more honest shares than a quorum is sure to hold promises too much.
        let honest = self.honest.min(self.quorum.saturating_sub(self.colluders));
        let wanted = self.min_honest.max(LEAST_HONEST).max(self.honest);
        if honest < wanted { Err(Refusal::Honest { honest, wanted }) } else { Ok(()) }
    }
}
