//! Who is at the other end of a connection: the SPIFFE URI in a certificate, such as
//! `spiffe://prefecture/agency/tax`.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use crate::note::KeyName;
use crate::{FederationId, Name};

/// What a party may do: each role may call only what belongs to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Runs a node over its own data.
    Agency,
    /// Runs rounds; asks nodes.
    Coordinator,
    /// Asks the coordinator.
    Planner,
    /// Reads published evidence.
    Auditor,
}

impl Role {
    /// The role's word in a SPIFFE path.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Agency => "agency",
            Role::Coordinator => "coordinator",
            Role::Planner => "planner",
            Role::Auditor => "auditor",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a certificate names nobody we know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum IdentityError {
    /// The certificate cannot be read.
    #[error("the certificate cannot be read")]
    Certificate,
    /// It holds no SPIFFE URI, or more than one.
    #[error("the certificate must hold exactly one SPIFFE URI")]
    Count,
    /// The URI is not `spiffe://FEDERATION/ROLE/NAME`.
    #[error("not an identity: expected spiffe://FEDERATION/ROLE/NAME")]
    Shape,
}

/// One party of one federation in one role.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Identity {
    /// The federation whose authority vouches for the party.
    pub federation: FederationId,
    /// What the party may do.
    pub role: Role,
    /// The party's name in the manifest.
    pub name: Name,
}

impl Identity {
    /// The identity in a DER certificate that TLS has already verified.
    pub fn from_certificate(der: &[u8]) -> Result<Self, IdentityError> {
        let (_, certificate) = X509Certificate::from_der(der).map_err(|_| IdentityError::Certificate)?;
        let names = certificate.subject_alternative_name().map_err(|_| IdentityError::Certificate)?;
        let mut uris = names.iter().flat_map(|san| &san.value.general_names).filter_map(|name| match name {
            GeneralName::URI(uri) => Some(*uri),
            _ => None,
        });
        match (uris.next(), uris.next()) {
            (Some(uri), None) => uri.parse(),
            _ => Err(IdentityError::Count),
        }
    }

    /// The DNS name under which this party's server answers, so that ordinary TLS server
    /// verification proves the identity and not merely the address.
    pub fn server_name(&self) -> String {
        format!("{}.{}.{}.almoner.internal", self.name, self.role, self.federation)
    }

    /// The same as the name of this party's log, and of its key under notes.
    pub fn key_name(&self) -> KeyName {
        self.server_name().parse().expect("a server's name has no space and no plus")
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "spiffe://{}/{}/{}", self.federation, self.role, self.name)
    }
}

impl FromStr for Identity {
    type Err = IdentityError;
    fn from_str(uri: &str) -> Result<Self, IdentityError> {
        let mut parts = uri.strip_prefix("spiffe://").ok_or(IdentityError::Shape)?.split('/');
        let mut part = || parts.next().ok_or(IdentityError::Shape);
        let federation = part()?.parse().map_err(|_| IdentityError::Shape)?;
        let role = match part()? {
            "agency" => Role::Agency,
            "coordinator" => Role::Coordinator,
            "planner" => Role::Planner,
            "auditor" => Role::Auditor,
            _ => return Err(IdentityError::Shape),
        };
        let name = part()?.parse().map_err(|_| IdentityError::Shape)?;
        if parts.next().is_some() {
            Err(IdentityError::Shape)
        } else {
            Ok(Identity { federation, role, name })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_survives_its_uri_and_nothing_else_is_one() {
        let identity: Identity = "spiffe://prefecture/agency/tax".parse().expect("well formed");
        assert_eq!(identity.role, Role::Agency);
        assert_eq!(identity.to_string(), "spiffe://prefecture/agency/tax");
        assert_eq!(identity.server_name(), "tax.agency.prefecture.almoner.internal");
        for bad in [
            "https://prefecture/agency/tax",
            "spiffe://prefecture/agency",
            "spiffe://prefecture/root/tax",
            "spiffe://prefecture/agency/tax/more",
            "spiffe://prefecture/agency/",
        ] {
            assert_eq!(bad.parse::<Identity>(), Err(IdentityError::Shape), "{bad}");
        }
    }
}
