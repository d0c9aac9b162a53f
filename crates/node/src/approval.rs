//! Whether a question may be answered here at all: by the agency's own rules, and by its data officer where they
//! leave it to her. Nothing of the data is touched before.

use std::path::PathBuf;

use almoner_api::Refusal;
use almoner_federation::Signature;
use almoner_ledger::{LedgerError, SignedApproval};
use almoner_policy::{Asked, Queue, QueueError, Reply, Verdict};

use crate::question::Question;
use crate::{Node, NodeConfig, refused};

/// Where the node keeps the questions that wait for its data officer, and her decisions.
pub fn queue_path(config: &NodeConfig) -> PathBuf {
    config.state.join("queue.sqlite")
}

/// What can fail while the queue is asked, which asks the ledger.
enum Fault {
    Queue(QueueError),
    Ledger(LedgerError),
}

impl From<QueueError> for Fault {
    fn from(error: QueueError) -> Fault {
        Fault::Queue(error)
    }
}

impl Node {
    /// Refuses a question that was signed long ago, unless the data officer approved it since: she may take longer
    /// than signatures last.
    pub(crate) async fn check_age(&self, question: &Question) -> Result<(), Refusal> {
        if !question.stale {
            return Ok(());
        }
        let (asked, office, now_s) = (question.spec.question(), self.office.clone(), self.clock.now_s());
        let approved = self.with_queue(move |queue| queue.is_approved(&asked, &office, now_s)).await?;
        approved.map_err(|error| refused::by_queue(&error))?.then_some(()).ok_or(Refusal::Stale)
    }

    /// What the agency's rules say of a question now.
    pub(crate) fn judge(&self, question: &Question) -> Result<Verdict, Refusal> {
        match self.own.judge(&question.spec, &question.plan, self.clock.now_s()) {
            Verdict::Refused(rule) => Err(refused::by_rule(rule)),
            verdict => Ok(verdict),
        }
    }

    /// The data officer's approval, where the rules leave a question to her. `signature` is the planner's, verified.
    pub(crate) async fn approval(
        &self,
        verdict: Verdict,
        question: &Question,
        signature: Signature,
    ) -> Result<Option<SignedApproval>, Refusal> {
        match verdict {
            Verdict::Approved => return Ok(None),
            Verdict::Refused(rule) => return Err(refused::by_rule(rule)),
            Verdict::Queue => {}
        }
        let (spec, office, ledger) = (question.spec.clone(), self.office.clone(), self.ledger.clone());
        let now_s = self.clock.now_s();
        let reply = self
            .with_queue(move |queue| {
                let asked = Asked { spec: &spec, signature: &signature };
                let used = |decided: &_| ledger.approval_use(decided).map_err(Fault::Ledger);
                queue.ask(&asked, &office, now_s, used)
            })
            .await?;
        match reply {
            Ok(Reply::Approved(decided)) => Ok(Some(decided)),
            Ok(Reply::Queued) => Err(Refusal::Queued),
            Ok(Reply::Denied) => Err(Refusal::Denied),
            Ok(Reply::Held) => Err(Refusal::ApprovalHeld),
            Ok(Reply::Full) => Err(Refusal::QueueFull),
            Err(Fault::Queue(error)) => Err(refused::by_queue(&error)),
            Err(Fault::Ledger(error)) => Err(refused::by_ledger(&error)),
        }
    }

    /// Runs a step on the queue away from the async threads, for it waits for the disk and for other processes.
    async fn with_queue<T: Send + 'static>(
        &self,
        step: impl FnOnce(&Queue) -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        let queue = self.queue.clone();
        tokio::task::spawn_blocking(move || step(&queue)).await.map_err(|_| Refusal::Internal)
    }
}
