//! The gRPC face of a node: authenticates the caller, then hands over. Every refusal becomes its
//! status here and nowhere else.

use std::sync::Arc;

use almoner_api::{MAX_MESSAGE_BYTES, Refusal, require, v1};
use almoner_federation::Role;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use crate::Node;
use crate::refused::refuse;

/// The service over one node.
pub(crate) struct NodeService(Arc<Node>);

impl NodeService {
    pub(crate) fn server(node: Arc<Node>) -> v1::node_server::NodeServer<NodeService> {
        v1::node_server::NodeServer::new(NodeService(node))
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES)
    }
}

#[tonic::async_trait]
impl v1::node_server::Node for NodeService {
    async fn prepare(
        &self,
        request: Request<v1::PrepareRequest>,
    ) -> Result<Response<v1::PrepareReply>, Status> {
        require(&request, &self.0.manifest, &[Role::Coordinator]).map_err(refuse("prepare"))?;
        self.0.prepare(request.into_inner()).await.map(Response::new).map_err(refuse("prepare"))
    }

    type ReleaseStream = ReceiverStream<Result<v1::MaskedChunk, Status>>;

    async fn release(
        &self,
        request: Request<v1::ReleaseRequest>,
    ) -> Result<Response<Self::ReleaseStream>, Status> {
        require(&request, &self.0.manifest, &[Role::Coordinator]).map_err(refuse("release"))?;
        let masked = self.0.release(request.into_inner()).await.map_err(refuse("release"))?;
        Ok(Response::new(self.0.clone().send(masked)))
    }

    async fn account(
        &self,
        request: Request<v1::AccountRequest>,
    ) -> Result<Response<v1::AccountReply>, Status> {
        require(&request, &self.0.manifest, &[Role::Coordinator, Role::Auditor])
            .map_err(refuse("account"))?;
        let planner =
            request.into_inner().planner.parse().map_err(|_| refuse("account")(Refusal::Malformed))?;
        let (budget, position) = self.0.account(planner).await.map_err(refuse("account"))?;
        Ok(Response::new(v1::AccountReply {
            total_limit: budget.total.limit.get(),
            total_charged: budget.total.charged.get(),
            total_reserved: budget.total.reserved.get(),
            planner_limit: budget.planner.limit.get(),
            planner_charged: budget.planner.charged.get(),
            planner_reserved: budget.planner.reserved.get(),
            ledger_size: position.size,
            ledger_root: position.root.0.to_vec(),
        }))
    }
}
