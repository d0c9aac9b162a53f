//! Which files hold a table: `<table>.csv`, `<table>.parquet`, or everything of those two kinds in a
//! folder `<table>/`. Two of the three at once would count records twice and are refused.

use std::fs;
use std::path::{Path, PathBuf};

use crate::SourceError;

/// Most files of one table.
const MAX_FILES: usize = 10_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Csv,
    Parquet,
}

/// One file of a table.
#[derive(Debug)]
pub(crate) struct DataFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its path inside the agency's folder, with `/` between the parts.
    pub name: String,
    /// How to read it.
    pub format: Format,
}

/// The files of one table, sorted by name, and the names of files in its folder that are no data.
pub(crate) fn find(folder: &Path, table: &str) -> Result<(Vec<DataFile>, Vec<String>), SourceError> {
    let single = |format: Format, extension: &str| {
        let name = format!("{table}.{extension}");
        let path = folder.join(&name);
        path.is_file().then_some(DataFile { path, name, format })
    };
    let singles = [single(Format::Csv, "csv"), single(Format::Parquet, "parquet")];
    let mut files: Vec<DataFile> = singles.into_iter().flatten().collect();
    let inner = folder.join(table);
    match (files.len(), inner.is_dir()) {
        (1, false) => Ok((files, Vec::new())),
        (0, true) => list(&inner, table),
        (0, false) => Err(SourceError::input(
            folder,
            None,
            format!("holds no data for table {table}"),
            format!("add {table}.csv, {table}.parquet, or a folder {table} with such files"),
        )),
        _ => {
            if inner.is_dir() {
                files.push(DataFile { path: inner, name: format!("{table}/"), format: Format::Csv });
            }
            let names: Vec<_> = files.into_iter().map(|file| file.name).collect();
            Err(SourceError::input(
                folder,
                None,
                format!("holds table {table} more than once: {}", names.join(", ")),
                "keep one of them, so that no record counts twice",
            ))
        }
    }
}

fn list(inner: &Path, table: &str) -> Result<(Vec<DataFile>, Vec<String>), SourceError> {
    let unreadable = |error: &std::io::Error| SourceError::unreadable(inner, error);
    let (mut files, mut ignored) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(inner).map_err(|error| unreadable(&error))? {
        let path = entry.map_err(|error| unreadable(&error))?.path();
        let Some(own) = path.file_name().and_then(|name| name.to_str()) else {
            return Err(SourceError::input(&path, None, "its name is not UTF-8", "rename it"));
        };
        let name = format!("{table}/{own}");
        let format = match path.extension().and_then(|extension| extension.to_str()) {
            Some("csv") => Format::Csv,
            Some("parquet") => Format::Parquet,
            _ => {
                ignored.push(name);
                continue;
            }
        };
        files.push(DataFile { path, name, format });
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    ignored.sort();
    match files.len() {
        0 => {
            let remedy = "add the table's files, or an empty table as a CSV file with its header alone";
            Err(SourceError::input(inner, None, "holds no *.csv and no *.parquet file", remedy))
        }
        1..=MAX_FILES => Ok((files, ignored)),
        many => Err(SourceError::input(
            inner,
            None,
            format!("holds {many} files, more than {MAX_FILES}"),
            "merge them into fewer",
        )),
    }
}
