//! Which files hold a table: `<table>.csv`, `<table>.parquet`, or everything of those two kinds in a
//! folder `<table>/`. Two of the three at once would count records twice and are refused. The same rules hold wherever
//! the folder is.

use std::path::Path;

use crate::SourceError;
use crate::data_file::{Contents, DataFile, Format};
use crate::partition::{self, PathField};

/// Most files of one table, and most folders that hold them.
const MAX_FILES: usize = 10_000;
/// Most folders one in another.
const MAX_DEPTH: usize = 8;

/// Something in a folder.
pub(crate) struct Entry {
    /// Its name in that folder.
    pub own: String,
    pub kind: Kind,
}

/// What it is.
pub(crate) enum Kind {
    File(Contents),
    Folder,
    Other,
}

/// An agency's folder: names in it have `/` between the parts.
pub(crate) trait Tree {
    /// Where that is, for the data officer; the folder itself for an empty name.
    fn shown(&self, name: &str) -> String;

    /// The file of this name directly in the agency's folder.
    fn file(&self, own: &str) -> Result<Option<Contents>, SourceError>;

    /// Whether there is a folder of this name directly in the agency's folder.
    fn is_folder(&self, own: &str) -> Result<bool, SourceError>;

    /// Goes through what is directly in a folder, in any order, until `take` refuses.
    fn each(
        &self,
        folder: &str,
        take: &mut dyn FnMut(Entry) -> Result<(), SourceError>,
    ) -> Result<(), SourceError>;
}

/// The files of one table, sorted by name, and the names of files in its folder that are no data.
pub(crate) fn find(tree: &dyn Tree, table: &str) -> Result<(Vec<DataFile>, Vec<String>), SourceError> {
    let mut files = Vec::new();
    for (format, extension) in [(Format::Csv, "csv"), (Format::Parquet, "parquet")] {
        let name = format!("{table}.{extension}");
        if let Some(contents) = tree.file(&name)? {
            files.push(DataFile { name, format, fields: Vec::new(), contents });
        }
    }
    let is_folder = tree.is_folder(table)?;
    match (files.len(), is_folder) {
        (1, false) => Ok((files, Vec::new())),
        (0, true) => list(tree, table),
        (0, false) => Err(SourceError::at(
            tree.shown(""),
            None,
            format!("holds no data for table {table}"),
            format!("add {table}.csv, {table}.parquet, or a folder {table} with such files"),
        )),
        _ => {
            let mut names: Vec<_> = files.drain(..).map(|file| file.name).collect();
            if is_folder {
                names.push(format!("{table}/"));
            }
            Err(SourceError::at(
                tree.shown(""),
                None,
                format!("holds table {table} more than once: {}", names.join(", ")),
                "keep one of them, so that no record counts twice",
            ))
        }
    }
}

fn list(tree: &dyn Tree, table: &str) -> Result<(Vec<DataFile>, Vec<String>), SourceError> {
    let mut walk = Walk { tree, table, files: Vec::new(), ignored: Vec::new(), folders: 0 };
    walk.folder(table, &[])?;
    let Walk { mut files, mut ignored, .. } = walk;
    if files.is_empty() {
        let remedy = "add the table's files, or an empty table as a CSV file with its header alone";
        return Err(SourceError::at(tree.shown(table), None, "holds no *.csv and no *.parquet file", remedy));
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    ignored.sort();
    if let Some(twice) = files.windows(2).find(|two| two[0].name == two[1].name) {
        let remedy = "start the node again when nothing writes there";
        return Err(twice[0].refuse(None, "was listed twice", remedy));
    }
    Ok((files, ignored))
}

/// What was found so far below the folder of a table.
struct Walk<'a> {
    tree: &'a dyn Tree,
    table: &'a str,
    files: Vec<DataFile>,
    ignored: Vec<String>,
    folders: usize,
}

impl Walk<'_> {
    /// One folder, of which the folders above say `fields`.
    fn folder(&mut self, name: &str, fields: &[PathField]) -> Result<(), SourceError> {
        self.folders += 1;
        let tree = self.tree;
        tree.each(name, &mut |entry| {
            self.entry(entry, name, fields)?;
            let many = self.files.len().max(self.ignored.len()).max(self.folders);
            if many > MAX_FILES {
                let problem = format!("holds more than {MAX_FILES} files or folders");
                return Err(SourceError::at(tree.shown(self.table), None, problem, "merge them into fewer"));
            }
            Ok(())
        })
    }

    fn entry(&mut self, entry: Entry, above: &str, fields: &[PathField]) -> Result<(), SourceError> {
        let Entry { own, kind } = entry;
        let name = format!("{above}/{own}");
        let shown = || self.tree.shown(&name);
        if let Some(system) = log_of_changes(&own) {
            return Err(SourceError::at(
                shown(),
                None,
                format!("belongs to a {system} table, whose log says which of the files still count"),
                "export the table's present rows as plain Parquet or CSV",
            ));
        }
        // By the custom of the tools that write such folders, these are unfinished or about the data.
        let hidden = own.starts_with(['_', '.']);
        match kind {
            Kind::Folder if !hidden => {
                if fields.len() == MAX_DEPTH {
                    let problem = format!("is more than {MAX_DEPTH} folders deep");
                    return Err(SourceError::at(shown(), None, problem, "use fewer partition columns"));
                }
                let field = partition::field(&own).map_err(|problem| {
                    let remedy = "name it column=value, or begin its name with _ to have it left out";
                    SourceError::at(shown(), None, problem, remedy)
                })?;
                self.folder(&name, &[fields, &[field]].concat())
            }
            Kind::File(contents) if !hidden => {
                match format_of(&own) {
                    Some(format) => {
                        self.files.push(DataFile { name, format, fields: fields.to_vec(), contents });
                    }
                    None => self.ignored.push(name),
                }
                Ok(())
            }
            _ => {
                self.ignored.push(name);
                Ok(())
            }
        }
    }
}

fn format_of(own: &str) -> Option<Format> {
    match Path::new(own).extension()?.to_str()? {
        "csv" => Some(Format::Csv),
        "parquet" => Some(Format::Parquet),
        _ => None,
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
