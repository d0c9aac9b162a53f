//! After the context: the same release to every participant until every output is in. There is no way
//! back and no second context; whoever does not answer is asked the same again.

use std::collections::BTreeMap;
use std::sync::Arc;

use almoner_federation::{DecodeError, Digest, NodeId, merkle};

use super::collecting::tree;
use super::{Question, Received};
use crate::graph::graph_degree;
use crate::{
    Context, CoordinatorFault, Masked, NodeFault, Output, Ready, Refusal, Release, Roster, SecureSumError,
    Signed, Verified,
};

/// An attempt whose context is fixed. Memory: one vector, whatever the number of participants.
#[derive(Debug, Clone)]
pub struct Releasing {
    roster: Arc<Roster>,
    question: Question,
    context: Verified<Context>,
    ctx_hash: Digest,
    readies: Vec<Verified<Ready>>,
    /// Of the READYs: a proof costs a few hashes, not one a participant.
    tree: merkle::Tree,
    outputs: BTreeMap<NodeId, Verified<Output>>,
    sum: Vec<u64>,
}

impl Releasing {
    pub(super) fn new(
        roster: Arc<Roster>,
        question: Question,
        context: Verified<Context>,
        readies: Vec<Verified<Ready>>,
    ) -> Self {
        let ctx_hash = Digest::of(context.as_signed().bytes());
        let (tree, sum) = (tree(&readies), vec![0; question.cells]);
        Releasing { roster, question, context, ctx_hash, readies, tree, outputs: BTreeMap::new(), sum }
    }

    /// The attempt as it was persisted after the context was fixed; its outputs are asked for again.
    /// `readies` are in the participants' order. Everything is verified anew.
    ///
    /// # Errors
    /// As for a message just arrived; a [`CoordinatorFault`] when the context does not belong to the
    /// question, the roster or the READYs.
    pub fn restore(
        roster: Arc<Roster>,
        question: Question,
        context: &Signed<Context>,
        readies: &[Signed<Ready>],
    ) -> Result<Self, SecureSumError> {
        question.check()?;
        let context = context.verify(roster.coordinator())?;
        if context.manifest_hash != roster.manifest_hash() {
            return Err(CoordinatorFault::Manifest.into());
        }
        if context.spec_hash != question.spec_hash || context.attempt != question.attempt {
            return Err(CoordinatorFault::Question.into());
        }
        if context.ring != question.ring {
            return Err(CoordinatorFault::Ring.into());
        }
        let size = context.participants.len() as u32;
        let (found, expected) = (context.graph_degree, graph_degree(size, question.colluders));
        if found != expected {
            return Err(CoordinatorFault::GraphDegree { found, expected }.into());
        }
        if size < question.quorum {
            return Err(Refusal::Quorum { found: size, quorum: question.quorum }.into());
        }
        if readies.len() != context.participants.len() {
            return Err(DecodeError::Malformed("one READY for each participant").into());
        }
        let readies = context
            .participants
            .iter()
            .zip(readies)
            .map(|(node, ready)| question.verify(&roster, *node, ready))
            .collect::<Result<Vec<_>, _>>()?;
        let attempt = Releasing::new(roster, question, context, readies);
        if attempt.tree.root() != attempt.context.ready_root {
            return Err(CoordinatorFault::NotIncluded.into());
        }
        Ok(attempt)
    }

    /// The context.
    pub fn context(&self) -> &Verified<Context> {
        &self.context
    }

    /// The context's hash.
    pub fn ctx_hash(&self) -> Digest {
        self.ctx_hash
    }

    /// The participants' READYs in the participants' order; with the context, all that must be
    /// persisted before the first release is sent.
    pub fn readies(&self) -> &[Verified<Ready>] {
        &self.readies
    }

    /// What to send to `node`, the same every time; `None` when it does not participate.
    pub fn release_for(&self, node: NodeId) -> Option<Release> {
        let index = self.context.index_of(node)? as u64;
        let proof = self.tree.inclusion_proof(index, self.tree.size())?;
        Some(Release { context: self.context.as_signed().clone(), proof })
    }

    /// The participants whose outputs are missing, ascending.
    pub fn missing(&self) -> Vec<NodeId> {
        self.context.participants.iter().copied().filter(|node| !self.outputs.contains_key(node)).collect()
    }

    /// Takes what the connection authenticated as `node` sent, and adds a new vector to the sum.
    /// A refused message changes nothing.
    ///
    /// # Errors
    /// [`SecureSumError::Signature`], [`SecureSumError::Malformed`], or a [`NodeFault`] of that node.
    pub fn receive(
        &mut self,
        node: NodeId,
        output: &Signed<Output>,
        masked: &Masked,
    ) -> Result<Received, SecureSumError> {
        let fault = |fault| Err(SecureSumError::node(node, fault));
        let output = output.verify(&self.roster.require(node)?.signing_key)?;
        if output.node != node {
            return fault(NodeFault::Sender);
        }
        if self.context.index_of(node).is_none() {
            return fault(NodeFault::NotParticipant);
        }
        if output.ctx_hash != self.ctx_hash {
            return fault(NodeFault::Context);
        }
        if masked.cells().len() != self.question.cells {
            return fault(NodeFault::VectorLength);
        }
        if masked.hash() != output.vector_hash {
            return fault(NodeFault::VectorHash);
        }
        match self.outputs.get(&node) {
            Some(known) if known == &output => return Ok(Received::Repeat),
            Some(_) => return fault(NodeFault::TwoOutputs),
            None => {}
        }
        self.context.ring.combine(&mut self.sum, masked.cells());
        self.outputs.insert(node, output);
        Ok(Received::New)
    }

    /// The sum, once every participant's output is in.
    ///
    /// # Errors
    /// [`Refusal::Incomplete`] while outputs are missing; the sum would be uniform bytes.
    pub fn finish(&self) -> Result<Total, SecureSumError> {
        let missing = self.missing().len() as u32;
        if missing > 0 {
            return Err(Refusal::Incomplete(missing).into());
        }
        let evidence = Evidence {
            context: self.context.as_signed().clone(),
            readies: self.readies.iter().map(|ready| ready.as_signed().clone()).collect(),
            outputs: self.outputs.values().map(|output| output.as_signed().clone()).collect(),
        };
        Ok(Total { cells: self.sum.iter().map(|cell| cell.cast_signed()).collect(), evidence })
    }
}

/// The end of an attempt: the noisy total of the federation and what proves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Total {
    /// The sum of the participants' noisy vectors in the context's ring. Words of
    /// [`Ring::Z64`](crate::Ring::Z64) are signed numbers; those of [`Ring::Gf2`](crate::Ring::Gf2) hold 64
    /// bits each, to be read back with `cast_unsigned`.
    pub cells: Vec<i64>,
    /// What anybody needs to check it.
    pub evidence: Evidence,
}

/// Everything signed in one release; READYs and outputs in the participants' order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// The context, signed by the coordinator.
    pub context: Signed<Context>,
    /// Every participant's READY.
    pub readies: Vec<Signed<Ready>>,
    /// Every participant's output record.
    pub outputs: Vec<Signed<Output>>,
}
