//! Approvals of single questions by the data officer, each used once.

use almoner_federation::{Digest, QueryId};

use super::{Books, RoundPhase};
use crate::entry::{Approval, ApprovalEntry, Entry, SignedApproval};
use crate::error::BookFault;

/// How far an approval has been used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApprovalUse {
    /// Not at all: an attempt may be reserved with it.
    Free,
    /// A reserved attempt has it, and gives it back should it expire or be aborted.
    Held,
    /// It was charged for.
    Spent,
}

/// An approval and the attempt that uses it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Approved {
    pub(super) decided_at_s: u64,
    pub(super) until_s: u64,
    pub(super) used_by: Option<(QueryId, u32)>,
}

impl Books {
    /// Whether the approval of `question` may be used by another attempt at the second `now_s`.
    pub fn is_approved(&self, question: &Digest, now_s: u64) -> bool {
        self.approvals.get(question).is_some_and(|found| found.used_by.is_none() && now_s < found.until_s)
    }

    /// Whether `decided` can be recorded now: the officer's, for this ledger, in time, and not recorded before.
    pub fn may_approve(&self, decided: &SignedApproval, now_s: u64) -> Result<(), BookFault> {
        let policy = self.policy.as_ref().ok_or(BookFault::NoPolicy)?;
        let approval = &decided.approval;
        let ours = approval.origin == policy.origin && approval.approved;
        if !ours || decided.verify(&policy.officer).is_err() {
            return Err(BookFault::Unsigned("the data officer"));
        }
        if approval.until_s <= now_s {
            return Err(BookFault::Approval("has ended"));
        }
        // An approval is used once; only a later decision makes a new one.
        match self.approvals.get(&approval.question) {
            Some(known) if known.decided_at_s >= approval.decided_at_s => {
                Err(BookFault::Approval("was recorded before"))
            }
            Some(known) if known.used_by.is_none() && now_s < known.until_s => {
                Err(BookFault::Approval("follows one that is not used yet"))
            }
            _ => Ok(()),
        }
    }

    /// How far a decision has been used: one that was never recorded not at all, and one that a later approval has
    /// followed as far as can be.
    pub fn approval_use(&self, decided: &Approval) -> ApprovalUse {
        let known = match self.approvals.get(&decided.question) {
            Some(known) if known.decided_at_s > decided.decided_at_s => return ApprovalUse::Spent,
            Some(known) if known.decided_at_s == decided.decided_at_s => known,
            _ => return ApprovalUse::Free,
        };
        match known.used_by.and_then(|user| self.rounds.get(&user)).map(|round| &round.phase) {
            None | Some(RoundPhase::Expired | RoundPhase::Aborted) => ApprovalUse::Free,
            Some(RoundPhase::Reserved) => ApprovalUse::Held,
            Some(RoundPhase::Charged { .. }) => ApprovalUse::Spent,
        }
    }

    /// The APPROVE entry of a decision.
    pub fn approval_entry(&self, decided: &SignedApproval, at_s: u64) -> Entry {
        let SignedApproval { approval, officer } = decided;
        Entry::Approval(ApprovalEntry {
            at_s,
            question: approval.question,
            decided_at_s: approval.decided_at_s,
            until_s: approval.until_s,
            officer: *officer,
        })
    }
}
