//! At start: what the other agencies remember of this node's ledger, before it answers again.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::Node;

/// Pauses before an agency is asked again, doubling from the first to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LAST_PAUSE: Duration = Duration::from_secs(10);

/// Most agencies asked at the same time.
const AT_ONCE: usize = 64;

/// Asks every other agency until it was heard, and confirms the node once enough were. Goes on for as long as the node
/// runs: those who come later may know better.
pub(crate) async fn recall(node: Arc<Node>) {
    let wanted = node.manifest.witnessing().heard_at_start();
    if wanted == 0 {
        return;
    }
    tracing::info!(
        wanted,
        of = node.peers.len(),
        "asking the other agencies what they remember of this ledger"
    );
    let turns = Arc::new(Semaphore::new(AT_ONCE));
    let mut hearing = JoinSet::new();
    for peer in 0..node.peers.len() {
        hearing.spawn(hear(node.clone(), peer, turns.clone()));
    }
    let mut heard = 0;
    while hearing.join_next().await.is_some_and(|ended| ended.is_ok()) {
        heard += 1;
        if heard == wanted {
            node.standing.confirm();
            // What came into the ledger while the node was stopped, such as a change of policy, is signed from here on.
            if node.log.checkpoint().await.is_err() {
                tracing::warn!("the ledger's checkpoint could not be signed");
            }
            tracing::info!(heard, "the ledger begins with all that they remember: this node answers");
        }
    }
}

/// Returns when the agency was heard and the ledger begins with what it remembers.
async fn hear(node: Arc<Node>, peer: usize, turns: Arc<Semaphore>) {
    let peer = &node.peers[peer];
    let mut pause = FIRST_PAUSE;
    loop {
        let heard = match turns.acquire().await {
            Ok(_turn) => peer.hear(&node.log, &node.standing).await,
            Err(_) => return,
        };
        match heard {
            Ok(true) => return,
            Ok(false) => {}
            Err(status) => {
                let code = status.code();
                tracing::info!(witness = %peer.name(), ?code, "not heard yet; it is asked again");
            }
        }
        sleep(pause).await;
        pause = (pause * 2).min(LAST_PAUSE);
    }
}
