//! A table in a Parquet file without a name, for DataFusion to stream: only the columns that a question needs, of the
//! row groups that its conditions leave.

use std::fmt;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::datasource::TableType;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::ParquetFileReaderFactory;
use datafusion::datasource::physical_plan::{FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::DataFusionError;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::Expr;
use datafusion::parquet::arrow::arrow_reader::ArrowReaderOptions;
use datafusion::parquet::arrow::async_reader::AsyncFileReader;
use datafusion::parquet::errors::{ParquetError, Result as ParquetResult};
use datafusion::parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use datafusion::parquet::file::reader::Length;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;

use crate::sealed::Sealed;

/// A whole table or one run of it.
#[derive(Clone)]
pub(crate) struct Stored {
    schema: SchemaRef,
    file: File,
    /// In the file, where row groups begin that are read.
    range: Range<u64>,
    /// All of the table's runs; all rows of a unit are in one.
    runs: Arc<[Range<u64>]>,
}

/// The open file and what it says of itself.
#[derive(Clone)]
struct File {
    contents: Sealed,
    metadata: Arc<ParquetMetaData>,
}

impl Stored {
    /// A table from its finished file. `run_ends` are the row groups at which the runs end, the last being all.
    pub(crate) fn new(
        schema: SchemaRef,
        contents: Sealed,
        metadata: ParquetMetaData,
        run_ends: &[usize],
    ) -> Self {
        let size = contents.len();
        let begin = |group: usize| metadata.row_groups().get(group).map_or(size, begin_of);
        let starts = std::iter::once(0).chain(run_ends.iter().copied());
        let runs = starts.zip(run_ends).map(|(start, end)| begin(start)..begin(*end)).collect();
        Stored { schema, file: File { contents, metadata: Arc::new(metadata) }, range: 0..size, runs }
    }

    /// What the file takes.
    pub(crate) fn size_bytes(&self) -> u64 {
        self.file.contents.len()
    }

    /// The table in pieces, each small beside the limit of memory, no unit in two of them.
    pub(crate) fn runs(&self) -> impl Iterator<Item = Stored> {
        self.runs.iter().map(|range| Stored { range: range.clone(), ..self.clone() })
    }
}

/// Where a row group begins: the first page of its first column.
fn begin_of(group: &RowGroupMetaData) -> u64 {
    let first = group.column(0);
    let page = first.dictionary_page_offset().unwrap_or_else(|| first.data_page_offset());
    u64::try_from(page).unwrap_or(0)
}

impl fmt::Debug for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stored").field("schema", &self.schema).finish_non_exhaustive()
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("File")
    }
}

#[async_trait::async_trait]
impl TableProvider for Stored {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    /// Conditions stay above the scan; DataFusion also tells them to it, to pass over row groups.
    async fn scan(
        &self,
        _: &dyn Session,
        projection: Option<&Vec<usize>>,
        _: &[Expr],
        _: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
        let source = ParquetSource::new(Arc::clone(&self.schema))
            .with_parquet_file_reader_factory(Arc::new(self.file.clone()))
            .with_enable_page_index(false);
        let offset = |at: u64| i64::try_from(at).unwrap_or(i64::MAX);
        let size = self.size_bytes();
        let (start, end) = (offset(self.range.start), offset(self.range.end));
        let config = FileScanConfigBuilder::new(ObjectStoreUrl::local_filesystem(), Arc::new(source))
            .with_file(PartitionedFile::new("nameless", size).with_range(start, end))
            .with_projection_indices(projection.cloned())?
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }
}

impl ParquetFileReaderFactory for File {
    fn create_reader(
        &self,
        _: usize,
        _: PartitionedFile,
        _: Option<usize>,
        _: &ExecutionPlanMetricsSet,
    ) -> Result<Box<dyn AsyncFileReader + Send>, DataFusionError> {
        Ok(Box::new(self.clone()))
    }
}

type Reading<'a, T> = Pin<Box<dyn Future<Output = ParquetResult<T>> + Send + 'a>>;

impl AsyncFileReader for File {
    fn get_bytes(&mut self, range: Range<u64>) -> Reading<'_, Bytes> {
        Box::pin(async move {
            let mut all = self.get_byte_ranges(vec![range]).await?;
            all.pop().ok_or_else(|| ParquetError::EOF("nothing was read".into()))
        })
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> Reading<'_, Vec<Bytes>> {
        let contents = self.contents.clone();
        let read = move || {
            let bytes = |range: Range<u64>| {
                let length = range.end.saturating_sub(range.start);
                contents.bytes(range.start, usize::try_from(length).unwrap_or(usize::MAX))
            };
            ranges.into_iter().map(bytes).collect::<std::io::Result<Vec<_>>>()
        };
        // The disk may be slow, and other questions wait for these threads.
        Box::pin(async move {
            let read = tokio::task::spawn_blocking(read).await;
            Ok(read.map_err(|error| ParquetError::External(Box::new(error)))??)
        })
    }

    fn get_metadata<'a>(
        &'a mut self,
        _: Option<&'a ArrowReaderOptions>,
    ) -> Reading<'a, Arc<ParquetMetaData>> {
        let metadata = Arc::clone(&self.metadata);
        Box::pin(async move { Ok(metadata) })
    }
}

#[cfg(test)]
mod tests;
