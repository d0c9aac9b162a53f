//! Reads every table that an agency holds, once, bounds and places its units.

use std::sync::Arc;

use almoner_federation::{Digest, Manifest, Name, Table};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use ring::hmac;

use crate::bounding::bound;
use crate::data_file::{DataFile, Format};
use crate::folder::{self, Tree};
use crate::limits::DataLimits;
use crate::parts::Parts;
use crate::placing::{place, placed_schema};
use crate::report::{LoadReport, TableReport, TerritoryReport};
use crate::rows::{self, Rows};
use crate::runs::Runs;
use crate::snapshot::{FileDigest, snapshot};
use crate::store::{Gathered, Store};
use crate::stored::Stored;
use crate::{SourceError, csv_file, parquet_file};

/// One table in memory; where it is bounded and has the territory's column, with the placement of each row's unit last.
pub(crate) struct Loaded {
    /// The manifest's spelling.
    pub name: String,
    pub schema: SchemaRef,
    pub batches: Vec<RecordBatch>,
}

/// All of an agency's tables, bounded and placed.
pub(crate) enum Tables {
    Memory(Vec<Loaded>),
    /// Each with its name.
    Disk(Vec<(String, Arc<Stored>)>),
}

/// All tables that `agency` holds, the name of this state of its files, and what to tell the data officer.
pub(crate) fn load(
    tree: &dyn Tree,
    manifest: &Manifest,
    agency: &Name,
    key: &hmac::Key,
    limits: Option<&DataLimits>,
) -> Result<(Tables, Digest, LoadReport), SourceError> {
    if manifest.agency_named(agency).is_none() {
        return Err(SourceError::Agency { agency: agency.clone() });
    }
    let held: Vec<&Table> = manifest.tables.iter().filter(|table| table.holders.contains(agency)).collect();
    let (mut store, mut digests, mut reports) = (Store::new(limits), Vec::new(), Vec::new());
    let mut sort = Vec::new();
    for table in &held {
        let (files, ignored) = folder::find(tree, &table.name)?;
        sort.push(partition_columns(table, &files));
        reports.push(read(manifest, table, files, ignored, &mut store, &mut digests)?);
    }
    let settling = Settling { manifest, held: &held, key };
    let mut report = LoadReport { tables: reports, ..LoadReport::default() };
    let tables = match store.finish()? {
        Gathered::Memory(batches) => Tables::Memory(settling.settle(batches, &mut report)),
        Gathered::Disk(parts) => Tables::Disk(settling.settle_parts(parts, &sort, &mut report)?),
    };
    settling.check_population(&report)?;
    Ok((tables, snapshot(key, digests), report))
}

/// Reads the files of one table into the store.
fn read(
    manifest: &Manifest,
    table: &Table,
    files: Vec<DataFile>,
    ignored_files: Vec<String>,
    store: &mut Store<'_>,
    digests: &mut Vec<FileDigest>,
) -> Result<TableReport, SourceError> {
    let unit_column = manifest.unit.column.as_str();
    let schema = rows::schema(unit_column, table);
    store.next_table(&schema)?;
    let mut rows = Rows::new(schema, table, store);
    for file in &files {
        digests.push(match file.format {
            Format::Csv => csv_file::read(file, unit_column, table, &mut rows)?,
            Format::Parquet => parquet_file::read(file, unit_column, table, &mut rows)?,
        });
    }
    let report = rows.finish(table)?;
    Ok(TableReport { files: files.into_iter().map(|file| file.name).collect(), ignored_files, ..report })
}

/// The columns that the table's folders are named by, outer before inner: whoever laid them out so selects by them.
fn partition_columns(table: &Table, files: &[DataFile]) -> Vec<usize> {
    let Some(first) = files.first() else { return Vec::new() };
    let place = |name: &str| {
        table
            .columns
            .iter()
            .position(|column| column.name.eq_ignore_ascii_case(name.trim()))
            .map(|place| place + 1)
    };
    first.fields.iter().filter_map(|field| place(&field.column)).collect()
}

/// Bounds and places units, all rows of which are together.
struct Settling<'a> {
    manifest: &'a Manifest,
    held: &'a [&'a Table],
    key: &'a hmac::Key,
}

impl Settling<'_> {
    /// Settles some units, of whom these are all rows in each table, and adds to the report.
    fn settle(&self, tables: Vec<Vec<RecordBatch>>, report: &mut LoadReport) -> Vec<Loaded> {
        let unit_column = self.manifest.unit.column.as_str();
        let mut loaded = Vec::with_capacity(tables.len());
        for ((table, batches), about) in self.held.iter().zip(tables).zip(&mut report.tables) {
            let bounded = bound(&table.name, batches, table.rows_per_unit, self.key);
            about.units += bounded.units;
            about.units_over_bound += bounded.units_over_bound;
            about.rows_over_bound += bounded.rows_over_bound;
            let schema = rows::schema(unit_column, table);
            loaded.push(Loaded { name: table.name.clone(), schema, batches: bounded.batches });
        }
        if let Some(territory) = &self.manifest.territory {
            let own = place(territory, &mut loaded);
            let all =
                report.territory.get_or_insert(TerritoryReport { column: own.column, ..Default::default() });
            all.units_in_several += own.units_in_several;
            all.units_nowhere += own.units_nowhere;
            all.rows_elsewhere += own.rows_elsewhere;
        }
        loaded
    }

    /// Settles one part after another and writes it to the tables' final files.
    fn settle_parts(
        &self,
        parts: Parts<'_>,
        partition_columns: &[Vec<usize>],
        report: &mut LoadReport,
    ) -> Result<Vec<(String, Arc<Stored>)>, SourceError> {
        let layout = parts.schemas.iter().zip(partition_columns).map(|(schema, columns)| {
            let (schema, placement) = match &self.manifest.territory {
                Some(territory) => placed_schema(territory, schema),
                None => (SchemaRef::clone(schema), None),
            };
            (schema, placement.into_iter().chain(columns.iter().copied()).collect())
        });
        let mut runs = Runs::new(parts.limits, layout)?;
        parts.each(|tables| {
            let (tables, bytes): (Vec<_>, Vec<_>) = tables.into_iter().unzip();
            let settled = self.settle(tables, report);
            let mut settled = settled.into_iter().zip(bytes).enumerate();
            settled.try_for_each(|(index, (table, bytes))| runs.push(index, table.batches, bytes))
        })?;
        let stored = runs.finish()?;
        report.on_disk_bytes = Some(stored.iter().map(|table| table.size_bytes()).sum());
        let names = self.held.iter().map(|table| table.name.clone());
        Ok(names.zip(stored).collect())
    }

    fn check_population(&self, report: &LoadReport) -> Result<(), SourceError> {
        let population = self.manifest.unit.population;
        match report.tables.iter().find(|table| table.units > population) {
            Some(table) => {
                Err(SourceError::Population { table: table.table.clone(), units: table.units, population })
            }
            None => Ok(()),
        }
    }
}
