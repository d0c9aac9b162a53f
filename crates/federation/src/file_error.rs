//! Configuration files: read strictly, refused with file, line and remedy.

use std::fmt;

use serde::de::DeserializeOwned;
use thiserror::Error;

/// Reads TOML strictly into `T`, whose unknown fields serde refuses. `file` names it in errors;
/// `help` tells where the fields are described.
pub fn parse_toml<T: DeserializeOwned>(text: &str, file: &str, help: &str) -> Result<T, FileError> {
    toml::from_str(text).map_err(|error| {
        let problem = Problem {
            line: error.span().map_or(1, |span| line_of(text, span.start)),
            message: error.message().replace('\n', " "),
            remedy: format!("correct this line; {help}"),
        };
        FileError { file: file.into(), problems: vec![problem] }
    })
}

/// The line, from 1, that holds byte `offset`.
pub(crate) fn line_of(text: &str, offset: usize) -> usize {
    text.as_bytes()[..offset.min(text.len())].iter().filter(|byte| **byte == b'\n').count() + 1
}

/// One thing wrong with a configuration file, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Line of the file, from 1.
    pub line: usize,
    /// What is wrong.
    pub message: String,
    /// What the writer can do next.
    pub remedy: String,
}

/// Why a configuration file was refused: every problem that was found.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub struct FileError {
    /// The file as the caller named it.
    pub file: String,
    /// At least one problem.
    pub problems: Vec<Problem>,
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{}:{}: {}; {}", self.file, problem.line, problem.message, problem.remedy)?;
        }
        Ok(())
    }
}
