//! The coordinator: everything it knows, put together once at start.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use almoner_api::v1::node_client::NodeClient;
use almoner_api::{MAX_MESSAGE_BYTES, Refusal, TlsFiles};
use almoner_federation::checkpoint::SignedCheckpoint;
use almoner_federation::{Digest, Manifest, NodeId, Role, SigningKey};
use almoner_ledger::{LedgerError, Registry, Shown};
use almoner_secure_sum::Roster;
use tokio::sync::Semaphore;
use tonic::transport::Channel;

use crate::{CoordinatorConfig, CoordinatorError};

/// Runs rounds over the nodes of one federation.
pub struct Coordinator {
    pub(crate) manifest: Manifest,
    pub(crate) signing: Arc<SigningKey>,
    pub(crate) roster: Arc<Roster>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) nodes: BTreeMap<NodeId, NodeClient<Channel>>,
    pub(crate) prepare_timeout: Duration,
    pub(crate) release_patience: Duration,
    pub(crate) rounds: Semaphore,
    /// The registry's newest checkpoint as auditors see it.
    pub(crate) shown: Arc<Mutex<Shown>>,
    in_flight: Mutex<BTreeSet<Digest>>,
}

impl Coordinator {
    /// Reads keys, opens the registry, prepares a channel to every node; connects to none yet.
    ///
    /// # Errors
    /// Whatever is wrong, for the operator.
    pub fn open(config: &CoordinatorConfig) -> Result<Self, CoordinatorError> {
        let manifest = config.manifest.clone();
        let signing = signing_key(config)?;
        let roster = Roster::of(&manifest)
            .map_err(|_| wrong_key(config, "the manifest has fewer than two agencies"))?;

        let tls = TlsFiles::read(&config.keys)?;
        let nodes = manifest
            .agencies
            .iter()
            .map(|agency| {
                let channel =
                    tls.channel(&agency.endpoint, &manifest.identity(Role::Agency, &agency.name))?;
                let client = NodeClient::new(channel)
                    .max_decoding_message_size(MAX_MESSAGE_BYTES)
                    .max_encoding_message_size(MAX_MESSAGE_BYTES);
                Ok((agency.node, client))
            })
            .collect::<Result<_, CoordinatorError>>()?;
        std::fs::create_dir_all(&config.state)
            .map_err(|source| CoordinatorError::Read { path: config.state.clone(), source })?;
        let registry = Registry::open(&registry_path(config))?;
        let shown = open_shown(config, &signing, &registry)?;
        Ok(Coordinator {
            signing: Arc::new(signing),
            roster: Arc::new(roster),
            registry: Arc::new(registry),
            nodes,
            prepare_timeout: config.prepare_timeout,
            release_patience: config.release_patience,
            rounds: Semaphore::new(config.questions_at_once),
            shown: Arc::new(Mutex::new(shown)),
            in_flight: Mutex::new(BTreeSet::new()),
            manifest,
        })
    }

    /// Runs a step on the registry away from the async threads, for it waits for the disk.
    pub(crate) async fn with_registry<T: Send + 'static>(
        &self,
        step: impl FnOnce(&Registry) -> Result<T, LedgerError> + Send + 'static,
    ) -> Result<T, Refusal> {
        let registry = self.registry.clone();
        let done =
            tokio::task::spawn_blocking(move || step(&registry)).await.map_err(|_| Refusal::Internal)?;
        done.map_err(|error| {
            tracing::error!(%error, "the registry failed");
            Refusal::Internal
        })
    }

    /// The checkpoint of the registry's present position, with the cosignatures that came in for it; on the disk, so that
    /// an export can take it from there.
    pub(crate) async fn checkpoint(&self) -> Result<SignedCheckpoint, Refusal> {
        let (shown, signing) = (self.shown.clone(), self.signing.clone());
        self.with_registry(move |registry| {
            let position = registry.position()?;
            // Each step replaces what is shown as a whole.
            shown.lock().unwrap_or_else(PoisonError::into_inner).show(position, &signing)
        })
        .await
    }

    /// Takes hold of a question, so that one round at a time works on it.
    pub(crate) fn hold(self: &Arc<Self>, spec_hash: Digest) -> Result<Held, Refusal> {
        let fresh = self.in_flight.lock().map_err(|_| Refusal::Internal)?.insert(spec_hash);
        if fresh { Ok(Held { coordinator: self.clone(), spec_hash }) } else { Err(Refusal::Busy) }
    }
}

/// A question that no other round works on; let go of when dropped.
pub(crate) struct Held {
    coordinator: Arc<Coordinator>,
    spec_hash: Digest,
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Ok(mut in_flight) = self.coordinator.in_flight.lock() {
            in_flight.remove(&self.spec_hash);
        }
    }
}

/// Seconds since 1970-01-01 UTC by this machine's clock.
pub(crate) fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs())
}

/// Where the coordinator keeps its registry.
pub fn registry_path(config: &CoordinatorConfig) -> PathBuf {
    config.state.join("registry.sqlite")
}

/// Where the coordinator keeps the newest checkpoint that it signed of its registry, a [`almoner_ledger::ShownNote`]; it is
/// there before anybody sees it.
pub fn checkpoint_path(config: &CoordinatorConfig) -> PathBuf {
    config.state.join("registry.checkpoint")
}

/// What was signed of the registry, if it begins with that; its present position is signed, too.
fn open_shown(
    config: &CoordinatorConfig,
    key: &SigningKey,
    registry: &Registry,
) -> Result<Shown, CoordinatorError> {
    let path = checkpoint_path(config);
    let origin = config.manifest.identity(Role::Coordinator, &config.manifest.coordinator.name).key_name();
    let mut shown = Shown::open(path.clone(), origin, &key.verifying_key())?;
    let position = registry.position()?;
    if let Some(signed) = shown.found()
        && registry.root_at(signed.size)? != Some(signed.root)
    {
        return Err(CoordinatorError::Forgotten { path, signed, found: position });
    }
    shown.show(position, key)?;
    Ok(shown)
}

/// The key that signs contexts, publications and the registry's checkpoints.
fn signing_key(config: &CoordinatorConfig) -> Result<SigningKey, CoordinatorError> {
    let path = config.keys.join("signing.key");
    let text = std::fs::read_to_string(&path).map_err(|source| CoordinatorError::Read { path, source })?;
    let mut seed = [0; 32];
    let digits = hex::decode_to_slice(text.trim(), &mut seed);
    digits.map_err(|_| wrong_key(config, "not 64 hexadecimal digits"))?;
    let signing = SigningKey::from_seed(&seed).map_err(|_| wrong_key(config, "not an Ed25519 seed"))?;
    if signing.verifying_key() == config.manifest.coordinator.signing_key {
        Ok(signing)
    } else {
        Err(wrong_key(config, "not the coordinator's signing key in the manifest"))
    }
}

fn wrong_key(config: &CoordinatorConfig, reason: &'static str) -> CoordinatorError {
    CoordinatorError::Key { path: config.keys.join("signing.key"), reason }
}
