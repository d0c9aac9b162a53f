//! A file that several threads read at once, each where it likes. It is never opened again by its name.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::sync::Arc;

use bytes::Bytes;
use datafusion::parquet::errors::Result;
use datafusion::parquet::file::reader::{ChunkReader, Length};

/// Bytes read at once where a reader takes them bit by bit.
const BUFFER_BYTES: usize = 1 << 16;

/// The open file and how long it was.
#[derive(Debug, Clone)]
pub(crate) struct SharedFile {
    file: Arc<File>,
    size_bytes: u64,
}

impl SharedFile {
    pub(crate) fn new(file: File) -> io::Result<Self> {
        let size_bytes = file.metadata()?.len();
        Ok(SharedFile { file: Arc::new(file), size_bytes })
    }

    /// Exactly these bytes.
    pub(crate) fn bytes(&self, start: u64, length: usize) -> io::Result<Bytes> {
        // What a file says of itself must not make us ask for more memory than it has bytes.
        if start.checked_add(length as u64).is_none_or(|end| end > self.size_bytes) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut bytes = Vec::with_capacity(length);
        self.clone().from(start).take(length as u64).read_to_end(&mut bytes)?;
        if bytes.len() < length { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(bytes.into()) }
    }

    /// A reader that begins at `start`.
    pub(crate) fn from(self, start: u64) -> Reading {
        Reading { file: self.file, at: start }
    }
}

impl Length for SharedFile {
    fn len(&self) -> u64 {
        self.size_bytes
    }
}

impl ChunkReader for SharedFile {
    type T = BufReader<Reading>;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        Ok(BufReader::with_capacity(BUFFER_BYTES, self.clone().from(start)))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        Ok(self.bytes(start, length)?)
    }
}

/// Reads on from a place of its own.
#[derive(Debug)]
pub(crate) struct Reading {
    file: Arc<File>,
    at: u64,
}

impl Read for Reading {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = read_at(&self.file, into, self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

/// Some bytes from this place on; none at the end.
#[cfg(unix)]
pub(crate) fn read_at(file: &File, into: &mut [u8], at: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, into, at)
}

#[cfg(windows)]
pub(crate) fn read_at(file: &File, into: &mut [u8], at: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, into, at)
}
