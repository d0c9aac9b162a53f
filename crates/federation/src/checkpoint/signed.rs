//! A checkpoint with the signatures under it.

use std::collections::BTreeMap;
use std::fmt;

use super::{Checkpoint, CheckpointError, Cosignature};
use crate::note::{KeyKind, KeyName, Note, NoteError};
use crate::{SigningKey, VerifyingKey};

/// A well-formed checkpoint that anybody may have written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnverifiedCheckpoint {
    checkpoint: Checkpoint,
    note: Note,
}

impl UnverifiedCheckpoint {
    /// Reads a signed checkpoint strictly.
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        let note = Note::parse(text)?;
        Ok(UnverifiedCheckpoint { checkpoint: note.text().parse()?, note })
    }

    /// What it claims: good for choosing the key to verify it with.
    pub fn claimed(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// Succeeds when it is a checkpoint of the log `origin` and `key` signed it.
    pub fn verify(self, origin: &KeyName, key: &VerifyingKey) -> Result<SignedCheckpoint, CheckpointError> {
        let UnverifiedCheckpoint { checkpoint, note } = self;
        if checkpoint.origin != *origin {
            return Err(CheckpointError::Origin { found: checkpoint.origin, expected: origin.clone() });
        }
        note.verify(origin, key)?;
        Ok(SignedCheckpoint { checkpoint, note })
    }
}

/// A checkpoint that its log signed; its text form is the signed note. Of the other lines under it
/// nothing is known: [`SignedCheckpoint::cosigners`] says which cosigners stand behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedCheckpoint {
    checkpoint: Checkpoint,
    note: Note,
}

impl Checkpoint {
    /// Signs as the log itself. A log must have recorded durably what it signs, and never signs a
    /// checkpoint that does not begin with every one that it signed before.
    pub fn sign(self, key: &SigningKey) -> Result<SignedCheckpoint, CheckpointError> {
        let note = Note::sign(&self.to_string(), &self.origin, key)?;
        Ok(SignedCheckpoint { checkpoint: self, note })
    }
}

impl SignedCheckpoint {
    /// What the log signed.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// Cosigns as the witness `name`, at `time_s` seconds since 1970-01-01 00:00 UTC. The witness has
    /// checked that this checkpoint begins with the last that it cosigned for this log.
    ///
    /// One key must not serve two witnesses: the message does not name its signer.
    pub fn cosign(
        &self,
        name: &KeyName,
        key: &SigningKey,
        time_s: u64,
    ) -> Result<Cosignature, CheckpointError> {
        Cosignature::sign(&self.checkpoint, name, key, time_s)
    }

    /// Adds a cosignature after verifying it with its cosigner's `key`, in the place of an earlier one
    /// by the same key.
    pub fn add(&mut self, cosignature: &Cosignature, key: &VerifyingKey) -> Result<(), CheckpointError> {
        cosignature.verify(&self.checkpoint, key)?;
        Ok(self.note.add(cosignature.line())?)
    }

    /// The same checkpoint with the signature of its log's `key` alone, as its cosigners get it.
    pub fn bare(&self, key: &VerifyingKey) -> Result<SignedCheckpoint, CheckpointError> {
        let key_id = KeyKind::Note.key_id(&self.checkpoint.origin, key);
        let note = self.note.alone(&self.checkpoint.origin, key_id)?;
        Ok(SignedCheckpoint { checkpoint: self.checkpoint.clone(), note })
    }

    /// Every line that has the form of a cosignature, none of them verified.
    pub fn cosignatures(&self) -> impl Iterator<Item = Cosignature> {
        self.note.signatures().iter().filter_map(|line| Cosignature::try_from(line).ok())
    }

    /// Which of the `known` cosigners signed, each once and in the order of names, with the latest time,
    /// in seconds since 1970-01-01 00:00 UTC, under which they did. Lines of unknown keys are ignored.
    ///
    /// Fails when a line of a known key does not verify, because the note is then not what its signers
    /// saw, and when two names of `known` share a key. Whether a time is recent enough the caller decides.
    pub fn cosigners(
        &self,
        known: &[(KeyName, VerifyingKey)],
    ) -> Result<Vec<(KeyName, u64)>, CheckpointError> {
        for (place, (name, key)) in known.iter().enumerate() {
            if let Some((other, _)) = known[..place].iter().find(|(other, k)| k == key && other != name) {
                return Err(CheckpointError::SharedKey(other.clone(), name.clone()));
            }
        }
        let mut latest = BTreeMap::new();
        for (name, key) in known {
            let key_id = KeyKind::Cosignature.key_id(name, key);
            for line in self.note.lines_of(name, key_id) {
                let cosignature = Cosignature::try_from(line)
                    .map_err(|_| NoteError::Signature { name: name.clone(), key_id })?;
                cosignature.verify(&self.checkpoint, key)?;
                let time_s = latest.entry(name.clone()).or_insert(0);
                *time_s = cosignature.time_s().max(*time_s);
            }
        }
        Ok(latest.into_iter().collect())
    }
}

impl fmt::Display for SignedCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.note.fmt(f)
    }
}
