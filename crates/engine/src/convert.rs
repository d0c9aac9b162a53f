//! Columns of a Parquet file to columns of the declared types, whole columns at a time where the file's type
//! already says it. The results are those of [`Value`], field by field.

use std::fmt::Write;
use std::sync::Arc;

use almoner_federation::ColumnType;
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Date32Array, Float64Array, Int64Array, LargeStringArray,
    RecordBatch, StringArray, StringBuilder, UInt64Array,
};
use datafusion::arrow::compute::{cast, filter};
use datafusion::arrow::datatypes::{DataType, Date32Type, Float64Type, Int64Type, SchemaRef, UInt64Type};
use datafusion::arrow::error::ArrowError;

use crate::parquet_file::{Class, class};
use crate::rows::{Chunk, Column, Counts, MAX_FIELD_BYTES};
use crate::value::Value;

/// A column as it comes: of the batch, or one text for all rows.
#[derive(Debug, Clone)]
pub(crate) enum Raw {
    Array(ArrayRef),
    Constant(String),
}

/// Why a batch could not be converted.
#[derive(Debug)]
pub(crate) enum Unconverted {
    /// Arrow could not widen a column.
    Arrow(ArrowError),
    /// A text field is longer than [`MAX_FIELD_BYTES`].
    FieldTooLong {
        /// The row of the batch, from 0.
        row: usize,
        /// 0 for the unit, then the manifest's columns from 1.
        column: usize,
    },
}

impl From<ArrowError> for Unconverted {
    fn from(error: ArrowError) -> Self {
        Unconverted::Arrow(error)
    }
}

/// The rows of a batch that have a unit, typed. `raw` begins with the unit's column; the others are as `kinds` and
/// the later fields of `schema`.
pub(crate) fn chunk(
    schema: &SchemaRef,
    kinds: &[ColumnType],
    raw: &[Raw],
    rows: usize,
) -> Result<Chunk, Unconverted> {
    let ids = Fields::of(&raw[0], rows, None)?;
    let (units, kept) = units(&ids, rows);
    let keep = (kept.len() < rows).then(|| {
        let mut keep = vec![false; rows];
        kept.iter().for_each(|row| keep[*row] = true);
        BooleanArray::from(keep)
    });
    let fields = raw[1..].iter().map(|raw| Fields::of(raw, kept.len(), keep.as_ref()));
    let fields = fields.collect::<Result<Vec<_>, _>>()?;
    let too_long = |(column, row): (usize, Option<usize>)| row.map(|row| (row, column));
    let of_ids = kept.iter().copied().find(|row| ids.is_too_long(*row));
    let others = fields
        .iter()
        .enumerate()
        .map(|(index, fields)| (index + 1, fields.first_too_long().map(|place| kept[place])));
    if let Some((row, column)) = std::iter::once((0, of_ids)).chain(others).filter_map(too_long).min() {
        return Err(Unconverted::FieldTooLong { row, column });
    }
    let mut arrays: Vec<ArrayRef> = vec![Arc::new(units)];
    let mut counts = Vec::with_capacity(kinds.len());
    for (fields, kind) in fields.iter().zip(kinds) {
        let (array, count) = typed(fields, kind, kept.len())?;
        arrays.push(array);
        counts.push(count);
    }
    arrays.iter_mut().for_each(Array::shrink_to_fit);
    let batch = RecordBatch::try_new(Arc::clone(schema), arrays)?;
    Ok(Chunk { batch, rows_without_unit: (rows - kept.len()) as u64, counts })
}

/// The units' ids, and the rows that have one.
fn units(fields: &Fields, rows: usize) -> (StringArray, Vec<usize>) {
    let mut ids = StringBuilder::with_capacity(rows, rows * 12);
    let mut kept = Vec::with_capacity(rows);
    for row in 0..rows {
        match fields.value(row) {
            // What `Value::unit_id` gives, without a string of its own for each row.
            Value::Integer(id) => {
                write!(ids, "{id}").expect("memory takes any text");
                ids.append_value("");
            }
            value => match value.unit_id() {
                Some(id) => ids.append_value(id),
                None => continue,
            },
        }
        kept.push(row);
    }
    (ids.finish(), kept)
}

/// A column of the declared type, and how many of its fields became NULL.
fn typed(fields: &Fields, kind: &ColumnType, rows: usize) -> Result<(ArrayRef, Counts), ArrowError> {
    let (array, empty): (ArrayRef, usize) = match (fields, kind) {
        (Fields::Integer(array), ColumnType::Integer { .. }) => (Arc::new(array.clone()), array.null_count()),
        (Fields::Integer(array), ColumnType::Number { .. }) => {
            let numbers: Float64Array = array.unary_opt(|value| Value::Integer(value.into()).number());
            (Arc::new(numbers), array.null_count())
        }
        (Fields::Float(array), ColumnType::Number { .. }) => {
            let numbers: Float64Array = array.unary_opt(|value| Value::Number(value).number());
            (Arc::new(numbers), array.null_count())
        }
        (Fields::Boolean(array), ColumnType::Boolean) => (Arc::new(array.clone()), array.null_count()),
        (Fields::Day { counts, per_day: 1 }, ColumnType::Date { .. }) => {
            let days: Date32Array = counts.unary_opt(|day| Value::Day(day).date());
            (Arc::new(days), counts.null_count())
        }
        (Fields::Text(array), ColumnType::Text { .. }) if !has_empty(array) => {
            (cast(array, &DataType::Utf8)?, array.null_count())
        }
        _ => return Ok(one_by_one(fields, kind, rows)),
    };
    let unreadable = array.null_count() - empty;
    Ok((array, Counts { empty: empty as u64, unreadable: unreadable as u64 }))
}

fn has_empty(array: &LargeStringArray) -> bool {
    (0..array.len()).any(|row| array.value_length(row) == 0 && array.is_valid(row))
}

/// The same for every other pair of types.
fn one_by_one(fields: &Fields, kind: &ColumnType, rows: usize) -> (ArrayRef, Counts) {
    let (mut column, mut counts) = (Column::new(kind), Counts::default());
    for row in 0..rows {
        let value = fields.value(row);
        if !column.push(value) {
            counts.add(value);
        }
    }
    (column.finish(), counts)
}

/// One column of one batch.
enum Fields {
    Text(LargeStringArray),
    Integer(Int64Array),
    Unsigned(UInt64Array),
    Float(Float64Array),
    Boolean(BooleanArray),
    Day { counts: Int64Array, per_day: i64 },
    Constant { text: String, rows: usize },
}

impl Fields {
    /// The rows that `keep` has, widened without loss. `rows` are left.
    fn of(raw: &Raw, rows: usize, keep: Option<&BooleanArray>) -> Result<Self, ArrowError> {
        match (raw, keep) {
            (Raw::Constant(text), _) => Ok(Fields::Constant { text: text.clone(), rows }),
            (Raw::Array(array), None) => Fields::widened(array),
            (Raw::Array(array), Some(keep)) => Fields::widened(&filter(array, keep)?),
        }
    }

    /// A decimal becomes its text, which `Value` reads without rounding twice.
    fn widened(array: &ArrayRef) -> Result<Self, ArrowError> {
        if let DataType::Dictionary(_, values) = array.data_type() {
            return Fields::widened(&cast(array, values)?);
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
                let counts = match array.data_type() {
                    // Arrow has no direct cast from 32-bit days to 64-bit integers.
                    DataType::Date32 => array.as_primitive::<Date32Type>().unary(i64::from),
                    _ => integers(array)?,
                };
                Fields::Day { counts, per_day }
            }
            None => return Err(ArrowError::CastError("unexpected type".into())),
        })
    }

    fn value(&self, row: usize) -> Value<'_> {
        match self {
            Fields::Text(array) if array.is_valid(row) => Value::Text(array.value(row)),
            Fields::Integer(array) if array.is_valid(row) => Value::Integer(array.value(row).into()),
            Fields::Unsigned(array) if array.is_valid(row) => Value::Integer(array.value(row).into()),
            Fields::Float(array) if array.is_valid(row) => Value::Number(array.value(row)),
            Fields::Boolean(array) if array.is_valid(row) => Value::Boolean(array.value(row)),
            Fields::Day { counts, per_day } if counts.is_valid(row) => {
                Value::Day(counts.value(row).div_euclid(*per_day))
            }
            Fields::Constant { text, .. } => Value::Text(text),
            _ => Value::Missing,
        }
    }

    fn is_too_long(&self, row: usize) -> bool {
        matches!(self.value(row), Value::Text(text) if text.len() > MAX_FIELD_BYTES)
    }

    fn first_too_long(&self) -> Option<usize> {
        match self {
            Fields::Text(array) => (0..array.len()).find(|row| self.is_too_long(*row)),
            Fields::Constant { rows, .. } => (*rows > 0 && self.is_too_long(0)).then_some(0),
            _ => None,
        }
    }
}

fn integers(array: &ArrayRef) -> Result<Int64Array, ArrowError> {
    Ok(cast(array, &DataType::Int64)?.as_primitive::<Int64Type>().clone())
}

#[cfg(test)]
mod tests;
