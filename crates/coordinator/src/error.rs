//! What can keep the coordinator from starting, for its operator.

use std::path::PathBuf;

use almoner_federation::FileError;
use almoner_ledger::Position;
use thiserror::Error;

/// Why the coordinator does not start.
#[derive(Debug, Error)]
pub enum CoordinatorError {
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
    /// The signing key is not the manifest's.
    #[error("{}: {reason}; make keys with `almoner keys coordinator` and put their public half into the manifest", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: &'static str,
    },
    /// The registry does not begin with what this coordinator signed of it.
    #[error(
        "the registry ends after {} entries with root {}, but {} shows that this coordinator signed one of {} entries with root {}, with which this one does not begin: put the newest registry back; if it is lost, move that file away to go on with the older one: no budget depends on it, but auditors will find what was forgotten",
        found.size, found.root, path.display(), signed.size, signed.root
    )]
    Forgotten {
        /// The file with the checkpoint.
        path: PathBuf,
        /// What was signed.
        signed: Position,
        /// Where the registry stands.
        found: Position,
    },
    /// The registry cannot be opened.
    #[error("the registry cannot be used")]
    Registry(#[from] almoner_ledger::LedgerError),
    /// TLS cannot be set up.
    #[error("TLS cannot be set up")]
    Tls(#[from] almoner_api::TlsError),
    /// The server stopped.
    #[error("cannot serve on {listen}; is the address free and permitted?")]
    Serve {
        /// The address.
        listen: std::net::SocketAddr,
        /// The transport's reason.
        source: tonic::transport::Error,
    },
}
