//! `almoner manifest draft`: a federation.toml out of file headers alone. What a header cannot tell is left as a
//! question that `almoner manifest check` lists: ranges, domains, the unit and who is where are known to law and
//! code book. No row is read for the draft, because a range taken from records tells about the records.

mod folder;
mod notes;
mod table;
mod write;

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use almoner_federation::{Name, UnitKind};
use clap::Args;

use crate::cli_error::CliError;
use crate::output::print;
use crate::words::is_sql_name;
use folder::Layout;
use table::{Drafted, draft_tables};

/// Most units that a manifest takes.
const MAX_POPULATION: u64 = 10_000_000_000;

#[derive(Args)]
pub(crate) struct Draft {
    /// A folder of *.csv and *.parquet files, one a table; or of one such folder for each agency.
    folder: PathBuf,
    #[command(flatten)]
    answers: Answers,
    /// A new file for the draft; standard output when left out.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// What the person who drafts knows already; all else becomes a question.
#[derive(Args, Default)]
struct Answers {
    /// The federation's id.
    #[arg(long, value_name = "ID")]
    federation: Option<Name>,
    /// The column of the protected unit's id; tables without it are left out.
    #[arg(long, value_name = "COLUMN")]
    unit: Option<String>,
    /// Whom the budget protects: person or household.
    #[arg(long, value_name = "KIND", value_parser = unit_kind)]
    kind: Option<UnitKind>,
    /// An official upper bound on the units of the whole federation.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=MAX_POPULATION))]
    population: Option<u64>,
    /// The agencies, when the folder has none of their own and all hold every table.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    agencies: Vec<Name>,
    /// At how many agencies one unit may have records.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    agencies_per_unit: Option<u32>,
    /// All files are parts of one table of this name.
    #[arg(long, value_name = "NAME")]
    table: Option<String>,
    /// The only columns that may ever be asked about.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    columns: Vec<String>,
}

fn unit_kind(word: &str) -> Result<UnitKind, &'static str> {
    match word {
        "person" => Ok(UnitKind::Person),
        "household" => Ok(UnitKind::Household),
        _ => Err("write person or household"),
    }
}

impl Draft {
    pub(super) fn run(self) -> Result<(), CliError> {
        let text = draft(&self.folder, &self.answers)?;
        let Some(out) = self.out else { return print(&text) };
        let written = OpenOptions::new().write(true).create_new(true).open(&out);
        match written.and_then(|mut file| file.write_all(text.as_bytes())) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Err(CliError::Usage {
                message: format!("{} exists already", out.display()),
                remedy: "choose another name for the draft",
            }),
            Err(source) => Err(CliError::Write { path: out, source }),
            Ok(()) => Ok(()),
        }
    }
}

/// The whole draft. It depends on the names of `folder`'s files and on their headers, and on nothing else in them.
fn draft(folder: &Path, answers: &Answers) -> Result<String, CliError> {
    for name in answers.unit.iter().chain(&answers.table).chain(&answers.columns) {
        if !is_sql_name(name) {
            return Err(CliError::Usage {
                message: format!("{name:?} is not an SQL name"),
                remedy: "use 1 to 63 ASCII letters, digits and '_', not beginning with a digit",
            });
        }
    }
    let layout = Layout::find(folder, answers.table.as_deref(), &answers.agencies)?;
    let Drafted { tables, without_unit } = draft_tables(&layout, answers)?;
    Ok(write::manifest(&layout, &tables, &without_unit, answers))
}

#[cfg(test)]
mod tests;
