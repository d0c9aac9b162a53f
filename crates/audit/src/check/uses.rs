//! What releases prove about ledgers, kept outside memory until each ledger is read: a hundred thousand releases of twenty
//! agencies take half a gigabyte.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::sync::Arc;

use almoner_federation::{Digest, Name, NodeId, QueryId};
use almoner_ledger::Position;

/// A release in which an agency took part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Use {
    /// The registry's entry that published it.
    pub(crate) number: u64,
    pub(crate) spec_hash: Digest,
    pub(crate) query: QueryId,
    pub(crate) attempt: u32,
    pub(crate) context: Digest,
    /// The ledger positions in READY, in the receipt, and in the cosigned checkpoint.
    pub(crate) ready: Position,
    pub(crate) receipt: Position,
    pub(crate) note: Option<Position>,
    /// The data that READY says it answered from.
    pub(crate) snapshot: Digest,
    /// Who took part.
    pub(crate) participants: Arc<[NodeId]>,
}

/// Bytes of one use in the file.
const PACKED_BYTES: usize = 249;

/// Uses of one agency that are written together; fewer stay in memory.
const WRITTEN_TOGETHER: usize = 64;

/// The uses of every agency. Memory: at most 16 KiB an agency, and each different set of participants once; the rest is in
/// a nameless file in the system's temporary folder, 249 bytes for each participant of each release.
#[derive(Debug, Default)]
pub(crate) struct Uses {
    agencies: BTreeMap<Name, Kept>,
    participants: Vec<Arc<[NodeId]>>,
    known: HashMap<Arc<[NodeId]>, u32>,
    file: Option<File>,
}

/// One agency's.
#[derive(Debug, Default)]
struct Kept {
    /// Where the file has so many together.
    written: Vec<u64>,
    waiting: Vec<u8>,
}

impl Uses {
    /// Adds one.
    ///
    /// # Errors
    /// When the temporary folder has no room.
    pub(crate) fn add(&mut self, agency: &Name, used: &Use) -> io::Result<()> {
        let participants = match self.known.get(&used.participants) {
            Some(known) => *known,
            None => {
                let next = u32::try_from(self.participants.len()).map_err(io::Error::other)?;
                self.participants.push(used.participants.clone());
                self.known.insert(used.participants.clone(), next);
                next
            }
        };
        if !self.agencies.contains_key(agency) {
            self.agencies.insert(agency.clone(), Kept::default());
        }
        let kept = self.agencies.get_mut(agency).expect("put there above");
        pack(used, participants, &mut kept.waiting);
        if kept.waiting.len() == WRITTEN_TOGETHER * PACKED_BYTES {
            kept.written.push(append(&mut self.file, &kept.waiting).map_err(no_room)?);
            kept.waiting.clear();
        }
        Ok(())
    }

    /// An agency's, in the order of the registry.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) fn of(&mut self, agency: &Name) -> io::Result<Vec<Use>> {
        let Some(kept) = self.agencies.get(agency) else { return Ok(Vec::new()) };
        let count = kept.written.len() * WRITTEN_TOGETHER + kept.waiting.len() / PACKED_BYTES;
        let mut uses = Vec::with_capacity(count);
        let mut together = vec![0; WRITTEN_TOGETHER * PACKED_BYTES];
        for place in &kept.written {
            let file = self.file.as_mut().expect("something was written");
            file.seek(SeekFrom::Start(*place))?;
            file.read_exact(&mut together)?;
            uses.extend(together.chunks_exact(PACKED_BYTES).map(|packed| unpack(packed, &self.participants)));
        }
        uses.extend(kept.waiting.chunks_exact(PACKED_BYTES).map(|packed| unpack(packed, &self.participants)));
        uses.sort_by_key(|used| used.number);
        Ok(uses)
    }
}

/// Writes at the end of the file, which is made when it is needed first; returns where.
fn append(file: &mut Option<File>, bytes: &[u8]) -> io::Result<u64> {
    let file = match file {
        Some(file) => file,
        None => file.insert(tempfile::tempfile()?),
    };
    let end = file.seek(SeekFrom::End(0))?;
    file.write_all(bytes)?;
    Ok(end)
}

fn no_room(error: io::Error) -> io::Error {
    let folder = std::env::temp_dir();
    let text = format!(
        "an audit keeps {PACKED_BYTES} bytes for each participant of each release in {}: {error}; make room there, or name \
         another folder in TMPDIR",
        folder.display()
    );
    io::Error::new(error.kind(), text)
}

fn pack(used: &Use, participants: u32, into: &mut Vec<u8>) {
    let position = |into: &mut Vec<u8>, at: &Position| {
        into.extend(at.size.to_be_bytes());
        into.extend(at.root.0);
    };
    into.extend(used.number.to_be_bytes());
    into.extend(used.spec_hash.0);
    into.extend(used.query.0);
    into.extend(used.attempt.to_be_bytes());
    into.extend(used.context.0);
    position(into, &used.ready);
    position(into, &used.receipt);
    into.push(u8::from(used.note.is_some()));
    position(into, &used.note.unwrap_or(Position { size: 0, root: Digest([0; 32]) }));
    into.extend(used.snapshot.0);
    into.extend(participants.to_be_bytes());
}

/// Reads what [`pack`] wrote.
fn unpack(packed: &[u8], participants: &[Arc<[NodeId]>]) -> Use {
    fn take<const N: usize>(rest: &mut &[u8]) -> [u8; N] {
        let (head, tail) = rest.split_first_chunk().expect("a whole use of a fixed length");
        *rest = tail;
        *head
    }
    fn position(rest: &mut &[u8]) -> Position {
        Position { size: u64::from_be_bytes(take(rest)), root: Digest(take(rest)) }
    }
    let rest = &mut &packed[..];
    Use {
        number: u64::from_be_bytes(take(rest)),
        spec_hash: Digest(take(rest)),
        query: QueryId(take(rest)),
        attempt: u32::from_be_bytes(take(rest)),
        context: Digest(take(rest)),
        ready: position(rest),
        receipt: position(rest),
        note: {
            let [known] = take(rest);
            let note = position(rest);
            (known == 1).then_some(note)
        },
        snapshot: Digest(take(rest)),
        participants: participants[u32::from_be_bytes(take(rest)) as usize].clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(number: u64, agency: u8) -> Use {
        let digest = |what: &str| Digest::of(format!("{what} {number} {agency}").as_bytes());
        let position = |what| Position { size: number * 3, root: digest(what) };
        Use {
            number,
            spec_hash: digest("spec"),
            query: QueryId([number as u8; 16]),
            attempt: number as u32 % 3,
            context: digest("context"),
            ready: position("ready"),
            receipt: position("receipt"),
            note: (!number.is_multiple_of(4)).then(|| position("note")),
            snapshot: digest("snapshot"),
            participants: (0..2 + number as u32 % 5).map(NodeId).collect(),
        }
    }

    /// Numbers on both sides of what is written together, and none.
    #[test]
    fn uses_come_back_as_they_were_in_the_order_of_the_registry() {
        let names: Vec<Name> = ["north", "south", "tax"].map(|name| name.parse().expect("a name")).into();
        for count in [0u64, 1, 63, 64, 65, 300] {
            let mut uses = Uses::default();
            // Threads finish in no order.
            for number in (0..count).rev() {
                for (place, name) in names[..2].iter().enumerate() {
                    uses.add(name, &used(number, place as u8)).expect("room");
                }
            }
            for (place, name) in names[..2].iter().enumerate() {
                let wanted: Vec<Use> = (0..count).map(|number| used(number, place as u8)).collect();
                assert_eq!(uses.of(name).expect("readable"), wanted, "{count} of {name}");
            }
            assert_eq!(uses.of(&names[2]).expect("readable"), Vec::new());
            assert!(uses.participants.len() <= 5, "each set once");
            assert_eq!(uses.file.is_some(), count >= 64, "small audits write nothing");
        }
    }

    #[test]
    fn a_packed_use_has_its_length() {
        let mut packed = Vec::new();
        pack(&used(1, 1), 0, &mut packed);
        assert_eq!(packed.len(), PACKED_BYTES);
    }
}
