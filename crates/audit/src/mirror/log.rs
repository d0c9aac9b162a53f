//! One log in a mirror: its note, and its entries as tiles.

use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use almoner_federation::Digest;
use almoner_federation::tiles::{MAX_ENTRY_BYTES, TileKind, TilePath, WIDTH, decode_bundle, decode_hashes};

use super::write::{LogWriter, replace};

/// Longest tile: 256 of the longest entries, each after its length.
const MAX_TILE_BYTES: u64 = WIDTH * (2 + MAX_ENTRY_BYTES as u64);

/// The folder of one log.
#[derive(Debug, Clone)]
pub struct LogFolder {
    root: PathBuf,
}

/// What [`LogFolder::entries`] hands out, and what stopped it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadEntry {
    /// All entries were there.
    All,
    /// From this entry on they are missing, or their bundle is broken.
    Until(u64),
    /// The caller wanted no more.
    Stopped,
}

impl LogFolder {
    pub(super) fn new(root: PathBuf) -> Self {
        LogFolder { root }
    }

    /// Where it is.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The newest note, if there is one.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidData`] when the file is too long for a note, or no text.
    pub fn checkpoint(&self) -> io::Result<Option<String>> {
        super::note(&self.root.join("checkpoint"))
    }

    /// Puts the newest note in the place of the one before.
    pub fn keep_checkpoint(&self, note: &str) -> io::Result<()> {
        replace(&self.root.join("checkpoint"), note.as_bytes())
    }

    /// Writes further entries as tiles. The log holds `size` entries so far.
    pub fn writer(&self, size: u64) -> io::Result<LogWriter> {
        LogWriter::resume(self.root.clone(), size)
    }

    /// Gives the entries of a log of `size` to `each` in order, with the leaf hash that the hash tiles have for each, if
    /// they have one. A bundle of 256 entries, 16 MiB at the most, is in memory at a time.
    pub fn entries(
        &self,
        size: u64,
        mut each: impl FnMut(u64, &[u8], Option<Digest>) -> ControlFlow<()>,
    ) -> io::Result<ReadEntry> {
        let mut number = 0;
        while number < size {
            let (index, width) = (number / WIDTH, (size - number).min(WIDTH));
            let Some(bytes) = self.tile(TileKind::Entries, index, width)? else {
                return Ok(ReadEntry::Until(number));
            };
            let Some(entries) = first(&bytes, width) else { return Ok(ReadEntry::Until(number)) };
            let hashes = self.tile(TileKind::Hashes { level: 0 }, index, width)?;
            let hashes = hashes.and_then(|bytes| {
                let all = decode_hashes(&bytes, bytes.len() as u64 / 32).ok()?;
                (all.len() as u64 >= width).then_some(all)
            });
            for (place, entry) in entries.into_iter().enumerate() {
                let hash = hashes.as_ref().map(|hashes| hashes[place]);
                if each(number, entry, hash).is_break() {
                    return Ok(ReadEntry::Stopped);
                }
                number += 1;
            }
        }
        Ok(ReadEntry::All)
    }

    /// The tile of at least `width`: the full one, or the partial one of exactly that width.
    fn tile(&self, kind: TileKind, index: u64, width: u64) -> io::Result<Option<Vec<u8>>> {
        for width in [WIDTH, width] {
            let path = TilePath::new(kind, index, width).map_err(io::Error::other)?;
            // What is longer than any tile is none.
            let tile =
                super::readable(super::read_bounded(&self.root.join(path.to_string()), MAX_TILE_BYTES))?;
            if tile.is_some() {
                return Ok(tile);
            }
        }
        Ok(None)
    }
}

/// The first `width` entries of a bundle that may hold more.
fn first(bytes: &[u8], width: u64) -> Option<Vec<&[u8]>> {
    let mut entries = decode_bundle(bytes, width).or_else(|_| decode_bundle(bytes, WIDTH)).ok()?;
    entries.truncate(width as usize);
    Some(entries)
}
