//! Reads one Parquet file into rows. Every type that can safely mean a declared one is accepted; one
//! that cannot is an error at the start, not a column full of NULL.

use std::fs::File;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use almoner_federation::{ColumnType, Table};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{DataType, SchemaRef, TimeUnit};
use datafusion::parquet::arrow::ProjectionMask;
use datafusion::parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use datafusion::parquet::file::metadata::ColumnChunkMetaData;

use crate::SourceError;
use crate::chunks::Chunks;
use crate::columns::{Place, find_column};
use crate::convert::{Raw, Unconverted, chunk};
use crate::data_file::{Contents, DataFile};
use crate::objects::{Object, Windows};
use crate::rows::{Chunk, MAX_FIELD_BYTES, Rows, schema};
use crate::shared_file::SharedFile;
use crate::snapshot::{FileDigest, digest_of};
use crate::workers::workers;

/// Most rows that are converted together, and about how many bytes.
const BATCH_ROWS: usize = 8_192;
const BATCH_BYTES: usize = 1 << 21;
/// Batches that a thread may be ahead of the one who takes them.
const AHEAD: usize = 1;

pub(crate) fn read(
    file: &DataFile,
    unit_column: &str,
    table: &Table,
    rows: &mut Rows<'_, '_>,
) -> Result<FileDigest, SourceError> {
    match &file.contents {
        Contents::File(path) => read_file(file, path, unit_column, table, rows),
        Contents::Object(object) => read_object(file, object, unit_column, table, rows),
    }
}

fn read_file(
    file: &DataFile,
    path: &Path,
    unit_column: &str,
    table: &Table,
    rows: &mut Rows<'_, '_>,
) -> Result<FileDigest, SourceError> {
    let unreadable = |error: std::io::Error| file.unreadable(&error);
    let mut opened = File::open(path).map_err(unreadable)?;
    let (size_bytes, contents) = digest_of(&mut opened).map_err(unreadable)?;
    let shared = SharedFile::new(opened.try_clone().map_err(unreadable)?).map_err(unreadable)?;
    Columns::find(file, Chunks::File(shared), unit_column, table)?.read(rows)?;
    // The reader jumps about in the file, so it cannot hash what it reads as the CSV reader does.
    if (size_bytes, contents) != digest_of(&mut opened).map_err(unreadable)? {
        return Err(file.refuse(
            None,
            "changed while it was read",
            "start the node when the export is complete",
        ));
    }
    Ok(FileDigest { name: file.name.clone(), size_bytes, contents })
}

/// Of an object only the footer and the wanted columns are fetched, each from the state that was listed.
fn read_object(
    file: &DataFile,
    object: &Arc<Object>,
    unit_column: &str,
    table: &Table,
    rows: &mut Rows<'_, '_>,
) -> Result<FileDigest, SourceError> {
    let windows = Windows::at_the_end(Arc::clone(object)).map_err(|error| file.unreadable(&error))?;
    Columns::find(file, Chunks::Object(windows), unit_column, table)?.read(rows)?;
    Ok(FileDigest { name: file.name.clone(), size_bytes: object.size_bytes(), contents: object.contents() })
}

/// The wanted columns of one file.
struct Columns<'a> {
    file: &'a DataFile,
    opened: Chunks,
    metadata: ArrowReaderMetadata,
    /// The unit's column, then the manifest's.
    names: Vec<&'a str>,
    places: Vec<Place>,
    kinds: Vec<ColumnType>,
    schema: SchemaRef,
}

/// What a thread hands on: some rows of its row group, or that the group has no more.
type Message = Result<Option<Chunk>, SourceError>;

impl<'a> Columns<'a> {
    fn find(
        file: &'a DataFile,
        opened: Chunks,
        unit_column: &'a str,
        table: &'a Table,
    ) -> Result<Self, SourceError> {
        let metadata = ArrowReaderMetadata::load(&opened, ArrowReaderOptions::new())
            .map_err(|error| corrupt(file, &error.to_string()))?;
        let wanted = std::iter::once((unit_column, None))
            .chain(table.columns.iter().map(|column| (column.name.as_str(), Some(&column.kind))));
        let (mut names, mut places) = (Vec::new(), Vec::new());
        for (name, declared) in wanted {
            let fields = metadata.schema().fields();
            let place = find_column(file, None, name, fields.iter().map(|field| field.name().as_str()))?;
            if let Place::File(index) = place
                && !fits(fields[index].data_type(), declared)
            {
                return Err(file.refuse(
                    None,
                    format!(
                        "column {name} is {}, which cannot be read as {}",
                        fields[index].data_type(),
                        declared.map_or("a unit id", ColumnType::word)
                    ),
                    "export the column as the type that the manifest declares, or as text",
                ));
            }
            names.push(name);
            places.push(place);
        }
        let kinds = table.columns.iter().map(|column| column.kind.clone()).collect();
        Ok(Columns { file, opened, metadata, names, places, kinds, schema: schema(unit_column, table) })
    }

    /// Reads the row groups on several threads and takes their rows in the file's order.
    fn read(&self, rows: &mut Rows<'_, '_>) -> Result<(), SourceError> {
        let groups = self.metadata.metadata().num_row_groups();
        let workers = workers().min(groups);
        let mut first_rows = Vec::with_capacity(groups);
        let mut row = 1;
        for group in self.metadata.metadata().row_groups() {
            first_rows.push(row);
            row += u64::try_from(group.num_rows()).unwrap_or(0);
        }
        thread::scope(|scope| {
            let first_rows = &first_rows;
            let queues: Vec<Receiver<Message>> = (0..workers)
                .map(|worker| {
                    let (send, receive) = sync_channel(AHEAD);
                    scope.spawn(move || {
                        for group in (worker..groups).step_by(workers) {
                            // Nobody takes any more after an error elsewhere.
                            if self.read_group(group, first_rows[group], &send).is_err() {
                                return;
                            }
                        }
                    });
                    receive
                })
                .collect();
            for group in 0..groups {
                // A thread that panicked sends nothing more.
                let next =
                    || queues[group % workers].recv().unwrap_or_else(|_| Err(self.broken("a thread ended")));
                while let Some(chunk) = next()? {
                    rows.append(chunk)?;
                }
            }
            Ok(())
        })
    }

    fn read_group(
        &self,
        group: usize,
        first_row: u64,
        into: &SyncSender<Message>,
    ) -> Result<(), Box<std::sync::mpsc::SendError<Message>>> {
        let mut row = first_row;
        let batches = match self.batches(group) {
            Ok(batches) => batches,
            Err(error) => return into.send(Err(error)).map_err(Box::new),
        };
        for batch in batches {
            let message = batch
                .map_err(|error| self.broken(&error.to_string()))
                .and_then(|batch| self.convert(&batch, row).inspect(|_| row += batch.num_rows() as u64));
            into.send(message.map(Some)).map_err(Box::new)?;
        }
        into.send(Ok(None)).map_err(Box::new)
    }

    fn batches(
        &self,
        group: usize,
    ) -> Result<impl Iterator<Item = Result<RecordBatch, datafusion::arrow::error::ArrowError>>, SourceError>
    {
        let metadata = self.metadata.clone();
        let in_file = self.places.iter().filter_map(|place| match place {
            Place::File(index) => Some(*index),
            Place::Path(_) => None,
        });
        let mask = ProjectionMask::roots(metadata.parquet_schema(), in_file);
        // What the file says of the group's size; where values repeat, it is more in memory.
        let group_of = metadata.metadata().row_group(group);
        let size = usize::try_from(group_of.total_byte_size()).unwrap_or(0);
        let row_bytes = size / usize::try_from(group_of.num_rows()).unwrap_or(0).max(1);
        let columns = group_of.columns().iter().enumerate();
        let ranges = columns.filter_map(|(leaf, column)| mask.leaf_included(leaf).then(|| range(column))?);
        let opened = self.opened.over(ranges);
        ParquetRecordBatchReaderBuilder::new_with_metadata(opened, metadata)
            .with_projection(mask)
            .with_row_groups(vec![group])
            .with_batch_size((BATCH_BYTES / row_bytes.max(1)).clamp(64, BATCH_ROWS))
            .build()
            .map_err(|error| self.broken(&error.to_string()))
    }

    /// `first_row` is the number in the file of the batch's first row, from 1.
    fn convert(&self, batch: &RecordBatch, first_row: u64) -> Result<Chunk, SourceError> {
        // The reader yields the projected columns in the order of the file.
        let position = |index: &usize| {
            let before = |place: &&Place| matches!(place, Place::File(other) if other < index);
            self.places.iter().filter(before).count()
        };
        let raw = self.places.iter().map(|place| match place {
            Place::File(index) => Raw::Array(batch.column(position(index)).clone()),
            Place::Path(index) => Raw::Constant(self.file.fields[*index].value.clone()),
        });
        let raw: Vec<Raw> = raw.collect();
        chunk(&self.schema, &self.kinds, &raw, batch.num_rows()).map_err(|error| match error {
            Unconverted::Arrow(error) => self.broken(&error.to_string()),
            Unconverted::FieldTooLong { row, column } => self.file.refuse(
                Some(first_row + row as u64),
                format!("a field of column {} is longer than {MAX_FIELD_BYTES} bytes", self.names[column]),
                "leave the column out of the manifest or shorten it",
            ),
        })
    }

    fn broken(&self, error: &str) -> SourceError {
        corrupt(self.file, error)
    }
}

/// Where a column of a row group is, if its file says so sensibly.
fn range(column: &ColumnChunkMetaData) -> Option<Range<u64>> {
    let start = column.dictionary_page_offset().unwrap_or_else(|| column.data_page_offset());
    let start = u64::try_from(start).ok()?;
    Some(start..start.checked_add(u64::try_from(column.compressed_size()).ok()?)?)
}

fn corrupt(file: &DataFile, error: &str) -> SourceError {
    let problem = format!("is no readable Parquet file ({error})");
    file.refuse(None, problem, "export it again")
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
