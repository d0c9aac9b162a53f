//! The data of a recipe at its agencies, in this process: the manifest that nodes would pin, with placeholders
//! for keys because nothing is sent, and every agency's source.

use std::fs;
use std::path::{Path, PathBuf};

use almoner_engine::Source;
use almoner_federation::{Digest, Manifest, Name};
use almoner_query::Plan;
use csv::StringRecord;
use tempfile::TempDir;
use toml::Value;

use super::releases::Shares;
use crate::bench::BenchError;
use crate::bench::recipe::Recipe;
use crate::cli_error::CliError;

/// Most agencies of a folder.
const MAX_AGENCIES: usize = 100;

/// Holds whoever is dealt out.
const SECTOR: &str = "disjoint";

/// A manifest and the data behind it.
pub(super) struct Federation {
    pub manifest: Manifest,
    sources: Vec<Source>,
    /// Where dealt-out data lie while they are read.
    _dealt: Option<TempDir>,
}

impl Federation {
    /// Lays the data out and reads them as nodes do.
    pub(super) async fn open(folder: &Path, recipe: &Recipe) -> Result<Federation, CliError> {
        let names = match recipe.agencies {
            Some(count) => (1..=count).map(|number| format!("agency-{number}")).collect(),
            None => folders(folder)?,
        };
        let text = manifest_text(recipe, &names)?;
        let manifest = Manifest::parse(&text, "the recipe as a manifest")?;
        let dealt = match recipe.agencies {
            None => None,
            Some(_) => {
                let dir = tempfile::tempdir()
                    .map_err(|source| CliError::Write { path: std::env::temp_dir(), source })?;
                for table in &recipe.table {
                    deal(folder, recipe, table, &manifest.unit.column, &names, dir.path())?;
                }
                Some(dir)
            }
        };
        let data = dealt.as_ref().map_or(folder, TempDir::path);
        let mut sources = Vec::with_capacity(names.len());
        for agency in &manifest.agencies {
            let place = data.join(agency.name.as_str());
            let source = Source::open(&place, &manifest, &agency.name, &[0; 32]).await;
            sources.push(source.map_err(BenchError::Source)?);
        }
        Ok(Federation { manifest, sources, _dealt: dealt })
    }

    /// The exact sum of all agencies' encoded and scaled cells.
    pub(super) async fn cells(&self, plan: &Plan) -> Result<Vec<i64>, BenchError> {
        if !plan.sketches().is_empty() {
            return Err(BenchError::Statistic {
                sql: plan.canonical_sql().to_owned(),
                message: "a count of distinct units over several agencies has no exact cells".into(),
                remedy: "measure it with `almoner bench distinct`",
            });
        }
        let mut sum = vec![0i64; plan.dimension()];
        for source in &self.sources {
            for (sum, cell) in sum.iter_mut().zip(source.cells(plan).await?.values) {
                *sum = sum.wrapping_add(cell);
            }
        }
        // Linear, and so the same as if every agency had done it.
        plan.encode(&mut sum);
        plan.scale(&mut sum);
        Ok(sum)
    }

    /// Whose noise there is.
    pub(super) fn shares(&self) -> Shares {
        Shares { all: self.manifest.agencies.len() as u32, honest: self.manifest.policy.honest_shares() }
    }
}

/// The names of the agencies' folders, ascending.
fn folders(folder: &Path) -> Result<Vec<String>, CliError> {
    let unreadable = |source| CliError::Read { path: folder.to_owned(), source };
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() && name.parse::<Name>().is_ok() {
            names.push(name.to_owned());
        }
    }
    names.sort();
    if !(2..=MAX_AGENCIES).contains(&names.len()) {
        return Err(BenchError::Input {
            path: folder.to_owned(),
            message: format!("it has {} folders with the name of an agency", names.len()),
            remedy: format!(
                "make one folder (a-z, 0-9, -) for each of 2 to {MAX_AGENCIES} agencies, or write agencies = 9 \
                 in the recipe to deal the units out"
            ),
        }
        .into());
    }
    Ok(names)
}

/// The recipe as a manifest. Its keys are numbers: nothing is signed or sent.
fn manifest_text(recipe: &Recipe, names: &[String]) -> Result<String, CliError> {
    let key = |number: usize| Value::String(format!("{number:064x}"));
    let text = |text: &str| Value::String(text.to_owned());
    let table = |entries: Vec<(&str, Value)>| -> toml::Table {
        entries.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    };
    let dealt = recipe.agencies.is_some() && recipe.sector.is_empty();
    let sectors = if dealt {
        vec![table(vec![("name", text(SECTOR)), ("agencies_per_unit", Value::Integer(1))])]
    } else {
        recipe.sector.clone()
    };
    // Where a recipe names one sector, every agency is in it.
    let sector = match sectors.as_slice() {
        [only] => only.get("name").cloned(),
        _ => None,
    };
    let agencies = names.iter().enumerate().map(|(index, name)| {
        let mut agency = table(vec![
            ("node", Value::Integer(index as i64 + 1)),
            ("name", text(name)),
            ("legal_name", text(name)),
            ("endpoint", text("https://127.0.0.1:1")),
            ("signing_key", key(1_000 + index)),
            ("officer_key", key(2_000_000 + index)),
            ("mask_key", key(1_000_000 + index)),
        ]);
        if let Some(sector) = &sector {
            agency.insert("sector".into(), sector.clone());
        }
        Value::Table(agency)
    });
    let tables = recipe.table.iter().map(|table| {
        let mut table = table.clone();
        table.remove("file");
        Value::Table(table)
    });
    let manifest = table(vec![
        ("federation", Value::Table(table(vec![("id", text("bench")), ("epoch", Value::Integer(0))]))),
        (
            "coordinator",
            Value::Table(table(vec![
                ("name", text("bench")),
                ("endpoint", text("https://127.0.0.1:1")),
                ("signing_key", key(1)),
            ])),
        ),
        ("unit", Value::Table(recipe.unit.clone())),
        (
            "policy",
            Value::Table(table(vec![
                ("delta", Value::Float(1e-9)),
                ("total_rho", Value::Integer(1_000_000)),
                ("quorum", Value::Integer(names.len() as i64)),
                ("colluders", Value::Integer(recipe.colluders.into())),
                ("min_honest", Value::Integer(2)),
            ])),
        ),
        ("sector", Value::Array(sectors.into_iter().map(Value::Table).collect())),
        ("agency", Value::Array(agencies.collect())),
        ("table", Value::Array(tables.collect())),
    ]);
    toml::to_string(&manifest).map_err(|error| CliError::Usage {
        message: format!("the recipe cannot be written as a manifest: {error}"),
        remedy: "see docs/accuracy.md",
    })
}

/// Writes `<into>/<agency>/<table>.csv`, every unit at the agency that the hash of its id says.
fn deal(
    folder: &Path,
    recipe: &Recipe,
    table: &toml::Table,
    unit: &str,
    names: &[String],
    into: &Path,
) -> Result<(), CliError> {
    let name = table.get("name").and_then(Value::as_str).unwrap_or_default();
    let file = table.get("file").and_then(Value::as_str).map_or(format!("{name}.csv"), str::to_owned);
    let path = folder.join(file);
    let wrong = |message: String, remedy: &str| BenchError::Input {
        path: path.clone(),
        message,
        remedy: remedy.to_owned(),
    };
    let malformed = |error: csv::Error| wrong(error.to_string(), "export it again as CSV with a header");
    let mut reader = csv::Reader::from_path(&path).map_err(malformed)?;
    let header = reader.headers().map_err(malformed)?.clone();
    let place = header.iter().position(|column| column.trim().eq_ignore_ascii_case(unit));
    match (place, recipe.rows_are_units) {
        (None, false) => {
            return Err(wrong(
                format!("it has no column {unit}"),
                "name its column in [unit], or write rows_are_units = true",
            )
            .into());
        }
        (Some(_), true) => {
            return Err(wrong(
                format!("it has a column {unit}, so rows are not units"),
                "remove rows_are_units, or name another column in [unit]",
            )
            .into());
        }
        _ => {}
    }
    let mut writers = Vec::with_capacity(names.len());
    for name_of_agency in names {
        let file: PathBuf = into.join(name_of_agency).join(format!("{name}.csv"));
        let failed = |source| CliError::Write { path: file.clone(), source };
        fs::create_dir_all(into.join(name_of_agency)).map_err(failed)?;
        let mut writer = csv::Writer::from_path(&file).map_err(|error| failed(error.into()))?;
        write(&mut writer, place, unit, &header).map_err(failed)?;
        writers.push((writer, file));
    }
    let mut record = StringRecord::new();
    let mut number = 0u64;
    while reader.read_record(&mut record).map_err(malformed)? {
        number += 1;
        let numbered = number.to_string();
        let id = place.map_or(numbered.as_str(), |place| record.get(place).unwrap_or_default().trim());
        let hash = Digest::of(id.as_bytes());
        let at = usize::from(u16::from_be_bytes([hash.0[0], hash.0[1]])) % writers.len();
        let (writer, file) = &mut writers[at];
        write(writer, place, &numbered, &record)
            .map_err(|source| CliError::Write { path: file.clone(), source })?;
    }
    for (writer, file) in &mut writers {
        writer.flush().map_err(|source| CliError::Write { path: file.clone(), source })?;
    }
    Ok(())
}

/// A record, with the unit before it where the file has none.
fn write(
    writer: &mut csv::Writer<fs::File>,
    place: Option<usize>,
    unit: &str,
    record: &StringRecord,
) -> std::io::Result<()> {
    let first = place.is_none().then_some(unit);
    writer.write_record(first.into_iter().chain(record)).map_err(std::io::Error::from)
}
