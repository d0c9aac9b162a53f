//! A certificate signing request (PKCS #10, RFC 2986): how a party asks for a certificate without
//! showing anybody its secret key. What a request wants to be used for is never read from it.

use std::fmt;
use std::net::IpAddr;
use std::path::Path;

use almoner_federation::{Digest, Identity, Role};
use rcgen::{CertificateParams, DistinguishedName, KeyPair, PublicKeyData, SanType, SubjectPublicKeyInfo};
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::{FromDer, GeneralName, ParsedExtension, Pem};

use crate::keys::files::read;
use crate::keys::{Host, KeysError};

/// A request whose sender has proved to hold the key, and which names one party and only hosts that a
/// party may name.
pub struct Request {
    identity: Identity,
    hosts: Vec<Host>,
    key: SubjectPublicKeyInfo,
}

impl Request {
    /// The PEM text of a request that asks for a certificate for `key`, and is signed with it.
    ///
    /// # Errors
    /// [`KeysError::Certificate`] when the random source fails.
    pub fn make(identity: &Identity, hosts: &[Host], key: &KeyPair) -> Result<String, KeysError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.subject_alt_names = alternative_names(identity, hosts)?;
        Ok(params.serialize_request(key)?.pem()?)
    }

    /// Reads and checks a request.
    ///
    /// # Errors
    /// [`KeysError::Request`] says what in it cannot be signed.
    pub fn read(path: &Path) -> Result<Request, KeysError> {
        parse(&read(path)?).map_err(|reason| KeysError::Request { path: path.to_owned(), reason })
    }

    /// Who asks.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Under which names and addresses the party is reached, besides its identity's own name.
    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// The key to be certified, ECDSA on P-256.
    pub fn public_key(&self) -> &SubjectPublicKeyInfo {
        &self.key
    }

    /// SHA-256 of the public key (DER, `SubjectPublicKeyInfo`): what the party and the authority's
    /// keeper read to each other, because a request alone does not prove who sent it.
    pub fn fingerprint(&self) -> Digest {
        Digest::of(&self.key.subject_public_key_info())
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hosts: Vec<String> = self.hosts.iter().map(Host::to_string).collect();
        let hosts = if hosts.is_empty() { "none".into() } else { hosts.join(" ") };
        write!(f, "# {}\n# hosts: {hosts}\n# key (SHA-256): {}\n", self.identity, self.fingerprint())
    }
}

/// Whether parties of this role listen on a port.
pub(super) fn serves(role: Role) -> bool {
    match role {
        Role::Agency | Role::Coordinator => true,
        Role::Planner | Role::Auditor => false,
    }
}

/// What a certificate names: the identity, and for a server its own name and `hosts`.
pub(super) fn alternative_names(identity: &Identity, hosts: &[Host]) -> Result<Vec<SanType>, KeysError> {
    let mut names = vec![SanType::URI(identity.to_string().try_into()?)];
    if serves(identity.role) {
        names.push(SanType::DnsName(identity.server_name().try_into()?));
        for host in hosts {
            names.push(match host {
                Host::Ip(address) => SanType::IpAddress(*address),
                Host::Dns(name) => SanType::DnsName(name.as_str().try_into()?),
            });
        }
    }
    Ok(names)
}

/// The request in a PEM text, or what is wrong with it and what to do.
fn parse(text: &str) -> Result<Request, String> {
    let unreadable =
        || "it is not a certificate signing request; ask for the party's tls.csr again".to_owned();
    let pem = Pem::iter_from_buffer(text.as_bytes()).next().ok_or_else(unreadable)?;
    let pem = pem.ok().filter(|pem| pem.label == "CERTIFICATE REQUEST").ok_or_else(unreadable)?;
    let (rest, request) = X509CertificationRequest::from_der(&pem.contents).map_err(|_| unreadable())?;
    if !rest.is_empty() {
        return Err(unreadable());
    }
    let key = request.certification_request_info.subject_pki.raw;
    let key = SubjectPublicKeyInfo::from_der(key)
        .ok()
        .filter(|key| key.algorithm() == &rcgen::PKCS_ECDSA_P256_SHA256)
        .ok_or("its key is not an ECDSA key on P-256; have it made with `almoner keys`")?;
    request.verify_signature().map_err(|_| {
        "it is not signed with the key that it shows, so its sender may not hold that key; \
         ask for the party's tls.csr again"
    })?;

    let extensions = request.requested_extensions().into_iter().flatten();
    let names: Vec<&GeneralName<'_>> = extensions
        .filter_map(|extension| match extension {
            ParsedExtension::SubjectAlternativeName(names) => Some(&names.general_names),
            _ => None,
        })
        .flatten()
        .collect();
    let identity = the_identity(&names)?;
    let hosts = the_hosts(&names, &identity)?;
    Ok(Request { identity, hosts, key })
}

fn the_identity(names: &[&GeneralName<'_>]) -> Result<Identity, String> {
    let mut uris = names.iter().filter_map(|name| match name {
        GeneralName::URI(uri) => Some(*uri),
        _ => None,
    });
    let identity = match (uris.next(), uris.next()) {
        (Some(uri), None) => uri.parse().ok(),
        _ => None,
    };
    let wanted =
        "it must name exactly one URI, spiffe://FEDERATION/ROLE/NAME; have it made with `almoner keys`";
    identity.ok_or_else(|| wanted.to_owned())
}

fn the_hosts(names: &[&GeneralName<'_>], identity: &Identity) -> Result<Vec<Host>, String> {
    let mut hosts = Vec::new();
    for name in names {
        let host = match name {
            GeneralName::URI(_) => continue,
            GeneralName::DNSName(_) | GeneralName::IPAddress(_) if !serves(identity.role) => {
                return Err(format!("a {} serves nobody and must name no host", identity.role));
            }
            GeneralName::DNSName(name) if *name == identity.server_name() => continue,
            GeneralName::DNSName(name) => name.parse().map_err(|error: KeysError| error.to_string())?,
            GeneralName::IPAddress(bytes) => Host::Ip(address(bytes).ok_or("it names a damaged IP address")?),
            _ => {
                return Err("it names something that is neither a URI, a DNS name nor an IP address; \
                            have it made with `almoner keys`"
                    .into());
            }
        };
        hosts.push(host);
    }
    Ok(hosts)
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let four = || <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    four().or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}
