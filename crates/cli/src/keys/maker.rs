//! Makes the key folder of one party. The file names are a contract with every command that takes
//! such a folder: `tls.key`, `tls.csr`, `tls.pem`, `ca.pem`, `public.toml`, and for those who have
//! them `signing.key`, `officer.key`, `mask.key`, `sealing.key` and `bounding.key`, each 64 hexadecimal digits.

use std::path::Path;

use almoner_federation::{FederationId, Identity, Name, PicoRho, Role, SigningKey, VerifyingKey};
use almoner_secure_sum::MaskKey;
use rcgen::KeyPair;
use ring::rand::SecureRandom;
use zeroize::Zeroizing;

use crate::keys::files::{create_folder, write_public, write_secret, write_secret_bytes};
use crate::keys::{
    AgencyAbout, AgencyPublic, AuditorPublic, Authority, CoordinatorPublic, Host, KeysError, PlannerPublic,
    Request, Validity,
};

const ALL_FILES: [&str; 10] = [
    "tls.key",
    "tls.csr",
    "tls.pem",
    "ca.pem",
    "public.toml",
    "signing.key",
    "officer.key",
    "mask.key",
    "sealing.key",
    "bounding.key",
];

/// What all parties of one making share.
#[derive(Clone, Copy)]
pub struct KeyMaker<'a> {
    federation: &'a FederationId,
    issuing: Option<(&'a Authority, Validity)>,
    random: &'a dyn SecureRandom,
}

impl<'a> KeyMaker<'a> {
    /// Keys whose certificates `authority` signs for `validity`, and whose secrets come from `random`.
    pub fn new(authority: &'a Authority, validity: Validity, random: &'a dyn SecureRandom) -> Self {
        KeyMaker { federation: authority.federation(), issuing: Some((authority, validity)), random }
    }

    /// Keys without a certificate: `tls.csr` asks the federation's authority for it, wherever that is.
    pub fn requesting(federation: &'a FederationId, random: &'a dyn SecureRandom) -> Self {
        KeyMaker { federation, issuing: None, random }
    }

    /// An agency's keys: certificate or request, signing seed, the data officer's own seed, mask key, the key that seals noisy cells in its
    /// ledger, and the key that decides which rows a bound keeps.
    ///
    /// # Errors
    /// [`KeysError::Exists`] when `folder` holds keys already; nothing is written then.
    pub fn agency(
        &self,
        about: AgencyAbout,
        hosts: &[Host],
        folder: &Path,
    ) -> Result<AgencyPublic, KeysError> {
        self.certificate(Role::Agency, &about.name, hosts, folder)?;
        let signing_key = self.signing_key("signing.key", folder)?;
        let officer_key = self.signing_key("officer.key", folder)?;
        let mask = MaskKey::generate(self.random).map_err(|_| KeysError::Random)?;
        write_secret_bytes(folder, "mask.key", &mask.to_bytes())?;
        write_secret_bytes(folder, "sealing.key", &*self.random_bytes()?)?;
        write_secret_bytes(folder, "bounding.key", &*self.random_bytes()?)?;
        let public = AgencyPublic { about, signing_key, officer_key, mask_key: mask.public() };
        write_public(folder, "public.toml", &public.stanza())?;
        Ok(public)
    }

    /// The coordinator's keys: certificate or request, and signing seed.
    ///
    /// # Errors
    /// As [`KeyMaker::agency`].
    pub fn coordinator(
        &self,
        name: Name,
        endpoint: String,
        hosts: &[Host],
        folder: &Path,
    ) -> Result<CoordinatorPublic, KeysError> {
        self.certificate(Role::Coordinator, &name, hosts, folder)?;
        let signing_key = self.signing_key("signing.key", folder)?;
        let public = CoordinatorPublic { name, endpoint, signing_key };
        write_public(folder, "public.toml", &public.stanza())?;
        Ok(public)
    }

    /// A planner's keys: certificate or request, and signing seed.
    ///
    /// # Errors
    /// As [`KeyMaker::agency`].
    pub fn planner(
        &self,
        name: Name,
        rho: Option<PicoRho>,
        folder: &Path,
    ) -> Result<PlannerPublic, KeysError> {
        self.certificate(Role::Planner, &name, &[], folder)?;
        let public = PlannerPublic { name, signing_key: self.signing_key("signing.key", folder)?, rho };
        write_public(folder, "public.toml", &public.stanza())?;
        Ok(public)
    }

    /// An auditor's keys: certificate or request, and signing seed.
    ///
    /// # Errors
    /// As [`KeyMaker::agency`].
    pub fn auditor(&self, name: Name, folder: &Path) -> Result<AuditorPublic, KeysError> {
        self.certificate(Role::Auditor, &name, &[], folder)?;
        let public = AuditorPublic { name, signing_key: self.signing_key("signing.key", folder)? };
        write_public(folder, "public.toml", &public.stanza())?;
        Ok(public)
    }

    /// Makes the folder with the certificate or the request for it. It comes first: whatever is wrong
    /// with the authority, the folder or the dates shows before any other key exists.
    fn certificate(&self, role: Role, name: &Name, hosts: &[Host], folder: &Path) -> Result<(), KeysError> {
        let identity = Identity { federation: self.federation.clone(), role, name: name.clone() };
        let key = KeyPair::generate()?;
        let request = Request::make(&identity, hosts, &key)?;
        let issue = |(authority, validity): (&Authority, Validity)| {
            let chain = authority.issue(&identity, hosts, &key, validity)?;
            Ok::<_, KeysError>((chain, authority.certificate().to_owned()))
        };
        let issued = self.issuing.map(issue).transpose()?;
        create_folder(folder, &ALL_FILES)?;
        write_secret(folder, "tls.key", &Zeroizing::new(key.serialize_pem()))?;
        write_public(folder, "tls.csr", &request)?;
        if let Some((chain, authority)) = issued {
            write_public(folder, "tls.pem", &chain)?;
            write_public(folder, "ca.pem", &authority)?;
        }
        Ok(())
    }

    fn signing_key(&self, file: &str, folder: &Path) -> Result<VerifyingKey, KeysError> {
        let seed = Zeroizing::new(SigningKey::new_seed(self.random).map_err(|_| KeysError::Random)?);
        let key = SigningKey::from_seed(&seed).map_err(|_| KeysError::Random)?;
        write_secret_bytes(folder, file, &seed)?;
        Ok(key.verifying_key())
    }

    fn random_bytes(&self) -> Result<Zeroizing<[u8; 32]>, KeysError> {
        let mut bytes = Zeroizing::new([0; 32]);
        self.random.fill(bytes.as_mut_slice()).map_err(|_| KeysError::Random)?;
        Ok(bytes)
    }
}
