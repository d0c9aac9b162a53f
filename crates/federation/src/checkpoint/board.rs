//! What a log shows of itself: its newest signed checkpoint, with the cosignatures that came in for it.

use super::{Checkpoint, CheckpointError, Cosignature, SignedCheckpoint, UnverifiedCheckpoint};
use crate::note::KeyName;
use crate::{Digest, SigningKey, VerifyingKey};

/// The newest checkpoint of one log. It holds one note, whose lines are bounded by [`crate::note::MAX_SIGNATURES`].
#[derive(Debug, Clone)]
pub struct Board {
    origin: KeyName,
    shown: Option<SignedCheckpoint>,
}

impl Board {
    /// An empty board of the log `origin`.
    pub fn new(origin: KeyName) -> Self {
        Board { origin, shown: None }
    }

    /// The board of a log that has shown `signed` last.
    pub fn holding(signed: SignedCheckpoint) -> Self {
        Board { origin: signed.checkpoint().origin.clone(), shown: Some(signed) }
    }

    /// What is on the board, with the cosignatures that came in.
    pub fn shown(&self) -> Option<&SignedCheckpoint> {
        self.shown.as_ref()
    }

    /// The checkpoint of `size` entries with hash `root`, which the log has recorded durably, signed now with the log's
    /// `key`; or the one on the board, if it is of so many entries or more.
    pub fn show(
        &mut self,
        size: u64,
        root: Digest,
        key: &SigningKey,
    ) -> Result<SignedCheckpoint, CheckpointError> {
        if let Some(shown) = self.shown.as_ref().filter(|shown| shown.checkpoint().size >= size) {
            return Ok(shown.clone());
        }
        let signed = Checkpoint { origin: self.origin.clone(), size, root }.sign(key)?;
        self.shown = Some(signed.clone());
        Ok(signed)
    }

    /// Takes over from `note`, a checkpoint of this log under `log_key`, the cosignatures of `name` under `key`. They
    /// are dropped unless it is the checkpoint on the board: then the answer is false.
    ///
    /// # Errors
    /// For anything that is no checkpoint of this log, has no cosignature of that key, or one that does not verify.
    pub fn add(
        &mut self,
        note: &str,
        log_key: &VerifyingKey,
        (name, key): (&KeyName, &VerifyingKey),
    ) -> Result<bool, CheckpointError> {
        let given = UnverifiedCheckpoint::parse(note)?.verify(&self.origin, log_key)?;
        let lines: Vec<_> = given.cosignatures().filter(|line| line.name() == name).collect();
        if lines.is_empty() {
            return Err(CheckpointError::Cosignature);
        }
        for line in &lines {
            line.verify(given.checkpoint(), key)?;
        }
        let mut taken = false;
        for line in &lines {
            taken = self.take(given.checkpoint(), line, key)?;
        }
        Ok(taken)
    }

    /// Puts one cosignature of `checkpoint` under the note on the board, after verifying it with its cosigner's `key`.
    /// It is dropped unless that is the checkpoint on the board: then the answer is false.
    pub fn take(
        &mut self,
        checkpoint: &Checkpoint,
        cosignature: &Cosignature,
        key: &VerifyingKey,
    ) -> Result<bool, CheckpointError> {
        match self.shown.as_mut().filter(|shown| shown.checkpoint() == checkpoint) {
            Some(shown) => shown.add(cosignature, key).map(|()| true),
            None => Ok(false),
        }
    }
}
