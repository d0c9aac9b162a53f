//! What can keep a node from starting. These texts are for the data officer, on this machine alone.

use std::path::PathBuf;

use almoner_federation::FileError;
use thiserror::Error;

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
    /// The agency's tables cannot be served.
    #[error("the data cannot be served")]
    Source(#[from] almoner_engine::SourceError),
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
    /// The ledger cannot be trusted or opened.
    #[error("the ledger cannot be used")]
    Ledger(#[from] almoner_ledger::LedgerError),
    /// The queue of waiting questions cannot be opened.
    #[error("the queue of questions for the data officer cannot be used")]
    Queue(#[from] almoner_policy::QueueError),
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
