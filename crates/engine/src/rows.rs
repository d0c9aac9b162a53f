//! Collects the rows of a table into Arrow batches of the declared types. The first column is the unit.

use std::sync::Arc;

use almoner_federation::{ColumnType, Table};
use datafusion::arrow::array::{
    Array, ArrayRef, BooleanBuilder, Date32Builder, Float64Builder, Int64Builder, RecordBatch, StringBuilder,
};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::SourceError;
use crate::report::{ColumnReport, TableReport};
use crate::store::Store;
use crate::value::Value;

/// Rows of a full batch.
const BATCH_ROWS: usize = 1 << 16;
/// Text at which a batch is closed early: what is not yet counted against a limit of memory stays small.
const BATCH_TEXT_BYTES: usize = 1 << 23;
/// Longest text of one field. A longer one is a quote that was never closed far more often than a value.
pub(crate) const MAX_FIELD_BYTES: usize = 1 << 16;

/// Why a row could not be taken.
#[derive(Debug)]
pub(crate) enum RowError {
    /// A text field is longer than [`MAX_FIELD_BYTES`].
    FieldTooLong {
        /// 0 for the unit, then the manifest's columns from 1.
        column: usize,
    },
    /// The rows before it could not be kept.
    Store(SourceError),
}

/// How many fields of a column became NULL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Counts {
    pub empty: u64,
    pub unreadable: u64,
}

impl Counts {
    /// Counts a field that holds no value of its type.
    pub(crate) fn add(&mut self, value: Value<'_>) {
        *(if value.is_missing() { &mut self.empty } else { &mut self.unreadable }) += 1;
    }
}

/// Rows that are typed already, and what became of the rows that they were read from.
#[derive(Debug)]
pub(crate) struct Chunk {
    pub batch: RecordBatch,
    pub rows_without_unit: u64,
    /// Of each column of the manifest.
    pub counts: Vec<Counts>,
}

/// The Arrow schema of a table: the unit as text, then the manifest's columns, all nullable.
pub(crate) fn schema(unit_column: &str, table: &Table) -> SchemaRef {
    let kind = |kind: &ColumnType| match kind {
        ColumnType::Text { .. } => DataType::Utf8,
        ColumnType::Integer { .. } => DataType::Int64,
        ColumnType::Number { .. } => DataType::Float64,
        ColumnType::Boolean => DataType::Boolean,
        ColumnType::Date { .. } => DataType::Date32,
    };
    let unit = Field::new(unit_column, DataType::Utf8, true);
    let rest = table.columns.iter().map(|column| Field::new(&column.name, kind(&column.kind), true));
    Arc::new(Schema::new(std::iter::once(unit).chain(rest).collect::<Vec<_>>()))
}

/// A column of a declared type, built field by field.
pub(crate) enum Column {
    Text(StringBuilder),
    Integer(Int64Builder),
    Number(Float64Builder),
    Boolean(BooleanBuilder),
    Date(Date32Builder),
}

impl Column {
    pub(crate) fn new(kind: &ColumnType) -> Self {
        match kind {
            ColumnType::Text { .. } => Column::Text(StringBuilder::new()),
            ColumnType::Integer { .. } => Column::Integer(Int64Builder::new()),
            ColumnType::Number { .. } => Column::Number(Float64Builder::new()),
            ColumnType::Boolean => Column::Boolean(BooleanBuilder::new()),
            ColumnType::Date { .. } => Column::Date(Date32Builder::new()),
        }
    }

    /// Appends the value or NULL; returns whether it was a value.
    pub(crate) fn push(&mut self, value: Value<'_>) -> bool {
        fn append<T>(value: Option<T>, into: impl FnOnce(Option<T>)) -> bool {
            let present = value.is_some();
            into(value);
            present
        }
        match self {
            Column::Text(builder) => append(value.text(), |text| builder.append_option(text)),
            Column::Integer(builder) => append(value.integer(), |value| builder.append_option(value)),
            Column::Number(builder) => append(value.number(), |value| builder.append_option(value)),
            Column::Boolean(builder) => append(value.boolean(), |value| builder.append_option(value)),
            Column::Date(builder) => append(value.date(), |value| builder.append_option(value)),
        }
    }

    pub(crate) fn finish(&mut self) -> ArrayRef {
        match self {
            Column::Text(builder) => Arc::new(builder.finish()),
            Column::Integer(builder) => Arc::new(builder.finish()),
            Column::Number(builder) => Arc::new(builder.finish()),
            Column::Boolean(builder) => Arc::new(builder.finish()),
            Column::Date(builder) => Arc::new(builder.finish()),
        }
    }
}

/// Takes the rows of one table and counts what is to be reported.
pub(crate) struct Rows<'a, 's> {
    schema: SchemaRef,
    unit: StringBuilder,
    columns: Vec<Column>,
    open_rows: usize,
    open_text_bytes: usize,
    store: &'a mut Store<'s>,
    report: TableReport,
    counts: Vec<Counts>,
}

impl<'a, 's> Rows<'a, 's> {
    /// Rows of `schema` for the next table of the store.
    pub(crate) fn new(schema: SchemaRef, table: &Table, store: &'a mut Store<'s>) -> Self {
        Rows {
            schema,
            unit: StringBuilder::new(),
            columns: table.columns.iter().map(|column| Column::new(&column.kind)).collect(),
            open_rows: 0,
            open_text_bytes: 0,
            store,
            report: TableReport { table: table.name.clone(), ..TableReport::default() },
            counts: vec![Counts::default(); table.columns.len()],
        }
    }

    /// Appends one row: the unit's field, then one field for each column of the manifest. A row
    /// without a unit id is only counted.
    pub(crate) fn push<'v>(
        &mut self,
        unit: Value<'v>,
        fields: impl Iterator<Item = Value<'v>>,
    ) -> Result<(), RowError> {
        self.report.rows_read += 1;
        let Some(id) = unit.unit_id() else {
            self.report.rows_without_unit += 1;
            return Ok(());
        };
        let mut text_bytes = count_text(0, unit)?;
        self.unit.append_value(&id);
        for (index, value) in fields.enumerate() {
            text_bytes += count_text(index + 1, value)?;
            if !self.columns[index].push(value) {
                self.counts[index].add(value);
            }
        }
        self.open_rows += 1;
        self.open_text_bytes += text_bytes;
        if self.open_rows == BATCH_ROWS || self.open_text_bytes >= BATCH_TEXT_BYTES {
            self.close_batch().map_err(RowError::Store)?;
        }
        Ok(())
    }

    /// Appends typed rows.
    pub(crate) fn append(&mut self, chunk: Chunk) -> Result<(), SourceError> {
        self.report.rows_read += chunk.batch.num_rows() as u64 + chunk.rows_without_unit;
        self.report.rows_without_unit += chunk.rows_without_unit;
        for (all, own) in self.counts.iter_mut().zip(&chunk.counts) {
            all.empty += own.empty;
            all.unreadable += own.unreadable;
        }
        self.store.push(chunk.batch)
    }

    fn close_batch(&mut self) -> Result<(), SourceError> {
        let unit: ArrayRef = Arc::new(self.unit.finish());
        let mut arrays: Vec<ArrayRef> =
            std::iter::once(unit).chain(self.columns.iter_mut().map(Column::finish)).collect();
        // Builders grow by doubling, and what they hold stays.
        arrays.iter_mut().for_each(Array::shrink_to_fit);
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), arrays)
            .expect("every push appends one value of its declared type to every column");
        self.open_rows = 0;
        self.open_text_bytes = 0;
        self.store.push(batch)
    }

    /// The last batch goes to the store, too. The report is without files and bounds.
    pub(crate) fn finish(mut self, table: &Table) -> Result<TableReport, SourceError> {
        if self.open_rows > 0 {
            self.close_batch()?;
        }
        let columns = table.columns.iter().zip(&self.counts).map(|(column, counts)| ColumnReport {
            column: column.name.clone(),
            empty: counts.empty,
            unreadable: counts.unreadable,
        });
        self.report.columns = columns.collect();
        Ok(self.report)
    }
}

fn count_text(column: usize, value: Value<'_>) -> Result<usize, RowError> {
    match value {
        Value::Text(text) if text.len() > MAX_FIELD_BYTES => Err(RowError::FieldTooLong { column }),
        Value::Text(text) => Ok(text.len()),
        _ => Ok(0),
    }
}
