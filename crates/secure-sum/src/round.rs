//! One attempt at one question at one node: PROTOCOL A.4 as pure transitions. The caller persists a
//! [`Step`] durably before anything that follows from it becomes visible; nothing here remembers.

use almoner_federation::{Digest, merkle};

use crate::graph::graph_degree;
use crate::{
    Abort, AcceptedContext, CoordinatorFault, LocalFault, Message, Ready, Refusal, Release, ReleaseRules,
    Roster, SecureSumError,
};

/// Where an attempt stands. Expired and aborted are final; charged is final but for repetition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoundState {
    /// The cells are noised and sealed, the price is reserved, the READY is signed.
    Prepared,
    /// The price is charged for this one context.
    Charged {
        /// The context's hash.
        context: Digest,
    },
    /// The READY expired before a release; the reservation is free again.
    Expired,
    /// The node gave the attempt up before a release; the reservation is free again.
    Aborted,
}

/// What a transition asks the caller to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a step takes effect only when the caller has made it durable"]
pub enum Step {
    /// Persist this state, then act.
    Move(RoundState),
    /// The state is already so; act again.
    Stay,
}

/// One attempt: its READY and its state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeRound {
    ready: Ready,
    state: RoundState,
}

impl NodeRound {
    /// An attempt just prepared.
    pub fn prepared(ready: Ready) -> Self {
        NodeRound { ready, state: RoundState::Prepared }
    }

    /// An attempt as it was persisted.
    ///
    /// # Errors
    /// [`SecureSumError::Malformed`] when `ready` is not a READY.
    pub fn restore(ready: &[u8], state: RoundState) -> Result<Self, SecureSumError> {
        Ok(NodeRound { ready: Ready::decode(ready)?, state })
    }

    /// The READY.
    pub fn ready(&self) -> &Ready {
        &self.ready
    }

    /// The state.
    pub fn state(&self) -> RoundState {
        self.state
    }

    /// The attempt after `step` was persisted.
    pub fn after(self, step: Step) -> Self {
        match step {
            Step::Move(state) => NodeRound { state, ..self },
            Step::Stay => self,
        }
    }

    /// Checks everything that PROTOCOL A.4 demands of a release. `now_s` is seconds since 1970.
    /// It changes nothing: the attempt is spent by [`NodeRound::charge`].
    ///
    /// The context's ring must be the READY's. Otherwise a coordinator that all nodes agree with, so that
    /// all masks cancel, could have vectors that were noised for a sum combined by XOR, or the other way
    /// round: another function of the honest vectors than the one that was priced.
    ///
    /// # Errors
    /// A signature or encoding that is not the coordinator's, a [`CoordinatorFault`], or a [`Refusal`].
    pub fn accept(
        &self,
        release: &Release,
        roster: &Roster,
        rules: &ReleaseRules,
        now_s: u64,
    ) -> Result<AcceptedContext, SecureSumError> {
        let context = release.context.verify(roster.coordinator())?.into_message();
        let hash = Digest::of(release.context.bytes());
        let ready = self.ready.encode();

        if context.manifest_hash != roster.manifest_hash()
            || self.ready.manifest_hash != roster.manifest_hash()
        {
            return Err(CoordinatorFault::Manifest.into());
        }
        if context.spec_hash != self.ready.spec_hash || context.attempt != self.ready.attempt {
            return Err(CoordinatorFault::Question.into());
        }
        if context.ring != self.ready.ring {
            return Err(CoordinatorFault::Ring.into());
        }
        if let Some(node) = context.participants.iter().find(|node| roster.member(**node).is_none()) {
            return Err(CoordinatorFault::Stranger(*node).into());
        }
        let size = context.participants.len();
        let index = context.index_of(self.ready.node).ok_or(CoordinatorFault::NotParticipant)?;
        let expected = graph_degree(size as u32, rules.colluders);
        if context.graph_degree != expected {
            return Err(CoordinatorFault::GraphDegree { found: context.graph_degree, expected }.into());
        }
        let leaf = merkle::leaf_hash(&ready);
        let (index, size) = (index as u64, size as u64);
        if !merkle::verify_inclusion(leaf, index, size, &release.proof, context.ready_root) {
            return Err(CoordinatorFault::NotIncluded.into());
        }
        rules.check(&context.participants)?;
        self.open_for(hash, now_s)?;
        Ok(AcceptedContext::after_all_checks(context, hash, self.ready.node, Digest::of(&ready)))
    }

    /// Spends the attempt on `accepted`; asked again for the same context, stays, at any time.
    /// The caller makes the charge durable before the first byte of output.
    ///
    /// # Errors
    /// [`Refusal`] when the attempt expired, was aborted or was charged for another context;
    /// [`LocalFault::OtherAttempt`] when the token was made for another READY.
    pub fn charge(&self, accepted: &AcceptedContext, now_s: u64) -> Result<Step, SecureSumError> {
        if accepted.ready() != self.ready.hash() {
            return Err(LocalFault::OtherAttempt.into());
        }
        self.open_for(accepted.hash(), now_s)?;
        Ok(match self.state {
            RoundState::Charged { .. } => Step::Stay,
            _ => Step::Move(RoundState::Charged { context: accepted.hash() }),
        })
    }

    /// Ends an attempt whose READY has expired; afterwards it is never released.
    ///
    /// # Errors
    /// [`Refusal::NotExpired`] before the time, [`Refusal::Charged`] after a charge.
    pub fn expire(&self, now_s: u64) -> Result<Step, SecureSumError> {
        match self.state {
            RoundState::Prepared if now_s < self.ready.expires_at_s => Err(Refusal::NotExpired.into()),
            RoundState::Prepared => Ok(Step::Move(RoundState::Expired)),
            RoundState::Expired | RoundState::Aborted => Ok(Step::Stay),
            RoundState::Charged { .. } => Err(Refusal::Charged.into()),
        }
    }

    /// Gives the attempt up; afterwards it is never released.
    ///
    /// # Errors
    /// [`Refusal::Charged`] after a charge.
    pub fn abort(&self) -> Result<Step, SecureSumError> {
        match self.state {
            RoundState::Prepared => Ok(Step::Move(RoundState::Aborted)),
            RoundState::Expired | RoundState::Aborted => Ok(Step::Stay),
            RoundState::Charged { .. } => Err(Refusal::Charged.into()),
        }
    }

    /// The certificate that this attempt was never released and never will be, to be signed.
    ///
    /// # Errors
    /// [`Refusal::Open`] or [`Refusal::Charged`] while that is not sure.
    pub fn certificate(&self) -> Result<Abort, SecureSumError> {
        match self.state {
            RoundState::Prepared => Err(Refusal::Open.into()),
            RoundState::Charged { .. } => Err(Refusal::Charged.into()),
            RoundState::Expired | RoundState::Aborted => Ok(Abort {
                spec_hash: self.ready.spec_hash,
                attempt: self.ready.attempt,
                node: self.ready.node,
            }),
        }
    }

    /// One attempt, one context, and none once it is over.
    fn open_for(&self, context: Digest, now_s: u64) -> Result<(), Refusal> {
        match self.state {
            RoundState::Prepared if now_s >= self.ready.expires_at_s => Err(Refusal::Expired),
            RoundState::Prepared => Ok(()),
            RoundState::Charged { context: charged } if charged == context => Ok(()),
            RoundState::Charged { .. } => Err(Refusal::OtherContext),
            RoundState::Expired => Err(Refusal::Expired),
            RoundState::Aborted => Err(Refusal::Aborted),
        }
    }
}
