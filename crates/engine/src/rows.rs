//! Collects the rows of a table into Arrow batches of the declared types. The first column is the unit.

use std::sync::Arc;

use almoner_federation::{ColumnType, Table};
use datafusion::arrow::array::{
    ArrayRef, BooleanBuilder, Date32Builder, Float64Builder, Int64Builder, RecordBatch, StringBuilder,
};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::report::{ColumnReport, TableReport};
use crate::value::Value;

/// Rows of a full batch.
const BATCH_ROWS: usize = 1 << 16;
/// Text at which a batch is closed early, far below the 2 GiB that a column of text can address.
const BATCH_TEXT_BYTES: usize = 1 << 26;
/// Longest text of one field. A longer one is a quote that was never closed far more often than a value.
pub(crate) const MAX_FIELD_BYTES: usize = 1 << 16;

/// A text field is longer than [`MAX_FIELD_BYTES`].
#[derive(Debug)]
pub(crate) struct FieldTooLong {
    /// 0 for the unit, then the manifest's columns from 1.
    pub column: usize,
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

enum Column {
    Text(StringBuilder),
    Integer(Int64Builder),
    Number(Float64Builder),
    Boolean(BooleanBuilder),
    Date(Date32Builder),
}

impl Column {
    fn new(kind: &ColumnType) -> Self {
        match kind {
            ColumnType::Text { .. } => Column::Text(StringBuilder::new()),
            ColumnType::Integer { .. } => Column::Integer(Int64Builder::new()),
            ColumnType::Number { .. } => Column::Number(Float64Builder::new()),
            ColumnType::Boolean => Column::Boolean(BooleanBuilder::new()),
            ColumnType::Date { .. } => Column::Date(Date32Builder::new()),
        }
    }

    /// Appends the value or NULL; returns whether it was a value.
    fn push(&mut self, value: Value<'_>) -> bool {
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

    fn finish(&mut self) -> ArrayRef {
        match self {
            Column::Text(builder) => Arc::new(builder.finish()),
            Column::Integer(builder) => Arc::new(builder.finish()),
            Column::Number(builder) => Arc::new(builder.finish()),
            Column::Boolean(builder) => Arc::new(builder.finish()),
            Column::Date(builder) => Arc::new(builder.finish()),
        }
    }
}

/// The rows read so far and the report on them.
pub(crate) struct Rows {
    schema: SchemaRef,
    unit: StringBuilder,
    columns: Vec<Column>,
    open_rows: usize,
    open_text_bytes: usize,
    batches: Vec<RecordBatch>,
    report: TableReport,
}

impl Rows {
    pub(crate) fn new(schema: SchemaRef, table: &Table) -> Self {
        let report = |name: &str| ColumnReport { column: name.to_owned(), ..ColumnReport::default() };
        Rows {
            schema,
            unit: StringBuilder::new(),
            columns: table.columns.iter().map(|column| Column::new(&column.kind)).collect(),
            open_rows: 0,
            open_text_bytes: 0,
            batches: Vec::new(),
            report: TableReport {
                table: table.name.clone(),
                columns: table.columns.iter().map(|column| report(&column.name)).collect(),
                ..TableReport::default()
            },
        }
    }

    /// Appends one row: the unit's field, then one field for each column of the manifest. A row
    /// without a unit id is only counted.
    pub(crate) fn push<'a>(
        &mut self,
        unit: Value<'a>,
        fields: impl Iterator<Item = Value<'a>>,
    ) -> Result<(), FieldTooLong> {
        self.report.rows_read += 1;
        let Some(id) = unit.unit_id() else {
            self.report.rows_without_unit += 1;
            return Ok(());
        };
        let mut text_bytes = self.count_text(0, unit)?;
        self.unit.append_value(&id);
        for (index, value) in fields.enumerate() {
            text_bytes += self.count_text(index + 1, value)?;
            if !self.columns[index].push(value) {
                let report = &mut self.report.columns[index];
                *(if value.is_missing() { &mut report.empty } else { &mut report.unreadable }) += 1;
            }
        }
        self.open_rows += 1;
        self.open_text_bytes += text_bytes;
        if self.open_rows == BATCH_ROWS || self.open_text_bytes >= BATCH_TEXT_BYTES {
            self.close_batch();
        }
        Ok(())
    }

    fn count_text(&self, column: usize, value: Value<'_>) -> Result<usize, FieldTooLong> {
        match value {
            Value::Text(text) if text.len() > MAX_FIELD_BYTES => Err(FieldTooLong { column }),
            Value::Text(text) => Ok(text.len()),
            _ => Ok(0),
        }
    }

    fn close_batch(&mut self) {
        let unit: ArrayRef = Arc::new(self.unit.finish());
        let arrays = std::iter::once(unit).chain(self.columns.iter_mut().map(Column::finish)).collect();
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), arrays)
            .expect("every push appends one value of its declared type to every column");
        self.batches.push(batch);
        self.open_rows = 0;
        self.open_text_bytes = 0;
    }

    /// All batches, the last one shorter, and the report without files and bounds.
    pub(crate) fn finish(mut self) -> (Vec<RecordBatch>, TableReport) {
        if self.open_rows > 0 {
            self.close_batch();
        }
        (self.batches, self.report)
    }
}
