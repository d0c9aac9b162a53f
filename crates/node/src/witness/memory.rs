//! What this agency remembers of the other agencies' ledgers, on the disk before anybody hears of it.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use almoner_federation::checkpoint::{Checkpoint, CheckpointError, SignedCheckpoint, UnverifiedCheckpoint};
use almoner_federation::merkle::verify_consistency;
use almoner_federation::note::KeyName;
use almoner_federation::{Digest, Manifest, Name, Role, SigningKey, VerifyingKey};
use almoner_ledger::replace_file;

use super::folder::make_folder;
use crate::NodeError;

/// Longest note that is read: a checkpoint with one signature has a few hundred bytes.
pub(super) const MAX_NOTE_BYTES: usize = 4_096;

/// The newest checkpoint of every other agency's ledger that this agency cosigned: a file each, `NAME.checkpoint`.
/// What contradicts it is kept as evidence beside it, in `NAME.fork`.
pub(crate) struct Memory {
    folder: PathBuf,
    ledgers: BTreeMap<KeyName, Ledger>,
}

struct Ledger {
    agency: Name,
    key: VerifyingKey,
    last: Mutex<Option<Cosigned>>,
}

/// A checkpoint with the note in which this agency cosigned it.
#[derive(Clone)]
struct Cosigned {
    checkpoint: Checkpoint,
    note: String,
}

/// What a request for a cosignature gets.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The note with this agency's cosignature.
    Cosigned {
        /// The log's signature and this agency's.
        note: String,
        /// The size that is remembered from now on.
        size: u64,
    },
    /// The proof begins elsewhere, or the checkpoint is older: this is the size that is remembered.
    Remembered(u64),
}

/// Why there is none.
#[derive(Debug)]
pub(crate) enum Fault {
    /// No other agency's ledger.
    Unknown,
    /// No checkpoint that the ledger's agency signed.
    Checkpoint(CheckpointError),
    /// It does not continue what is remembered.
    Fork,
    /// It cannot be kept, so it was not cosigned.
    Disk(io::Error),
}

impl Memory {
    /// Reads what `agency` remembers from `folder`, which is made where it is missing.
    ///
    /// # Errors
    /// [`NodeError::Memory`] naming a file that cannot be read or holds something else.
    pub(crate) fn open(folder: PathBuf, manifest: &Manifest, agency: &Name) -> Result<Self, NodeError> {
        let failed = |path: &Path, source: io::Error| NodeError::Memory { path: path.to_owned(), source };
        make_folder(&folder).map_err(|source| failed(&folder, source))?;
        let mut ledgers = BTreeMap::new();
        for other in manifest.agencies.iter().filter(|other| other.name != *agency) {
            let origin = manifest.identity(Role::Agency, &other.name).key_name();
            let path = folder.join(file_of(&other.name));
            let last = read(&path, &origin).map_err(|source| failed(&path, source))?;
            let ledger =
                Ledger { agency: other.name.clone(), key: other.signing_key, last: Mutex::new(last) };
            ledgers.insert(origin, ledger);
        }
        Ok(Memory { folder, ledgers })
    }

    /// The note that this agency cosigned last for the ledger `origin`, empty when there is none.
    pub(crate) fn remembered(&self, origin: &KeyName) -> Result<String, Fault> {
        let ledger = self.ledgers.get(origin).ok_or(Fault::Unknown)?;
        let last = ledger.last.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(last.as_ref().map_or_else(String::new, |last| last.note.clone()))
    }

    /// Cosigns `note`, a checkpoint of the ledger `origin`, as `signer` at the second `now_s`, when `proof` shows that
    /// it continues what is remembered, which ends at `old_size`. It is on the disk when this returns. The checkpoint
    /// that was cosigned last gets the same answer again, so an answer that was lost is not.
    ///
    /// # Errors
    /// Nothing is cosigned then. A checkpoint that the agency signed and that contradicts what is remembered is kept.
    pub(crate) fn cosign(
        &self,
        origin: &KeyName,
        note: &str,
        (old_size, proof): (u64, &[Digest]),
        signer: (&KeyName, &SigningKey),
        now_s: u64,
    ) -> Result<Answer, Fault> {
        let ledger = self.ledgers.get(origin).ok_or(Fault::Unknown)?;
        let given = parse(note).and_then(|given| given.verify(origin, &ledger.key));
        let given = given.and_then(|given| given.bare(&ledger.key)).map_err(Fault::Checkpoint)?;
        let next = given.checkpoint();
        // A panic under the lock left what was there: it is replaced as the last step.
        let mut last = ledger.last.lock().unwrap_or_else(PoisonError::into_inner);
        let (size, root) = match &*last {
            None => (0, Digest::of(&[])),
            Some(Cosigned { checkpoint, .. }) => (checkpoint.size, checkpoint.root),
        };
        if let Some(cosigned) = last.as_ref().filter(|_| next.size == size) {
            if next.root != root {
                return Err(self.keep_fork(ledger, &cosigned.note, &given));
            }
            if is_by(&cosigned.note, origin, &ledger.key, signer) {
                return Ok(Answer::Cosigned { note: cosigned.note.clone(), size });
            }
        } else if old_size != size || next.size < size {
            return Ok(Answer::Remembered(size));
        }
        let proof = if next.size == size { &[] } else { proof };
        if !verify_consistency(size, root, next.size, next.root, proof) {
            return Err(match &*last {
                Some(cosigned) => self.keep_fork(ledger, &cosigned.note, &given),
                None => Fault::Checkpoint(CheckpointError::Malformed("nothing needs no proof")),
            });
        }
        let cosigned = cosign(given, signer, now_s).map_err(Fault::Checkpoint)?;
        let note = cosigned.to_string();
        replace_file(&self.folder.join(file_of(&ledger.agency)), note.as_bytes()).map_err(Fault::Disk)?;
        let size = cosigned.checkpoint().size;
        *last = Some(Cosigned { checkpoint: cosigned.checkpoint().clone(), note: note.clone() });
        Ok(Answer::Cosigned { note, size })
    }

    /// Keeps both checkpoints: the first contradiction, for it proves as much as all later ones.
    fn keep_fork(&self, ledger: &Ledger, remembered: &str, given: &SignedCheckpoint) -> Fault {
        tracing::error!(
            agency = %ledger.agency,
            size = given.checkpoint().size,
            root = %given.checkpoint().root,
            "an agency signed a checkpoint that does not continue the one remembered here: its ledger was rolled \
             back or forked; both are kept in {}",
            self.folder.display()
        );
        let name = fork_of(&ledger.agency);
        if !self.folder.join(&name).exists()
            && let Err(error) =
                replace_file(&self.folder.join(&name), format!("{remembered}\n{given}").as_bytes())
        {
            tracing::error!(%error, "the evidence could not be kept");
        }
        Fault::Fork
    }
}

pub(super) fn file_of(agency: &Name) -> String {
    format!("{agency}.checkpoint")
}

/// Holds the note that was remembered and, after a blank line, the first that contradicts it.
pub(super) fn fork_of(agency: &Name) -> String {
    format!("{agency}.fork")
}

fn parse(note: &str) -> Result<UnverifiedCheckpoint, CheckpointError> {
    if note.len() > MAX_NOTE_BYTES {
        return Err(CheckpointError::Malformed("it is longer than a checkpoint with one signature"));
    }
    UnverifiedCheckpoint::parse(note)
}

/// What the file holds. It was verified when it was written, perhaps under keys that the agencies have changed since:
/// what it says of the tree holds all the same.
fn read(path: &Path, origin: &KeyName) -> io::Result<Option<Cosigned>> {
    let note = match std::fs::read_to_string(path) {
        Ok(note) => note,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let read = UnverifiedCheckpoint::parse(&note).map_err(io::Error::other)?;
    let checkpoint = read.claimed().clone();
    if checkpoint.origin != *origin {
        return Err(io::Error::other("it is a checkpoint of another ledger"));
    }
    Ok(Some(Cosigned { checkpoint, note }))
}

fn cosign(
    mut checkpoint: SignedCheckpoint,
    (name, key): (&KeyName, &SigningKey),
    now_s: u64,
) -> Result<SignedCheckpoint, CheckpointError> {
    let cosignature = checkpoint.cosign(name, key, now_s)?;
    checkpoint.add(&cosignature, &key.verifying_key())?;
    Ok(checkpoint)
}

/// Whether both signatures under `note` are by the keys of today.
fn is_by(note: &str, origin: &KeyName, log: &VerifyingKey, (name, key): (&KeyName, &SigningKey)) -> bool {
    let signed = UnverifiedCheckpoint::parse(note).and_then(|note| note.verify(origin, log));
    let cosigners = signed.and_then(|note| note.cosigners(&[(name.clone(), key.verifying_key())]));
    cosigners.is_ok_and(|cosigners| cosigners.len() == 1)
}

#[cfg(test)]
mod tests;
