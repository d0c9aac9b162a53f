//! Puts a certificate that the authority issued into the folder whose request it answers. Nothing is
//! written before everything is checked.

use std::path::Path;

use almoner_federation::{Digest, Identity};
use rcgen::{KeyPair, PublicKeyData};
use time::OffsetDateTime;
use x509_parser::prelude::{ASN1Time, FromDer, GeneralName, X509Certificate};
use zeroize::Zeroizing;

use crate::keys::authority::{federation_of, first_certificate};
use crate::keys::files::{read, replace_public, write_public};
use crate::keys::request::serves;
use crate::keys::{KeysError, Request};

/// What was installed.
#[derive(Debug)]
pub struct Installed {
    /// Whose folder it is.
    pub identity: Identity,
    /// SHA-256 of the authority's certificate, which the folder trusts from now on.
    pub authority: Digest,
}

/// Writes `tls.pem` and `ca.pem` into `folder`, once `certificate` is known to be for its identity and
/// its `tls.key`, and to be issued by the authority of `ca`. With `renew` an older `tls.pem` is
/// replaced; the authority that a folder trusts never is.
///
/// # Errors
/// [`KeysError::Misfit`] when the files do not belong together, [`KeysError::Installed`] when there is
/// a certificate already.
pub fn install(
    certificate: &Path,
    ca: &Path,
    folder: &Path,
    renew: bool,
    now: OffsetDateTime,
) -> Result<Installed, KeysError> {
    let request = Request::read(&folder.join("tls.csr"))?;
    let (key_path, tls_path, ca_path) =
        (folder.join("tls.key"), folder.join("tls.pem"), folder.join("ca.pem"));
    let key = KeyPair::from_pem(&Zeroizing::new(read(&key_path)?))
        .map_err(|_| KeysError::Damaged { path: key_path, expected: "a secret key" })?;
    let (chain, authority) = (read(certificate)?, read(ca)?);
    let misfit = |path: &Path| {
        let path = path.to_owned();
        |reason| KeysError::Misfit { path, reason }
    };
    let authority_der = only_certificate(&authority).map_err(misfit(ca))?;
    let authority_certificate =
        check_authority(&authority_der, request.identity(), now).map_err(misfit(ca))?;
    let der = only_certificate(&chain).map_err(misfit(certificate))?;
    check_leaf(&der, &authority_certificate, request.identity(), &key, now).map_err(misfit(certificate))?;

    let trusted = if ca_path.exists() { Some(read(&ca_path)?) } else { None };
    if trusted.as_ref().is_some_and(|text| first_certificate(text).as_ref() != Some(&authority_der)) {
        let reason = "the folder trusts another authority already; if the federation has a new one, \
                      move the folder's ca.pem away first";
        return Err(misfit(ca)(reason.into()));
    }
    if tls_path.exists() && !renew {
        return Err(KeysError::Installed { path: tls_path });
    }
    // The authority first: a crash in between leaves a folder that can be installed into again.
    if trusted.is_none() {
        write_public(folder, "ca.pem", &authority)?;
    }
    replace_public(folder, "tls.pem", &chain)?;
    Ok(Installed { identity: request.identity().clone(), authority: Digest::of(&authority_der) })
}

/// The certificate of a PEM text that holds nothing else: whatever stood beside it would be trusted
/// or shown to others unseen.
fn only_certificate(text: &str) -> Result<Vec<u8>, String> {
    let alone = text.matches("-----BEGIN").count() == 1;
    first_certificate(text)
        .filter(|_| alone)
        .ok_or_else(|| "it does not hold exactly one certificate; ask the authority for it again".into())
}

fn check_authority<'a>(
    der: &'a [u8],
    identity: &Identity,
    now: OffsetDateTime,
) -> Result<X509Certificate<'a>, String> {
    let unreadable = "it is not an authority's certificate; ask the authority for its ca.pem";
    let (_, authority) = X509Certificate::from_der(der).map_err(|_| unreadable)?;
    let federation = federation_of(&authority).ok_or(unreadable)?;
    if federation != identity.federation {
        return Err(format!("it is the authority of {federation}, and the folder is {identity}'s"));
    }
    authority.verify_signature(None).map_err(|_| unreadable)?;
    check_period(&authority, now)?;
    Ok(authority)
}

fn check_leaf(
    der: &[u8],
    authority: &X509Certificate<'_>,
    identity: &Identity,
    key: &KeyPair,
    now: OffsetDateTime,
) -> Result<(), String> {
    let unreadable = "it is not a party's certificate; ask the authority for it again";
    let named = Identity::from_certificate(der).map_err(|_| unreadable)?;
    let (_, leaf) = X509Certificate::from_der(der).map_err(|_| unreadable)?;
    if named != *identity {
        return Err(format!("it is {named}'s, and the folder is {identity}'s; install each into its own"));
    }
    if leaf.public_key().raw != key.subject_public_key_info() {
        return Err(
            "it is for another key than the folder's tls.key; have this folder's tls.csr signed".into()
        );
    }
    let issued = leaf.issuer() == authority.subject();
    if !issued || leaf.verify_signature(Some(authority.public_key())).is_err() {
        return Err("it was not issued by this authority; ask for the ca.pem of the one that did".into());
    }
    check_period(&leaf, now)?;
    if fits_role(&leaf, identity) {
        Ok(())
    } else {
        let role = identity.role;
        Err(format!("it cannot be used by a {role}; have tls.csr signed with `almoner keys sign`"))
    }
}

fn check_period(certificate: &X509Certificate<'_>, now: OffsetDateTime) -> Result<(), String> {
    let validity = certificate.validity();
    let now = ASN1Time::from_timestamp(now.unix_timestamp()).map_err(|_| "this machine's clock is wrong")?;
    if now < validity.not_before {
        return Err("it is not valid yet; is this machine's clock right?".into());
    }
    if now > validity.not_after {
        return Err("it has expired; ask the authority for a new one".into());
    }
    Ok(())
}

/// Whether others will accept the certificate for what this role does.
fn fits_role(leaf: &X509Certificate<'_>, identity: &Identity) -> bool {
    let Ok(Some(purposes)) = leaf.extended_key_usage() else { return false };
    let Ok(Some(names)) = leaf.subject_alternative_name() else { return false };
    let own = identity.server_name();
    let named = || names.value.general_names.iter().any(|name| *name == GeneralName::DNSName(&own));
    let server = purposes.value.server_auth && named();
    !leaf.is_ca() && purposes.value.client_auth && (server || !serves(identity.role))
}
