//! Finds the columns that the manifest declares among those that a file has.

use crate::SourceError;
use crate::folder::DataFile;

/// The place of the one column of that name, without regard to case.
pub(crate) fn find_column<'a>(
    file: &DataFile,
    line: Option<u64>,
    name: &str,
    names: impl Iterator<Item = &'a str>,
) -> Result<usize, SourceError> {
    let mut places =
        names.enumerate().filter(|(_, own)| own.trim().eq_ignore_ascii_case(name)).map(|(place, _)| place);
    match (places.next(), places.next()) {
        (Some(place), None) => Ok(place),
        (None, _) => Err(SourceError::input(
            &file.path,
            line,
            format!("column {name} is missing"),
            format!(
                "add the column {name} that the manifest declares, in a comma-separated file with a header"
            ),
        )),
        (Some(_), Some(_)) => Err(SourceError::input(
            &file.path,
            line,
            format!("column {name} stands twice"),
            "keep one of the two; case makes no difference",
        )),
    }
}
