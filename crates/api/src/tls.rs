//! Mutual TLS: every connection shows a certificate of the federation's authority on both sides.

use std::path::{Path, PathBuf};
use std::time::Duration;

use almoner_federation::Identity;
use thiserror::Error;
use tonic::transport::{
    Certificate, Channel, ClientTlsConfig, Endpoint, Identity as TlsIdentity, ServerTlsConfig,
};

/// Why TLS cannot be set up.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A PEM file cannot be read.
    #[error("cannot read {}; make the party's keys with `almoner keys`, or correct the path", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// An endpoint or certificate that TLS does not accept.
    #[error("cannot use this endpoint, certificate or key")]
    Setup(#[from] tonic::transport::Error),
}

/// A party's certificate chain, its key, and the authority that vouches for every other party.
pub struct TlsFiles {
    chain: String,
    key: String,
    authority: String,
}

impl TlsFiles {
    /// Reads `tls.pem`, `tls.key` and `ca.pem` from a party's key folder.
    pub fn read(folder: &Path) -> Result<Self, TlsError> {
        let read = |name: &str| {
            let path = folder.join(name);
            std::fs::read_to_string(&path).map_err(|source| TlsError::Read { path, source })
        };
        Ok(TlsFiles { chain: read("tls.pem")?, key: read("tls.key")?, authority: read("ca.pem")? })
    }

    /// For a server that admits only clients with a certificate of the same authority.
    pub fn server(&self) -> ServerTlsConfig {
        ServerTlsConfig::new()
            .identity(TlsIdentity::from_pem(&self.chain, &self.key))
            .client_ca_root(Certificate::from_pem(&self.authority))
            .timeout(Duration::from_secs(10))
    }

    /// A channel to `server` at `endpoint`, connected at first use and again after a loss. The server
    /// must prove its identity, not merely its address.
    pub fn channel(&self, endpoint: &str, server: &Identity) -> Result<Channel, TlsError> {
        let tls = ClientTlsConfig::new()
            .identity(TlsIdentity::from_pem(&self.chain, &self.key))
            .ca_certificate(Certificate::from_pem(&self.authority))
            .domain_name(server.server_name());
        Ok(Endpoint::from_shared(endpoint.to_owned())?
            .connect_timeout(Duration::from_secs(5))
            .tcp_nodelay(true)
            .http2_keep_alive_interval(Duration::from_secs(20))
            .keep_alive_while_idle(true)
            .tls_config(tls)?
            .connect_lazy())
    }
}
