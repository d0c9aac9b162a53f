//! Standard output for readers that may leave early, such as `head`.

use std::io::{ErrorKind, Write};

use crate::cli_error::CliError;

/// Records as CSV text.
pub(crate) fn csv<R, F>(records: impl IntoIterator<Item = R>) -> Result<String, CliError>
where
    R: IntoIterator<Item = F>,
    F: AsRef<[u8]>,
{
    let failed = |error: csv::Error| CliError::Write { path: "standard output".into(), source: error.into() };
    let mut writer = csv::Writer::from_writer(Vec::new());
    for record in records {
        writer.write_record(record).map_err(failed)?;
    }
    let bytes = writer.into_inner().map_err(|error| failed(error.into_error().into()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

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
