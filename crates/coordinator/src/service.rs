//! The gRPC face of the coordinator: authenticates the caller, then hands over. Every refusal becomes
//! its status here and nowhere else.

use std::sync::Arc;
use std::time::Duration;

use almoner_api::{MAX_MESSAGE_BYTES, Refusal, require, v1};
use almoner_federation::{Digest, Name, Role};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use crate::Coordinator;
use crate::ask::Progress;

/// Most events waiting for a slow planner.
const EVENTS_IN_FLIGHT: usize = 1_024;

/// Most releases in one page.
const PAGE: usize = 1_000;

/// Evidence travels in parts of this many bytes.
const EVIDENCE_PART_BYTES: usize = 1 << 20;

/// How long a planner may take to read an answer that is ready.
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// How long a node may take to tell its account.
const ACCOUNT_TIMEOUT: Duration = Duration::from_secs(5);

/// The service over one coordinator.
pub(crate) struct CoordinatorService(Arc<Coordinator>);

impl CoordinatorService {
    pub(crate) fn server(
        coordinator: Arc<Coordinator>,
    ) -> v1::coordinator_server::CoordinatorServer<CoordinatorService> {
        v1::coordinator_server::CoordinatorServer::new(CoordinatorService(coordinator))
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES)
    }
}

type Events<T> = ReceiverStream<Result<T, Status>>;

#[tonic::async_trait]
impl v1::coordinator_server::Coordinator for CoordinatorService {
    type AskStream = Events<v1::AskEvent>;

    async fn ask(&self, request: Request<v1::AskRequest>) -> Result<Response<Self::AskStream>, Status> {
        let planner = require(&request, &self.0.manifest, &[Role::Planner])?.name;
        let (sender, receiver) = tokio::sync::mpsc::channel(EVENTS_IN_FLIGHT);
        let (coordinator, request) = (self.0.clone(), request.into_inner());
        // A round that has begun is finished and published although its planner hangs up.
        tokio::spawn(async move {
            // The place is kept until the answer is read: what waits for slow planners is bounded, too.
            let turn = coordinator.turn().await;
            let answer = match &turn {
                Ok(_) => coordinator.clone().ask(&planner, request, Progress(sender.clone())).await,
                Err(refusal) => Err(*refusal),
            };
            let event = match answer {
                Ok(answer) => Ok(v1::AskEvent { event: Some(v1::ask_event::Event::Answer(answer)) }),
                Err(refusal) => {
                    tracing::info!(%planner, refusal = refusal.word(), "refused");
                    Err(Status::from(refusal))
                }
            };
            let read = async {
                sender.send(event).await.is_ok().then_some(())?;
                // The stream's end closes nothing while this side could still send.
                Some(sender.reserve_many(EVENTS_IN_FLIGHT).await.is_ok())
            };
            let _ = timeout(READ_TIMEOUT, read).await;
        });
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    async fn budget(&self, request: Request<v1::BudgetRequest>) -> Result<Response<v1::BudgetReply>, Status> {
        let planner = require(&request, &self.0.manifest, &[Role::Planner])?.name;
        Ok(Response::new(self.0.budget(planner).await?))
    }

    async fn list_releases(
        &self,
        request: Request<v1::ListReleasesRequest>,
    ) -> Result<Response<v1::ListReleasesReply>, Status> {
        require(&request, &self.0.manifest, &[Role::Auditor])?;
        let from = request.into_inner().from;
        let listed = self.0.with_registry(move |registry| registry.list(from, PAGE)).await?;
        let next = from.saturating_add(listed.len() as u64);
        let numbered = listed.into_iter().zip(from..=u64::MAX);
        let releases = numbered.filter_map(|(entry, number)| crate::publish::line(number, entry)).collect();
        Ok(Response::new(v1::ListReleasesReply { releases, next }))
    }

    type GetEvidenceStream = Events<v1::EvidenceChunk>;

    async fn get_evidence(
        &self,
        request: Request<v1::GetEvidenceRequest>,
    ) -> Result<Response<Self::GetEvidenceStream>, Status> {
        require(&request, &self.0.manifest, &[Role::Auditor])?;
        let spec_hash = request.into_inner().spec_hash;
        let spec_hash = Digest(spec_hash.as_slice().try_into().map_err(|_| Refusal::Malformed)?);
        let found = self.0.with_registry(move |registry| registry.by_spec(&spec_hash)).await?;
        let bytes = found.ok_or(Refusal::Unpublished)?;
        let (sender, receiver) = tokio::sync::mpsc::channel(4);
        tokio::spawn(async move {
            for part in bytes.chunks(EVIDENCE_PART_BYTES) {
                if sender.send(Ok(v1::EvidenceChunk { data: part.to_vec() })).await.is_err() {
                    return;
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(receiver)))
    }
}

impl Coordinator {
    /// What `planner` has spent and may spend, by every party's own account.
    async fn budget(&self, planner: Name) -> Result<v1::BudgetReply, Refusal> {
        let mut asking = JoinSet::new();
        for (node, client) in &self.nodes {
            let (node, mut client) = (node.0, client.clone());
            let request = v1::AccountRequest { planner: planner.to_string() };
            asking.spawn(async move {
                let reply = timeout(ACCOUNT_TIMEOUT, client.account(request)).await;
                let Ok(Ok(reply)) = reply else {
                    return v1::NodeAccount { node, reachable: false, total_left: 0, planner_left: 0 };
                };
                let account = reply.into_inner();
                let left = |limit: u64, charged: u64, reserved: u64| {
                    limit.saturating_sub(charged).saturating_sub(reserved)
                };
                v1::NodeAccount {
                    node,
                    reachable: true,
                    total_left: left(account.total_limit, account.total_charged, account.total_reserved),
                    planner_left: left(
                        account.planner_limit,
                        account.planner_charged,
                        account.planner_reserved,
                    ),
                }
            });
        }
        let mut nodes = asking.join_all().await;
        nodes.sort_by_key(|account| account.node);
        let name = planner.clone();
        let (total_charged, planner_charged) =
            self.with_registry(move |registry| Ok((registry.spent_total()?, registry.spent(&name)?))).await?;
        let total_limit = self.manifest.policy.total_rho.get();
        // Where there are territories, no unit pays for every question: only nodes know what is left.
        let by_nodes = nodes.iter().filter(|node| node.reachable).map(|node| node.total_left).min();
        let total_charged = match self.manifest.territory {
            Some(_) => total_limit.saturating_sub(by_nodes.unwrap_or(total_limit)),
            None => total_charged.get(),
        };
        let planner_limit = self.manifest.planner(&planner).ok_or(Refusal::Planner)?.rho;
        Ok(v1::BudgetReply {
            planner_limit: planner_limit.get(),
            planner_charged: planner_charged.get(),
            total_limit,
            total_charged,
            nodes,
        })
    }
}
