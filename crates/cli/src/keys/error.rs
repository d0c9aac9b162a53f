//! What can go wrong with keys, in words for the person who makes them.

use std::path::PathBuf;

use almoner_federation::{FederationId, Identity};
use thiserror::Error;

/// Why keys were not made or cannot be used.
#[derive(Debug, Error)]
pub enum KeysError {
    /// The file is there already.
    #[error(
        "{} exists, and keys are never overwritten; choose another place, or move the old one away",
        path.display()
    )]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// A file cannot be read.
    #[error("cannot read {}; correct the path or its permissions", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A file or folder cannot be written.
    #[error("cannot write {}; is there room, and may this user write there?", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A file does not hold what it should.
    #[error("{} is not {expected}; restore it, or make a new folder with `almoner keys`", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        expected: &'static str,
    },
    /// A request that no authority should sign.
    #[error("{} is not signed: {reason}", path.display())]
    Request {
        /// The file.
        path: PathBuf,
        /// What is wrong and what to do.
        reason: String,
    },
    /// A certificate that does not belong into a folder.
    #[error("{} is not installed: {reason}", path.display())]
    Misfit {
        /// The file.
        path: PathBuf,
        /// What is wrong and what to do.
        reason: String,
    },
    /// The folder has a certificate.
    #[error("{} exists; to replace it by a newer one, say --renew", path.display())]
    Installed {
        /// The file.
        path: PathBuf,
    },
    /// The authority vouches for another federation.
    #[error("{identity} is not of this authority's federation {federation}; use that federation's authority")]
    Foreign {
        /// Who asked for a certificate.
        identity: Identity,
        /// Whom the authority serves.
        federation: FederationId,
    },
    /// A certificate must be valid for some time, and no longer than its authority.
    #[error(
        "the certificate would not be valid from before its end until, at most, its authority's: {reason}"
    )]
    Validity {
        /// What is wrong and what to do.
        reason: String,
    },
    /// Neither an address nor a name, or a name that belongs to another party.
    #[error("{0:?} is not a host; write an IP address or a DNS name outside almoner.internal")]
    Host(String),
    /// The certificate library refused.
    #[error("the certificate cannot be made")]
    Certificate(#[from] rcgen::Error),
    /// The operating system gave no randomness.
    #[error("the system's random source failed; no key was made")]
    Random,
}
