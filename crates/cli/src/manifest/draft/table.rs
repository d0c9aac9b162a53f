//! The columns that a table can declare: those that stand once, under an SQL name, in every file of it.

use std::collections::{BTreeMap, BTreeSet};

use almoner_engine::{HeaderColumn, HeaderType, header};

use super::Answers;
use super::folder::{Layout, TableFiles};
use super::notes::{Notes, shown};
use crate::cli_error::CliError;
use crate::words::is_sql_name;

/// As in a manifest.
const MAX_COLUMNS: usize = 500;

/// Every table of the folder.
pub(super) struct Drafted<'a> {
    pub tables: Vec<Table<'a>>,
    /// Tables that cannot be asked about, and why, for people.
    pub without_unit: Notes,
}

/// One table with what its headers say.
pub(super) struct Table<'a> {
    pub files: &'a TableFiles,
    pub columns: Vec<HeaderColumn>,
    /// Columns that cannot be declared, and why, for people.
    pub left_out: Notes,
}

/// Reads the header of every file.
pub(super) fn draft_tables<'a>(layout: &'a Layout, answers: &Answers) -> Result<Drafted<'a>, CliError> {
    let mut drafted = Drafted { tables: Vec::new(), without_unit: Notes::default() };
    for files in &layout.tables {
        match draft_table(files, answers)? {
            Ok(table) => drafted.tables.push(table),
            Err(reason) => drafted.without_unit.add(reason),
        }
    }
    if let (true, Some(unit)) = (drafted.tables.is_empty(), &answers.unit) {
        return Err(CliError::Usage {
            message: format!("no table has one column {unit} in all its files"),
            remedy: "name with --unit the column of the unit's id, which every table has to carry",
        });
    }
    let found = |wanted: &str| {
        let has =
            |table: &Table<'_>| table.columns.iter().any(|column| column.name.eq_ignore_ascii_case(wanted));
        drafted.tables.iter().any(has)
    };
    match answers.columns.iter().find(|wanted| !found(wanted)) {
        Some(wanted) => Err(CliError::Usage {
            message: format!(
                "no table has a column {wanted} that could be declared, besides the unit's, once in each file"
            ),
            remedy: "correct --columns, or draft without it to see the columns there are",
        }),
        None => Ok(drafted),
    }
}

/// A table, or why it has no unit.
fn draft_table<'a>(files: &'a TableFiles, answers: &Answers) -> Result<Result<Table<'a>, String>, CliError> {
    let mut columns: Vec<HeaderColumn> = Vec::new();
    let mut left_out = Notes::default();
    for (index, file) in files.files.iter().enumerate() {
        let own = header(&file.path)?;
        if let Some(unit) = &answers.unit {
            let times = own.iter().filter(|column| column.name.eq_ignore_ascii_case(unit)).count();
            if times != 1 {
                let times = if times == 0 { "no column" } else { "more than one column" };
                return Ok(Err(format!("{}: {} has {times} {unit}", files.name, shown(&file.shown))));
            }
        }
        let own = declarable(own, answers, &file.shown, &mut left_out);
        columns = if index == 0 { own } else { shared(columns, own, &file.shown, &mut left_out) };
    }
    if columns.len() > MAX_COLUMNS {
        return Err(CliError::Usage {
            message: format!("table {} has {} columns, more than {MAX_COLUMNS}", files.name, columns.len()),
            remedy: "name those that are to be asked about with --columns",
        });
    }
    Ok(Ok(Table { files, columns, left_out }))
}

/// Whether the column may be declared at all: the unit's own can never be asked about.
fn wanted(name: &str, answers: &Answers) -> bool {
    let is = |other: &String| other.eq_ignore_ascii_case(name);
    !answers.unit.as_ref().is_some_and(is) && (answers.columns.is_empty() || answers.columns.iter().any(is))
}

/// One file's columns that are wanted, without those that no manifest or node takes.
fn declarable(
    own: Vec<HeaderColumn>,
    answers: &Answers,
    file: &str,
    left_out: &mut Notes,
) -> Vec<HeaderColumn> {
    let (mut once, mut twice) = (BTreeSet::new(), BTreeSet::new());
    for name in own.iter().map(|column| column.name.to_ascii_lowercase()) {
        if !once.insert(name.clone()) {
            twice.insert(name);
        }
    }
    let (mut columns, mut told) = (Vec::new(), BTreeSet::new());
    for (place, column) in own.into_iter().enumerate() {
        // Without the unit's name nothing tells a header from a first row of words.
        let name = match answers.unit {
            Some(_) => shown(&column.name),
            None => format!("the name of column {}", place + 1),
        };
        let folded = column.name.to_ascii_lowercase();
        let problem = if !wanted(&column.name, answers) {
            continue;
        } else if column.name.is_empty() {
            format!("column {} has no name", place + 1)
        } else if !is_sql_name(&column.name) {
            format!("{name} is no SQL name: use letters, digits and '_', beginning with a letter")
        } else if twice.contains(&folded) {
            if !told.insert(folded) {
                continue;
            }
            format!("{name} stands twice: rename one of the two; case makes no difference")
        } else if let HeaderType::Other(kind) = &column.says {
            format!("{name} is {}, which no node reads: export it as text or number", shown(kind))
        } else {
            columns.push(column);
            continue;
        };
        left_out.add(format!("{}: {problem}", shown(file)));
    }
    columns
}

/// The columns of both, because a node refuses a file that lacks a declared one.
fn shared(
    columns: Vec<HeaderColumn>,
    own: Vec<HeaderColumn>,
    file: &str,
    left_out: &mut Notes,
) -> Vec<HeaderColumn> {
    let key = |column: &HeaderColumn| column.name.to_ascii_lowercase();
    let mut others: BTreeMap<String, HeaderColumn> =
        own.into_iter().map(|column| (key(&column), column)).collect();
    let mut both = Vec::new();
    for mut column in columns {
        let name = &column.name;
        match others.remove(&key(&column)).map(|other| agreed(&column.says, other.says)) {
            None => left_out.add(format!("{name} cannot be declared: {} lacks it", shown(file))),
            Some(None) => {
                left_out.add(format!("{name} is of another type in {}: export it alike", shown(file)))
            }
            Some(Some(says)) => {
                column.says = says;
                both.push(column);
            }
        }
    }
    for column in others.into_values() {
        left_out.add(format!("{} of {} is not in every file", column.name, shown(file)));
    }
    both
}

/// What two headers say together; `None` when they contradict each other.
fn agreed(one: &HeaderType, other: HeaderType) -> Option<HeaderType> {
    match (one, other) {
        (one, other) if *one == other => Some(other),
        (HeaderType::Nothing, other) => Some(other),
        (one, HeaderType::Nothing) => Some(one.clone()),
        (HeaderType::Integer, HeaderType::Number) | (HeaderType::Number, HeaderType::Integer) => {
            Some(HeaderType::Number)
        }
        _ => None,
    }
}
