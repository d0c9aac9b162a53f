//! Reads every table that an agency holds, whole and once.

use std::path::Path;

use almoner_federation::{Digest, Manifest, Name, Table};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use ring::hmac;

use crate::bounding::bound;
use crate::folder::{self, Format};
use crate::placing::place;
use crate::report::{LoadReport, TableReport};
use crate::rows::{self, Rows};
use crate::snapshot::{FileDigest, snapshot};
use crate::{SourceError, csv_file, parquet_file};

/// One table in memory, bounded; where it has the territory's column, with the placement of each row's unit last.
pub(crate) struct Loaded {
    /// The manifest's spelling.
    pub name: String,
    pub schema: SchemaRef,
    pub batches: Vec<RecordBatch>,
}

/// All tables that `agency` holds, the name of this state of its files, and what to tell the data officer.
pub(crate) fn load(
    folder: &Path,
    manifest: &Manifest,
    agency: &Name,
    key: &hmac::Key,
) -> Result<(Vec<Loaded>, Digest, LoadReport), SourceError> {
    if manifest.agency_named(agency).is_none() {
        return Err(SourceError::Agency { agency: agency.clone() });
    }
    let (mut tables, mut digests, mut report) = (Vec::new(), Vec::new(), LoadReport::default());
    for table in manifest.tables.iter().filter(|table| table.holders.contains(agency)) {
        let (loaded, about) = load_table(folder, manifest, table, key, &mut digests)?;
        tables.push(loaded);
        report.tables.push(about);
    }
    report.territory = manifest.territory.as_ref().map(|territory| place(territory, &mut tables));
    Ok((tables, snapshot(key, digests), report))
}

fn load_table(
    folder: &Path,
    manifest: &Manifest,
    table: &Table,
    key: &hmac::Key,
    digests: &mut Vec<FileDigest>,
) -> Result<(Loaded, TableReport), SourceError> {
    let unit_column = manifest.unit.column.as_str();
    let (files, ignored_files) = folder::find(folder, &table.name)?;
    let schema = rows::schema(unit_column, table);
    let mut rows = Rows::new(SchemaRef::clone(&schema), table);
    for file in &files {
        digests.push(match file.format {
            Format::Csv => csv_file::read(file, unit_column, table, &mut rows)?,
            Format::Parquet => parquet_file::read(file, unit_column, table, &mut rows)?,
        });
    }
    let (batches, about) = rows.finish();
    let bounded = bound(&table.name, batches, table.rows_per_unit, key);
    if bounded.units > manifest.unit.population {
        return Err(SourceError::Population {
            table: table.name.clone(),
            units: bounded.units,
            population: manifest.unit.population,
        });
    }
    let about = TableReport {
        files: files.into_iter().map(|file| file.name).collect(),
        ignored_files,
        units: bounded.units,
        units_over_bound: bounded.units_over_bound,
        rows_over_bound: bounded.rows_over_bound,
        ..about
    };
    Ok((Loaded { name: table.name.clone(), schema, batches: bounded.batches }, about))
}
