//! What can go wrong at the command line, in words for the person who typed it.

use std::path::PathBuf;

use almoner_api::Refusal;
use thiserror::Error;

/// Why a command failed.
#[derive(Debug, Error)]
pub(crate) enum CliError {
    #[error("the asynchronous runtime does not start")]
    Runtime(#[source] std::io::Error),
    #[error("cannot read {}; correct the path or its permissions", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("cannot write {}; is there room, and may this user write there?", path.display())]
    Write { path: PathBuf, source: std::io::Error },
    #[error(transparent)]
    File(#[from] almoner_federation::FileError),
    #[error(transparent)]
    Keys(#[from] crate::keys::KeysError),
    #[error(transparent)]
    Source(#[from] almoner_engine::SourceError),
    #[error("the node does not start")]
    Node(#[from] almoner_node::NodeError),
    #[error(transparent)]
    Queue(#[from] almoner_policy::QueueError),
    #[error("the ledger cannot be used")]
    Ledger(#[from] almoner_ledger::LedgerError),
    #[error("the coordinator does not start")]
    Coordinator(#[from] almoner_coordinator::CoordinatorError),
    #[error(transparent)]
    Query(#[from] almoner_query::QueryError),
    #[error("TLS cannot be set up")]
    Tls(#[from] almoner_api::TlsError),
    #[error("refused ({}): {}", .0.word(), .0.text())]
    Refused(Refusal),
    #[error(
        "no answer from the coordinator at {endpoint}: {message}; is it running, and may this certificate call it?"
    )]
    Unreachable { endpoint: String, message: String },
    #[error("the coordinator's answer does not prove itself: {0}; do not use it, and tell the auditor")]
    Evidence(#[from] almoner_audit::EvidenceError),
    #[error("{message}; {remedy}")]
    Usage { message: String, remedy: &'static str },
    #[error(transparent)]
    Bench(#[from] crate::bench::BenchError),
    #[error(transparent)]
    DemoData(#[from] crate::demo::DemoError),
    #[error("the demo failed: {0}")]
    Demo(String),
}

/// An error with its causes.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        // A transparent error repeats its only source.
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
