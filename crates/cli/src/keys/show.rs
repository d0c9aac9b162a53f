//! Reads a key folder back: who it belongs to, until when, and its public stanza. No secret is read.

use std::path::Path;

use almoner_federation::{Digest, Identity, show_date};
use time::OffsetDateTime;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::keys::authority::{federation_of, first_certificate};
use crate::keys::files::read;
use crate::keys::{KeysError, Request};

const SECONDS_A_DAY: i64 = 86_400;

/// The identity in a PEM certificate file such as `tls.pem`.
///
/// # Errors
/// [`KeysError::Damaged`] when the file holds no certificate of a party.
pub fn identity_of(path: &Path) -> Result<Identity, KeysError> {
    let damaged = || KeysError::Damaged { path: path.to_owned(), expected: "a party's certificate" };
    let der = first_certificate(&read(path)?).ok_or_else(damaged)?;
    Identity::from_certificate(&der).map_err(|_| damaged())
}

/// The text of `almoner keys show`: whose folder it is and how long its certificate holds, as TOML
/// comments, then the public stanza. The folder may be a party's or an authority's.
///
/// # Errors
/// [`KeysError::Read`] or [`KeysError::Damaged`] naming the file.
pub fn show(folder: &Path, now: OffsetDateTime) -> Result<String, KeysError> {
    let leaf = folder.join("tls.pem");
    if leaf.exists() {
        let held = holds(&leaf, now)?;
        return Ok(format!("# {}\n{held}\n{}", identity_of(&leaf)?, read(&folder.join("public.toml"))?));
    }
    let request = folder.join("tls.csr");
    if request.exists() {
        let waits = "no certificate yet: have tls.csr signed, then use `almoner keys install`";
        return Ok(format!(
            "{}# {waits}\n\n{}",
            Request::read(&request)?,
            read(&folder.join("public.toml"))?
        ));
    }
    let path = folder.join("ca.pem");
    let damaged = || KeysError::Damaged { path: path.clone(), expected: "an authority's certificate" };
    let der = first_certificate(&read(&path)?).ok_or_else(damaged)?;
    let (_, certificate) = X509Certificate::from_der(&der).map_err(|_| damaged())?;
    let federation = federation_of(&certificate).ok_or_else(damaged)?;
    let (held, fingerprint) = (holds(&path, now)?, Digest::of(&der));
    Ok(format!("# certificate authority of {federation}\n{held}# certificate (SHA-256): {fingerprint}\n"))
}

/// One line on how long a certificate holds.
fn holds(path: &Path, now: OffsetDateTime) -> Result<String, KeysError> {
    let damaged = || KeysError::Damaged { path: path.to_owned(), expected: "a certificate" };
    let der = first_certificate(&read(path)?).ok_or_else(damaged)?;
    let (_, certificate) = X509Certificate::from_der(&der).map_err(|_| damaged())?;
    let (from, until) =
        (certificate.validity().not_before.timestamp(), certificate.validity().not_after.timestamp());
    let date = |seconds: i64| i32::try_from(seconds.div_euclid(SECONDS_A_DAY)).map(show_date);
    let (from_day, until_day) = (date(from).map_err(|_| damaged())?, date(until).map_err(|_| damaged())?);
    let now = now.unix_timestamp();
    let state = if now > until {
        "EXPIRED: make a new one".to_owned()
    } else if now < from {
        "not valid yet: is this machine's clock right?".to_owned()
    } else {
        format!("{} days left", (until - now) / SECONDS_A_DAY)
    };
    Ok(format!("# certificate valid {from_day} to {until_day} UTC: {state}\n"))
}
