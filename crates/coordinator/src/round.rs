//! One attempt: Prepare at every node, one context, Release until every participant has answered.

use std::collections::BTreeMap;
use std::time::Duration;

use almoner_api::v1::node_client::NodeClient;
use almoner_api::v1::progress::Step;
use almoner_api::{Refusal, signed, to_signed, to_wire, v1};
use almoner_audit::{check_witnessed, question_of};
use almoner_federation::NodeId;
use almoner_secure_sum::{Collecting, Masked, Message, Output, Releasing, Signed, Total};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tonic::transport::Channel;
use tonic::{Request, Status};

use crate::Coordinator;
use crate::ask::{Asked, Progress};
use crate::coordinator::now_s;

/// Pauses between two Releases to a silent node, doubling from the first to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LAST_PAUSE: Duration = Duration::from_secs(2);

/// A finished round: the sum and, by node, what it is the sum of.
pub(crate) struct Done {
    pub total: Total,
    pub masked: BTreeMap<NodeId, Masked>,
    /// Each participant's checkpoint over its charge.
    pub checkpoints: BTreeMap<NodeId, String>,
}

impl Coordinator {
    /// Asks every node to prepare, and fixes the context of those that are READY.
    pub(crate) async fn begin(
        &self,
        asked: &Asked,
        attempt: u32,
        progress: &Progress,
    ) -> Result<Releasing, Refusal> {
        self.check_allowance(asked).await?;
        let question = question_of(&self.manifest, &asked.plan, asked.spec_hash, attempt);
        let mut collecting = Collecting::new(self.roster.clone(), question).map_err(|_| Refusal::Internal)?;
        let mut asking = JoinSet::new();
        for (node, client) in &self.nodes {
            progress.tell(*node, Step::Preparing, "");
            let request = v1::PrepareRequest { spec: Some(asked.signed.clone()), attempt };
            let (node, mut client, limit) = (*node, client.clone(), self.prepare_timeout);
            asking.spawn(async move {
                let reply = timeout(limit, client.prepare(request)).await;
                (node, reply.unwrap_or_else(|_| Err(Status::deadline_exceeded("no answer in time"))))
            });
        }
        let mut refusals = BTreeMap::new();
        while let Some(Ok((node, reply))) = asking.join_next().await {
            match reply {
                Ok(reply) => match take_ready(&mut collecting, node, reply.into_inner()) {
                    Ok(()) => progress.tell(node, Step::Ready, ""),
                    Err(reason) => {
                        tracing::warn!(%node, reason, "a READY was not accepted");
                        progress.tell(node, Step::Refused, &reason);
                    }
                },
                Err(status) => match Refusal::from_status(&status) {
                    Some(refusal) => {
                        tracing::info!(%node, refusal = refusal.word(), "a node refused");
                        progress.tell(node, Step::Refused, refusal.text());
                        refusals.insert(node, refusal);
                    }
                    None => {
                        tracing::warn!(%node, code = ?status.code(), "a node is absent");
                        progress.tell(node, Step::Absent, "no answer");
                    }
                },
            }
        }
        if let Err(refusal) = self.check_ready(asked, &collecting, &refusals) {
            // An expired attempt is followed by another, which has reasons of its own.
            if refusal != Refusal::Expired {
                progress.tell_refusals(&refusals).await;
            }
            return Err(refusal);
        }
        let round = collecting.release(&self.signing, now_s()).map_err(|_| Refusal::Quorum)?;
        // Durable before the first Release: from here on nodes may charge.
        self.keep_pending(asked, &round, now_s()).await?;
        Ok(round)
    }

    /// Enough nodes, and at least one that holds the table; otherwise the reason that most of them gave.
    fn check_ready(
        &self,
        asked: &Asked,
        collecting: &Collecting,
        refusals: &BTreeMap<NodeId, Refusal>,
    ) -> Result<(), Refusal> {
        let ready = collecting.ready(now_s());
        if ready.len() < self.manifest.policy.quorum as usize {
            // When nodes refuse alike for a reason of their own, that reason helps more than "quorum".
            return Err(chief(refusals.values()).unwrap_or(Refusal::Quorum));
        }
        let held = self.manifest.are_held(asked.plan.tables(), &ready);
        if held { Ok(()) } else { Err(Refusal::Holders) }
    }

    /// Sends the same Release to every participant until all have answered or patience ends.
    pub(crate) async fn release(
        &self,
        asked: &Asked,
        mut round: Releasing,
        progress: &Progress,
    ) -> Result<Done, Refusal> {
        let deadline = Instant::now() + self.release_patience;
        let dimension = asked.plan.dimension();
        let mut asking = JoinSet::new();
        for node in round.missing() {
            let release = round.release_for(node).ok_or(Refusal::Internal)?;
            let request = v1::ReleaseRequest {
                query_id: asked.spec.query_id.0.to_vec(),
                context: Some(to_wire(&release.context)),
                proof: release.proof.iter().map(|hash| hash.0.to_vec()).collect(),
            };
            let client = self.nodes.get(&node).ok_or(Refusal::Internal)?.clone();
            progress.tell(node, Step::Releasing, "");
            let progress = progress.clone();
            asking.spawn(async move {
                (node, fetch_patiently(node, client, request, dimension, deadline, &progress).await)
            });
        }
        let (mut masked_by, mut checkpoints) = (BTreeMap::new(), BTreeMap::new());
        while let Some(Ok((node, answer))) = asking.join_next().await {
            let Some((output, masked, checkpoint)) = answer else { continue };
            match self.receive(&mut round, node, &output, &masked, &checkpoint) {
                Ok(()) => {
                    progress.tell(node, Step::Masked, "");
                    masked_by.insert(node, masked);
                    checkpoints.insert(node, checkpoint);
                }
                Err(error) => {
                    tracing::error!(%node, %error, "a masked vector was not accepted");
                    progress.tell(node, Step::Refused, &error);
                }
            }
        }
        match round.finish() {
            Ok(total) => Ok(Done { total, masked: masked_by, checkpoints }),
            Err(_) => Err(Refusal::Incomplete),
        }
    }

    /// Takes a masked vector whose charge was witnessed: without that no planner would believe the release.
    fn receive(
        &self,
        round: &mut Releasing,
        node: NodeId,
        output: &Signed<Output>,
        masked: &Masked,
        checkpoint: &str,
    ) -> Result<(), String> {
        let receipt = Output::decode(output.bytes()).map_err(|error| error.to_string())?;
        check_witnessed(&self.manifest, &receipt, checkpoint).map_err(|error| error.to_string())?;
        round.receive(node, output, masked).map(|_| ()).map_err(|error| error.to_string())
    }
}

/// The reason to end with: an expired attempt, which another may follow, or else what most nodes say, and of reasons that
/// are given equally often the first in the order of [`Refusal::ALL`].
fn chief<'a>(refusals: impl Iterator<Item = &'a Refusal> + Clone) -> Option<Refusal> {
    let expired = refusals.clone().find(|refusal| **refusal == Refusal::Expired).copied();
    let count = |one: &Refusal| refusals.clone().filter(|refusal| *refusal == one).count();
    let given = Refusal::ALL.iter().rev().filter(|one| count(one) > 0);
    expired.or_else(|| given.max_by_key(|one| count(one)).copied())
}

fn take_ready(collecting: &mut Collecting, node: NodeId, reply: v1::PrepareReply) -> Result<(), String> {
    let ready = signed(reply.ready).and_then(to_signed).map_err(|refusal| refusal.to_string())?;
    collecting.receive(node, &ready, now_s()).map(|_| ()).map_err(|error| error.to_string())
}

/// Asks one node for its masked vector again and again: it answers the same bytes whenever it is back.
/// `None` when the deadline passes or the node says a final no.
async fn fetch_patiently(
    node: NodeId,
    mut client: NodeClient<Channel>,
    request: v1::ReleaseRequest,
    dimension: usize,
    deadline: Instant,
    progress: &Progress,
) -> Option<(Signed<Output>, Masked, String)> {
    let mut pause = FIRST_PAUSE;
    loop {
        let answer = timeout_at(deadline, fetch(&mut client, request.clone(), dimension)).await.ok()?;
        match answer {
            Ok(answer) => return Some(answer),
            Err(status) => {
                let refusal = Refusal::from_status(&status);
                tracing::warn!(%node, code = ?status.code(), refusal = ?refusal, "no masked vector yet");
                let passing =
                    |one: &Refusal| matches!(one, Refusal::Busy | Refusal::Internal | Refusal::Unwitnessed);
                if let Some(refusal) = refusal.filter(|one| !passing(one)) {
                    progress.tell(node, Step::Refused, refusal.text());
                    return None;
                }
                progress.tell(node, Step::Retrying, "");
            }
        }
        if Instant::now() + pause >= deadline {
            return None;
        }
        sleep(pause).await;
        pause = (pause * 2).min(LAST_PAUSE);
    }
}

/// One Release and its whole stream; never more values than the plan has.
async fn fetch(
    client: &mut NodeClient<Channel>,
    request: v1::ReleaseRequest,
    dimension: usize,
) -> Result<(Signed<Output>, Masked, String), Status> {
    let mut stream = client.release(Request::new(request)).await?.into_inner();
    let mut values = Vec::with_capacity(dimension);
    while let Some(chunk) = stream.message().await? {
        if values.len() + chunk.values.len() > dimension {
            return Err(Status::data_loss("more values than the plan has"));
        }
        values.extend(chunk.values);
        if let Some(output) = chunk.output {
            let masked = Masked::from_cells(values).map_err(|_| Status::data_loss("no vector"))?;
            return Ok((to_signed(output)?, masked, chunk.checkpoint));
        }
    }
    Err(Status::data_loss("the stream ended before its receipt"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_most_agencies_say_ends_a_question_whoever_answered_first() {
        use Refusal::{Denied, Expired, Queued, RuleHours};
        assert_eq!(chief([].iter()), None);
        assert_eq!(chief([RuleHours, Queued, Queued].iter()), Some(Queued));
        assert_eq!(chief([Queued, RuleHours, RuleHours].iter()), Some(RuleHours));
        for tie in [[Queued, Denied, RuleHours], [Denied, RuleHours, Queued]] {
            assert_eq!(chief(tie.iter()), Some(RuleHours), "the order of arrival says nothing");
        }
        assert_eq!(chief([Queued, Queued, Expired].iter()), Some(Expired), "another attempt may do");
    }
}
