//! Why a question was refused, in words a planner can act on. Nothing here can depend on data.

use std::fmt;

use almoner_privacy::PrivacyError;
use thiserror::Error;

/// A place in the SQL text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Line, from 1.
    pub line: u64,
    /// Column in characters, from 1.
    pub column: u64,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// Why a question was refused.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum QueryError {
    /// The text is not SQL, or passes a bound on its size.
    #[error("{at}: {message}")]
    Syntax {
        /// Where reading stopped.
        at: Position,
        /// What is wrong.
        message: String,
    },
    /// SQL that exists but that no noisy total can answer here.
    #[error("{at}: {what} is not supported; {instead}")]
    Unsupported {
        /// Where it stands.
        at: Position,
        /// The construct's name.
        what: String,
        /// The nearest thing that works.
        instead: String,
    },
    /// A name that the manifest or the query does not have.
    #[error("{at}: unknown {kind} {name:?}; {near}")]
    Unknown {
        /// Where it stands.
        at: Position,
        /// Table, column, function or output column.
        kind: &'static str,
        /// The name as written.
        name: String,
        /// The names that exist, nearest first.
        near: String,
    },
    /// An expression of the wrong type or without a bound or domain.
    #[error("{at}: {message}; {remedy}")]
    Invalid {
        /// Where it stands.
        at: Position,
        /// What is wrong.
        message: String,
        /// What to write instead.
        remedy: String,
    },
    /// The plan passes a limit of the system.
    #[error("{message}; {remedy}")]
    TooLarge {
        /// Which limit.
        message: String,
        /// What to change.
        remedy: String,
    },
    /// The budget is too small for any noise that can be drawn.
    #[error(transparent)]
    Noise(#[from] PrivacyError),
    /// An error goal that cannot be read or met.
    #[error("{0}")]
    Goal(String),
    /// A released vector that is not this plan's.
    #[error("the total has {found} coordinates where the plan has {expected}")]
    Total {
        /// The plan's dimension.
        expected: usize,
        /// The vector's length.
        found: usize,
    },
    /// A released vector that nobody contributed to.
    #[error("a total needs at least one participant")]
    NoParticipants,
}
