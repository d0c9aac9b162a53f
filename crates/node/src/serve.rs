//! Puts a node behind its port.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use almoner_api::TlsFiles;
use tokio::task::JoinSet;
use tonic::transport::Server;

use crate::log_service::LogService;
use crate::recall::recall;
use crate::service::NodeService;
use crate::witness::WitnessService;
use crate::{Node, NodeConfig, NodeError, Step, SystemClock};

/// How long one request may take beyond the source's own limit.
const REQUEST_MARGIN: Duration = Duration::from_secs(60);

/// Opens everything the node needs; nothing is served yet.
pub async fn open(config: &NodeConfig, drill: Option<Step>) -> Result<Arc<Node>, NodeError> {
    Ok(Arc::new(Node::open(config, Arc::new(SystemClock), drill).await?))
}

/// Serves `node` until `stop` resolves; requests under way are finished. It answers as soon as enough other agencies have
/// told what they remember of its ledger.
///
/// # Errors
/// [`NodeError::RolledBack`] as soon as one of them remembers what the ledger has forgotten; nothing is finished then.
pub async fn serve(
    config: &NodeConfig,
    node: Arc<Node>,
    stop: impl Future<Output = ()>,
) -> Result<(), NodeError> {
    let tls = TlsFiles::read(&config.keys)?;
    let failed = |source| NodeError::Serve { listen: config.listen, source };
    // Ends with this call.
    let mut background = JoinSet::new();
    background.spawn(recall(node.clone()));
    let served = Server::builder()
        .tls_config(tls.server())
        .map_err(failed)?
        .timeout(config.limits.query_timeout + REQUEST_MARGIN)
        .concurrency_limit_per_connection(256)
        .http2_keepalive_interval(Some(Duration::from_secs(20)))
        .add_service(NodeService::server(node.clone()))
        .add_service(WitnessService::server(node.clone()))
        .add_service(LogService::server(node.clone()))
        .serve_with_shutdown(config.listen, stop);
    tokio::select! {
        served = served => served.map_err(failed),
        found = node.standing.over() => Err(NodeError::RolledBack(Box::new(found))),
    }
}
