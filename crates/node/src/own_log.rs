//! This node's own ledger as a transparency log: what it signs of it, and what others say that it was.

use std::sync::{Arc, Mutex, PoisonError};

use almoner_api::{ReadEntries, Refusal};
use almoner_federation::checkpoint::{
    Checkpoint, CheckpointError, Cosignature, SignedCheckpoint, UnverifiedCheckpoint,
};
use almoner_federation::note::KeyName;
use almoner_federation::{Digest, SigningKey, VerifyingKey};
use almoner_ledger::{LedgerError, NodeLedger, Position, Shown};

use crate::refused;

/// The ledger with the name and key under which its checkpoints are signed.
pub(crate) struct OwnLog {
    origin: KeyName,
    signing: Arc<SigningKey>,
    ledger: Arc<NodeLedger>,
    shown: Mutex<Shown>,
}

/// What another agency's memory of this ledger says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Memory {
    /// The ledger begins with it.
    Begins,
    /// The ledger does not begin with it, and this node's key signed it: the ledger is not what it was.
    Contradicts(Checkpoint),
    /// Neither: anybody may have written it.
    Unproven,
}

impl OwnLog {
    /// `shown` is what was signed of the ledger so far, with which it begins.
    pub(crate) fn new(
        origin: KeyName,
        signing: Arc<SigningKey>,
        ledger: Arc<NodeLedger>,
        shown: Shown,
    ) -> Self {
        OwnLog { shown: Mutex::new(shown), origin, signing, ledger }
    }

    /// The ledger's name, and its key's.
    pub(crate) fn origin(&self) -> &KeyName {
        &self.origin
    }

    /// The key that its checkpoints verify under.
    pub(crate) fn key(&self) -> VerifyingKey {
        self.signing.verifying_key()
    }

    /// The checkpoint of the present position, signed, with the cosignatures that came in for it; on the disk, so that an
    /// export can take it from there.
    pub(crate) async fn checkpoint(self: &Arc<Self>) -> Result<SignedCheckpoint, Refusal> {
        let log = self.clone();
        self.with_ledger(move |ledger| {
            let position = ledger.position()?;
            log.shown(|shown| shown.show(position, &log.signing))
        })
        .await
    }

    /// Writes the cosignatures that [`OwnLog::take`] took to the disk.
    pub(crate) async fn keep(self: &Arc<Self>) -> Result<(), Refusal> {
        let log = self.clone();
        self.with_ledger(move |_| log.shown(Shown::keep)).await
    }

    /// The proof that the ledger at size `new` begins with itself at size `old`, if it was ever so large.
    pub(crate) async fn proof(&self, old: u64, new: u64) -> Result<Option<Vec<Digest>>, Refusal> {
        self.with_ledger(move |ledger| ledger.consistency_proof(old, new)).await
    }

    /// Puts the cosignatures of `cosigner` under `note` on the board, if it is the checkpoint that stands there.
    ///
    /// # Errors
    /// [`Refusal::Signature`] for anything that is not a checkpoint of this ledger with a cosignature of that key.
    pub(crate) async fn add(
        self: &Arc<Self>,
        note: String,
        (name, key): (KeyName, VerifyingKey),
    ) -> Result<bool, Refusal> {
        let log = self.clone();
        let added =
            self.with_ledger(move |_| match log.shown(|shown| shown.add(&note, &log.key(), (&name, &key))) {
                Err(LedgerError::Checkpoint(error)) => Ok(Err(error)),
                added => added.map(Ok),
            });
        added.await?.map_err(|error| {
            tracing::warn!(error = %refused::chain(&error), "a cosignature was refused");
            Refusal::Signature
        })
    }

    /// Puts a witness's cosignature of `checkpoint` on the board, if that stands there still.
    pub(crate) fn take(
        &self,
        checkpoint: &Checkpoint,
        cosignature: &Cosignature,
        key: &VerifyingKey,
    ) -> Result<bool, CheckpointError> {
        self.shown(|shown| shown.take(checkpoint, cosignature, key))
    }

    /// Compares what a witness sent with the ledger; an empty note remembers the empty ledger.
    pub(crate) async fn compare(&self, note: &str) -> Result<Memory, Refusal> {
        if note.is_empty() {
            return Ok(Memory::Begins);
        }
        let Ok(unverified) = UnverifiedCheckpoint::parse(note) else { return Ok(Memory::Unproven) };
        let claimed = unverified.claimed().clone();
        let root = self.with_ledger(move |ledger| ledger.root_at(claimed.size)).await?;
        if claimed.origin == self.origin && root == Some(claimed.root) {
            return Ok(Memory::Begins);
        }
        Ok(match unverified.verify(&self.origin, &self.key()) {
            Ok(_) => Memory::Contradicts(claimed),
            Err(_) => Memory::Unproven,
        })
    }

    /// Where the ledger stands.
    pub(crate) async fn position(&self) -> Result<Position, Refusal> {
        self.with_ledger(NodeLedger::position).await
    }

    fn shown<T>(&self, step: impl FnOnce(&mut Shown) -> T) -> T {
        // Each step replaces what is shown as a whole.
        step(&mut self.shown.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Runs a step on the ledger away from the async threads, for it waits for the disk.
    pub(crate) async fn with_ledger<T: Send + 'static>(
        &self,
        step: impl FnOnce(&NodeLedger) -> Result<T, LedgerError> + Send + 'static,
    ) -> Result<T, Refusal> {
        let ledger = self.ledger.clone();
        tokio::task::spawn_blocking(move || step(&ledger))
            .await
            .map_err(|_| Refusal::Internal)?
            .map_err(|error| refused::by_ledger(&error))
    }
}

impl ReadEntries for OwnLog {
    async fn read(&self, from: u64, at_most: usize) -> Result<Vec<Vec<u8>>, Refusal> {
        self.with_ledger(move |ledger| ledger.entries(from, at_most)).await
    }
}
