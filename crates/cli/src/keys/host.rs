//! An address under which a server can be reached besides its identity's own name.

use std::net::IpAddr;
use std::str::FromStr;

use crate::keys::KeysError;

/// An IP address or a DNS name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// An address.
    Ip(IpAddr),
    /// A name of letters, digits, `-` and `.`.
    Dns(String),
}

/// Names below this one are identities, which a host must not borrow.
const IDENTITIES: &str = "almoner.internal";

impl FromStr for Host {
    type Err = KeysError;
    fn from_str(text: &str) -> Result<Self, KeysError> {
        if let Ok(address) = text.parse() {
            return Ok(Host::Ip(address));
        }
        let name = text.to_ascii_lowercase();
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        if name.len() <= 253 && name.split('.').all(label) && !name.ends_with(IDENTITIES) {
            Ok(Host::Dns(name))
        } else {
            Err(KeysError::Host(text.chars().take(80).collect()))
        }
    }
}

impl std::fmt::Display for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Host::Ip(IpAddr::V6(address)) => write!(f, "[{address}]"),
            Host::Ip(address) => write!(f, "{address}"),
            Host::Dns(name) => f.write_str(name),
        }
    }
}
