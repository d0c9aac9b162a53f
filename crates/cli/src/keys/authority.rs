//! The federation's certificate authority. It says who is who, and nothing else: it takes no part in
//! any question and can read no answer. Its certificate is a SPIFFE signing certificate, whose URI is
//! the trust domain alone (SPIFFE X.509-SVID, section 3).

use std::path::Path;

use almoner_federation::{FederationId, Identity};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PublicKeyData, SanType, SerialNumber,
};
use ring::rand::{SystemRandom, generate};
use time::OffsetDateTime;
use x509_parser::prelude::{FromDer, GeneralName, Pem, X509Certificate};
use zeroize::Zeroizing;

use crate::keys::files::{create_folder, read, write_public, write_secret};
use crate::keys::request::{alternative_names, serves};
use crate::keys::{Host, KeysError, Validity};

/// Five years, with the leap day.
const AUTHORITY_DAYS: u32 = 1_826;
const CERTIFICATE: &str = "ca.pem";
const KEY: &str = "ca.key";

/// A certificate authority with its secret key, ECDSA on P-256.
pub struct Authority {
    federation: FederationId,
    not_after: OffsetDateTime,
    certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// A new authority, valid for five years from `now`.
    ///
    /// # Errors
    /// [`KeysError::Certificate`] when the random source fails.
    pub fn create(federation: FederationId, now: OffsetDateTime) -> Result<Self, KeysError> {
        let validity = Validity::days(now, AUTHORITY_DAYS)?;
        let mut params = CertificateParams::default();
        params.not_before = validity.not_before();
        params.not_after = validity.not_after();
        params.distinguished_name = subject(&[
            (DnType::OrganizationName, federation.as_str()),
            (DnType::CommonName, "almoner certificate authority"),
        ]);
        params.subject_alt_names = vec![SanType::URI(trust_domain(&federation).try_into()?)];
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?.pem();
        let issuer = Issuer::new(params, key);
        Ok(Authority { federation, not_after: validity.not_after(), certificate, issuer })
    }

    /// Reads what [`Authority::save`] wrote.
    ///
    /// # Errors
    /// [`KeysError::Read`], or [`KeysError::Damaged`] naming the file that is not what it should be.
    pub fn load(folder: &Path) -> Result<Self, KeysError> {
        let (path, key_path) = (folder.join(CERTIFICATE), folder.join(KEY));
        let damaged = || KeysError::Damaged { path: path.clone(), expected: "an authority's certificate" };
        let certificate = read(&path)?;
        let der = first_certificate(&certificate).ok_or_else(damaged)?;
        let (_, parsed) = X509Certificate::from_der(&der).map_err(|_| damaged())?;
        let federation = federation_of(&parsed).ok_or_else(damaged)?;
        let not_after = parsed.validity().not_after.timestamp();
        let not_after = OffsetDateTime::from_unix_timestamp(not_after).map_err(|_| damaged())?;

        let expected = "the secret key of the certificate beside it";
        let foreign = || KeysError::Damaged { path: key_path.clone(), expected };
        let key = KeyPair::from_pem(&Zeroizing::new(read(&key_path)?)).map_err(|_| foreign())?;
        if parsed.public_key().subject_public_key.data != key.public_key_raw() {
            return Err(foreign());
        }
        let issuer = Issuer::from_ca_cert_der(&der.as_slice().into(), key).map_err(|_| damaged())?;
        Ok(Authority { federation, not_after, certificate, issuer })
    }

    /// Writes `ca.pem` and the secret `ca.key` into `folder`, which is made when it is missing.
    ///
    /// # Errors
    /// [`KeysError::Exists`] when either file is there already.
    pub fn save(&self, folder: &Path) -> Result<(), KeysError> {
        create_folder(folder, &[CERTIFICATE, KEY])?;
        write_secret(folder, KEY, &Zeroizing::new(self.issuer.key().serialize_pem()))?;
        write_public(folder, CERTIFICATE, &self.certificate)
    }

    /// The federation it vouches for.
    pub fn federation(&self) -> &FederationId {
        &self.federation
    }

    /// Its own certificate, PEM, which every party needs.
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// A certificate for one party's public key, PEM. What it may be used for follows from the role
    /// alone: agencies and the coordinator may serve under their identity's name and under `hosts`;
    /// planners and auditors may only call, and `hosts` is nothing to them.
    ///
    /// # Errors
    /// [`KeysError::Foreign`] for a party of another federation, [`KeysError::Validity`] for a
    /// certificate that would outlive the authority.
    pub fn issue(
        &self,
        identity: &Identity,
        hosts: &[Host],
        public_key: &impl PublicKeyData,
        validity: Validity,
    ) -> Result<String, KeysError> {
        if identity.federation != self.federation {
            let federation = self.federation.clone();
            return Err(KeysError::Foreign { identity: identity.clone(), federation });
        }
        if validity.not_after() > self.not_after {
            let reason = "the authority ends earlier; choose fewer --days or make a new authority".into();
            return Err(KeysError::Validity { reason });
        }
        let mut params = CertificateParams::default();
        params.not_before = validity.not_before();
        params.not_after = validity.not_after();
        params.distinguished_name = subject(&[
            (DnType::OrganizationName, identity.federation.as_str()),
            (DnType::OrganizationalUnitName, identity.role.as_str()),
            (DnType::CommonName, identity.name.as_str()),
        ]);
        params.is_ca = IsCa::ExplicitNoCa;
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        if serves(identity.role) {
            params.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth);
        }
        params.subject_alt_names = alternative_names(identity, hosts)?;
        // By default the number follows from the key, and a renewal keeps the key: no two certificates
        // of one authority may have one number (RFC 5280, section 4.1.2.2).
        let serial: [u8; 16] = generate(&SystemRandom::new()).map_err(|_| KeysError::Random)?.expose();
        params.serial_number = Some(SerialNumber::from_slice(&serial));
        Ok(params.signed_by(public_key, &self.issuer)?.pem())
    }
}

fn subject(parts: &[(DnType, &str)]) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    for (kind, text) in parts {
        name.push(kind.clone(), *text);
    }
    name
}

fn trust_domain(federation: &FederationId) -> String {
    format!("spiffe://{federation}")
}

/// The federation of an authority's certificate; `None` for any other certificate.
pub(super) fn federation_of(certificate: &X509Certificate<'_>) -> Option<FederationId> {
    let names = certificate.subject_alternative_name().ok()??;
    match names.value.general_names.as_slice() {
        [GeneralName::URI(uri)] if certificate.is_ca() => uri.strip_prefix("spiffe://")?.parse().ok(),
        _ => None,
    }
}

/// The first certificate of a PEM text, as DER.
pub(super) fn first_certificate(text: &str) -> Option<Vec<u8>> {
    let pem = Pem::iter_from_buffer(text.as_bytes()).next()?.ok()?;
    (pem.label == "CERTIFICATE").then_some(pem.contents)
}
