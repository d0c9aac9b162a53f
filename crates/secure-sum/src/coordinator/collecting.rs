//! Before the context: who is ready.

use std::collections::BTreeMap;
use std::sync::Arc;

use almoner_federation::{NodeId, SigningKey, merkle};

use super::{Question, Received, Releasing};
use crate::graph::graph_degree;
use crate::{Context, LocalFault, NodeFault, Ready, Refusal, Roster, SecureSumError, Signed, Verified};

/// An attempt that gathers READYs; at most one for each member.
#[derive(Debug, Clone)]
pub struct Collecting {
    roster: Arc<Roster>,
    question: Question,
    readies: BTreeMap<NodeId, Verified<Ready>>,
}

impl Collecting {
    /// An attempt with no READY yet.
    ///
    /// # Errors
    /// [`LocalFault::VectorLength`] for a question of no cells or too many.
    pub fn new(roster: Arc<Roster>, question: Question) -> Result<Self, SecureSumError> {
        question.check()?;
        Ok(Collecting { roster, question, readies: BTreeMap::new() })
    }

    /// Takes what the connection authenticated as `node` sent. `now_s` is seconds since 1970.
    ///
    /// # Errors
    /// [`SecureSumError::Signature`], [`SecureSumError::Malformed`], or a [`NodeFault`] of that node.
    pub fn receive(
        &mut self,
        node: NodeId,
        ready: &Signed<Ready>,
        now_s: u64,
    ) -> Result<Received, SecureSumError> {
        let ready = self.question.verify(&self.roster, node, ready)?;
        if ready.expires_at_s <= now_s {
            return Err(SecureSumError::node(node, NodeFault::Expired));
        }
        match self.readies.get(&node) {
            Some(known) if known == &ready => Ok(Received::Repeat),
            Some(_) => Err(SecureSumError::node(node, NodeFault::TwoReadys)),
            None => {
                self.readies.insert(node, ready);
                Ok(Received::New)
            }
        }
    }

    /// Leaves a node out of the release, such as one that no longer answers.
    pub fn exclude(&mut self, node: NodeId) {
        self.readies.remove(&node);
    }

    /// The nodes whose READYs are in and not expired, ascending.
    pub fn ready(&self, now_s: u64) -> Vec<NodeId> {
        self.unexpired(now_s).map(|ready| ready.node).collect()
    }

    /// Fixes the one context of this attempt with every node whose READY is in and not expired.
    ///
    /// # Errors
    /// [`Refusal::Quorum`] when they are too few, [`LocalFault::SigningKey`] when `key` is not the
    /// coordinator's. The attempt is over then; ask [`Collecting::ready`] before.
    pub fn release(self, key: &SigningKey, now_s: u64) -> Result<Releasing, SecureSumError> {
        if key.verifying_key() != *self.roster.coordinator() {
            return Err(LocalFault::SigningKey.into());
        }
        let readies: Vec<Verified<Ready>> = self.unexpired(now_s).cloned().collect();
        let participants: Vec<NodeId> = readies.iter().map(|ready| ready.node).collect();
        let (found, quorum) = (participants.len() as u32, self.question.quorum.max(2));
        if found < quorum {
            return Err(Refusal::Quorum { found, quorum }.into());
        }
        let context = Context {
            spec_hash: self.question.spec_hash,
            manifest_hash: self.roster.manifest_hash(),
            attempt: self.question.attempt,
            ready_root: tree(&readies).root(),
            graph_degree: graph_degree(found, self.question.colluders),
            participants,
            ring: self.question.ring,
        };
        Ok(Releasing::new(self.roster, self.question, Signed::sign(context, key), readies))
    }

    fn unexpired(&self, now_s: u64) -> impl Iterator<Item = &Verified<Ready>> {
        self.readies.values().filter(move |ready| ready.expires_at_s > now_s)
    }
}

/// The tree whose root is in the context.
pub(super) fn tree(readies: &[Verified<Ready>]) -> merkle::Tree {
    let mut tree = merkle::Tree::new();
    readies.iter().for_each(|ready| tree.push(merkle::leaf_hash(ready.as_signed().bytes())));
    tree
}
