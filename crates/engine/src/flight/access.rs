//! How to reach a Flight SQL server: its address, who vouches for it, and how the node shows who it is.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};

use super::address::Address;
use crate::SourceError;

/// How long a new connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the network may be silent before the server is asked whether it is there, and how long it may take to say.
const SILENCE: Duration = Duration::from_secs(20);
/// Most further servers that results may be fetched from.
const MAX_LOCATIONS: usize = 1_024;

/// A Flight SQL server and where in it the manifest's tables are.
#[derive(Clone)]
pub struct FlightSqlAccess {
    /// `grpc+tls://host:port`, or `grpc://host:port` for a server on this machine.
    pub url: String,
    /// The certificates, as PEM, that alone may vouch for the server's.
    pub ca_pem: Option<Vec<u8>>,
    /// The node's own certificate and its key, as PEM, where the server asks for one.
    pub identity_pem: Option<(Vec<u8>, Vec<u8>)>,
    /// A secret that is sent with every call as a bearer token.
    pub token: Option<String>,
    /// Further servers from which results may be fetched, written as `url` is; the same `ca_pem` vouches for them.
    pub locations: Vec<String>,
    /// How long one statement may take, with its results.
    pub statement_timeout: Duration,
    /// A SELECT of one value that changes whenever the data do.
    pub version: Option<String>,
    /// For tables of the manifest a SELECT that gives their columns by name. Any other is read as `SELECT *` from the
    /// table of its name.
    pub tables: BTreeMap<String, String>,
}

impl fmt::Debug for FlightSqlAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FlightSqlAccess")
            .field("url", &self.url)
            .field("locations", &self.locations)
            .field("statement_timeout", &self.statement_timeout)
            .field("version", &self.version)
            .field("tables", &self.tables)
            .finish_non_exhaustive()
    }
}

/// The known servers and the way to each; connections are made when they are needed.
#[derive(Debug)]
pub(crate) struct Route {
    /// The first is the one that is asked.
    pub addresses: Vec<Address>,
    pub channels: Vec<Channel>,
}

impl Route {
    /// Checks an access without using it.
    pub(crate) fn of(access: &FlightSqlAccess) -> Result<Route, SourceError> {
        if access.locations.len() > MAX_LOCATIONS {
            return Err(SourceError::database(
                format!("[flight_sql] has more than {MAX_LOCATIONS} locations"),
                "have the server send results itself",
            ));
        }
        let addresses = std::iter::once(&access.url).chain(&access.locations).map(|text| address(text));
        let addresses = addresses.collect::<Result<Vec<_>, _>>()?;
        let channels = addresses.iter().map(|address| channel(address, access));
        let channels = channels.collect::<Result<Vec<_>, _>>()?;
        Ok(Route { addresses, channels })
    }
}

fn address(text: &str) -> Result<Address, SourceError> {
    let Some(address) = Address::parse(text) else {
        // It may hold a password, although it should not.
        return Err(SourceError::database(
            "an address in [flight_sql] cannot be read",
            "write grpc+tls://host:port, without a user, path or parameters",
        ));
    };
    if !address.tls && !address.is_loopback() {
        return Err(SourceError::database(
            format!("{} is on another machine, and the way there is open", address.text()),
            "have the server speak TLS, and write grpc+tls:// and its authority's file as `ca`",
        ));
    }
    Ok(address)
}

fn channel(address: &Address, access: &FlightSqlAccess) -> Result<Channel, SourceError> {
    let wrong = |error: tonic::transport::Error| {
        let reason = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
        SourceError::database(
            format!("TLS to {} cannot be set up ({reason})", address.text()),
            "write `ca`, `certificate` and `key` of [flight_sql] as PEM",
        )
    };
    let endpoint = Endpoint::from_shared(address.uri()).map_err(wrong)?;
    let endpoint = if address.tls {
        let Some(pem) = access.ca_pem.as_ref().filter(|pem| holds_certificate(pem)) else {
            return Err(SourceError::database(
                format!("nothing says who vouches for {}", address.text()),
                "set `ca` in [flight_sql] to the file of the authority that signed its certificate, as PEM",
            ));
        };
        let host = address.host.trim_start_matches('[').trim_end_matches(']');
        let mut tls = ClientTlsConfig::new().domain_name(host).ca_certificate(Certificate::from_pem(pem));
        if let Some((certificate, key)) = &access.identity_pem {
            tls = tls.identity(Identity::from_pem(certificate, key));
        }
        endpoint.tls_config(tls).map_err(wrong)?
    } else {
        endpoint
    };
    Ok(endpoint
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_keepalive(Some(SILENCE))
        .http2_keep_alive_interval(SILENCE)
        .keep_alive_timeout(SILENCE)
        .connect_lazy())
}

fn holds_certificate(pem: &[u8]) -> bool {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;
    let mut all = CertificateDer::pem_slice_iter(pem).peekable();
    all.peek().is_some() && all.all(|certificate| certificate.is_ok())
}
