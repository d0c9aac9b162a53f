//! What can go wrong with a demo's data, in words for the person who started it.

use std::path::PathBuf;

use thiserror::Error;

/// Why there is nothing to demonstrate.
#[derive(Debug, Error)]
pub enum DemoError {
    /// A file or folder cannot be written.
    #[error("cannot write {}; is there room, and may this user write there?", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A file or folder cannot be read.
    #[error("cannot read {}; correct the path or its permissions", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A CSV file is malformed.
    #[error("{} is not a CSV file with a header; export it again", path.display())]
    Csv {
        /// The file.
        path: PathBuf,
        /// The reader's reason.
        source: csv::Error,
    },
    /// The folder cannot become a federation.
    #[error("{}: {message}; {remedy}", path.display())]
    Folder {
        /// The folder or file.
        path: PathBuf,
        /// What is wrong.
        message: String,
        /// What to do.
        remedy: String,
    },
}
