//! What the other side may read when this node says no, and what stays in this machine's log.

use almoner_api::Refusal;
use almoner_ledger::{BookFault, LedgerError, Refusal as Budget, Scope};
use almoner_policy::{QueueError, RuleRefusal};
use almoner_secure_sum::{Refusal as Rule, SecureSumError};
use tonic::Status;

/// A refusal of the ledger's; its faults stay in the log.
pub(crate) fn by_ledger(error: &LedgerError) -> Refusal {
    match error {
        LedgerError::Refused(Budget::UnknownPlanner(_)) => Refusal::Planner,
        LedgerError::Refused(Budget::OverBudget { scope: Scope::Total, .. }) => Refusal::BudgetTotal,
        LedgerError::Refused(Budget::OverBudget { scope: Scope::Planner(_), .. }) => Refusal::BudgetPlanner,
        LedgerError::Refused(Budget::OverBudget { scope: Scope::Period(_), .. }) => Refusal::BudgetPeriod,
        LedgerError::Refused(Budget::OverBudget { scope: Scope::Territory(_), .. }) => {
            Refusal::BudgetTerritory
        }
        LedgerError::Refused(Budget::NoTerritory) => Refusal::PlanMismatch,
        LedgerError::Refused(Budget::Conflict) => Refusal::Conflict,
        LedgerError::Refused(Budget::Unknown) => Refusal::Unprepared,
        LedgerError::Refused(Budget::TooLarge(_)) => Refusal::Malformed,
        LedgerError::Attempt(error) => by_protocol(error),
        // Two attempts at once: the other was first.
        LedgerError::Entry(BookFault::Approval(_)) => Refusal::ApprovalHeld,
        fault => {
            tracing::error!(error = %chain(fault), "the ledger failed");
            Refusal::Internal
        }
    }
}

/// A refusal by the agency's own rules.
pub(crate) fn by_rule(rule: RuleRefusal) -> Refusal {
    match rule {
        RuleRefusal::Planner => Refusal::RulePlanner,
        RuleRefusal::Table => Refusal::RuleTable,
        RuleRefusal::Column => Refusal::RuleColumn,
        RuleRefusal::Aggregate => Refusal::RuleAggregate,
        RuleRefusal::Purpose => Refusal::RulePurpose,
        RuleRefusal::Hours => Refusal::RuleHours,
    }
}

/// A fault of the queue's, which stays in the log.
pub(crate) fn by_queue(error: &QueueError) -> Refusal {
    tracing::error!(error = %chain(error), "the queue failed");
    if error.is_busy() { Refusal::Busy } else { Refusal::Internal }
}

/// A refusal of the protocol's; it depends on the context, the rules and the attempt's state alone.
pub(crate) fn by_protocol(error: &SecureSumError) -> Refusal {
    tracing::warn!(error = %chain(error), "a context was refused");
    match error {
        SecureSumError::Malformed(_) => Refusal::Malformed,
        SecureSumError::Signature(_) => Refusal::Signature,
        SecureSumError::Coordinator(_) | SecureSumError::Node { .. } => Refusal::Context,
        SecureSumError::Refused(Rule::Expired | Rule::Aborted) => Refusal::Expired,
        SecureSumError::Refused(Rule::OtherContext) => Refusal::Conflict,
        SecureSumError::Refused(_) => Refusal::Context,
        SecureSumError::Local(_) => Refusal::Internal,
    }
}

/// Logs a refusal with what everybody may know, and makes it the caller's status.
pub(crate) fn refuse(call: &'static str) -> impl Fn(Refusal) -> Status {
    move |refusal| {
        tracing::warn!(call, refusal = refusal.word(), "refused");
        Status::from(refusal)
    }
}

/// An error with its causes, for the log of this machine.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
