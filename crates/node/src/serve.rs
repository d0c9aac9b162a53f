//! Puts a node behind its port.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use almoner_api::TlsFiles;
use tonic::transport::Server;

use crate::service::NodeService;
use crate::{Node, NodeConfig, NodeError, Step, SystemClock};

/// How long one request may take beyond the source's own limit.
const REQUEST_MARGIN: Duration = Duration::from_secs(60);

/// Opens everything the node needs; nothing is served yet.
pub async fn open(config: &NodeConfig, drill: Option<Step>) -> Result<Arc<Node>, NodeError> {
    Ok(Arc::new(Node::open(config, Arc::new(SystemClock), drill).await?))
}

/// Serves `node` until `stop` resolves; requests under way are finished.
pub async fn serve(
    config: &NodeConfig,
    node: Arc<Node>,
    stop: impl Future<Output = ()>,
) -> Result<(), NodeError> {
    let tls = TlsFiles::read(&config.keys)?;
    let failed = |source| NodeError::Serve { listen: config.listen, source };
    Server::builder()
        .tls_config(tls.server())
        .map_err(failed)?
        .timeout(config.limits.query_timeout + REQUEST_MARGIN)
        .concurrency_limit_per_connection(256)
        .http2_keepalive_interval(Some(Duration::from_secs(20)))
        .add_service(NodeService::server(node))
        .serve_with_shutdown(config.listen, stop)
        .await
        .map_err(failed)
}
