//! Whether this node may answer: not before enough other agencies were heard, and never again once its ledger was
//! found to be older than what it signed.

use std::time::Duration;

use almoner_api::Refusal;
use almoner_federation::Name;
use almoner_federation::checkpoint::Checkpoint;
use almoner_ledger::Position;
use tokio::sync::watch;
use tokio::time::timeout;

/// What was found when another agency remembered a ledger that this one does not continue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolledBack {
    /// Who remembers.
    pub witness: Name,
    /// The checkpoint that this node signed and the witness cosigned.
    pub remembered: Checkpoint,
    /// Where the ledger stands instead.
    pub found: Position,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Waiting,
    Confirmed,
    Over(RolledBack),
}

/// The node's standing; it moves from waiting to confirmed, and from either to its end.
pub(crate) struct Standing(watch::Sender<State>);

impl Standing {
    /// A node that waits for others, or need not.
    pub(crate) fn new(waits: bool) -> Self {
        Standing(watch::Sender::new(if waits { State::Waiting } else { State::Confirmed }))
    }

    pub(crate) fn confirm(&self) {
        self.0.send_if_modified(|state| {
            let waiting = *state == State::Waiting;
            if waiting {
                *state = State::Confirmed;
            }
            waiting
        });
    }

    /// Ends the node; the first finding stays.
    pub(crate) fn end(&self, found: RolledBack) {
        self.0.send_if_modified(|state| {
            let going = !matches!(state, State::Over(_));
            if going {
                *state = State::Over(found);
            }
            going
        });
    }

    /// Succeeds at once for a node that may answer, and otherwise as soon as it may, if that is within `patience`.
    pub(crate) async fn confirmed(&self, patience: Duration) -> Result<(), Refusal> {
        let mut state = self.0.subscribe();
        let settled = timeout(patience, state.wait_for(|state| *state != State::Waiting)).await;
        match settled {
            Ok(Ok(state)) if *state == State::Confirmed => Ok(()),
            _ => Err(Refusal::Unwitnessed),
        }
    }

    /// Whether the node may answer now.
    pub(crate) fn check(&self) -> Result<(), Refusal> {
        if *self.0.borrow() == State::Confirmed { Ok(()) } else { Err(Refusal::Unwitnessed) }
    }

    /// Resolves when the node has come to its end, with the reason.
    pub(crate) async fn over(&self) -> RolledBack {
        let mut state = self.0.subscribe();
        loop {
            if let State::Over(found) = &*state.borrow_and_update() {
                return found.clone();
            }
            if state.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

#[cfg(test)]
mod tests;
