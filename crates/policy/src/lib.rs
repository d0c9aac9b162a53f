//! An agency's own policy: what its data officer never answers, what is answered without asking her, and the
//! queue of questions that wait for her.
//!
//! [`Rules`] judge a question by what is public: who asks, what for, when, and what its plan uses. A [`Decision`]
//! of the officer's is signed with her own key, which the node does not hold; the [`Queue`] carries questions to
//! her and decisions back, and nothing in it counts that her signature does not cover.
//!
//! Nothing here may read data: what is refused, and what is said of it, depends on none.

mod decision;
mod hours;
mod queue;
mod rules;
mod scope;
mod tables;

pub use decision::{Decision, DecisionFault, MAX_DAYS, MAX_REASON_BYTES, Office, SignedDecision};
pub use hours::Hours;
pub use queue::{
    Asked, Decided, Listing, MAX_WAITING, MAX_WAITING_OF_A_PLANNER, Queue, QueueError, Reply, Standing,
    Waiting,
};
pub use rules::{Rules, Verdict};
pub use scope::RuleRefusal;
pub use tables::{ApproveTables, HoursTable, RulesTable, ScopeTable};
