//! What can keep a node from starting. These texts are for the data officer, on this machine alone.

use std::path::PathBuf;

use almoner_federation::FileError;
use almoner_ledger::Position;
use thiserror::Error;

use crate::RolledBack;

/// Why a node does not start.
#[derive(Debug, Error)]
pub enum NodeError {
    /// A file cannot be read.
    #[error("cannot read {}; correct the path or its permissions", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A configuration file or the manifest is wrong.
    #[error(transparent)]
    File(#[from] FileError),
    /// A key file holds no key, or one that the manifest does not name.
    #[error("{}: {reason}; make keys with `almoner keys agency` and put their public halves into the manifest", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: &'static str,
    },
    /// A file with a password that others can read.
    #[error("{} holds a password and others can read it; chmod 600 it", path.display())]
    Open {
        /// The file.
        path: PathBuf,
    },
    /// The agency's tables cannot be served. The whole story is told: this text is for the data officer alone.
    #[error("the data cannot be served: {}", .0.local_detail())]
    Source(almoner_engine::SourceError),
    /// There is no ledger where the configuration says.
    #[error(
        "there is no ledger at {}; if this node has never served, begin one with `almoner node init`; if it has, correct `state` or bring the ledger back: without it, answers given would be forgotten",
        path.display()
    )]
    NoLedger {
        /// Where it should be.
        path: PathBuf,
    },
    /// The limits that the ledger is under are not those of manifest and node.toml.
    #[error(
        "the manifest or the limits in node.toml are not those that the ledger is under; see the difference, and sign it as the data officer, with `almoner node policy --config node.toml`"
    )]
    PolicyChanged,
    /// A ledger is there already.
    #[error("{} is there already; a node has one ledger for life, so there is nothing to do", path.display())]
    LedgerExists {
        /// Where it is.
        path: PathBuf,
    },
    /// There is no ledger, but there was one.
    #[error(
        "{} is missing, and {} shows that this node had a ledger: put its newest copy back with `almoner ledger restore` (docs/data-officer.md, Backups); one that is begun anew would spend the same budget twice", path.display(), signed.display()
    )]
    LedgerLost {
        /// Where the ledger should be.
        path: PathBuf,
        /// The checkpoint that was signed of it.
        signed: PathBuf,
    },
    /// The ledger does not begin with what this node signed of it.
    #[error(
        "this ledger ends after {} entries with root {}, but {} shows that this node signed one of {} entries with root {}, with which this one does not begin: it was put back from an older copy, begun anew, or changed, and has forgotten charges, so this node answers nothing. Keep these files, and put back a copy that has all those entries (docs/data-officer.md, Backups)",
        found.size, found.root, path.display(), signed.size, signed.root
    )]
    Forgotten {
        /// The file with the checkpoint.
        path: PathBuf,
        /// What was signed.
        signed: Position,
        /// Where the ledger stands.
        found: Position,
    },
    /// The ledger's checkpoint could not be signed and kept.
    #[error(
        "the ledger's checkpoint could not be signed and kept in the state folder; the lines before say why"
    )]
    Unsigned,
    /// The ledger cannot be trusted or opened.
    #[error("the ledger cannot be used")]
    Ledger(#[from] almoner_ledger::LedgerError),
    /// The queue of waiting questions cannot be opened.
    #[error("the queue of questions for the data officer cannot be used")]
    Queue(#[from] almoner_policy::QueueError),
    /// A file in which this agency remembers another's ledger cannot be used.
    #[error(
        "cannot use {}; correct its permissions, or bring it back as it was: do not delete it, for it is what keeps that agency from forgetting its charges", path.display()
    )]
    Memory {
        /// The file or its folder.
        path: PathBuf,
        /// What is wrong.
        source: std::io::Error,
    },
    /// Another agency remembers a ledger that this one does not continue.
    #[error(
        "this ledger ends after {} entries with root {}, but this node signed and {} cosigned one of {} entries with root {}, with which this one does not begin: it was put back from an older copy, begun anew, or changed, and has forgotten charges, so this node answers nothing. Keep these files; if a copy of the state folder exists that has all those entries, put it back whole; otherwise this node's budget counts as spent: agree with the other agencies on a new manifest (docs/data-officer.md, Backups)",
        .0.found.size, .0.found.root, .0.witness, .0.remembered.size, .0.remembered.root
    )]
    RolledBack(Box<RolledBack>),
    /// The pair keys cannot be derived.
    #[error("the mask keys of the manifest cannot be used")]
    Masks(#[from] almoner_secure_sum::SecureSumError),
    /// TLS cannot be set up.
    #[error("TLS cannot be set up")]
    Tls(#[from] almoner_api::TlsError),
    /// The random source failed its health test.
    #[error("the random source cannot be trusted")]
    Noise(#[from] almoner_privacy::PrivacyError),
    /// The server stopped.
    #[error("cannot serve on {listen}; is the address free and permitted?")]
    Serve {
        /// The address.
        listen: std::net::SocketAddr,
        /// The transport's reason.
        source: tonic::transport::Error,
    },
}

impl From<almoner_engine::SourceError> for NodeError {
    fn from(error: almoner_engine::SourceError) -> Self {
        NodeError::Source(error)
    }
}
