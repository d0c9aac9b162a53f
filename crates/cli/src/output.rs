//! Standard output for readers that may leave early, such as `head`.

use std::io::{ErrorKind, Write};

use crate::cli_error::CliError;

/// Prints `text` whole. A reader that has seen enough is no error.
pub(crate) fn print(text: &str) -> Result<(), CliError> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(CliError::Write { path: "standard output".into(), source: error })
        }
        _ => Ok(()),
    }
}
