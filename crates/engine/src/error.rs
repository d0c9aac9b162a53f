//! Why a folder cannot be served, or a question not be answered. What depends on the data is for the
//! data officer alone.

use std::path::Path;

use almoner_federation::Name;
use thiserror::Error;

/// Why there are no cells.
///
/// All but [`SourceError::Answer`] happen only in [`Source::open`](crate::Source::open), before the
/// node serves anybody; their text names files, lines, columns and tables for the data officer.
#[derive(Debug, Error)]
pub enum SourceError {
    /// The manifest has no such agency.
    #[error("the manifest names no agency {agency}; correct the agency's name in the node's configuration")]
    Agency {
        /// The name that was asked for.
        agency: Name,
    },
    /// A file or folder is missing, ambiguous, unreadable or malformed, or the store that holds it fails.
    #[error("{}: {problem}; {remedy}", place(file, *line))]
    Input {
        /// Path or URL of the file or folder.
        file: String,
        /// Line of a CSV file from 1, or row of a Parquet file from 1, where there is one to blame.
        line: Option<u64>,
        /// What is wrong.
        problem: String,
        /// What the data officer can do.
        remedy: String,
    },
    /// A database cannot be reached or cannot be served from.
    #[error("{problem}; {remedy}")]
    Database {
        /// What is wrong.
        problem: String,
        /// What the data officer can do.
        remedy: String,
    },
    /// One table holds more units than the whole federation may.
    #[error(
        "table {table} holds {units} units, more than unit.population = {population}; \
         correct the unit column, or have the manifest declare a larger population"
    )]
    Population {
        /// The table.
        table: String,
        /// How many units it holds.
        units: u64,
        /// How many the manifest allows.
        population: u64,
    },
    /// The source query failed. The shown text is the same whatever happened.
    #[error("the source could not answer")]
    Answer {
        /// What happened, for the node's own log only.
        detail: String,
    },
}

impl SourceError {
    /// The only text of this error that may leave the node: the same for every error.
    pub fn remote_text(&self) -> &'static str {
        "the source could not answer"
    }

    /// The whole story, for the data officer and the node's own log.
    pub fn local_detail(&self) -> String {
        match self {
            SourceError::Answer { detail } => format!("{self}: {detail}"),
            _ => self.to_string(),
        }
    }

    pub(crate) fn input(
        file: &Path,
        line: Option<u64>,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self::at(file.display().to_string(), line, problem, remedy)
    }

    /// The same of what is not on a disk of this machine.
    pub(crate) fn at(
        place: impl Into<String>,
        line: Option<u64>,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        SourceError::Input { file: place.into(), line, problem: problem.into(), remedy: remedy.into() }
    }

    pub(crate) fn unreadable(file: &Path, error: &std::io::Error) -> Self {
        Self::input(
            file,
            None,
            format!("cannot be read ({error})"),
            "check that it exists and that the node may read it",
        )
    }

    pub(crate) fn database(problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        SourceError::Database { problem: problem.into(), remedy: remedy.into() }
    }

    pub(crate) fn answer(detail: impl ToString) -> Self {
        SourceError::Answer { detail: detail.to_string() }
    }
}

fn place(file: &str, line: Option<u64>) -> String {
    line.map_or_else(|| file.to_owned(), |line| format!("{file}:{line}"))
}
