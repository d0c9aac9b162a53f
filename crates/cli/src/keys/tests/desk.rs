//! An authority in one folder and parties in others.

use std::path::PathBuf;

use rcgen::{CertificateParams, SanType, SigningKey as RequestKey};
use tempfile::TempDir;

use super::*;
use crate::keys::install::Installed;

/// An authority's desk and the parties' folders.
pub(super) struct Desk {
    pub(super) root: TempDir,
    pub(super) authority: Authority,
    now: OffsetDateTime,
}

impl Desk {
    pub(super) fn open(now: OffsetDateTime) -> Desk {
        let root = tempfile::tempdir().expect("a folder");
        let federation = "prefecture".parse().expect("a name");
        let authority = Authority::create(federation, now).expect("the random source works");
        authority.save(&root.path().join("ca")).expect("saved");
        Desk { root, authority, now }
    }

    pub(super) fn at(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// Makes an agency's secrets without the authority.
    pub(super) fn agency(&self, name: &str) -> PathBuf {
        let (folder, random) = (self.at(name), SystemRandom::new());
        let hosts = ["127.0.0.1", "node.example"].map(|host| host.parse().expect("a host"));
        let maker = KeyMaker::requesting(self.authority.federation(), &random);
        maker.agency(about(name, 1), &hosts, &folder).expect("made");
        folder
    }

    /// The certificate for a request, in a file of its own.
    pub(super) fn sign(&self, request: &Path, name: &str) -> Result<PathBuf, KeysError> {
        let request = Request::read(request)?;
        let validity = Validity::days(self.now, 365)?;
        let chain =
            self.authority.issue(request.identity(), request.hosts(), request.public_key(), validity)?;
        fs::write(self.at(name), chain).expect("written");
        Ok(self.at(name))
    }

    pub(super) fn install(
        &self,
        certificate: &Path,
        folder: &Path,
        renew: bool,
    ) -> Result<Installed, KeysError> {
        install(certificate, &self.at("ca/ca.pem"), folder, renew, self.now)
    }

    /// What reading a request for these names says.
    pub(super) fn ask(&self, names: Vec<SanType>) -> Result<Request, KeysError> {
        let mut params = CertificateParams::default();
        params.subject_alt_names = names;
        self.ask_with(&params, &new_key())
    }

    pub(super) fn ask_with(
        &self,
        params: &CertificateParams,
        key: &impl RequestKey,
    ) -> Result<Request, KeysError> {
        let request = params.serialize_request(key).expect("serialised").pem().expect("PEM");
        fs::write(self.at("asked.csr"), request).expect("written");
        Request::read(&self.at("asked.csr"))
    }
}

pub(super) fn reason<T>(result: Result<T, KeysError>) -> String {
    match result {
        Err(KeysError::Request { reason, .. } | KeysError::Misfit { reason, .. }) => reason,
        Err(other) => panic!("another refusal: {other}"),
        Ok(_) => panic!("accepted"),
    }
}
