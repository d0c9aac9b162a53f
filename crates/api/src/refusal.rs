//! Every reason for which a node or the coordinator says no. Each depends on policy, budget, schema
//! and protocol state alone, never on data, and each has one gRPC code.

use std::fmt;
use std::str::FromStr;

use tonic::{Code, Status};

/// The metadata key that carries a refusal's word beside its gRPC code.
pub const REFUSAL_KEY: &str = "almoner-refusal";

macro_rules! refusals {
    ($($(#[doc = $doc:literal])+ $variant:ident = $word:literal, $code:ident, $text:literal;)+) => {
        /// Why a request was refused.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Refusal {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Refusal {
            /// Every refusal there is.
            pub const ALL: &'static [Refusal] = &[$(Refusal::$variant,)+];

            /// The refusal's word on the wire.
            pub fn word(self) -> &'static str {
                match self { $(Refusal::$variant => $word,)+ }
            }

            /// What the caller reads, with what can be done next.
            pub fn text(self) -> &'static str {
                match self { $(Refusal::$variant => $text,)+ }
            }

            fn code(self) -> Code {
                match self { $(Refusal::$variant => Code::$code,)+ }
            }
        }
    };
}

refusals! {
    /// The certificate names nobody whose role may make this call.
    Role = "role", PermissionDenied, "this certificate's role may not make this call; use the certificate of the right role";
    /// A message is not of this protocol version or not well formed.
    Malformed = "malformed", InvalidArgument, "the message is malformed or of another protocol version; update the older side";
    /// A signature does not verify under the key in the manifest.
    Signature = "signature", Unauthenticated, "a signature does not verify under the manifest's key; check which key signed";
    /// The question was asked under another manifest than this party accepted.
    Manifest = "manifest", FailedPrecondition, "the question names another manifest than this party has pinned; agree on one manifest first";
    /// The planner is not in the manifest.
    Planner = "planner", PermissionDenied, "the manifest knows no such planner; ask the federation to add it";
    /// The question cannot be planned under the manifest.
    Plan = "plan", InvalidArgument, "the question cannot be planned under this manifest; try it with --dry-run";
    /// The question's plan is not the one this party makes of the same text.
    PlanMismatch = "plan-mismatch", FailedPrecondition, "this party makes another plan of the same question; run the same version everywhere";
    /// The question is too old or from the future.
    Stale = "stale", FailedPrecondition, "the question was signed too long ago, or clocks differ; ask again";
    /// A price above this party's limit for one question.
    Price = "price", ResourceExhausted, "the question costs more than this party allows for one; ask with a smaller rho";
    /// The budget of all planners is used up.
    BudgetTotal = "budget-total", ResourceExhausted, "the federation's budget does not cover this question; ask with a smaller rho or reuse a published release";
    /// The planner's own budget is used up.
    BudgetPlanner = "budget-planner", ResourceExhausted, "the planner's allowance does not cover this question; ask with a smaller rho or reuse a published release";
    /// The budget of the present period is used up.
    BudgetPeriod = "budget-period", ResourceExhausted, "the budget of this period does not cover this question; ask with a smaller rho, or in the next period";
    /// The budget of a territory that the question touches is used up.
    BudgetTerritory = "budget-territory", ResourceExhausted, "the budget of a territory does not cover this question; ask about others, or with a smaller rho";
    /// The agency answers no question of this planner's.
    RulePlanner = "rule-planner", PermissionDenied, "this agency's rules answer other planners only; ask its data officer";
    /// The agency answers no question about this table.
    RuleTable = "rule-table", PermissionDenied, "this agency's rules answer nothing about this table; ask about another, or its data officer";
    /// The question uses a column that the agency does not answer about.
    RuleColumn = "rule-column", PermissionDenied, "this agency's rules do not allow a column that the question uses, wherever it stands; leave it out, or ask its data officer";
    /// The agency does not answer this kind of aggregate.
    RuleAggregate = "rule-aggregate", PermissionDenied, "this agency's rules do not allow a kind of aggregate in the question; leave it out, or ask its data officer";
    /// The question does not say what it is for.
    RulePurpose = "rule-purpose", InvalidArgument, "this agency answers only who says what for; ask with --purpose";
    /// The agency does not answer at this hour.
    RuleHours = "rule-hours", FailedPrecondition, "this agency's rules allow no answer at this hour; ask again in its hours";
    /// The question waits for the data officer's approval.
    Queued = "queued", FailedPrecondition, "the question waits for an agency's data officer; once approved, ask the very same again, with the same rho and purpose";
    /// The data officer denied the question.
    Denied = "denied", PermissionDenied, "an agency's data officer denied this question; talk to the agency, or ask another";
    /// Another attempt at the question has the data officer's approval.
    ApprovalHeld = "approval-held", FailedPrecondition, "an earlier attempt at this question has its approval; resume that one, or ask again once it has expired";
    /// Too many questions wait for the data officer.
    QueueFull = "queue-full", ResourceExhausted, "too many questions wait for an agency's data officer; ask again when some are decided";
    /// More attempts at one question than this party allows.
    Attempts = "attempts", ResourceExhausted, "too many attempts at this question; ask it anew";
    /// Another question was prepared under the same id and attempt.
    Conflict = "conflict", AlreadyExists, "another question or context already has this id and attempt; begin a new attempt";
    /// No such attempt is prepared here.
    Unprepared = "unprepared", NotFound, "this attempt was never prepared here; prepare it first";
    /// The attempt expired or was aborted before its release.
    Expired = "expired", FailedPrecondition, "the attempt expired or was aborted; begin a new attempt";
    /// The context breaks a rule of the release.
    Context = "context", FailedPrecondition, "the context breaks this party's rules on participants, quorum, anchors or commitments; correct it or begin a new attempt";
    /// The data source could not answer.
    Source = "source", Unavailable, "the data source could not answer; the agency's data officer finds the reason in the node's log";
    /// Too many questions at once.
    Busy = "busy", Unavailable, "too many questions at once; try again shortly";
    /// Too few other agencies remember this node's ledger, at its start or with a charge.
    Unwitnessed = "unwitnessed", Unavailable, "too few other agencies could be asked to witness this agency's ledger; ask again shortly: nothing is charged twice";
    /// A checkpoint that does not continue the one that a witness remembers.
    Fork = "fork", FailedPrecondition, "this checkpoint does not continue the one that this witness cosigned; its log must not go on: ask the witness what it remembers";
    /// A fault of this party's own.
    Internal = "internal", Internal, "a fault of this party's own; its operator finds the reason in its log";
    /// Fewer nodes are ready than the quorum.
    Quorum = "quorum", Unavailable, "fewer agencies answered than the quorum, so nothing was released or charged; see which are absent and ask again";
    /// No agency that holds the table is ready.
    Holders = "holders", Unavailable, "no agency that holds this table answered, so nothing was released or charged; ask again";
    /// The participants did not all deliver; what was charged stays charged.
    Incomplete = "incomplete", Aborted, "an agency was lost after the others were charged; resume this very question by its number: the same round goes on at no further charge";
    /// Nothing of that name is published.
    Unpublished = "unpublished", NotFound, "no such release is published";
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl std::error::Error for Refusal {}

impl FromStr for Refusal {
    type Err = ();
    fn from_str(word: &str) -> Result<Self, ()> {
        Refusal::ALL.iter().copied().find(|refusal| refusal.word() == word).ok_or(())
    }
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Status {
        let mut status = Status::new(refusal.code(), refusal.text());
        let word = refusal.word().parse().expect("words are plain ASCII");
        status.metadata_mut().insert(REFUSAL_KEY, word);
        status
    }
}

impl Refusal {
    /// The refusal that a status carries, if it is one of ours.
    pub fn from_status(status: &Status) -> Option<Refusal> {
        status.metadata().get(REFUSAL_KEY)?.to_str().ok()?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_refusal_survives_the_wire() {
        for refusal in Refusal::ALL {
            assert_eq!(Refusal::from_status(&Status::from(*refusal)), Some(*refusal));
        }
        let words: BTreeSet<_> = Refusal::ALL.iter().map(|refusal| refusal.word()).collect();
        assert_eq!(words.len(), Refusal::ALL.len());
        assert_eq!(Refusal::from_status(&Status::internal("other")), None);
    }
}
