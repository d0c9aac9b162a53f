//! This node's own ledger as a transparency log: what it signs of it, and what others say that it was.

use std::sync::{Arc, Mutex, PoisonError};

use almoner_api::{ReadEntries, Refusal};
use almoner_federation::checkpoint::{
    Board, Checkpoint, CheckpointError, Cosignature, SignedCheckpoint, UnverifiedCheckpoint,
};
use almoner_federation::note::KeyName;
use almoner_federation::{Digest, SigningKey, VerifyingKey};
use almoner_ledger::{LedgerError, NodeLedger, Position};

use crate::refused;

/// The ledger with the name and key under which its checkpoints are signed.
pub(crate) struct OwnLog {
    origin: KeyName,
    signing: Arc<SigningKey>,
    ledger: Arc<NodeLedger>,
    board: Mutex<Board>,
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
    pub(crate) fn new(origin: KeyName, signing: Arc<SigningKey>, ledger: Arc<NodeLedger>) -> Self {
        OwnLog { board: Mutex::new(Board::new(origin.clone())), origin, signing, ledger }
    }

    /// The ledger's name, and its key's.
    pub(crate) fn origin(&self) -> &KeyName {
        &self.origin
    }

    /// The key that its checkpoints verify under.
    pub(crate) fn key(&self) -> VerifyingKey {
        self.signing.verifying_key()
    }

    /// The checkpoint of the present position, signed, with the cosignatures that came in for it.
    pub(crate) async fn checkpoint(self: &Arc<Self>) -> Result<SignedCheckpoint, Refusal> {
        let log = self.clone();
        self.with_ledger(move |ledger| {
            let Position { size, root } = ledger.position()?;
            Ok(log.board(|board| board.show(size, root, &log.signing)))
        })
        .await?
        .map_err(internal)
    }

    /// The proof that the ledger at size `new` begins with itself at size `old`, if it was ever so large.
    pub(crate) async fn proof(&self, old: u64, new: u64) -> Result<Option<Vec<Digest>>, Refusal> {
        self.with_ledger(move |ledger| ledger.consistency_proof(old, new)).await
    }

    /// Puts the cosignatures of `cosigner` under `note` on the board, if it is the checkpoint that stands there.
    pub(crate) fn add(
        &self,
        note: &str,
        cosigner: (&KeyName, &VerifyingKey),
    ) -> Result<bool, CheckpointError> {
        self.board(|board| board.add(note, &self.key(), cosigner))
    }

    /// Puts a witness's cosignature of `checkpoint` on the board, if that stands there still.
    pub(crate) fn take(
        &self,
        checkpoint: &Checkpoint,
        cosignature: &Cosignature,
        key: &VerifyingKey,
    ) -> Result<bool, CheckpointError> {
        self.board(|board| board.take(checkpoint, cosignature, key))
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

    fn board<T>(&self, step: impl FnOnce(&mut Board) -> T) -> T {
        // Each step replaces what is on the board as a whole.
        step(&mut self.board.lock().unwrap_or_else(PoisonError::into_inner))
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

fn internal(error: CheckpointError) -> Refusal {
    tracing::error!(%error, "a checkpoint could not be signed");
    Refusal::Internal
}
