//! Reads one Parquet file into rows. Every type that can safely mean a declared one is accepted; one
//! that cannot is an error at the start, not a column full of NULL.

use std::fs::File;

use almoner_federation::{ColumnType, Table};
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, LargeStringArray, UInt64Array,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Float64Type, Int64Type, TimeUnit, UInt64Type};
use datafusion::arrow::error::ArrowError;
use datafusion::parquet::arrow::ProjectionMask;
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::SourceError;
use crate::columns::find_column;
use crate::folder::DataFile;
use crate::rows::{FieldTooLong, MAX_FIELD_BYTES, Rows};
use crate::snapshot::{FileDigest, digest_of};
use crate::value::Value;

const BATCH_ROWS: usize = 8_192;

pub(crate) fn read(
    file: &DataFile,
    unit_column: &str,
    table: &Table,
    rows: &mut Rows,
) -> Result<FileDigest, SourceError> {
    let unreadable = |error: std::io::Error| SourceError::unreadable(&file.path, &error);
    let mut opened = File::open(&file.path).map_err(unreadable)?;
    let (size_bytes, contents) = digest_of(&mut opened).map_err(unreadable)?;
    read_rows(file, opened.try_clone().map_err(unreadable)?, unit_column, table, rows)?;
    // The reader jumps about in the file, so it cannot hash what it reads as the CSV reader does.
    if (size_bytes, contents) != digest_of(&mut opened).map_err(unreadable)? {
        return Err(SourceError::input(
            &file.path,
            None,
            "changed while it was read",
            "start the node when the export is complete",
        ));
    }
    Ok(FileDigest { name: file.name.clone(), size_bytes, contents })
}

fn read_rows(
    file: &DataFile,
    opened: File,
    unit_column: &str,
    table: &Table,
    rows: &mut Rows,
) -> Result<(), SourceError> {
    let corrupt = |error: String| {
        SourceError::input(
            &file.path,
            None,
            format!("is no readable Parquet file ({error})"),
            "export it again",
        )
    };
    let builder = ParquetRecordBatchReaderBuilder::try_new(opened).map_err(|e| corrupt(e.to_string()))?;
    let wanted: Vec<(&str, Option<&ColumnType>)> = std::iter::once((unit_column, None))
        .chain(table.columns.iter().map(|column| (column.name.as_str(), Some(&column.kind))))
        .collect();
    let mut places = Vec::with_capacity(wanted.len());
    for (name, declared) in &wanted {
        let fields = builder.schema().fields();
        let place = find_column(file, None, name, fields.iter().map(|field| field.name().as_str()))?;
        let found = fields[place].data_type();
        if !fits(found, *declared) {
            return Err(SourceError::input(
                &file.path,
                None,
                format!(
                    "column {name} is {found}, which cannot be read as {}",
                    declared.map_or("a unit id", ColumnType::word)
                ),
                "export the column as the type that the manifest declares, or as text",
            ));
        }
        places.push(place);
    }
    let mask = ProjectionMask::roots(builder.parquet_schema(), places.iter().copied());
    let reader = builder
        .with_projection(mask)
        .with_batch_size(BATCH_ROWS)
        .build()
        .map_err(|e| corrupt(e.to_string()))?;
    // The reader yields the projected columns in the order of the file.
    let mut in_file: Vec<usize> = places.clone();
    in_file.sort_unstable();
    let position = |place: &usize| in_file.binary_search(place).expect("every place was projected");
    let order: Vec<usize> = places.iter().map(position).collect();

    let mut row: u64 = 0;
    for batch in reader {
        let batch = batch.map_err(|error| corrupt(error.to_string()))?;
        let fields = order
            .iter()
            .map(|index| Fields::new(batch.column(*index)))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| corrupt(error.to_string()))?;
        for index in 0..batch.num_rows() {
            row += 1;
            rows.push(fields[0].value(index), fields[1..].iter().map(|field| field.value(index))).map_err(
                |FieldTooLong { column }| {
                    SourceError::input(
                        &file.path,
                        Some(row),
                        format!(
                            "a field of column {} is longer than {MAX_FIELD_BYTES} bytes",
                            wanted[column].0
                        ),
                        "leave the column out of the manifest or shorten it",
                    )
                },
            )?;
        }
    }
    Ok(())
}

/// What an Arrow type can say, with the units of a day for those that count time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    Text,
    Decimal,
    Integer,
    Unsigned,
    Float,
    Boolean,
    Day { per_day: i64 },
}

pub(crate) fn class(kind: &DataType) -> Option<Class> {
    const SECONDS: i64 = 86_400;
    match kind {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Some(Class::Text),
        DataType::Decimal32(..)
        | DataType::Decimal64(..)
        | DataType::Decimal128(..)
        | DataType::Decimal256(..) => Some(Class::Decimal),
        DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::UInt8
        | DataType::UInt16
        | DataType::UInt32 => Some(Class::Integer),
        DataType::UInt64 => Some(Class::Unsigned),
        DataType::Float16 | DataType::Float32 | DataType::Float64 => Some(Class::Float),
        DataType::Boolean => Some(Class::Boolean),
        DataType::Date32 => Some(Class::Day { per_day: 1 }),
        DataType::Date64 => Some(Class::Day { per_day: SECONDS * 1_000 }),
        // An instant is a day only where the clock is known: without a zone, or in UTC.
        DataType::Timestamp(unit, zone) if zone.as_deref().is_none_or(is_utc) => Some(Class::Day {
            per_day: SECONDS
                * match unit {
                    TimeUnit::Second => 1,
                    TimeUnit::Millisecond => 1_000,
                    TimeUnit::Microsecond => 1_000_000,
                    TimeUnit::Nanosecond => 1_000_000_000,
                },
        }),
        DataType::Dictionary(_, values) => class(values),
        _ => None,
    }
}

fn is_utc(zone: &str) -> bool {
    ["UTC", "Etc/UTC", "Z", "+00:00"].contains(&zone)
}

/// Whether a column of type `found` can be read as the declared type; `None` declares a unit id.
fn fits(found: &DataType, declared: Option<&ColumnType>) -> bool {
    use Class::{Boolean, Day, Decimal, Float, Integer, Text, Unsigned};
    let Some(found) = class(found) else { return false };
    match declared {
        Some(ColumnType::Text { .. }) => true,
        None | Some(ColumnType::Integer { .. } | ColumnType::Number { .. }) => {
            matches!(found, Text | Decimal | Integer | Unsigned | Float)
        }
        Some(ColumnType::Boolean) => matches!(found, Text | Boolean | Integer | Unsigned),
        Some(ColumnType::Date { .. }) => matches!(found, Text | Day { .. }),
    }
}

/// One column of one batch.
enum Fields {
    Text(LargeStringArray),
    Integer(Int64Array),
    Unsigned(UInt64Array),
    Float(Float64Array),
    Boolean(BooleanArray),
    Day { counts: Int64Array, per_day: i64 },
}

impl Fields {
    /// Widens without loss; a decimal becomes its text, which `Value` reads without rounding twice.
    fn new(array: &ArrayRef) -> Result<Self, ArrowError> {
        if let DataType::Dictionary(_, values) = array.data_type() {
            return Fields::new(&cast(array, values)?);
        }
        Ok(match class(array.data_type()) {
            Some(Class::Text | Class::Decimal) => {
                Fields::Text(cast(array, &DataType::LargeUtf8)?.as_string::<i64>().clone())
            }
            Some(Class::Integer) => Fields::Integer(integers(array)?),
            Some(Class::Unsigned) => Fields::Unsigned(array.as_primitive::<UInt64Type>().clone()),
            Some(Class::Float) => {
                Fields::Float(cast(array, &DataType::Float64)?.as_primitive::<Float64Type>().clone())
            }
            Some(Class::Boolean) => Fields::Boolean(array.as_boolean().clone()),
            Some(Class::Day { per_day }) => {
                // Arrow has no direct cast from 32-bit days to 64-bit integers.
                let array = match array.data_type() {
                    DataType::Date32 => &cast(array, &DataType::Int32)?,
                    _ => array,
                };
                Fields::Day { counts: integers(array)?, per_day }
            }
            None => return Err(ArrowError::CastError("unexpected type".into())),
        })
    }

    fn value(&self, index: usize) -> Value<'_> {
        match self {
            Fields::Text(array) if array.is_valid(index) => Value::Text(array.value(index)),
            Fields::Integer(array) if array.is_valid(index) => Value::Integer(array.value(index).into()),
            Fields::Unsigned(array) if array.is_valid(index) => Value::Integer(array.value(index).into()),
            Fields::Float(array) if array.is_valid(index) => Value::Number(array.value(index)),
            Fields::Boolean(array) if array.is_valid(index) => Value::Boolean(array.value(index)),
            Fields::Day { counts, per_day } if counts.is_valid(index) => {
                Value::Day(counts.value(index).div_euclid(*per_day))
            }
            _ => Value::Missing,
        }
    }
}

fn integers(array: &ArrayRef) -> Result<Int64Array, ArrowError> {
    Ok(cast(array, &DataType::Int64)?.as_primitive::<Int64Type>().clone())
}
