//! Puts a coordinator behind its port.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use almoner_api::TlsFiles;
use tonic::transport::Server;

use crate::log::LogService;
use crate::service::CoordinatorService;
use crate::{Coordinator, CoordinatorConfig, CoordinatorError};

/// Opens everything the coordinator needs; nothing is served yet.
pub fn open(config: &CoordinatorConfig) -> Result<Arc<Coordinator>, CoordinatorError> {
    Ok(Arc::new(Coordinator::open(config)?))
}

/// Serves until `stop` resolves; requests under way are finished.
pub async fn serve(
    config: &CoordinatorConfig,
    coordinator: Arc<Coordinator>,
    stop: impl Future<Output = ()>,
) -> Result<(), CoordinatorError> {
    let tls = TlsFiles::read(&config.keys)?;
    let failed = |source| CoordinatorError::Serve { listen: config.listen, source };
    Server::builder()
        .tls_config(tls.server())
        .map_err(failed)?
        .concurrency_limit_per_connection(256)
        .http2_keepalive_interval(Some(Duration::from_secs(20)))
        .add_service(CoordinatorService::server(coordinator.clone()))
        .add_service(LogService::server(coordinator))
        .serve_with_shutdown(config.listen, stop)
        .await
        .map_err(failed)
}
