//! The bytes of tiles: hashes one after another, entries each after its length.

use super::TileError;
use super::path::WIDTH;
use crate::Digest;

/// Longest entry of a bundle, in bytes: its length is two bytes.
pub const MAX_ENTRY_BYTES: usize = u16::MAX as usize;

/// The bundle of `entries`, 1 to 256: each is its length as a big-endian `u16`, then itself.
pub fn encode_bundle<T: AsRef<[u8]>>(entries: &[T]) -> Result<Vec<u8>, TileError> {
    if entries.is_empty() || entries.len() as u64 > WIDTH {
        return Err(TileError::Shape);
    }
    let mut bytes = Vec::with_capacity(entries.iter().map(|entry| 2 + entry.as_ref().len()).sum());
    for entry in entries.iter().map(AsRef::as_ref) {
        let length =
            u16::try_from(entry.len()).map_err(|_| TileError::EntryTooLong { bytes: entry.len() })?;
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(entry);
    }
    Ok(bytes)
}

/// The entries of a bundle that holds exactly `width` of them.
pub fn decode_bundle(bytes: &[u8], width: u64) -> Result<Vec<&[u8]>, TileError> {
    let mut rest = bytes;
    let mut entries = Vec::new();
    while let Some((length, tail)) = rest.split_first_chunk::<2>() {
        let (entry, tail) =
            tail.split_at_checked(u16::from_be_bytes(*length).into()).ok_or(TileError::Width)?;
        if entries.len() as u64 == width.min(WIDTH) {
            return Err(TileError::Width);
        }
        entries.push(entry);
        rest = tail;
    }
    if rest.is_empty() && width > 0 && entries.len() as u64 == width {
        Ok(entries)
    } else {
        Err(TileError::Width)
    }
}

/// The hashes of a tile that holds exactly `width` of them.
pub fn decode_hashes(bytes: &[u8], width: u64) -> Result<Vec<Digest>, TileError> {
    let (hashes, rest) = bytes.as_chunks::<32>();
    if rest.is_empty() && (1..=WIDTH).contains(&width) && hashes.len() as u64 == width {
        Ok(hashes.iter().copied().map(Digest).collect())
    } else {
        Err(TileError::Width)
    }
}
