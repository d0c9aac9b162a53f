//! Finds the columns that the manifest declares among those that a file has, or that its path says.

use crate::SourceError;
use crate::data_file::DataFile;

/// Where a column of a file's rows stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the file: the column of this number.
    File(usize),
    /// In the file's path, for all rows: the field of this number.
    Path(usize),
}

/// The one place of the column of that name, without regard to case.
pub(crate) fn find_column<'a>(
    file: &DataFile,
    line: Option<u64>,
    name: &str,
    names: impl Iterator<Item = &'a str>,
) -> Result<Place, SourceError> {
    let in_file = names.enumerate().map(|(index, own)| (own, Place::File(index)));
    let in_path =
        file.fields.iter().enumerate().map(|(index, field)| (field.column.as_str(), Place::Path(index)));
    let mut places = in_file
        .chain(in_path)
        .filter(|(own, _)| own.trim().eq_ignore_ascii_case(name))
        .map(|(_, place)| place);
    match (places.next(), places.next()) {
        (Some(place), None) => Ok(place),
        (None, _) => Err(file.refuse(
            line,
            format!("column {name} is missing"),
            format!(
                "add the column {name} that the manifest declares, in a comma-separated file with a header"
            ),
        )),
        (Some(_), Some(Place::Path(_))) => Err(file.refuse(
            line,
            format!("column {name} stands twice, once in the names of its folders"),
            "keep one of the two: take the column out of the file, or the file out of the folder",
        )),
        (Some(_), Some(Place::File(_))) => Err(file.refuse(
            line,
            format!("column {name} stands twice"),
            "keep one of the two; case makes no difference",
        )),
    }
}
