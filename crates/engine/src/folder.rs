//! Which files hold a table: `<table>.csv`, `<table>.parquet`, or everything of those two kinds in a
//! folder `<table>/`. Two of the three at once would count records twice and are refused.

use std::fs::{self, DirEntry};
use std::path::{Path, PathBuf};

use crate::SourceError;
use crate::partition::{self, PathField};

/// Most files of one table, and most folders that hold them.
const MAX_FILES: usize = 10_000;
/// Most folders one in another.
const MAX_DEPTH: usize = 8;

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
    /// What the folders on the way say of each of its rows.
    pub fields: Vec<PathField>,
}

/// The files of one table, sorted by name, and the names of files in its folder that are no data.
pub(crate) fn find(folder: &Path, table: &str) -> Result<(Vec<DataFile>, Vec<String>), SourceError> {
    let single = |format: Format, extension: &str| {
        let name = format!("{table}.{extension}");
        let path = folder.join(&name);
        path.is_file().then_some(DataFile { path, name, format, fields: Vec::new() })
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
            let mut names: Vec<_> = files.drain(..).map(|file| file.name).collect();
            if inner.is_dir() {
                names.push(format!("{table}/"));
            }
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
    let mut walk = Walk { top: inner, files: Vec::new(), ignored: Vec::new(), folders: 0 };
    walk.folder(inner, table, &[])?;
    let Walk { mut files, mut ignored, .. } = walk;
    if files.is_empty() {
        let remedy = "add the table's files, or an empty table as a CSV file with its header alone";
        return Err(SourceError::input(inner, None, "holds no *.csv and no *.parquet file", remedy));
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    ignored.sort();
    Ok((files, ignored))
}

/// What was found so far below the folder of a table.
struct Walk<'a> {
    top: &'a Path,
    files: Vec<DataFile>,
    ignored: Vec<String>,
    folders: usize,
}

impl Walk<'_> {
    /// One folder, of which the folders above say `fields`.
    fn folder(&mut self, path: &Path, name: &str, fields: &[PathField]) -> Result<(), SourceError> {
        let unreadable = |error: std::io::Error| SourceError::unreadable(path, &error);
        self.folders += 1;
        for entry in fs::read_dir(path).map_err(unreadable)? {
            self.entry(&entry.map_err(unreadable)?, name, fields)?;
            let many = self.files.len().max(self.ignored.len()).max(self.folders);
            if many > MAX_FILES {
                let problem = format!("holds more than {MAX_FILES} files or folders");
                return Err(SourceError::input(self.top, None, problem, "merge them into fewer"));
            }
        }
        Ok(())
    }

    fn entry(&mut self, entry: &DirEntry, above: &str, fields: &[PathField]) -> Result<(), SourceError> {
        let path = entry.path();
        let refuse = |problem: String, remedy: &str| Err(SourceError::input(&path, None, problem, remedy));
        let own = entry.file_name();
        let Some(own) = own.to_str() else { return refuse("its name is not UTF-8".into(), "rename it") };
        let name = format!("{above}/{own}");
        let kind = entry.file_type().map_err(|error| SourceError::unreadable(&path, &error))?;
        // Through links a file could count twice, or a folder hold itself.
        if kind.is_symlink() {
            return refuse("is a symbolic link".into(), "put the file itself here, and only here");
        }
        if let Some(system) = log_of_changes(own) {
            return refuse(
                format!("belongs to a {system} table, whose log says which of the files still count"),
                "export the table's present rows as plain Parquet or CSV",
            );
        }
        // By the custom of the tools that write such folders, these are unfinished or about the data.
        let hidden = own.starts_with(['_', '.']);
        if kind.is_dir() && !hidden {
            if fields.len() == MAX_DEPTH {
                return refuse(
                    format!("is more than {MAX_DEPTH} folders deep"),
                    "use fewer partition columns",
                );
            }
            let field = partition::field(own).map_err(|problem| {
                let remedy = "name it column=value, or begin its name with _ to have it left out";
                SourceError::input(&path, None, problem, remedy)
            })?;
            return self.folder(&path, &name, &[fields, &[field]].concat());
        }
        let format = match path.extension().and_then(|extension| extension.to_str()) {
            Some("csv") if kind.is_file() && !hidden => Format::Csv,
            Some("parquet") if kind.is_file() && !hidden => Format::Parquet,
            _ => {
                self.ignored.push(name);
                return Ok(());
            }
        };
        self.files.push(DataFile { path, name, format, fields: fields.to_vec() });
        Ok(())
    }
}

/// The system whose tables keep their log of changes under this name, beside files of which some are history.
fn log_of_changes(name: &str) -> Option<&'static str> {
    match name {
        "_delta_log" => Some("Delta Lake"),
        ".hoodie" => Some("Hudi"),
        _ => None,
    }
}
