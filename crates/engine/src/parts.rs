//! Rows on disk in parts, all rows of a unit in one: each part can then be bounded and placed by itself in memory.
//!
//! A part is a file without a name that holds the rows of one table after another, as Arrow's stream format.

use std::hash::{BuildHasher, RandomState};
use std::io::BufReader;

use datafusion::arrow::array::{AsArray, RecordBatch, UInt32Array};
use datafusion::arrow::compute::{concat_batches, take_record_batch};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::ipc::reader::StreamReader;
use datafusion::arrow::ipc::writer::StreamWriter;
use datafusion::parquet::file::reader::Length;

use crate::SourceError;
use crate::limits::DataLimits;
use crate::sealed::{Reading, Sealed, SealedWriter};

/// Parts, which are as many open files.
const PARTS: usize = 256;
/// Bytes of a part that are read at once.
const BUFFER_BYTES: usize = 1 << 20;

/// Deals rows out to the parts. The hash that decides is keyed anew each time, so that nobody can choose ids that all
/// fall into one part.
pub(crate) struct Dealer<'a> {
    limits: &'a DataLimits,
    hash: RandomState,
    /// Files of parts between two tables.
    files: Vec<SealedWriter>,
    /// The same within a table.
    writers: Vec<StreamWriter<SealedWriter>>,
    schemas: Vec<SchemaRef>,
    gathered: Vec<RecordBatch>,
    gathered_bytes: usize,
}

impl<'a> Dealer<'a> {
    pub(crate) fn new(limits: &'a DataLimits) -> Result<Self, SourceError> {
        Ok(Dealer {
            limits,
            hash: RandomState::new(),
            files: (0..PARTS).map(|_| limits.new_file()).collect::<Result<_, _>>()?,
            writers: Vec::new(),
            schemas: Vec::new(),
            gathered: Vec::new(),
            gathered_bytes: 0,
        })
    }

    pub(crate) fn next_table(&mut self, schema: &SchemaRef) -> Result<(), SourceError> {
        self.end_table()?;
        for file in self.files.drain(..) {
            let writer = StreamWriter::try_new(file, schema).map_err(|error| self.limits.failed(&error))?;
            self.writers.push(writer);
        }
        self.schemas.push(SchemaRef::clone(schema));
        Ok(())
    }

    pub(crate) fn push(&mut self, batch: RecordBatch) -> Result<(), SourceError> {
        self.gathered_bytes += batch.get_array_memory_size();
        self.gathered.push(batch);
        if self.gathered_bytes > self.limits.dealt_bytes() { self.deal() } else { Ok(()) }
    }

    /// Deals out what was gathered: the more at once, the longer are the pieces on disk.
    fn deal(&mut self) -> Result<(), SourceError> {
        let failed = |error: ArrowError| self.limits.failed(&error);
        let Some(first) = self.gathered.first() else { return Ok(()) };
        let all = concat_batches(&first.schema(), &self.gathered).map_err(failed)?;
        self.gathered.clear();
        self.gathered_bytes = 0;
        let parts: Vec<u8> = all
            .column(0)
            .as_string::<i32>()
            .iter()
            .map(|id| (self.hash.hash_one(id) % PARTS as u64) as u8)
            .collect();
        // Counting sort: where each part begins, then each row to the next place of its part.
        let mut ends = [0usize; PARTS];
        parts.iter().for_each(|part| ends[usize::from(*part)] += 1);
        let mut start = 0;
        for end in &mut ends {
            (start, *end) = (start + *end, start);
        }
        let mut rows = vec![0u32; parts.len()];
        for (row, part) in (0u32..).zip(&parts) {
            let place = &mut ends[usize::from(*part)];
            rows[*place] = row;
            *place += 1;
        }
        let sorted = take_record_batch(&all, &UInt32Array::from(rows)).map_err(failed)?;
        drop(all);
        let mut start = 0;
        for (writer, end) in self.writers.iter_mut().zip(ends) {
            if end > start {
                writer.write(&sorted.slice(start, end - start)).map_err(failed)?;
            }
            start = end;
        }
        Ok(())
    }

    fn end_table(&mut self) -> Result<(), SourceError> {
        self.deal()?;
        for writer in self.writers.drain(..) {
            let file = writer.into_inner().map_err(|error| self.limits.failed(&error))?;
            self.files.push(file);
        }
        Ok(())
    }

    /// When all tables were dealt out.
    pub(crate) fn finish(mut self) -> Result<Parts<'a>, SourceError> {
        self.end_table()?;
        let files = self.files.into_iter().map(SealedWriter::finish).collect::<std::io::Result<_>>();
        let files = files.map_err(|error| self.limits.failed(&error))?;
        Ok(Parts { limits: self.limits, files, schemas: self.schemas })
    }
}

/// All rows of all tables.
pub(crate) struct Parts<'a> {
    pub limits: &'a DataLimits,
    files: Vec<Sealed>,
    pub schemas: Vec<SchemaRef>,
}

impl<'a> Parts<'a> {
    /// The parts one after another, each as one `Vec` of batches a table, with the bytes that the table's rows take. A
    /// part's disk space is free again when the next is taken.
    pub(crate) fn each(
        self,
        mut take: impl FnMut(Vec<(Vec<RecordBatch>, usize)>) -> Result<(), SourceError>,
    ) -> Result<(), SourceError> {
        for file in self.files {
            take(read(file, self.schemas.len(), self.limits)?)?;
        }
        Ok(())
    }
}

fn read(
    file: Sealed,
    tables: usize,
    limits: &DataLimits,
) -> Result<Vec<(Vec<RecordBatch>, usize)>, SourceError> {
    let size_bytes = file.len();
    if size_bytes > limits.part_bytes() as u64 {
        let problem = format!(
            "one of {PARTS} parts of the units has {} MB of rows, too many at once",
            size_bytes / 1_000_000
        );
        let remedy = match limits.would_do_mb(size_bytes) {
            Some(mb) => format!("set data_limits.memory_mb to {mb} or more"),
            None => "leave out columns or rows that nobody may ask for".into(),
        };
        let one = "where one unit alone has very many rows, its id is rather a missing one: export it as an empty field";
        return Err(SourceError::input(limits.scratch(), None, problem, format!("{remedy}; {one}")));
    }
    let mut file = BufReader::with_capacity(BUFFER_BYTES, file.from(0));
    let at = |file: &BufReader<_>| Reading::at(file.get_ref()) - file.buffer().len() as u64;
    (0..tables)
        .map(|_| {
            let before = at(&file);
            let batches = StreamReader::try_new(&mut file, None)?.collect::<Result<Vec<_>, _>>()?;
            Ok((batches, (at(&file) - before) as usize))
        })
        .collect::<Result<_, ArrowError>>()
        .map_err(|error| limits.failed(&error))
}

#[cfg(test)]
mod tests;
