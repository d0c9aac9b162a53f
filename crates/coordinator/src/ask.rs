//! What becomes of a planner's question: a published answer, a resumed round, or a new one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use almoner_api::v1::progress::Step;
use almoner_api::{Refusal, signed, v1};
use almoner_audit::family_of;
use almoner_federation::{Digest, Manifest, Name, NodeId};
use almoner_query::{Plan, Spec, plan};
use almoner_secure_sum::Releasing;
use prost::Message;
use tokio::sync::SemaphorePermit;
use tokio::sync::mpsc::Sender;
use tokio::time::timeout;
use tonic::Status;

use crate::Coordinator;

/// Most attempts at one question; nodes allow fewer by default.
const MAX_ATTEMPTS: u32 = 100;

/// Most releases of a family that are tried for a free answer.
const MAX_CANDIDATES: usize = 8;

/// How long a planner may take to make room for the reasons of a refusal.
const TELL: Duration = Duration::from_secs(5);

/// A question that the planner may ask, with the coordinator's own plan of it.
pub(crate) struct Asked {
    pub signed: v1::Signed,
    pub spec: Spec,
    pub spec_hash: Digest,
    pub plan: Plan,
}

/// Tells the planner how the round goes; a planner who stopped listening does not stop the round.
#[derive(Clone)]
pub(crate) struct Progress(pub Sender<Result<v1::AskEvent, Status>>);

impl Progress {
    pub fn tell(&self, node: NodeId, step: Step, detail: &str) {
        let progress = v1::Progress { node: node.0, step: step.into(), detail: detail.to_owned() };
        // Progress is a courtesy: when the planner reads too slowly, it is dropped.
        let _ = self.0.try_send(Ok(v1::AskEvent { event: Some(v1::ask_event::Event::Progress(progress)) }));
    }

    /// Tells the planner every reason for which agencies refused; no longer than [`TELL`] is waited for her to read.
    pub async fn tell_refusals(&self, by: &BTreeMap<NodeId, Refusal>) {
        let mut reasons: Vec<v1::RefusedBy> = Vec::new();
        for (node, refusal) in by {
            match reasons.iter_mut().find(|reason| reason.word == refusal.word()) {
                Some(reason) => reason.nodes.push(node.0),
                None => {
                    reasons.push(v1::RefusedBy { word: refusal.word().to_owned(), nodes: vec![node.0] });
                }
            }
        }
        let event = v1::ask_event::Event::Refusals(v1::Refusals { by: reasons });
        let _ = timeout(TELL, self.0.send(Ok(v1::AskEvent { event: Some(event) }))).await;
    }
}

impl Coordinator {
    /// Answers the question of `planner`, whose certificate was verified.
    pub(crate) async fn ask(
        self: Arc<Self>,
        planner: &Name,
        request: v1::AskRequest,
        progress: Progress,
    ) -> Result<v1::Answer, Refusal> {
        let asked = self.read(planner, signed(request.spec)?)?;
        let spec_hash = asked.spec_hash;
        let _held = self.hold(spec_hash)?;
        if let Some(release) = self.published(&asked, request.fresh).await? {
            return Ok(v1::Answer { release: Some(release), repeat: true });
        }
        let pending = self.pending(spec_hash).await?;
        let round = match pending {
            Some(pending) if !request.new_attempt => self.resume(&asked, pending)?,
            Some(pending) => {
                let lost = self.resume(&asked, pending)?.context().attempt;
                self.begin_from(&asked, lost.saturating_add(1), &progress).await?
            }
            None => self.begin_from(&asked, 0, &progress).await?,
        };
        let done = self.release(&asked, round, &progress).await?;
        let release = self.publish(asked, done).await?;
        Ok(v1::Answer { release: Some(release), repeat: false })
    }

    /// A place among the questions that are worked on; bounded in number and in waiting.
    pub(crate) async fn turn(&self) -> Result<SemaphorePermit<'_>, Refusal> {
        let turn = timeout(self.prepare_timeout, self.rounds.acquire()).await;
        turn.map_err(|_| Refusal::Busy)?.map_err(|_| Refusal::Internal)
    }

    /// Begins the first attempt, from `attempt` on, whose READYs have not expired at the nodes already.
    async fn begin_from(
        &self,
        asked: &Asked,
        attempt: u32,
        progress: &Progress,
    ) -> Result<Releasing, Refusal> {
        let mut attempt = attempt;
        loop {
            match self.begin(asked, attempt, progress).await {
                // What a round without a quorum reserved has expired: that attempt is over at those nodes.
                Err(Refusal::Expired) => attempt = attempt.saturating_add(1),
                // Nodes allow so many attempts and no more, so this ends.
                other => return other,
            }
            if attempt >= MAX_ATTEMPTS {
                return Err(Refusal::Attempts);
            }
        }
    }

    /// Checks a question as every node will, so that nothing is begun that cannot end.
    fn read(&self, caller: &Name, signed: v1::Signed) -> Result<Asked, Refusal> {
        let spec = Spec::decode(&signed.body).map_err(|_| Refusal::Malformed)?;
        if spec.federation != self.manifest.federation || spec.manifest_hash != self.manifest.hash() {
            return Err(Refusal::Manifest);
        }
        if spec.planner != *caller {
            return Err(Refusal::Role);
        }
        let planner = self.manifest.planner(caller).ok_or(Refusal::Planner)?;
        planner.signing_key.verify(&signed.body, &signed.signature()?).map_err(|_| Refusal::Signature)?;
        let plan = plan(&self.manifest, &spec.sql, spec.rho).map_err(|_| Refusal::Plan)?;
        if plan.canonical_sql() != spec.sql || plan.hash() != spec.plan_hash {
            return Err(Refusal::PlanMismatch);
        }
        Ok(Asked { spec_hash: Digest::of(&signed.body), signed, spec, plan })
    }

    /// The release that answers this question: its own, or unless `fresh` one of the most accurate of its family
    /// from which it follows.
    async fn published(&self, asked: &Asked, fresh: bool) -> Result<Option<v1::Release>, Refusal> {
        let spec_hash = asked.spec_hash;
        let own = self.with_registry(move |registry| registry.by_spec(&spec_hash)).await?;
        if let Some(bytes) = own {
            return Ok(Some(release(&bytes)?));
        }
        let family = asked.family(&self.manifest);
        let candidates = if fresh { 0 } else { MAX_CANDIDATES };
        for rank in 0..candidates {
            let found = self.with_registry(move |registry| registry.in_family(&family, rank)).await?;
            let Some(bytes) = found else { break };
            let release = release(&bytes)?;
            let spec = release.spec.as_ref().and_then(|spec| Spec::decode(&spec.body).ok());
            let spec = spec.ok_or(Refusal::Internal)?;
            let published = plan(&self.manifest, &spec.sql, spec.rho).map_err(|_| Refusal::Internal)?;
            if published.read_as(&self.manifest, &asked.plan).is_some() {
                return Ok(Some(release));
            }
        }
        Ok(None)
    }

    /// By the coordinator's own account: a courtesy that spares the nodes a question they would refuse.
    pub(crate) async fn check_allowance(&self, asked: &Asked) -> Result<(), Refusal> {
        let name = asked.spec.planner.clone();
        let (total, own) =
            self.with_registry(move |registry| Ok((registry.spent_total()?, registry.spent(&name)?))).await?;
        let allowance = self.manifest.planner(&asked.spec.planner).ok_or(Refusal::Planner)?.rho;
        let price = asked.plan.price();
        if own.checked_add(price).is_none_or(|sum| sum > allowance) {
            return Err(Refusal::BudgetPlanner);
        }
        // Where there are territories, no unit pays for every question, and only nodes know.
        let counted = self.manifest.territory.is_none();
        if counted && total.checked_add(price).is_none_or(|sum| sum > self.manifest.policy.total_rho) {
            return Err(Refusal::BudgetTotal);
        }
        Ok(())
    }
}

/// The release of a registry's record.
fn release(bytes: &[u8]) -> Result<v1::Release, Refusal> {
    let evidence = v1::Evidence::decode(bytes).map_err(|_| Refusal::Internal)?;
    evidence.release.ok_or(Refusal::Internal)
}

impl Asked {
    /// What questions that may answer each other have in common, whoever asks and whatever they pay.
    pub(crate) fn family(&self, manifest: &Manifest) -> Digest {
        family_of(manifest, &self.plan)
    }
}
