//! One file of a table, wherever it is kept.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::SourceError;
use crate::objects::Object;
use crate::partition::PathField;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Csv,
    Parquet,
}

/// Where the bytes of a file are.
#[derive(Debug)]
pub(crate) enum Contents {
    /// On a disk of this machine.
    File(PathBuf),
    /// In an object store, as it was when it was listed.
    Object(Arc<Object>),
}

/// One file of a table.
#[derive(Debug)]
pub(crate) struct DataFile {
    /// Its path inside the agency's folder, with `/` between the parts.
    pub name: String,
    /// How to read it.
    pub format: Format,
    /// What the folders on the way say of each of its rows.
    pub fields: Vec<PathField>,
    /// Where it is.
    pub contents: Contents,
}

impl DataFile {
    /// What is wrong in it, at a line of a CSV file or a row of a Parquet file where there is one to blame. Where a store
    /// failed, that is what is wrong: whatever a parser says of bytes that never came misleads.
    pub(crate) fn refuse(
        &self,
        line: Option<u64>,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) -> SourceError {
        match &self.contents {
            Contents::File(path) => SourceError::input(path, line, problem, remedy),
            Contents::Object(object) => match object.failure() {
                Some(failure) => failure.at(object.shown()),
                None => SourceError::at(object.shown(), line, problem, remedy),
            },
        }
    }

    /// It could not be read.
    pub(crate) fn unreadable(&self, error: &io::Error) -> SourceError {
        match &self.contents {
            Contents::File(path) => SourceError::unreadable(path, error),
            Contents::Object(_) => self.refuse(
                None,
                format!("cannot be read ({error})"),
                "start the node again; if it happens again, ask the store's operator",
            ),
        }
    }
}
