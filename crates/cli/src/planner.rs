//! A planner's side of the wire: its manifest, its keys, its connection to the coordinator.

use std::path::{Path, PathBuf};

use almoner_api::v1::coordinator_client::CoordinatorClient;
use almoner_api::{MAX_MESSAGE_BYTES, Refusal, TlsFiles};
use almoner_federation::{Digest, Identity, Manifest, Name, Role, SigningKey};
use clap::Args;
use tonic::Status;
use tonic::transport::Channel;

use crate::cli_error::CliError;

/// Where a planner's files are.
#[derive(Args)]
pub(crate) struct PlannerFiles {
    /// The federation's manifest.
    #[arg(long, env = "ALMONER_MANIFEST", value_name = "FILE")]
    pub manifest: PathBuf,
    /// The SHA-256 of the manifest that this planner accepted; without it the file is taken as it is.
    #[arg(long, env = "ALMONER_MANIFEST_SHA256", value_name = "HASH")]
    pub manifest_sha256: Option<Digest>,
    /// The planner's key folder.
    #[arg(long, env = "ALMONER_KEYS", value_name = "DIR")]
    pub keys: PathBuf,
}

/// A planner with everything needed to ask.
pub(crate) struct Planner {
    pub manifest: Manifest,
    pub name: Name,
    pub keys: PathBuf,
}

impl PlannerFiles {
    /// Reads the manifest, and who this planner is from its certificate.
    pub(crate) fn open(self) -> Result<Planner, CliError> {
        let (text, shown) = (read_text(&self.manifest)?, self.manifest.display().to_string());
        let manifest = match &self.manifest_sha256 {
            Some(pin) => Manifest::parse_pinned(&text, &shown, pin)?,
            None => Manifest::parse(&text, &shown)?,
        };
        let identity = crate::keys::identity_of(&self.keys.join("tls.pem"))?;
        if identity.role != Role::Planner || !manifest.knows(&identity) {
            return Err(CliError::Usage {
                message: format!("{identity} is not a planner of federation {}", manifest.federation),
                remedy: "give the key folder of a planner that the manifest names",
            });
        }
        Ok(Planner { manifest, name: identity.name, keys: self.keys })
    }
}

impl Planner {
    /// The key that signs this planner's questions.
    pub(crate) fn signing_key(&self) -> Result<SigningKey, CliError> {
        signing_key(&self.keys, "make one with `almoner keys planner`")
    }

    /// A connection to the manifest's coordinator, made at first use.
    pub(crate) fn connect(&self) -> Result<CoordinatorClient<Channel>, CliError> {
        let coordinator = &self.manifest.coordinator;
        let server: Identity = self.manifest.identity(Role::Coordinator, &coordinator.name);
        let channel = TlsFiles::read(&self.keys)?.channel(&coordinator.endpoint, &server)?;
        Ok(CoordinatorClient::new(channel)
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES))
    }

    /// A failed call in words for the planner.
    pub(crate) fn failed(&self, status: &Status) -> CliError {
        match Refusal::from_status(status) {
            Some(refusal) => CliError::Refused(refusal),
            None => CliError::Unreachable {
                endpoint: self.manifest.coordinator.endpoint.clone(),
                message: status.message().to_owned(),
            },
        }
    }
}

/// A whole text file.
pub(crate) fn read_text(path: &Path) -> Result<String, CliError> {
    std::fs::read_to_string(path).map_err(|source| CliError::Read { path: path.to_owned(), source })
}

/// The signing key in a key folder; `remedy` tells how to make one.
pub(crate) fn signing_key(keys: &Path, remedy: &'static str) -> Result<SigningKey, CliError> {
    let path = keys.join("signing.key");
    let wrong = || CliError::Usage { message: format!("{} holds no signing key", path.display()), remedy };
    let mut seed = [0; 32];
    hex::decode_to_slice(read_text(&path)?.trim(), &mut seed).map_err(|_| wrong())?;
    SigningKey::from_seed(&seed).map_err(|_| wrong())
}
