//! Reads a table's files once, for the types of its columns and the most rows of one unit.

use std::collections::{HashMap, HashSet};

use almoner_federation::Name;
use csv::StringRecord;

use crate::demo::DemoError;
use crate::demo::folder::column::{Facts, Kind, round_up};
use crate::demo::folder::files::DataFile;
use crate::words::is_sql_name;

/// The most that a manifest takes.
const MAX_ROWS_PER_UNIT: u32 = 1_000;

/// One drafted table.
pub(super) struct Table<'a> {
    pub name: String,
    pub files: &'a [DataFile],
    pub holders: Vec<Name>,
    pub unit_column: String,
    pub rows_per_unit: u32,
    /// Those that can be asked about.
    pub columns: Vec<(String, Kind)>,
    /// Names of the others.
    pub left_out: Vec<String>,
}

/// All different units of all tables.
#[derive(Default)]
pub(super) struct Units(HashSet<String>);

impl Units {
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }
}

pub(super) fn scan<'a>(
    name: String,
    files: &'a [DataFile],
    unit_column: &str,
    units: &mut Units,
) -> Result<Table<'a>, DemoError> {
    let header = files[0].header();
    let (wanted, mut left_out): (Vec<String>, Vec<String>) = header
        .iter()
        .filter(|name| !name.eq_ignore_ascii_case(unit_column))
        .cloned()
        .partition(|name| is_sql_name(name) && files.iter().all(|file| file.place(name).is_some()));
    let mut facts: Vec<Facts> = wanted.iter().map(|_| Facts::new()).collect();
    let mut most_rows = 1;
    for file in files {
        let places: Vec<usize> = wanted.iter().filter_map(|name| file.place(name)).collect();
        let mut rows_of: HashMap<String, u32> = HashMap::new();
        for_each_row(file, unit_column, |unit, row| {
            match rows_of.get_mut(unit) {
                Some(rows) => *rows += 1,
                None => {
                    rows_of.insert(unit.to_owned(), 1);
                }
            }
            for (facts, place) in facts.iter_mut().zip(&places) {
                facts.see(&row[*place]);
            }
        })?;
        most_rows = rows_of.values().copied().max().unwrap_or(1).max(most_rows);
        if most_rows > MAX_ROWS_PER_UNIT {
            return Err(DemoError::Folder {
                path: file.path.clone(),
                message: format!("one {unit_column} has more than {MAX_ROWS_PER_UNIT} rows"),
                remedy: "is that the id of a person or household? Name another column with --unit".into(),
            });
        }
        units.0.extend(rows_of.into_keys());
    }
    let mut columns = Vec::new();
    for (name, facts) in wanted.into_iter().zip(facts) {
        match facts.kind() {
            Some(kind) => columns.push((name, kind)),
            None => left_out.push(name),
        }
    }
    Ok(Table {
        name,
        files,
        holders: files.iter().map(|file| file.agency.clone()).collect(),
        unit_column: unit_column.to_owned(),
        // A round bound does not tell the largest unit's rows.
        rows_per_unit: round_up(most_rows.into()) as u32,
        columns,
        left_out,
    })
}

/// Calls `row` with the unit and the fields of every row that has a unit.
pub(super) fn for_each_row(
    file: &DataFile,
    unit_column: &str,
    mut row: impl FnMut(&str, &StringRecord),
) -> Result<(), DemoError> {
    let unit = file.place(unit_column).expect("choose_unit found the column in every file");
    let mut reader = file.reader()?;
    let mut record = StringRecord::new();
    while reader.read_record(&mut record).map_err(|source| file.malformed(source))? {
        let id = record[unit].trim();
        if !id.is_empty() {
            row(id, &record);
        }
    }
    Ok(())
}
