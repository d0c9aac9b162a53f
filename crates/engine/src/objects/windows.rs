//! Parts of an object for a reader that goes through several ranges of it at once, as Parquet's does through columns:
//! each has a window of its own that moves along, so that no byte of it is fetched twice and none beside it at all.

use std::io::{self, Read};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Bytes, BytesMut};

use super::object::Object;

/// What all windows of one reader hold together, where that leaves each the least and gives none more than the most.
/// One piece that is longer (a page of a Parquet file) is fetched whole.
const TOGETHER_BYTES: usize = 1 << 24;
const LEAST_BYTES: usize = 1 << 18;
const MOST_BYTES: usize = 1 << 22;
/// The end of a Parquet file that is fetched at once: most footers are shorter.
const END_BYTES: u64 = 1 << 14;
/// What is fetched for a reader outside of all ranges.
const STRAY_BYTES: usize = 1 << 16;

/// Part of a range.
#[derive(Debug)]
struct Window {
    range: Range<u64>,
    /// Where `bytes` begin.
    start: u64,
    bytes: Bytes,
}

/// An object and the windows on it.
#[derive(Debug, Clone)]
pub(crate) struct Windows {
    object: Arc<Object>,
    windows: Arc<Vec<Mutex<Window>>>,
    /// How much a window holds.
    step: usize,
}

impl Windows {
    /// A window on the last bytes, which are fetched.
    pub(crate) fn at_the_end(object: Arc<Object>) -> io::Result<Windows> {
        let size = object.size_bytes();
        let start = size.saturating_sub(END_BYTES);
        let bytes = object.bytes(start, (size - start) as usize)?;
        let window = Mutex::new(Window { range: start..size, start, bytes });
        Ok(Windows { object, windows: Arc::new(vec![window]), step: STRAY_BYTES })
    }

    /// Windows on these ranges of the same object, of which nothing is fetched yet.
    pub(crate) fn over(&self, ranges: impl Iterator<Item = Range<u64>>) -> Windows {
        let window = |range: Range<u64>| {
            let end = range.end.min(self.size_bytes());
            Mutex::new(Window { start: range.start, range: range.start..end, bytes: Bytes::new() })
        };
        let windows: Vec<_> = ranges.map(window).collect();
        let step = (TOGETHER_BYTES / windows.len().max(1)).clamp(LEAST_BYTES, MOST_BYTES);
        Windows { object: Arc::clone(&self.object), windows: Arc::new(windows), step }
    }

    pub(crate) fn size_bytes(&self) -> u64 {
        self.object.size_bytes()
    }

    /// Exactly these bytes.
    pub(crate) fn bytes(&self, start: u64, length: usize) -> io::Result<Bytes> {
        self.at(start, length).map(|bytes| bytes.slice(..length))
    }

    /// A reader that begins at `start`.
    pub(crate) fn from(self, start: u64) -> ObjectReading {
        ObjectReading { windows: self, at: start }
    }

    /// The bytes from `start` on, at least `least` of them.
    fn at(&self, start: u64, least: usize) -> io::Result<Bytes> {
        let end = start.checked_add(least as u64).ok_or(io::ErrorKind::UnexpectedEof)?;
        for window in self.windows.iter() {
            let mut window = window.lock().unwrap_or_else(PoisonError::into_inner);
            if window.range.start <= start && end <= window.range.end {
                return window.at(&self.object, start, least, self.step);
            }
        }
        let left = self.size_bytes().saturating_sub(start);
        let length = STRAY_BYTES.min(usize::try_from(left).unwrap_or(usize::MAX)).max(least);
        self.object.bytes(start, length)
    }
}

impl Window {
    /// See [`Windows::at`]; the bytes asked for are in the range.
    fn at(&mut self, object: &Object, start: u64, least: usize, step: usize) -> io::Result<Bytes> {
        let skip = start.checked_sub(self.start).and_then(|skip| usize::try_from(skip).ok());
        let kept = match skip {
            Some(skip) if skip < self.bytes.len() => self.bytes.slice(skip..),
            _ => Bytes::new(),
        };
        if kept.len() >= least && !kept.is_empty() {
            return Ok(kept);
        }
        let from = start + kept.len() as u64;
        let left = usize::try_from(self.range.end - from).unwrap_or(usize::MAX);
        let fetched = object.bytes(from, step.max(least - kept.len()).min(left))?;
        self.bytes = if kept.is_empty() {
            fetched
        } else {
            let mut joined = BytesMut::with_capacity(kept.len() + fetched.len());
            joined.extend_from_slice(&kept);
            joined.extend_from_slice(&fetched);
            joined.freeze()
        };
        self.start = start;
        Ok(self.bytes.clone())
    }
}

/// Reads on from a place of its own.
#[derive(Debug)]
pub(crate) struct ObjectReading {
    windows: Windows,
    at: u64,
}

impl Read for ObjectReading {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.at >= self.windows.size_bytes() || into.is_empty() {
            return Ok(0);
        }
        let bytes = self.windows.at(self.at, 1)?;
        let count = into.len().min(bytes.len());
        into[..count].copy_from_slice(&bytes[..count]);
        self.at += count as u64;
        Ok(count)
    }
}
