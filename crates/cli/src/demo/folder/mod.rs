//! A demo over somebody's own CSV files, one an agency. It looks into the data to draft the manifest,
//! which only a demo may do: ranges and domains that come from records tell about the records. In a
//! federation they come from law and code books.

mod column;
mod files;
mod questions;
mod scan;

use std::fmt::Write;
use std::path::Path;

use almoner_federation::{PicoRho, UnitKind};

use crate::demo::DemoError;
use crate::demo::scenario::Scenario;
use crate::words::is_sql_name;
use files::{DataFile, list};
use scan::{Table, scan};

/// Names under which a person's or household's id is looked for, in this order.
const UNIT_COLUMNS: [&str; 5] = ["person_id", "pid", "hid", "household_id", "id"];

/// The table's name when all files have the same columns.
const COMMON_TABLE: &str = "records";

/// Drafts a federation over the `*.csv` files of `data`, one agency each, and lays their tables out under
/// `dir`, one folder an agency. `unit` names the column of the privacy unit; without it the first of the
/// usual names that all files have is taken. `disjoint` states that no unit is in two files.
///
/// # Errors
/// [`DemoError`] naming the file that cannot be used and what to do.
pub fn scenario(data: &Path, unit: Option<&str>, disjoint: bool, dir: &Path) -> Result<Scenario, DemoError> {
    let (files, mut notes) = list(data)?;
    let unit_column = choose_unit(data, &files, unit)?;
    let common = files.windows(2).all(|pair| pair[0].columns() == pair[1].columns());
    let groups: Vec<(String, &[DataFile])> = if common {
        vec![(COMMON_TABLE.to_owned(), &files[..])]
    } else {
        files.chunks(1).map(|file| (file[0].table.clone(), file)).collect()
    };

    let mut units = scan::Units::default();
    let mut tables = Vec::new();
    for (name, files) in groups {
        for file in files {
            file.lay_out(&dir.join(file.agency.as_str()), &name)?;
        }
        let table = scan(name, files, &unit_column, &mut units)?;
        notes.extend(table.left_out.iter().map(|column| {
            format!(
                "column {column:?} of table {} is left out: empty, or its name is no SQL name",
                table.name
            )
        }));
        tables.push(table);
    }
    if let Some(table) = tables.iter().find(|table| table.columns.is_empty()) {
        return Err(DemoError::Folder {
            path: data.to_owned(),
            message: format!("table {} has no column to ask about besides {unit_column}", table.name),
            remedy: "give each file a header of plain names and at least one filled column".into(),
        });
    }
    if common && !disjoint {
        notes.push(format!(
            "one {unit_column} may be in all {} files, which multiplies the noise by as much; if none is in \
             two, say --disjoint",
            files.len()
        ));
    }
    notes.push(
        "RANGES AND DOMAINS WERE READ FROM THE DATA, for this demo only: in a federation they come from \
         law and code books, because a range taken from records tells about the records"
            .into(),
    );
    Ok(Scenario {
        federation: "demo".parse().expect("a lowercase word is a name"),
        agencies: files.iter().map(|file| (file.agency.clone(), file.file_name())).collect(),
        unit: unit_kind(&unit_column),
        unit_column,
        population: column::power_of_ten(units.count() as f64) as u64,
        disjoint,
        total_rho: PicoRho::new(1_000_000_000_000),
        tables: tables.iter().map(|table| declare(table, tables.len() > 1)).collect(),
        questions: questions::draft(&tables)?,
        too_much: questions::too_much(&tables),
        notes,
    })
}

/// Whether a column's name speaks of households.
fn unit_kind(column: &str) -> UnitKind {
    let name = column.to_ascii_lowercase();
    if name.starts_with('h') || name.contains("house") { UnitKind::Household } else { UnitKind::Person }
}

fn choose_unit(data: &Path, files: &[DataFile], asked: Option<&str>) -> Result<String, DemoError> {
    let everywhere = |name: &str| files.iter().all(|file| file.place(name).is_some());
    let found = match asked {
        Some(name) => Some(name).filter(|name| everywhere(name)),
        None => UNIT_COLUMNS.into_iter().find(|name| everywhere(name)),
    };
    match found {
        Some(name) if is_sql_name(name) => Ok(name.to_owned()),
        Some(name) => Err(DemoError::Folder {
            path: data.to_owned(),
            message: format!("{name:?} is not an SQL name"),
            remedy: "rename the column to letters, digits and '_'".into(),
        }),
        None => Err(DemoError::Folder {
            path: data.to_owned(),
            message: match asked {
                Some(name) => format!("not every file has the column {name}"),
                None => format!("the files share no id column: looked for {}", UNIT_COLUMNS.join(", ")),
            },
            remedy: "name the column that carries the person or household in every file with --unit".into(),
        }),
    }
}

/// A table's entry in `federation.toml`.
fn declare(table: &Table, names_holders: bool) -> String {
    let mut text = format!("[[table]]\nname = \"{}\"\nrows_per_unit = {}\n", table.name, table.rows_per_unit);
    if names_holders {
        let holders: Vec<String> = table.holders.iter().map(|name| format!("\"{name}\"")).collect();
        let _ = writeln!(text, "agencies = [{}]", holders.join(", "));
    }
    for (name, kind) in &table.columns {
        let _ = write!(text, "\n[[table.column]]\nname = \"{name}\"\n{}", kind.declare());
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests;
