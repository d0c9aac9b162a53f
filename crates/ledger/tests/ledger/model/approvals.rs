//! What a data officer's decisions allow, told a second time: each approval one answer.

use std::collections::BTreeMap;

use almoner_federation::Digest;
use almoner_ledger::{Approval, SignedApproval};

use super::life::Fate;
use super::policies::key;
use super::random::Random;
use crate::support::ORIGIN;

pub const QUESTIONS: u64 = 40;

/// The last approval of a question that the ledger took.
struct Recorded {
    signed: SignedApproval,
    /// From then on it serves nothing.
    until_s: u64,
    /// The attempt that was last reserved with it.
    user: Option<usize>,
}

/// All of them, by question.
#[derive(Default)]
pub struct Approvals {
    recorded: BTreeMap<u64, Recorded>,
    /// The last decision that was made, whether the ledger saw it or not.
    decided: BTreeMap<u64, u64>,
}

/// What becomes of a reservation that brings a decision.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is the one that is recorded and free.
    Known,
    /// It is taken into the ledger first.
    New,
    Refused,
}

impl Approvals {
    /// A decision about `question`: of every kind that arrives at a ledger.
    pub fn decide(
        &mut self,
        random: &mut Random,
        question: u64,
        now: u64,
        officer: u8,
    ) -> (SignedApproval, &'static str) {
        let last = self.decided.get(&question).copied().unwrap_or(0);
        let approval = Approval {
            origin: ORIGIN.parse().expect("a key's name"),
            question: Digest::of(&question.to_be_bytes()),
            approved: true,
            decided_at_s: now.max(last + 1),
            until_s: now + 1 + random.below(5_000),
        };
        match random.below(16) {
            0 => (approval.sign(&key(99)), "approval: forged"),
            1 => (Approval { approved: false, ..approval }.sign(&key(officer)), "approval: a denial"),
            2 => {
                let origin = "south.agency.tests".parse().expect("a key's name");
                (Approval { origin, ..approval }.sign(&key(officer)), "approval: for another ledger")
            }
            3 => (Approval { until_s: now, ..approval }.sign(&key(officer)), "approval: over"),
            4..9 => match self.recorded.get(&question) {
                Some(recorded) => (recorded.signed.clone(), "approval: again"),
                None => (approval.sign(&key(99)), "approval: forged"),
            },
            _ => {
                self.decided.insert(question, approval.decided_at_s);
                (approval.sign(&key(officer)), "approval")
            }
        }
    }

    fn is_free(&self, question: u64, now: u64, fate: impl Fn(usize) -> Fate) -> bool {
        self.recorded.get(&question).is_some_and(|recorded| {
            let used = recorded.user.map(fate);
            let used = used.is_some_and(|fate| matches!(fate, Fate::Reserved | Fate::Charged(..)));
            !used && now < recorded.until_s
        })
    }

    pub fn judge(
        &self,
        question: u64,
        signed: &SignedApproval,
        now: u64,
        officer: u8,
        fate: impl Fn(usize) -> Fate,
    ) -> Outcome {
        if self.is_free(question, now, fate) {
            return Outcome::Known;
        }
        let approval = &signed.approval;
        let sound = signed.verify(&key(officer).verifying_key()).is_ok()
            && approval.approved
            && approval.origin.as_str() == ORIGIN
            && approval.until_s > now;
        let later = self
            .recorded
            .get(&question)
            .is_none_or(|known| approval.decided_at_s > known.signed.approval.decided_at_s);
        if sound && later { Outcome::New } else { Outcome::Refused }
    }

    pub fn record(&mut self, question: u64, signed: SignedApproval) {
        let until_s = signed.approval.until_s;
        self.recorded.insert(question, Recorded { signed, until_s, user: None });
    }

    /// An attempt was reserved with it; returns when it was decided, which tells it from others of its question.
    pub fn reserved(&mut self, question: u64, attempt: usize) -> u64 {
        let recorded = self.recorded.get_mut(&question).expect("recorded before");
        recorded.user = Some(attempt);
        recorded.signed.approval.decided_at_s
    }

    /// Another officer: what the one before approved and nobody used serves nothing more.
    pub fn succeed(&mut self) {
        self.recorded.values_mut().for_each(|recorded| recorded.until_s = 0);
    }
}
