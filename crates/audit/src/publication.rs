//! A publication: the coordinator's signed statement of a release's total.

use almoner_federation::{DecodeError, Digest, Reader, lp};

/// The label of a publication's canonical bytes.
const LABEL: &str = "almoner/1/publish";

/// What the coordinator signs when a round is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Publication {
    /// The round's context.
    pub context: Digest,
    /// SHA-256 of the total's little-endian bytes.
    pub total: Digest,
    /// Seconds since 1970-01-01 UTC.
    pub published_at_s: u64,
}

impl Publication {
    /// The statement for `total`.
    pub fn new(context: Digest, total: &[i64], published_at_s: u64) -> Self {
        let bytes: Vec<u8> = total.iter().flat_map(|value| value.to_le_bytes()).collect();
        Publication { context, total: Digest::of(&bytes), published_at_s }
    }

    /// Canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        lp(&[LABEL.as_bytes(), &self.context.0, &self.total.0, &self.published_at_s.to_be_bytes()])
    }

    /// Reads canonical bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes, LABEL)?;
        let publication = Publication {
            context: Digest(reader.array()?),
            total: Digest(reader.array()?),
            published_at_s: reader.u64()?,
        };
        reader.end()?;
        Ok(publication)
    }
}
