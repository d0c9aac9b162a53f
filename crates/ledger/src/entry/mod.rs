//! The canonical bytes of a node's ledger entries (PROTOCOL E.2): what auditors read and trees hash.

mod approval;
mod load;
mod policy;
mod round;

use almoner_federation::tiles::MAX_ENTRY_BYTES;
use almoner_federation::{DecodeError, Digest, Name, PicoRho, Reader};

pub use approval::{Approval, ApprovalEntry, SignedApproval};
pub use load::LoadEntry;
pub use policy::{Limits, Policy, PolicyEntry, ReleaseLimits, SignedPolicy, TerritoryLimit};
pub use round::{RoundEntry, Step, Touched};

pub(crate) use policy::check_bounds;

/// The first item of every entry.
const LABEL: &str = "almoner/1/ledger-entry";

/// One entry. All cumulative sums are of *charges*, after the entry; reservations are recomputed from
/// the RESERVE entries that no later entry ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// The opening entry, and one more whenever the manifest, a limit or a rule changes.
    Policy(Box<PolicyEntry>),
    /// The data officer approved a question.
    Approval(ApprovalEntry),
    /// The agency's data changed.
    Load(LoadEntry),
    /// One step of one attempt.
    Round(RoundEntry),
}

impl Entry {
    /// The canonical bytes, at most [`MAX_ENTRY_BYTES`], what a bundle of tiles can hold: `LP(label, type, at_s, ...)`, integers big-endian. The rest is
    /// stated at the types: [`PolicyEntry`], [`ApprovalEntry`], [`LoadEntry`], [`RoundEntry`].
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Entry::Policy(entry) => entry.encode(),
            Entry::Approval(entry) => entry.encode(),
            Entry::Load(entry) => entry.encode(),
            Entry::Round(entry) => entry.encode(),
        }
    }

    /// Reads [`Entry::encode`]'s bytes back, and nothing else: each entry has one encoding.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        if bytes.len() > MAX_ENTRY_BYTES {
            return Err(DecodeError::Malformed("entry too long"));
        }
        let mut reader = Reader::new(bytes, LABEL)?;
        match reader.text()? {
            policy::WORD => PolicyEntry::decode(reader, false).map(|entry| Entry::Policy(Box::new(entry))),
            policy::GRANT => PolicyEntry::decode(reader, true).map(|entry| Entry::Policy(Box::new(entry))),
            approval::WORD => ApprovalEntry::decode(reader).map(Entry::Approval),
            load::WORD => LoadEntry::decode(reader).map(Entry::Load),
            word => RoundEntry::decode(word, reader).map(Entry::Round),
        }
    }

    /// When it was written, Unix seconds.
    pub fn at_s(&self) -> u64 {
        match self {
            Entry::Policy(entry) => entry.at_s,
            Entry::Approval(entry) => entry.at_s,
            Entry::Load(entry) => entry.at_s,
            Entry::Round(entry) => entry.at_s,
        }
    }
}

pub(crate) fn name(reader: &mut Reader<'_>) -> Result<Name, DecodeError> {
    reader.text()?.parse().map_err(|_| DecodeError::Malformed("not a name"))
}

fn rho(reader: &mut Reader<'_>) -> Result<PicoRho, DecodeError> {
    reader.u64().map(PicoRho::new)
}

fn digest(reader: &mut Reader<'_>) -> Result<Digest, DecodeError> {
    reader.array().map(Digest)
}
