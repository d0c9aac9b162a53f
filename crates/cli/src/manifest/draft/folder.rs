//! Which tables a folder holds, and whose they are: files are tables of everybody's, subfolders are agencies.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use almoner_federation::Name;

use super::notes::{Notes, shown};
use crate::cli_error::CliError;
use crate::words::{agency_name, table_name};

/// Most entries of one folder, and most files of all.
const MAX_ENTRIES: usize = 10_000;
/// As in a manifest.
const MAX_AGENCIES: usize = 5_000;
const MAX_TABLES: usize = 200;

/// What to do about too much of anything.
const FEWER: &str = "draft from fewer files: those of one agency tell the columns";

/// What a folder holds, by names alone.
pub(super) struct Layout {
    /// In the order of their node numbers; empty when nothing says who they are.
    pub agencies: Vec<Name>,
    /// In the order of their names.
    pub tables: Vec<TableFiles>,
    /// Files and folders that are no data, for people.
    pub ignored: Notes,
}

/// One table and where its rows are.
pub(super) struct TableFiles {
    pub name: String,
    /// Never empty.
    pub files: Vec<DataFile>,
    /// Who holds it; empty when nothing says so.
    pub holders: BTreeSet<Name>,
}

pub(super) struct DataFile {
    pub path: PathBuf,
    /// Its path inside the folder, for people.
    pub shown: String,
    /// Whether a node looks for the table under this name.
    pub fits: bool,
}

struct Entry {
    path: PathBuf,
    name: String,
}

/// A folder's data files, its subfolders, and the names of all else.
#[derive(Default)]
struct Listing {
    files: Vec<Entry>,
    folders: Vec<Entry>,
    others: Vec<String>,
}

impl Layout {
    /// Reads names, no file. With `only` all files are parts of that table; `named` are the agencies where
    /// there are no subfolders to tell.
    pub(super) fn find(folder: &Path, only: Option<&str>, named: &[Name]) -> Result<Layout, CliError> {
        let top = Listing::read(folder)?;
        let mut layout = Layout { agencies: named.to_vec(), tables: Vec::new(), ignored: Notes::default() };
        layout.ignore("", top.others);
        if top.files.is_empty() {
            if !named.is_empty() && !top.folders.is_empty() {
                let message = format!("the subfolders of {} are its agencies", folder.display());
                return Err(usage(message, "leave out --agencies"));
            }
            for agency in &top.folders {
                layout.add_agency(agency, only)?;
            }
        } else {
            layout.add_files(top.files, "", None, only)?;
            layout.ignore("", top.folders.into_iter().map(|entry| format!("{}/", entry.name)));
        }
        layout.tables.sort_by(|a, b| a.name.cmp(&b.name));
        if layout.tables.is_empty() {
            let message =
                format!("{} holds no *.csv and no *.parquet file, nor do its subfolders", folder.display());
            return Err(usage(message, "export its tables as such, with extensions in small letters"));
        }
        Ok(layout)
    }

    /// A subfolder: tables as a node finds them, `TABLE.csv`, `TABLE.parquet` or `TABLE/` with such files.
    fn add_agency(&mut self, folder: &Entry, only: Option<&str>) -> Result<(), CliError> {
        let listing = Listing::read(&folder.path)?;
        let prefix = format!("{}/", folder.name);
        self.ignore(&prefix, listing.others);
        let agency = agency_name(&folder.name);
        if self.agencies.len() >= MAX_AGENCIES {
            let message = format!("there are more than {MAX_AGENCIES} subfolders with data");
            return Err(usage(message, FEWER));
        }
        if self.agencies.contains(&agency) {
            let message = format!("two subfolders would be the agency {agency}");
            return Err(usage(message, "give them names that differ in letters or digits"));
        }
        let mut found = !listing.files.is_empty();
        self.add_files(listing.files, &prefix, Some(&agency), only)?;
        for inner in listing.folders {
            let parts = Listing::read(&inner.path)?;
            let within = format!("{prefix}{}/", inner.name);
            let nested = parts.folders.into_iter().map(|entry| format!("{}/", entry.name));
            self.ignore(&within, parts.others.into_iter().chain(nested));
            if parts.files.is_empty() {
                continue;
            }
            found = true;
            let table = only.map_or_else(|| table_name(&inner.name), str::to_owned);
            let fits = table == inner.name;
            let file =
                |part: Entry| DataFile { shown: format!("{within}{}", part.name), path: part.path, fits };
            self.add(table, parts.files.into_iter().map(file).collect(), Some(&agency), only.is_some())?;
        }
        match found {
            true => self.agencies.push(agency),
            false => self.ignore("", [prefix]),
        }
        Ok(())
    }

    fn ignore(&mut self, prefix: &str, names: impl IntoIterator<Item = String>) {
        for name in names {
            self.ignored.add(shown(&format!("{prefix}{name}")));
        }
    }

    fn add_files(
        &mut self,
        files: Vec<Entry>,
        prefix: &str,
        agency: Option<&Name>,
        only: Option<&str>,
    ) -> Result<(), CliError> {
        for file in files {
            let stem = file.path.file_stem().unwrap_or_default().to_string_lossy();
            let table = only.map_or_else(|| table_name(&stem), str::to_owned);
            let (fits, shown) = (table == stem, format!("{prefix}{}", file.name));
            self.add(table, vec![DataFile { path: file.path, shown, fits }], agency, only.is_some())?;
        }
        Ok(())
    }

    /// Adds files to a table. One agency has a table once, unless all files are `parts` of it.
    fn add(
        &mut self,
        name: String,
        files: Vec<DataFile>,
        agency: Option<&Name>,
        parts: bool,
    ) -> Result<(), CliError> {
        let total: usize = self.tables.iter().map(|table| table.files.len()).sum();
        if total + files.len() > MAX_ENTRIES {
            return Err(usage(format!("there are more than {MAX_ENTRIES} data files"), FEWER));
        }
        let full = self.tables.len() >= MAX_TABLES;
        match self.tables.iter_mut().find(|table| table.name == name) {
            None if full => {
                let message = format!("there would be more than {MAX_TABLES} tables");
                return Err(usage(
                    message,
                    "say --table NAME if all files are parts of one, or draft from fewer",
                ));
            }
            None => {
                self.tables.push(TableFiles { name, files, holders: agency.into_iter().cloned().collect() });
            }
            Some(table) if parts || agency.is_some_and(|agency| !table.holders.contains(agency)) => {
                table.files.extend(files);
                table.holders.extend(agency.cloned());
            }
            Some(table) => {
                // Agencies are added one after the other, so the last file is this one's.
                let (one, other) = (table.files.last(), files.first());
                let names = [one, other].map(|file| file.map_or("", |file| file.shown.as_str()));
                let message = format!("{:?} and {:?} would both be the table {name}", names[0], names[1]);
                return Err(usage(
                    message,
                    "rename or remove one, or say --table NAME if all files are parts of one",
                ));
            }
        }
        Ok(())
    }
}

impl Listing {
    fn read(folder: &Path) -> Result<Listing, CliError> {
        let unreadable = |source| CliError::Read { path: folder.to_owned(), source };
        let mut entries = Vec::new();
        for entry in fs::read_dir(folder).map_err(unreadable)?.take(MAX_ENTRIES + 1) {
            let path = entry.map_err(unreadable)?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            entries.push(Entry { path, name });
        }
        if entries.len() > MAX_ENTRIES {
            let message = format!("{} holds more than {MAX_ENTRIES} entries", folder.display());
            return Err(usage(message, FEWER));
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        let mut listing = Listing::default();
        for entry in entries {
            let extension = entry.path.extension().and_then(|extension| extension.to_str());
            if entry.path.is_dir() {
                listing.folders.push(entry);
            } else if entry.path.is_file() && matches!(extension, Some("csv" | "parquet")) {
                listing.files.push(entry);
            } else {
                listing.others.push(entry.name);
            }
        }
        Ok(listing)
    }
}

fn usage(message: String, remedy: &'static str) -> CliError {
    CliError::Usage { message, remedy }
}
