//! Places each unit in one territory at the most, so that a question about some territories can leave out everybody
//! else altogether.
//!
//! A unit is placed where most of its rows are that bounding left, in all tables with the territory's column
//! together; among territories with equally many, in that of the smallest number. Rows whose territory is NULL or
//! outside of the domain have no say, and a unit with no other rows is placed nowhere. Like bounding it depends on
//! nothing but the unit's own rows: adding or removing another unit moves nobody.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

use almoner_federation::Territory;
use almoner_query::PLACEMENT_COLUMN;
use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray, UInt16Array};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::load::Loaded;
use crate::report::TerritoryReport;

/// In how many rows a unit is in each territory in which it is at all; few.
type Tally = Vec<(u16, u32)>;

/// Adds to every table with the territory's column the number of the territory in which the row's unit is placed.
pub(crate) fn place(territory: &Territory, tables: &mut [Loaded]) -> TerritoryReport {
    let (columns, report) = placements(territory, tables);
    for (table, arrays) in tables.iter_mut().zip(columns) {
        let Some(arrays) = arrays else { continue };
        table.schema = placed_schema(territory, &table.schema).0;
        for (batch, array) in table.batches.iter_mut().zip(arrays) {
            let columns = batch.columns().iter().cloned().chain([array]).collect();
            *batch = RecordBatch::try_new(Arc::clone(&table.schema), columns)
                .expect("the added column has a number or NULL for every row");
        }
    }
    report
}

/// What the schema of a table becomes, and where the placement stands in it if it has one.
pub(crate) fn placed_schema(territory: &Territory, schema: &SchemaRef) -> (SchemaRef, Option<usize>) {
    if column(territory, schema).is_none() {
        return (Arc::clone(schema), None);
    }
    let added = Arc::new(Field::new(PLACEMENT_COLUMN, DataType::UInt16, true));
    let fields: Vec<_> = schema.fields().iter().cloned().chain([added]).collect();
    (Arc::new(Schema::new(fields)), Some(schema.fields().len()))
}

/// For each table with the column, each batch's placements.
fn placements(territory: &Territory, tables: &[Loaded]) -> (Vec<Option<Vec<ArrayRef>>>, TerritoryReport) {
    let numbers: HashMap<&str, u16> = territory.names.iter().map(String::as_str).zip(0u16..).collect();
    let number = |text: Option<&str>| text.and_then(|text| numbers.get(text)).copied();
    let mut tallies: HashMap<&str, Tally> = HashMap::new();
    for table in tables {
        let Some(column) = column(territory, &table.schema) else { continue };
        for (id, own) in table.batches.iter().flat_map(|batch| rows(batch, column)) {
            let tally = tallies.entry(id).or_default();
            let Some(own) = number(own) else { continue };
            match tally.iter_mut().find(|(other, _)| *other == own) {
                Some((_, rows)) => *rows = rows.saturating_add(1),
                None => {
                    tally.reserve_exact(1);
                    tally.push((own, 1));
                }
            }
        }
    }
    let mut report = TerritoryReport {
        column: territory.column.clone(),
        units_in_several: tallies.values().filter(|tally| tally.len() > 1).count() as u64,
        units_nowhere: tallies.values().filter(|tally| tally.is_empty()).count() as u64,
        rows_elsewhere: 0,
    };
    let columns = tables.iter().map(|table| {
        let column = column(territory, &table.schema)?;
        let placed = |batch: &RecordBatch| {
            let homes = rows(batch, column).map(|(id, own)| {
                let home = home(&tallies[id]);
                report.rows_elsewhere += u64::from(number(own).is_some_and(|own| Some(own) != home));
                home
            });
            Arc::new(homes.collect::<UInt16Array>()) as ArrayRef
        };
        Some(table.batches.iter().map(placed).collect())
    });
    let columns = columns.collect();
    (columns, report)
}

/// Where most rows are; where equally many are, the smallest number.
fn home(tally: &[(u16, u32)]) -> Option<u16> {
    tally.iter().max_by_key(|(number, rows)| (*rows, Reverse(*number))).map(|(number, _)| *number)
}

/// The place of the territory's column in a table that has it. The first column is the unit.
fn column(territory: &Territory, schema: &SchemaRef) -> Option<usize> {
    schema.fields().iter().position(|field| field.name().eq_ignore_ascii_case(&territory.column))
}

/// Each row's unit and territory as it is written.
fn rows(batch: &RecordBatch, column: usize) -> impl Iterator<Item = (&str, Option<&str>)> {
    let (ids, own): (&StringArray, &StringArray) =
        (batch.column(0).as_string(), batch.column(column).as_string());
    (0..batch.num_rows()).map(|row| (ids.value(row), own.is_valid(row).then(|| own.value(row))))
}
