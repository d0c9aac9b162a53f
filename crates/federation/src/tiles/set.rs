//! Which tiles a tree has, and their bytes, one tile in memory at a time.

use std::ops::Range;

use super::TileError;
use super::bundle::encode_bundle;
use super::path::{TileKind, TilePath, WIDTH};
use crate::Digest;
use crate::merkle::Tree;

/// Tiles of a tree of fewer than 2^64 leaves are at levels 0 to 7.
const LEVELS: u8 = 8;

/// The tiles to write after a tree of `old_size` leaves became one of `new_size`: entry bundles, then
/// hash tiles from the leaves upwards. With `old_size` 0, all of its tiles. None when it did not grow.
///
/// A partial tile is written again, wider, under another name; the narrower one may be deleted once the
/// full one is there.
pub fn changed(old_size: u64, new_size: u64) -> impl Iterator<Item = TilePath> {
    let hashes = (0..LEVELS).map(|level| (TileKind::Hashes { level }, 8 * u32::from(level)));
    std::iter::once((TileKind::Entries, 0)).chain(hashes).flat_map(move |(kind, shift)| {
        let (old, new) = (old_size >> shift, new_size >> shift);
        let full = if old < new { old / WIDTH..new / WIDTH } else { 0..0 };
        let partial = (old < new && new % WIDTH > 0).then_some((new / WIDTH, new % WIDTH));
        let tile = move |(index, width)| {
            TilePath::new(kind, index, width).expect("a remainder of 256 that is not 0 is a width")
        };
        full.map(|index| (index, WIDTH)).chain(partial).map(tile)
    })
}

/// Hands every [`changed`] tile and its bytes to `write`, one after another. `entries` gives the entries
/// of a range of at most 256 numbers, in order; a bundle of them is the most that is held at once, 16 MiB.
///
/// Fails when the tree or `entries` has fewer than `new_size`, when an entry is longer than
/// [`MAX_ENTRY_BYTES`](super::MAX_ENTRY_BYTES), and as `entries` and `write` fail. The checkpoint
/// is published only after this has succeeded.
pub fn for_each_changed<E: From<TileError>>(
    tree: &Tree,
    old_size: u64,
    new_size: u64,
    mut entries: impl FnMut(Range<u64>) -> Result<Vec<Vec<u8>>, E>,
    mut write: impl FnMut(&TilePath, &[u8]) -> Result<(), E>,
) -> Result<(), E> {
    if new_size > tree.size() {
        return Err(TileError::Missing.into());
    }
    for path in changed(old_size, new_size) {
        let bytes = match path.kind() {
            TileKind::Hashes { .. } => tree.tile(&path).ok_or(TileError::Missing)?,
            TileKind::Entries => {
                let items = path.items().ok_or(TileError::Missing)?;
                let found = entries(items)?;
                if found.len() as u64 != path.width() {
                    return Err(TileError::Missing.into());
                }
                encode_bundle(&found)?
            }
        };
        write(&path, &bytes)?;
    }
    Ok(())
}

impl Tree {
    /// The bytes of a hash tile, 32 for each hash; `None` for an entry bundle, and when the tree has not
    /// all the hashes.
    pub fn tile(&self, path: &TilePath) -> Option<Vec<u8>> {
        let TileKind::Hashes { level } = path.kind() else { return None };
        let mut bytes = Vec::with_capacity(32 * path.width() as usize);
        for index in path.items()? {
            let Digest(hash) = self.subtree(8 * u32::from(level), index)?;
            bytes.extend_from_slice(&hash);
        }
        Some(bytes)
    }
}
