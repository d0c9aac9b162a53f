//! Bytes of a Parquet file, wherever they are, for the reader that jumps about in it.

use std::io::{self, BufReader, Read};
use std::ops::Range;

use bytes::Bytes;
use datafusion::parquet::errors::Result;
use datafusion::parquet::file::reader::{ChunkReader, Length};

use crate::objects::{ObjectReading, Windows};
use crate::shared_file::{Reading, SharedFile};

/// Bytes taken at once from a window in memory where a reader takes them bit by bit.
const STEP_BYTES: usize = 1 << 12;

/// One file, for several threads at once.
#[derive(Debug, Clone)]
pub(crate) enum Chunks {
    File(SharedFile),
    Object(Windows),
}

impl Chunks {
    /// The same file for one who reads these ranges, each from its beginning to its end.
    pub(crate) fn over(&self, ranges: impl Iterator<Item = Range<u64>>) -> Chunks {
        match self {
            Chunks::File(file) => Chunks::File(file.clone()),
            Chunks::Object(windows) => Chunks::Object(windows.over(ranges)),
        }
    }
}

impl Length for Chunks {
    fn len(&self) -> u64 {
        match self {
            Chunks::File(file) => file.len(),
            Chunks::Object(windows) => windows.size_bytes(),
        }
    }
}

impl ChunkReader for Chunks {
    type T = ChunkReading;

    fn get_read(&self, start: u64) -> Result<ChunkReading> {
        Ok(match self {
            Chunks::File(file) => ChunkReading::File(file.get_read(start)?),
            Chunks::Object(windows) => {
                ChunkReading::Object(BufReader::with_capacity(STEP_BYTES, windows.clone().from(start)))
            }
        })
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        match self {
            Chunks::File(file) => file.get_bytes(start, length),
            Chunks::Object(windows) => Ok(windows.bytes(start, length)?),
        }
    }
}

/// Reads on from a place of its own.
pub(crate) enum ChunkReading {
    File(BufReader<Reading>),
    Object(BufReader<ObjectReading>),
}

impl Read for ChunkReading {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            ChunkReading::File(reading) => reading.read(into),
            ChunkReading::Object(reading) => reading.read(into),
        }
    }
}
