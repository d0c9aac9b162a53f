//! How to reach a database: its URL, the authority of its certificate, and whether the way there needs one.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::{Client, Config, NoTls, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::SourceError;

/// How long a new connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the network may be silent before the server counts as gone.
const SILENCE: Duration = Duration::from_secs(60);

/// A PostgreSQL database and where in it the manifest's tables are.
#[derive(Clone)]
pub struct PostgresAccess {
    /// `postgresql://user:password@host:port/database`, a secret.
    pub url: String,
    /// The certificates, as PEM, that alone may vouch for the server's. Without them the server must be on this machine.
    pub ca_pem: Option<Vec<u8>>,
    /// Most connections at once, 1 to 64; further questions wait.
    pub connections: usize,
    /// How long one statement may take.
    pub statement_timeout: Duration,
    /// For tables of the manifest a SELECT that gives their columns by name. Any other is read as `SELECT *` from the
    /// table of its name.
    pub tables: BTreeMap<String, String>,
}

impl fmt::Debug for PostgresAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresAccess")
            .field("connections", &self.connections)
            .field("statement_timeout", &self.statement_timeout)
            .field("tables", &self.tables)
            .finish_non_exhaustive()
    }
}

/// The way to a server.
pub(crate) struct Route {
    config: Config,
    tls: Option<MakeRustlsConnect>,
}

impl Route {
    /// Checks an access without using it.
    pub(crate) fn of(access: &PostgresAccess) -> Result<Route, SourceError> {
        let url = access.url.trim();
        // The parser's own reason may quote the password.
        let mut config: Config =
            url.replace("sslmode=verify-full", "sslmode=require").parse().map_err(|_| {
                SourceError::database(
                    "the URL of the database cannot be read",
                    "write postgresql://user:password@host:port/database, with any of sslmode=verify-full, \
                 connect_timeout and keepalives_idle, and the authority's file as `ca` in node.toml",
                )
            })?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(SourceError::database("the URL of the database names no host", "add one to it"));
        }
        let sockets = config.get_hosts().iter().all(|host| matches!(host, Host::Unix(_)))
            && config.get_hostaddrs().is_empty();
        let local =
            config.get_hosts().iter().all(is_local) && config.get_hostaddrs().iter().all(IpAddr::is_loopback);
        let tls = match &access.ca_pem {
            Some(pem) if !sockets => Some(MakeRustlsConnect::new(client_config(pem)?)),
            None if !local => {
                return Err(SourceError::database(
                    "the database is on another machine, and nothing says whose certificate it has",
                    "set `ca` in [postgres] to the file of the authority that signed it",
                ));
            }
            _ => None,
        };
        if tls.is_some() && config.get_ssl_mode() == SslMode::Disable {
            return Err(SourceError::database(
                "the URL of the database forbids TLS, and node.toml has a `ca`",
                "take sslmode out of the URL",
            ));
        }
        config.ssl_mode(if tls.is_some() { SslMode::Require } else { SslMode::Disable });
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_TIMEOUT);
        }
        config.keepalives(true).keepalives_idle(SILENCE).tcp_user_timeout(SILENCE);
        config.application_name("almoner-node");
        Ok(Route { config, tls })
    }

    /// A connection and the task that drives it.
    pub(crate) async fn connect(&self) -> Result<(Client, tokio::task::AbortHandle), tokio_postgres::Error> {
        // What ends a connection shows at the next statement.
        match &self.tls {
            Some(tls) => {
                let (client, driver) = self.config.connect(tls.clone()).await?;
                Ok((client, tokio::spawn(async move { drop(driver.await) }).abort_handle()))
            }
            None => {
                let (client, driver) = self.config.connect(NoTls).await?;
                Ok((client, tokio::spawn(async move { drop(driver.await) }).abort_handle()))
            }
        }
    }

    /// Asks the server to stop what that connection computes.
    pub(crate) async fn cancel(&self, token: &tokio_postgres::CancelToken) {
        // Where it does not arrive, the statement's own time limit ends it.
        let _ = match &self.tls {
            Some(tls) => tokio::time::timeout(CONNECT_TIMEOUT, cancel(token, tls.clone())).await,
            None => tokio::time::timeout(CONNECT_TIMEOUT, cancel(token, NoTls)).await,
        };
    }
}

async fn cancel<T>(token: &tokio_postgres::CancelToken, tls: T) -> Result<(), tokio_postgres::Error>
where
    T: tokio_postgres::tls::MakeTlsConnect<Socket>,
{
    token.cancel_query(tls).await
}

fn is_local(host: &Host) -> bool {
    match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => {
            name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
        }
    }
}

/// TLS that believes the given authorities and nobody else, and checks the server's name.
fn client_config(pem: &[u8]) -> Result<ClientConfig, SourceError> {
    let unreadable = || {
        SourceError::database("the `ca` of [postgres] holds no certificate", "write the authority's, as PEM")
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        roots.add(certificate.map_err(|_| unreadable())?).map_err(|_| unreadable())?;
    }
    if roots.is_empty() {
        return Err(unreadable());
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring supports the default versions");
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(url: &str, ca_pem: Option<&str>) -> Result<Route, SourceError> {
        Route::of(&PostgresAccess {
            url: url.into(),
            ca_pem: ca_pem.map(|pem| pem.as_bytes().to_vec()),
            connections: 1,
            statement_timeout: Duration::from_secs(1),
            tables: BTreeMap::new(),
        })
    }

    #[test]
    fn only_a_server_on_this_machine_needs_no_certificate() {
        for url in [
            "postgresql://u:secret@127.0.0.1:5432/d",
            "postgresql://u:secret@[::1]/d",
            "postgresql://u:secret@localhost/d",
            "postgresql://u:secret@%2Frun%2Fpostgresql/d",
        ] {
            assert!(route(url, None).is_ok(), "{url}");
        }
        for url in [
            "postgresql://u:secret@10.0.0.1/d",
            "postgresql://u:secret@db.example/d?sslmode=disable",
            "postgresql://u:secret@db.example/d?sslmode=verify-full",
            "postgresql://u:secret@localhost,db.example/d",
            "postgresql://u:secret@localhost/d?hostaddr=10.0.0.1",
            "postgresql:///d",
            "nonsense secret",
        ] {
            let error = route(url, None).err().expect(url).to_string();
            assert!(!error.contains("secret"), "{error}");
            assert!(error.contains("; "), "says what to do: {error}");
        }
    }

    #[test]
    fn a_file_without_a_certificate_is_refused() {
        for pem in ["", "nonsense", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            let error = route("postgresql://u@db.example/d", Some(pem)).err().expect("no certificate");
            assert!(error.to_string().contains("holds no certificate"), "{error}");
        }
    }

    #[test]
    fn nothing_shows_the_url() {
        let access = PostgresAccess {
            url: "postgresql://u:secret@localhost/d".into(),
            ca_pem: None,
            connections: 1,
            statement_timeout: Duration::from_secs(1),
            tables: BTreeMap::new(),
        };
        assert!(!format!("{access:?}").contains("secret"));
    }
}
