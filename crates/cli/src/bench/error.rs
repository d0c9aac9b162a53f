//! What can go wrong with a benchmark, in words for the person who started it.

use std::path::PathBuf;

use thiserror::Error;

/// Why nothing was measured, or what was measured is wrong.
#[derive(Debug, Error)]
pub(crate) enum BenchError {
    /// A recipe or data file is wrong.
    #[error("{}: {message}; {remedy}", path.display())]
    Input {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong.
        message: String,
        /// What to do.
        remedy: String,
    },
    /// A recipe's statistic is wrong.
    #[error("statistic {sql:?}: {message}; {remedy}")]
    Statistic {
        /// Its SQL.
        sql: String,
        /// What is wrong.
        message: String,
        /// What to do.
        remedy: &'static str,
    },
    /// The data cannot be read or asked.
    #[error(transparent)]
    Source(#[from] almoner_engine::SourceError),
    /// No noise, no measurement.
    #[error(transparent)]
    Noise(#[from] almoner_privacy::PrivacyError),
    /// Values that independent authors published were not met.
    #[error("{missed} of {published} published values were missed; see the lines marked OFF")]
    Missed {
        /// How many.
        missed: usize,
        /// Of how many.
        published: usize,
    },
}
