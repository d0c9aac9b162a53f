//! Group commit: callers that come at the same time share one durable transaction, and one fsync.
//!
//! Each caller does its own work in its own thread under the one lock, in a savepoint of the transaction
//! that the first of them began. Whoever finds, when its work is done, that no other caller waits for the
//! lock commits for all; the others have left the lock and wait for that commit. So memory runs ahead of
//! the disk within a batch, and therefore nothing that was done *or read* in it leaves this module before
//! the commit is durable; when the commit fails, all of them learn that the ledger has stopped.
//!
//! A batch ends after [`MAX_CALLS`] calls even while others wait, so that a call waits for the work of fewer
//! than that many others and for one commit beside its own. Callers of a batch cannot overtake those who
//! wait, for they wait themselves: with up to [`MAX_CALLS`] callers nobody is left behind for the next batch
//! but those who came while the commit was under way.

use std::mem;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::error::LedgerError;
use crate::store::Store;

/// Most calls that one commit makes durable.
pub(crate) const MAX_CALLS: usize = 256;

/// What a group guards: a store, and what is remembered of its content.
pub(crate) trait HasStore {
    fn store(&mut self) -> &mut Store;
}

/// A value behind the one lock, whose store is committed for all callers of a batch at once.
pub(crate) struct Group<S> {
    shared: Mutex<Shared<S>>,
    /// Callers that wait for the lock. Each of them, once it has the lock, commits or leaves the commit to
    /// another that still waits: an open transaction always has someone to end it.
    waiting: AtomicUsize,
}

struct Shared<S> {
    inner: S,
    batch: Batch,
}

#[derive(Default)]
struct Batch {
    calls: usize,
    end: Arc<End>,
}

/// How a batch ended; apart from the lock, so that those who learn it need not queue for the next batch.
#[derive(Default)]
struct End {
    durable: Mutex<Option<bool>>,
    known: Condvar,
}

impl End {
    fn tell(&self, durable: bool) {
        *self.durable.lock().unwrap_or_else(PoisonError::into_inner) = Some(durable);
        self.known.notify_all();
    }

    fn wait(&self) -> bool {
        let durable = self.durable.lock().unwrap_or_else(PoisonError::into_inner);
        let durable = self.known.wait_while(durable, |durable| durable.is_none());
        durable.unwrap_or_else(PoisonError::into_inner).unwrap_or(false)
    }
}

impl<S: HasStore> Group<S> {
    pub(crate) fn new(inner: S) -> Self {
        Group { shared: Mutex::new(Shared { inner, batch: Batch::default() }), waiting: AtomicUsize::new(0) }
    }

    /// Does `work` and returns its outcome when all that it wrote or saw is on the disk.
    ///
    /// # Errors
    /// Those of `work`. A failing store or a damaged file stops everything, whether it was met in reading or
    /// in writing: this call gets the cause, all others of its batch and all later ones [`LedgerError::Stopped`].
    pub(crate) fn run<T>(
        &self,
        work: impl FnOnce(&mut S) -> Result<T, LedgerError>,
    ) -> Result<T, LedgerError> {
        let mut turn = self.turn()?;
        let outcome = work(&mut turn.shared.inner);
        turn.worked = true;
        if let Err(LedgerError::Store(_) | LedgerError::Damaged { .. } | LedgerError::Stopped) = outcome {
            turn.stop();
            return outcome;
        }
        let Shared { inner, batch } = &mut *turn.shared;
        if !inner.store().has_open_batch() {
            return outcome;
        }
        batch.calls += 1;
        if batch.calls < MAX_CALLS && self.waiting.load(Ordering::SeqCst) > 0 {
            let end = batch.end.clone();
            drop(turn);
            return if end.wait() { outcome } else { Err(LedgerError::Stopped) };
        }
        let committed = inner.store().commit();
        mem::take(batch).end.tell(committed.is_ok());
        committed.and(outcome)
    }

    fn turn(&self) -> Result<Turn<'_, S>, LedgerError> {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let shared = self.shared.lock();
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        // A caller's panic inside the lock left memory and disk in an unknown relation.
        let mut shared = shared.map_err(|_| LedgerError::Stopped)?;
        if shared.inner.store().is_stopped() {
            return Err(LedgerError::Stopped);
        }
        Ok(Turn { shared, worked: false })
    }
}

/// One caller's time under the lock. A panic in its work ends the batch for all who wait for it.
struct Turn<'a, S: HasStore> {
    shared: MutexGuard<'a, Shared<S>>,
    worked: bool,
}

impl<S: HasStore> Turn<'_, S> {
    fn stop(&mut self) {
        let Shared { inner, batch } = &mut *self.shared;
        inner.store().stop();
        mem::take(batch).end.tell(false);
    }
}

impl<S: HasStore> Drop for Turn<'_, S> {
    fn drop(&mut self) {
        if !self.worked {
            self.stop();
        }
    }
}

#[cfg(test)]
mod tests;
