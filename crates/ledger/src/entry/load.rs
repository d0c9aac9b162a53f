//! The agency's data changed.

use almoner_federation::{DecodeError, Digest, Reader, lp};

use super::{LABEL, digest};

pub(super) const WORD: &str = "LOAD";

/// A LOAD entry: `LP(label, "LOAD", at_s, snapshot)`. From here on the node answers from these files; units may be
/// placed in other territories than before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadEntry {
    /// When it was written, Unix seconds.
    pub at_s: u64,
    /// The snapshot that READYs name.
    pub snapshot: Digest,
}

impl LoadEntry {
    pub(super) fn encode(&self) -> Vec<u8> {
        lp(&[LABEL.as_bytes(), WORD.as_bytes(), &self.at_s.to_be_bytes(), &self.snapshot.0])
    }

    pub(super) fn decode(mut reader: Reader<'_>) -> Result<Self, DecodeError> {
        let entry = LoadEntry { at_s: reader.u64()?, snapshot: digest(&mut reader)? };
        reader.end()?;
        Ok(entry)
    }
}
