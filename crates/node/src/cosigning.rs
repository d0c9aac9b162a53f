//! Cosignatures for the charges of this node, before an answer leaves: one round at a time, and the next one takes all
//! that waited for it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use almoner_api::Refusal;
use almoner_federation::checkpoint::SignedCheckpoint;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::own_log::OwnLog;
use crate::peers::Peer;
use crate::standing::Standing;

/// How long a round waits for those it asked before it asks one more.
const HEDGE: Duration = Duration::from_millis(250);

/// Pause before a witness that failed is asked again in the same round.
const AGAIN: Duration = Duration::from_millis(500);

/// Gets checkpoints of the ledger cosigned.
pub(crate) struct Cosigning {
    log: Arc<OwnLog>,
    peers: Arc<[Peer]>,
    standing: Arc<Standing>,
    wanted: usize,
    /// How long an answer may wait for its cosignatures.
    patience: Duration,
    /// Held by the round under way; whom to ask, those who answered last first.
    turn: tokio::sync::Mutex<Vec<usize>>,
    newest: Mutex<Option<SignedCheckpoint>>,
}

impl Cosigning {
    /// Gets `wanted` cosignatures of `peers` for each checkpoint, which are so many or more. Number `own` of all nodes
    /// asks the agencies after it first, so that the work is spread.
    pub(crate) fn new(
        log: Arc<OwnLog>,
        peers: Arc<[Peer]>,
        standing: Arc<Standing>,
        wanted: usize,
        patience: Duration,
        own: usize,
    ) -> Self {
        let mut order: Vec<usize> = (0..peers.len()).collect();
        order.rotate_left(own.min(peers.len()));
        let turn = tokio::sync::Mutex::new(order);
        Cosigning { log, peers, standing, wanted, patience, turn, newest: Mutex::new(None) }
    }

    /// A checkpoint of the ledger with `size` entries or more that enough witnesses cosigned, as its signed note; empty
    /// where none are wanted.
    ///
    /// # Errors
    /// [`Refusal::Unwitnessed`] when they do not answer in time.
    pub(crate) async fn covering(&self, size: u64) -> Result<String, Refusal> {
        if self.wanted == 0 {
            // Nobody else remembers it; auditors still find it in an export.
            self.log.checkpoint().await?;
            return Ok(String::new());
        }
        let deadline = Instant::now() + self.patience;
        if let Some(note) = self.known(size) {
            return Ok(note);
        }
        // Whoever waits here is one of the requests that a connection may have under way at once.
        let mut order = timeout_at(deadline, self.turn.lock()).await.map_err(|_| Refusal::Unwitnessed)?;
        if let Some(note) = self.known(size) {
            return Ok(note);
        }
        let cosigned = timeout_at(deadline, self.round(&mut order)).await.map_err(|_| {
            tracing::warn!(size, wanted = self.wanted, "too few witnesses in time");
            Refusal::Unwitnessed
        })??;
        let note = cosigned.to_string();
        if self.log.keep().await.is_err() {
            tracing::warn!("the cosignatures could not be kept for auditors");
        }
        *self.newest.lock().unwrap_or_else(PoisonError::into_inner) = Some(cosigned);
        Ok(note)
    }

    fn known(&self, size: u64) -> Option<String> {
        let newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        newest.as_ref().filter(|note| note.checkpoint().size >= size).map(SignedCheckpoint::to_string)
    }

    /// One checkpoint of the present position, asked about until it has its cosignatures.
    async fn round(&self, order: &mut Vec<usize>) -> Result<SignedCheckpoint, Refusal> {
        let mut note = self.log.checkpoint().await?;
        let mut asking = Asking { cosigning: self, note: note.clone(), calls: JoinSet::new() };
        let mut answered: Vec<usize> = Vec::new();
        let mut waiting = order.clone().into_iter();
        waiting.by_ref().take(self.wanted).for_each(|peer| asking.ask(peer, None));
        let mut hedge = Instant::now() + HEDGE;
        while answered.len() < self.wanted {
            self.standing.check()?;
            let call = tokio::select! {
                Some(call) = asking.calls.join_next() => call,
                () = sleep_until(hedge) => {
                    hedge = Instant::now() + HEDGE;
                    waiting.next().into_iter().for_each(|peer| asking.ask(peer, None));
                    continue;
                }
            };
            let (peer, outcome) = call.map_err(|_| Refusal::Internal)?;
            let (name, key) = self.peers[peer].cosigner();
            match outcome {
                Ok(cosignature) if note.add(&cosignature, &key).is_ok() => {
                    answered.push(peer);
                    if let Err(error) = self.log.take(note.checkpoint(), &cosignature, &key) {
                        tracing::warn!(%name, %error, "a cosignature could not be shown to auditors");
                    }
                }
                Ok(_) => tracing::warn!(%name, "a cosignature found no room"),
                Err(status) => {
                    tracing::warn!(%name, code = ?status.code(), reason = status.message(), "no cosignature");
                    asking.ask(peer, Some(AGAIN));
                    waiting.next().into_iter().for_each(|peer| asking.ask(peer, None));
                }
            }
        }
        order.retain(|peer| !answered.contains(peer));
        order.splice(0..0, answered);
        Ok(note)
    }
}

/// The calls of one round; dropped with it.
struct Asking<'a> {
    cosigning: &'a Cosigning,
    note: SignedCheckpoint,
    calls: JoinSet<(usize, Result<almoner_federation::checkpoint::Cosignature, tonic::Status>)>,
}

impl Asking<'_> {
    fn ask(&mut self, peer: usize, pause: Option<Duration>) {
        let Cosigning { log, peers, standing, .. } = self.cosigning;
        let (log, peers, standing, note) = (log.clone(), peers.clone(), standing.clone(), self.note.clone());
        self.calls.spawn(async move {
            if let Some(pause) = pause {
                tokio::time::sleep(pause).await;
            }
            (peer, peers[peer].cosign(&log, &note, &standing).await)
        });
    }
}
