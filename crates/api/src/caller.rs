//! Who is calling: the identity in the client certificate that TLS verified.

use almoner_federation::{Identity, Manifest, Role};
use tonic::Request;

use crate::Refusal;

/// The caller's identity.
///
/// # Errors
/// [`Refusal::Role`] when the connection has no client certificate with one SPIFFE identity.
pub fn caller<T>(request: &Request<T>) -> Result<Identity, Refusal> {
    let certificates = request.peer_certs().ok_or(Refusal::Role)?;
    let leaf = certificates.first().ok_or(Refusal::Role)?;
    Identity::from_certificate(leaf).map_err(|_| Refusal::Role)
}

/// The caller, when it is a party of this federation in one of `roles`.
///
/// # Errors
/// [`Refusal::Role`] for everybody else.
pub fn require<T>(request: &Request<T>, manifest: &Manifest, roles: &[Role]) -> Result<Identity, Refusal> {
    let identity = caller(request)?;
    let admitted = roles.contains(&identity.role) && manifest.knows(&identity);
    if admitted { Ok(identity) } else { Err(Refusal::Role) }
}
