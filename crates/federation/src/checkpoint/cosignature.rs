//! A witness's word, with its time, that a checkpoint is the newest consistent one that it saw:
//! `cosignature/v1` of C2SP tlog-cosignature, Ed25519.

use super::{Checkpoint, CheckpointError};
use crate::note::{COSIGNATURE_HEADER, KeyKind, KeyName, NoteError, NoteSignature};
use crate::{Signature, SigningKey, VerifyingKey};

/// A signature line of 8 bytes of big-endian time and 64 of signature; not verified unless it is said so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cosignature {
    name: KeyName,
    key_id: u32,
    time_s: u64,
    signature: Signature,
}

impl Cosignature {
    /// Signs; only a checkpoint that its log signed is worth it, so [`super::SignedCheckpoint`] offers it.
    pub(super) fn sign(
        checkpoint: &Checkpoint,
        name: &KeyName,
        key: &SigningKey,
        time_s: u64,
    ) -> Result<Self, CheckpointError> {
        if i64::try_from(time_s).is_err() {
            return Err(CheckpointError::Cosignature);
        }
        let key_id = KeyKind::Cosignature.key_id(name, &key.verifying_key());
        let signature = key.sign(message(checkpoint, time_s).as_bytes());
        Ok(Cosignature { name: name.clone(), key_id, time_s, signature })
    }

    /// Succeeds when `key`, under this line's name, cosigned `checkpoint` at this line's time.
    pub fn verify(&self, checkpoint: &Checkpoint, key: &VerifyingKey) -> Result<(), NoteError> {
        let bad = || NoteError::Signature { name: self.name.clone(), key_id: self.key_id };
        if self.key_id != KeyKind::Cosignature.key_id(&self.name, key) {
            return Err(bad());
        }
        key.verify(message(checkpoint, self.time_s).as_bytes(), &self.signature).map_err(|_| bad())
    }

    /// Whose it says it is.
    pub fn name(&self) -> &KeyName {
        &self.name
    }

    /// When it says it was made, in seconds since 1970-01-01 00:00 UTC; below 2^63.
    pub fn time_s(&self) -> u64 {
        self.time_s
    }

    /// The line that carries it in a note and from a witness.
    pub fn line(&self) -> NoteSignature {
        let bytes = [self.time_s.to_be_bytes().as_slice(), &self.signature.0].concat();
        NoteSignature::new(self.name.clone(), self.key_id, bytes)
    }
}

impl TryFrom<&NoteSignature> for Cosignature {
    type Error = CheckpointError;

    fn try_from(line: &NoteSignature) -> Result<Self, CheckpointError> {
        let (time_s, signature) = line.bytes().split_first_chunk().ok_or(CheckpointError::Cosignature)?;
        let time_s = u64::from_be_bytes(*time_s);
        let signature = Signature::try_from(signature).map_err(|_| CheckpointError::Cosignature)?;
        if i64::try_from(time_s).is_err() {
            return Err(CheckpointError::Cosignature);
        }
        Ok(Cosignature { name: line.name().clone(), key_id: line.key_id(), time_s, signature })
    }
}

/// What a cosigner signs.
fn message(checkpoint: &Checkpoint, time_s: u64) -> String {
    format!("{COSIGNATURE_HEADER}time {time_s}\n{checkpoint}")
}
