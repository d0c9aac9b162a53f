//! An agency's own policy: what its data officer never answers, what is answered without asking her, and the
//! queue of questions that wait for her.
//!
//! [`Rules`] judge a question by what is public: who asks, what for, when, and what its plan uses. The officer signs
//! decisions with her own key, which the node does not hold; the [`Queue`] carries questions to her and decisions
//! back, and nothing in it counts that a signature does not cover. That an approval serves one release is the
//! ledger's to know.
//!
//! Nothing here may read data: what is refused, and what is said of it, depends on none.

mod canonical;
mod decision;
mod facts;
mod hours;
mod queue;
mod rules;
mod scope;
mod tables;

pub use decision::{DecisionFault, MAX_DAYS, Office, holds};
pub use facts::{Facts, gives_purpose};
pub use hours::Hours;
pub use queue::{
    Asked, Decided, Listing, MAX_REASON_BYTES, MAX_WAITING, MAX_WAITING_OF_A_PLANNER, Queue, QueueError,
    Reply, Waiting,
};
pub use rules::{MAX_RULES_BYTES, Rules, Verdict};
pub use scope::RuleRefusal;
pub use tables::{ApproveTables, HoursTable, Purpose, RulesTable, ScopeTable};
