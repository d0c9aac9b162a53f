//! Why a transition did not happen, split by whose trouble it is.

use std::path::PathBuf;

use almoner_federation::{Name, PicoRho};
use almoner_secure_sum::SecureSumError;
use rusqlite::ErrorCode;
use thiserror::Error;

/// Which limit a cost would pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// The limit over all planners: the only one that is a privacy statement, for planners may collude.
    Total,
    /// One planner's allowance.
    Planner(Name),
    /// The limit of the period with this name.
    Period(String),
    /// One territory's limit; `None` for the one that has least left.
    Territory(Option<u16>),
}

impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Scope::Total => f.write_str("the node's total budget"),
            Scope::Planner(name) => write!(f, "the budget of planner {name}"),
            Scope::Period(name) => write!(f, "the budget of the period {name}"),
            Scope::Territory(Some(number)) => write!(f, "the budget of territory number {number}"),
            Scope::Territory(None) => f.write_str("the budget of a territory"),
        }
    }
}

/// A refusal that the asking side may read: it depends on policy and budget alone.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    /// The planner has no allowance here.
    #[error("planner {0} has no budget at this node")]
    UnknownPlanner(Name),
    /// Charged, reserved and asked together pass a limit.
    #[error("{scope} is {limit} rho; {committed} is charged or reserved and {asked} more was asked")]
    OverBudget {
        /// Whose limit.
        scope: Scope,
        /// The limit.
        limit: PicoRho,
        /// What is charged or reserved already.
        committed: PicoRho,
        /// What was asked.
        asked: PicoRho,
    },
    /// The query id and attempt are taken by another question.
    #[error("this query id and attempt already belong to another question")]
    Conflict,
    /// Nothing was reserved under this query id and attempt.
    #[error("nothing is reserved under this query id and attempt")]
    Unknown,
    /// The question touches a territory that the policy in force does not know.
    #[error("the question touches a territory that is not in the policy in force")]
    NoTerritory,
    /// A number or byte string is beyond what a ledger holds.
    #[error("{0} is beyond this ledger's bounds")]
    TooLarge(&'static str),
}

/// Why an entry cannot follow the entries before it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BookFault {
    /// The first entry must be a POLICY.
    #[error("no POLICY entry comes before it")]
    NoPolicy,
    /// The rule it breaks.
    #[error("{0}")]
    Refused(#[from] Refusal),
    /// A cumulative sum differs from the sum of the entries.
    #[error("its cumulative sums are not the sums of the entries")]
    Sums,
    /// The attempt has ended before: a second step would be a second answer or a second refund.
    #[error("its attempt was {0} before")]
    Ended(&'static str),
    /// A policy or approval lacks a signature of someone who must sign it, for this place in this ledger.
    #[error("it is not signed by {0} for this place in this ledger")]
    Unsigned(&'static str),
    /// What an approval is worth.
    #[error("the data officer's approval {0}")]
    Approval(&'static str),
    /// A LOAD of the data that were in use already.
    #[error("it loads the data that are in use")]
    Load,
    /// A ledger keeps its name.
    #[error("it names another ledger")]
    Origin,
    /// A POLICY that raises a limit, or a GRANT that raises none.
    #[error("it is a GRANT although it raises nothing, or a POLICY although it does")]
    Grant,
    /// The step differs from its own RESERVE entry in question, planner or price.
    #[error("it differs from its own RESERVE entry")]
    Mismatch,
}

/// Why a call on the ledger or the registry failed.
#[derive(Debug, Error)]
pub enum LedgerError {
    /// Refused by the rules; nothing is broken.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The attempt's own state machine refused: expired, aborted, charged for another context, or an
    /// accepted context that belongs to another READY.
    #[error(transparent)]
    Attempt(#[from] SecureSumError),
    /// A policy or an approval cannot be put into the ledger.
    #[error("the entry cannot be written")]
    Entry(#[from] BookFault),
    /// The caller's READY does not state what is being reserved.
    #[error("the READY differs from the reservation in its {0}")]
    Ready(&'static str),
    /// A ledger is begun once.
    #[error("{0} has entries already: a node has one ledger for life; open it instead")]
    Begun(PathBuf),
    /// The file holds no ledger, or one without a single entry.
    #[error(
        "{0} holds no entry: a ledger that was emptied or lost would forget every answer; bring it back, or begin \
         a new one only if this node has never answered"
    )]
    NotBegun(PathBuf),
    /// Another process, or another part of this one, has the file open.
    #[error("{0} is in use by another process: one node has one ledger; stop the other process first")]
    InUse(PathBuf),
    /// The file is something else, or from another version.
    #[error("{path} is not a {kind} of this version: {reason}")]
    NotOurs {
        /// The file.
        path: PathBuf,
        /// `node ledger` or `registry`.
        kind: &'static str,
        /// What was found instead.
        reason: String,
    },
    /// SQLite cannot open the file for reading.
    #[error(
        "{path} cannot be read: run as the user whose file it is, where its folder can be written, for readers and          the writer share the files -wal and -shm beside it"
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
    /// The file contradicts itself.
    #[error(
        "{place} is damaged: {problem}; nothing was changed and nothing will be answered. Keep this file as evidence \
         and restore the newest copy whose size and root are not older than what this party last signed; \
         an older copy would spend the same budget twice"
    )]
    Damaged {
        /// Which entry or row, in words.
        place: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The head was not written under this sealing key.
    #[error(
        "entry {last} ends a ledger that was not written under this sealing key: give the key that belongs to the \
         file; if it is the right key, the file was changed by someone else"
    )]
    ForeignSeal {
        /// The last entry's number.
        last: u64,
    },
    /// SQLite or the disk failed.
    #[error("the ledger's store failed")]
    Store(#[source] rusqlite::Error),
    /// The file system refused.
    #[error("{path}: cannot {action}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// Why it failed.
        source: std::io::Error,
    },
    /// A checkpoint or cosignature was refused.
    #[error(transparent)]
    Checkpoint(#[from] almoner_federation::checkpoint::CheckpointError),
    /// The operating system gave no randomness.
    #[error("the system's random source failed")]
    Random,
    /// An earlier write failed, so what the disk holds is uncertain.
    #[error("an earlier write failed; restart to read back what the disk holds")]
    Stopped,
}

impl From<rusqlite::Error> for LedgerError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt) => {
                LedgerError::Damaged { place: "the file".into(), problem: error.to_string() }
            }
            _ => LedgerError::Store(error),
        }
    }
}
