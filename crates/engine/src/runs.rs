//! Bounded and placed rows, part after part, to one Parquet file without a name for each table.
//!
//! Rows are sorted by what questions select by, run by run, so that a question about a few territories, or one year,
//! need not read the others' row groups. A run holds whole parts, so all rows of a unit are in one.

use std::sync::Arc;

use datafusion::arrow::array::{RecordBatch, UInt32Array};
use datafusion::arrow::compute::{SortColumn, concat_batches, lexsort_to_indices, take_record_batch};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::basic::Compression;
use datafusion::parquet::errors::ParquetError;
use datafusion::parquet::file::metadata::ParquetMetaDataReader;
use datafusion::parquet::file::properties::WriterProperties;
use datafusion::parquet::schema::types::ColumnPath;

use crate::SourceError;
use crate::limits::DataLimits;
use crate::sealed::SealedWriter;
use crate::stored::Stored;

/// Most rows of a row group.
const MAX_GROUP_ROWS: usize = 1 << 17;
/// Fewest, so that what a file says of its groups stays small.
const MIN_GROUP_ROWS: usize = 1 << 12;

/// The files while they are written.
pub(crate) struct Runs<'a> {
    limits: &'a DataLimits,
    tables: Vec<Table>,
    waiting_bytes: usize,
}

struct Table {
    schema: SchemaRef,
    /// Sorted by these columns, the first before the second.
    sort: Vec<usize>,
    writer: ArrowWriter<SealedWriter>,
    waiting: Vec<RecordBatch>,
    waiting_bytes: usize,
    /// Row groups at which each run ends.
    run_ends: Vec<usize>,
}

impl<'a> Runs<'a> {
    /// One file for each schema, whose rows are sorted by these of its columns.
    pub(crate) fn new(
        limits: &'a DataLimits,
        tables: impl Iterator<Item = (SchemaRef, Vec<usize>)>,
    ) -> Result<Self, SourceError> {
        let tables = tables.map(|(schema, sort)| {
            // Ids hardly repeat: looking for repeated ones would only take time.
            let unit = ColumnPath::from(schema.field(0).name().as_str());
            let properties = WriterProperties::builder()
                .set_compression(Compression::UNCOMPRESSED)
                .set_column_dictionary_enabled(unit, false)
                .set_max_row_group_row_count(None)
                .set_offset_index_disabled(true)
                .build();
            let writer = ArrowWriter::try_new(limits.new_file()?, Arc::clone(&schema), Some(properties));
            let writer = writer.map_err(|error| limits.failed(&error))?;
            Ok(Table { schema, sort, writer, waiting: Vec::new(), waiting_bytes: 0, run_ends: Vec::new() })
        });
        Ok(Runs { limits, tables: tables.collect::<Result<_, SourceError>>()?, waiting_bytes: 0 })
    }

    /// All rows of a table in one part, which take `bytes`.
    pub(crate) fn push(
        &mut self,
        table: usize,
        batches: Vec<RecordBatch>,
        bytes: usize,
    ) -> Result<(), SourceError> {
        self.waiting_bytes += bytes;
        self.tables[table].waiting.extend(batches);
        self.tables[table].waiting_bytes += bytes;
        while self.waiting_bytes > self.limits.run_bytes() {
            let fullest = self.tables.iter_mut().max_by_key(|table| table.waiting_bytes);
            let fullest = fullest.expect("rows came for one of the tables");
            self.waiting_bytes -= fullest.waiting_bytes;
            fullest.write(self.limits.group_bytes()).map_err(|error| self.limits.failed(&error))?;
        }
        Ok(())
    }

    /// When all parts are through: the tables, in their order.
    pub(crate) fn finish(self) -> Result<Vec<Arc<Stored>>, SourceError> {
        let finish = |table: Table| table.finish(self.limits.group_bytes());
        let stored = self.tables.into_iter().map(finish).collect::<Result<_, ParquetError>>();
        stored.map_err(|error| self.limits.failed(&error))
    }
}

impl Table {
    /// Writes what waits as one run of row groups of at most `group_bytes`.
    fn write(&mut self, group_bytes: usize) -> Result<(), ParquetError> {
        let bytes = std::mem::take(&mut self.waiting_bytes);
        let mut rows = concat_batches(&self.schema, &std::mem::take(&mut self.waiting))?;
        if rows.num_rows() == 0 {
            return Ok(());
        }
        if !self.sort.is_empty() && rows.num_rows() > 1 {
            let column =
                |index: &usize| SortColumn { values: Arc::clone(rows.column(*index)), options: None };
            let columns: Vec<SortColumn> = self.sort.iter().map(column).collect();
            let order: UInt32Array = lexsort_to_indices(&columns, None)?;
            drop(columns);
            rows = take_record_batch(&rows, &order)?;
        }
        let group_rows = rows.num_rows().saturating_mul(group_bytes) / bytes.max(1);
        let group_rows = group_rows.clamp(MIN_GROUP_ROWS, MAX_GROUP_ROWS);
        for start in (0..rows.num_rows()).step_by(group_rows) {
            self.writer.write(&rows.slice(start, group_rows.min(rows.num_rows() - start)))?;
            self.writer.flush()?;
        }
        self.run_ends.push(self.writer.flushed_row_groups().len());
        Ok(())
    }

    fn finish(mut self, group_bytes: usize) -> Result<Arc<Stored>, ParquetError> {
        self.write(group_bytes)?;
        let file = self.writer.into_inner()?.finish()?;
        let metadata = ParquetMetaDataReader::new().parse_and_finish(&file)?;
        Ok(Arc::new(Stored::new(self.schema, file, metadata, &self.run_ends)))
    }
}
