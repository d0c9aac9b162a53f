//! The folder that the demo was pointed at: its CSV files, their headers, and a copy of each where its
//! agency's node will look.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use almoner_federation::Name;
use csv::{Reader, ReaderBuilder, Trim};

use crate::demo::DemoError;
use crate::words::{agency_name, table_name};

/// Each file becomes a process of its own.
const MAX_FILES: usize = 32;
const MAX_COLUMNS: usize = 500;

/// One agency's file.
pub(super) struct DataFile {
    pub path: PathBuf,
    /// Out of the file's name.
    pub agency: Name,
    /// Out of the file's name, for when the agency has a table of its own.
    pub table: String,
    header: Vec<String>,
}

/// The CSV files in the order of their names, and what to say of the others.
pub(super) fn list(data: &Path) -> Result<(Vec<DataFile>, Vec<String>), DemoError> {
    let unreadable = |source| DemoError::Read { path: data.to_owned(), source };
    let (mut files, mut notes) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(data).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let is_csv = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv"));
        if is_csv && path.is_file() {
            files.push(DataFile::open(path)?);
        } else {
            notes.push(format!("{} is not a CSV file and was not read", path.display()));
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    notes.sort();
    let problem = |message: String, remedy: &str| {
        Err(DemoError::Folder { path: data.to_owned(), message, remedy: remedy.into() })
    };
    if !(2..=MAX_FILES).contains(&files.len()) {
        let message = format!("holds {} CSV files, but a demo needs 2 to {MAX_FILES}", files.len());
        return problem(message, "put one file for each agency into the folder");
    }
    let mut names = BTreeSet::new();
    match files.iter().find(|file| !names.insert(&file.agency)) {
        Some(file) => {
            let message = format!("two files would be the agency {}", file.agency);
            problem(message, "give the files names that differ in letters or digits")
        }
        None => Ok((files, notes)),
    }
}

impl DataFile {
    fn open(path: PathBuf) -> Result<Self, DemoError> {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let (agency, table) = (agency_name(&stem), table_name(&stem));
        let mut file = DataFile { path, agency, table, header: Vec::new() };
        let header = file.reader()?.headers().map_err(|source| file.malformed(source))?.clone();
        file.header = header.iter().map(str::to_owned).collect();
        if file.header.len() > MAX_COLUMNS {
            return Err(DemoError::Folder {
                path: file.path,
                message: format!("has more than {MAX_COLUMNS} columns"),
                remedy: "leave out those that nobody asks about".into(),
            });
        }
        Ok(file)
    }

    /// Reads the file from its beginning; blanks around a header's names do not count.
    pub(super) fn reader(&self) -> Result<Reader<fs::File>, DemoError> {
        let opened = ReaderBuilder::new().trim(Trim::Headers).from_path(&self.path);
        opened.map_err(|source| self.malformed(source))
    }

    pub(super) fn malformed(&self, source: csv::Error) -> DemoError {
        DemoError::Csv { path: self.path.clone(), source }
    }

    /// The column's place, without regard to case; `None` when it is missing or stands twice.
    pub(super) fn place(&self, name: &str) -> Option<usize> {
        let mut places =
            (0..self.header.len()).filter(|place| self.header[*place].eq_ignore_ascii_case(name));
        places.next().filter(|_| places.next().is_none())
    }

    /// The header as written.
    pub(super) fn header(&self) -> &[String] {
        &self.header
    }

    /// The columns without regard to case and order.
    pub(super) fn columns(&self) -> BTreeSet<String> {
        self.header.iter().map(|name| name.to_ascii_lowercase()).collect()
    }

    /// The file's own name, for people.
    pub(super) fn file_name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Puts the file into `folder` as the data of `table`.
    pub(super) fn lay_out(&self, folder: &Path, table: &str) -> Result<(), DemoError> {
        let target = folder.join(format!("{table}.csv"));
        fs::create_dir_all(folder)
            .and_then(|()| fs::copy(&self.path, &target).map(drop))
            .map_err(|source| DemoError::Write { path: target, source })
    }
}
