//! What a log says its tree is, signed by the log and by those who watch it: C2SP tlog-checkpoint and
//! tlog-cosignature (<https://c2sp.org/tlog-checkpoint>, <https://c2sp.org/tlog-cosignature>).
//!
//! A log must never sign two checkpoints of which one does not begin with the other; a cosigner signs
//! only after it has checked that.

mod board;
mod cosignature;
mod signed;

use std::fmt;
use std::str::FromStr;

use base64::prelude::{BASE64_STANDARD, Engine};
use thiserror::Error;

use crate::Digest;
use crate::note::{KeyName, NoteError};

pub use board::Board;
pub use cosignature::Cosignature;
pub use signed::{SignedCheckpoint, UnverifiedCheckpoint};

/// Why a checkpoint or a cosignature was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CheckpointError {
    /// The body has another form.
    #[error("not a checkpoint: {0}; fetch it again from its log")]
    Malformed(&'static str),
    /// It is another log's.
    #[error("a checkpoint of {found}, not of {expected}: ask the right log")]
    Origin {
        /// Whose it says it is.
        found: KeyName,
        /// Whose was wanted.
        expected: KeyName,
    },
    /// The line has no room for the signature of a cosigner.
    #[error("not a cosignature/v1: expected a time before 2^63 seconds and an Ed25519 signature")]
    Cosignature,
    /// The message that a cosigner signs does not name it: with one key, one cosigner would count as two.
    #[error("{0} and {1} have the same public key: give each cosigner its own")]
    SharedKey(KeyName, KeyName),
    /// The note around it was refused.
    #[error(transparent)]
    Note(#[from] NoteError),
}

/// A log's tree at one size; its text form is the body that is signed. Extension lines, which nobody
/// could audit, are refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's name, which is also the name of its key.
    pub origin: KeyName,
    /// How many entries the tree has.
    pub size: u64,
    /// Its hash, as [`crate::merkle`] defines it.
    pub root: Digest,
}

/// Three lines, each with its newline: origin, size in decimal digits, root in base64.
impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}\n{}\n", self.origin, self.size, BASE64_STANDARD.encode(self.root.0))
    }
}

impl FromStr for Checkpoint {
    type Err = CheckpointError;

    fn from_str(body: &str) -> Result<Self, CheckpointError> {
        let lines: Vec<&str> = body
            .strip_suffix('\n')
            .ok_or(CheckpointError::Malformed("the last line has no end"))?
            .splitn(4, '\n')
            .collect();
        let [origin, size, root] = lines[..] else {
            return Err(CheckpointError::Malformed("expected three lines: origin, size, root"));
        };
        let digits =
            size.bytes().all(|byte| byte.is_ascii_digit()) && (size == "0" || !size.starts_with('0'));
        let size = size.parse().ok().filter(|_| digits).ok_or(CheckpointError::Malformed(
            "the size is not a decimal number below 2^64 without leading zeros",
        ))?;
        let root = BASE64_STANDARD
            .decode(root)
            .ok()
            .and_then(|root| root.try_into().ok())
            .ok_or(CheckpointError::Malformed("the root is not 32 bytes in base64"))?;
        Ok(Checkpoint { origin: origin.parse()?, size, root: Digest(root) })
    }
}
