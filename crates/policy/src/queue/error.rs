//! Why the queue failed. These texts are for the data officer, on this machine alone.

use std::path::PathBuf;

use thiserror::Error;

use crate::decision::DecisionFault;

/// Why the queue cannot be used, or did not take a decision.
#[derive(Debug, Error)]
pub enum QueueError {
    /// The file cannot be made or is not accessible.
    #[error("cannot open {}; is its folder there (`almoner node init` makes it), and is this the node's own user?", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It is not a queue of this version.
    #[error("{} is no queue of this program; move it away: waiting questions are asked again, decisions are lost", path.display())]
    NotOurs {
        /// The file.
        path: PathBuf,
    },
    /// The file failed in use.
    #[error("the queue's file failed; is there room on its disk?")]
    Store(#[from] rusqlite::Error),
    /// A caller panicked while it had the file.
    #[error("the queue stopped after a fault; restart the node")]
    Stopped,
    /// A moment beyond all clocks.
    #[error("the machine's clock is wrong; correct it")]
    Clock,
    /// Nothing to decide.
    #[error("no such question waits or was decided here; see `almoner node queue`")]
    NoQuestion,
    /// Too many decisions are kept.
    #[error("10,000 decisions of the last 60 days are kept already; wait until the oldest are dropped")]
    Full,
    /// The note on a decision is too long.
    #[error("a reason has at most 500 bytes; shorten it")]
    Reason,
    /// The decision does not count.
    #[error(transparent)]
    Decision(#[from] DecisionFault),
}

impl QueueError {
    /// Whether another process had the file for too long: the same may work shortly.
    pub fn is_busy(&self) -> bool {
        matches!(self, QueueError::Store(error)
            if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy))
    }
}
