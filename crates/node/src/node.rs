//! A node: everything it knows, put together once at start.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use almoner_api::{Refusal, TlsFiles};
use almoner_engine::Source;
use almoner_federation::note::KeyName;
use almoner_federation::{Digest, Manifest, Name, NodeId, Role, SigningKey};
use almoner_ledger::{Budget, LedgerError, NodeLedger, Position, Shown};
use almoner_policy::{Office, Queue, Rules};
use almoner_secure_sum::{MaskKey, PairRoots, ReleaseRules, Roster};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::approval::queue_path;
use crate::cosigning::Cosigning;
use crate::data::open_source;
use crate::own_log::OwnLog;
use crate::peers::Peer;
use crate::policy::policy_of;
use crate::standing::Standing;
use crate::witness::Memory;
use crate::{Clock, Limits, NodeConfig, NodeError, Step};

/// One agency's node over its own data.
pub struct Node {
    pub(crate) manifest: Manifest,
    pub(crate) id: NodeId,
    pub(crate) limits: Limits,
    pub(crate) rules: ReleaseRules,
    pub(crate) roster: Roster,
    pub(crate) source: Source,
    /// What all agencies share for sketches, where the manifest names one.
    pub(crate) sketch_key: Option<[u8; 32]>,
    pub(crate) ledger: Arc<NodeLedger>,
    /// The agency's own rules on what is asked.
    pub(crate) own: Rules,
    /// Where what they do not decide waits for the data officer.
    pub(crate) queue: Arc<Queue>,
    pub(crate) office: Office,
    pub(crate) roots: Arc<PairRoots>,
    pub(crate) signing: Arc<SigningKey>,
    /// The same ledger as others see it.
    pub(crate) log: Arc<OwnLog>,
    /// What this agency remembers of theirs.
    pub(crate) memory: Memory,
    pub(crate) peers: Arc<[Peer]>,
    pub(crate) cosigning: Cosigning,
    pub(crate) standing: Arc<Standing>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) queries: Semaphore,
    pub(crate) drill: Option<Step>,
}

impl Node {
    /// Reads keys and data, opens the ledger, derives the pair keys: all before a port is bound.
    ///
    /// # Errors
    /// Whatever is wrong, for the data officer's eyes.
    pub async fn open(
        config: &NodeConfig,
        clock: Arc<dyn Clock>,
        drill: Option<Step>,
    ) -> Result<Self, NodeError> {
        let manifest = config.manifest.clone();
        let agency = manifest.agency_named(&config.agency).expect("NodeConfig::read found the agency");
        let id = agency.node;

        let signing = signing_key(config)?;
        let mask_path = config.keys.join("mask.key");
        let mask = MaskKey::from_bytes(&read_key(&mask_path)?);
        if mask.public() != agency.mask_key {
            return Err(NodeError::Key {
                path: mask_path,
                reason: "not the mask key of this agency in the manifest",
            });
        }
        let roster = Roster::of(&manifest)?;
        let roots = PairRoots::derive(&roster, id, &mask)?;
        let limits = &config.limits;
        let rules = ReleaseRules::new(
            &manifest.policy,
            limits.quorum,
            manifest.policy.min_honest,
            limits.anchors.clone(),
            limits.min_anchors,
        );

        let bounding = read_key(&config.keys.join("bounding.key"))?;
        let sketch_key = sketch_key(config)?;
        let source = open_source(config, &bounding).await?;
        tracing::info!("loaded for this node's eyes only:\n{}", source.report());
        let ledger = Arc::new(open_ledger(config)?);
        let queue = Queue::open(&queue_path(config))?;
        let office = Office::of(&manifest, &config.agency).expect("NodeConfig::read found the agency");
        let memory = Memory::open(config.state.join("witness"), &manifest, &config.agency)?;
        let peers: Arc<[Peer]> = Peer::all(&manifest, &config.agency, &TlsFiles::read(&config.keys)?)?.into();
        let waits = manifest.witnessing().heard_at_start() > 0;
        let standing = Arc::new(Standing::new(waits));
        let signing = Arc::new(signing);
        let origin = manifest.identity(Role::Agency, &config.agency).key_name();
        let shown = open_shown(config, &origin, &signing, &ledger)?;
        let log = Arc::new(OwnLog::new(origin, signing.clone(), ledger.clone(), shown));
        if !waits {
            log.checkpoint().await.map_err(|_| NodeError::Unsigned)?;
        }
        let before = manifest.agencies.iter().filter(|other| other.node < id).count();
        let cosigning = Cosigning::new(
            log.clone(),
            peers.clone(),
            standing.clone(),
            manifest.policy.witnesses as usize,
            limits.witness_timeout,
            before,
        );
        Ok(Node {
            id,
            limits: config.limits.clone(),
            rules,
            roster,
            source,
            sketch_key,
            ledger,
            own: config.rules.clone(),
            queue: Arc::new(queue),
            office,
            roots: Arc::new(roots),
            signing,
            log,
            memory,
            peers,
            cosigning,
            standing,
            clock,
            queries: Semaphore::new(config.limits.queries_at_once),
            drill,
            manifest,
        })
    }

    /// What the ledger says of a planner's budget, with its position.
    pub async fn account(&self, planner: Name) -> Result<(Budget, Position), Refusal> {
        let now_s = self.clock.now_s();
        self.with_ledger(move |ledger| Ok((ledger.budget(&planner, now_s)?, ledger.position()?))).await
    }

    /// Runs a step on the ledger away from the async threads, for it waits for the disk.
    pub(crate) async fn with_ledger<T: Send + 'static>(
        &self,
        step: impl FnOnce(&NodeLedger) -> Result<T, LedgerError> + Send + 'static,
    ) -> Result<T, Refusal> {
        self.log.with_ledger(step).await
    }

    /// When the answer to a Prepare that came at `started` may leave: after the READY slot, or twice,
    /// four times, eight times... as long. So the moment tells no more than the order of magnitude of the
    /// work, which mostly depends on the plan and the size of the tables.
    pub(crate) async fn wait_for_slot(&self, started: Instant) {
        let slot = slot(self.limits.ready_slot, self.limits.query_timeout, started.elapsed());
        tokio::time::sleep_until(started + slot).await;
    }
}

/// Time that a Prepare may take besides waiting for its turn and for the source.
const BESIDES: Duration = Duration::from_secs(1);

/// The slot of an answer that was found after `elapsed`. The doubling ends where the source's time does, and where a turn
/// was waited for as long, at twice that: a coordinator that waits for the slowest answer gets every one.
fn slot(first: Duration, query_timeout: Duration, elapsed: Duration) -> Duration {
    let mut slot = first;
    while slot < elapsed {
        slot = slot.saturating_mul(2);
    }
    let ends = [1, 2].map(|times| query_timeout.saturating_mul(times) + BESIDES);
    ends.into_iter().find(|end| elapsed <= *end).map_or(slot, |end| slot.min(end.max(first)))
}

/// The key that the manifest names by its hash.
fn sketch_key(config: &NodeConfig) -> Result<Option<[u8; 32]>, NodeError> {
    let Some(wanted) = config.manifest.unit.sketch_key_sha256 else { return Ok(None) };
    let path = config.keys.join("sketch.key");
    let key = read_key(&path)?;
    if Digest::of(&key) != wanted {
        let reason = "not the sketch key whose SHA-256 the manifest names; get it from another agency";
        return Err(NodeError::Key { path, reason });
    }
    Ok(Some(key))
}

/// Begins the node's ledger: once in its life, by the data officer's own hand and signature. A node that made one by
/// itself would begin with a full budget again wherever its folder is mistyped or lost.
///
/// # Errors
/// When there is one already or there was one, it cannot be written, or `officer` is not the key in the manifest.
pub fn init(config: &NodeConfig, officer: &Path, clock: &dyn Clock) -> Result<PathBuf, NodeError> {
    let path = ledger_path(config);
    if path.exists() {
        return Err(NodeError::LedgerExists { path });
    }
    let signed = checkpoint_path(config);
    if signed.exists() {
        return Err(NodeError::LedgerLost { path, signed });
    }
    let officer = officer_key(config, officer)?;
    let mut folder = std::fs::DirBuilder::new();
    folder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut folder, 0o700);
    folder.create(&config.state).map_err(|source| NodeError::Read { path: config.state.clone(), source })?;
    let signed = policy_of(config).sign(Position { size: 0, root: Digest::of(&[]) }, &officer);
    NodeLedger::begin(&path, &read_key(&config.keys.join("sealing.key"))?, signed, clock.now_s())?;
    Ok(path)
}

/// The data officer's key in `file`, if it is the one in the manifest.
///
/// # Errors
/// When it cannot be read, or is another.
pub fn officer_key(config: &NodeConfig, file: &Path) -> Result<SigningKey, NodeError> {
    let wrong = |reason| NodeError::Key { path: file.to_owned(), reason };
    let key = SigningKey::from_seed(&read_key(file)?).map_err(|_| wrong("not an Ed25519 seed"))?;
    let agency = config.manifest.agency_named(&config.agency).expect("NodeConfig::read found the agency");
    if key.verifying_key() == agency.officer_key {
        Ok(key)
    } else {
        Err(wrong("not the officer's key of this agency in the manifest"))
    }
}

/// The key that signs the node's READYs, receipts and checkpoints.
fn signing_key(config: &NodeConfig) -> Result<SigningKey, NodeError> {
    let path = config.keys.join("signing.key");
    let wrong = |reason| NodeError::Key { path: path.clone(), reason };
    let key = SigningKey::from_seed(&read_key(&path)?).map_err(|_| wrong("not an Ed25519 seed"))?;
    let agency = config.manifest.agency_named(&config.agency).expect("NodeConfig::read found the agency");
    if key.verifying_key() == agency.signing_key {
        Ok(key)
    } else {
        Err(wrong("not the signing key of this agency in the manifest"))
    }
}

/// Opens the ledger for its data officer's own work, under whatever policy it is; the node must be stopped.
///
/// # Errors
/// When there is none, it is in use, or it cannot be trusted.
pub fn open_for_officer(config: &NodeConfig, path: &Path) -> Result<NodeLedger, NodeError> {
    if !path.exists() {
        return Err(NodeError::NoLedger { path: path.to_owned() });
    }
    Ok(NodeLedger::open(path, &read_key(&config.keys.join("sealing.key"))?)?)
}

/// Where the node keeps its ledger.
pub fn ledger_path(config: &NodeConfig) -> PathBuf {
    config.state.join("ledger.sqlite")
}

/// Where the node keeps the newest checkpoint that it signed of its ledger, a [`almoner_ledger::ShownNote`]; it is there
/// before anybody sees it.
pub fn checkpoint_path(config: &NodeConfig) -> PathBuf {
    config.state.join("ledger.checkpoint")
}

/// What was signed of the ledger so far, if it begins with that.
fn open_shown(
    config: &NodeConfig,
    origin: &KeyName,
    key: &SigningKey,
    ledger: &NodeLedger,
) -> Result<Shown, NodeError> {
    let path = checkpoint_path(config);
    let shown = Shown::open(path.clone(), origin.clone(), &key.verifying_key())?;
    if let Some(signed) = shown.found()
        && ledger.root_at(signed.size)? != Some(signed.root)
    {
        return Err(NodeError::Forgotten { path, signed, found: ledger.position()? });
    }
    Ok(shown)
}

/// Opens the ledger, if its officer signed the limits that the manifest and node.toml set now.
fn open_ledger(config: &NodeConfig) -> Result<NodeLedger, NodeError> {
    let path = ledger_path(config);
    if !path.exists() {
        return Err(NodeError::NoLedger { path });
    }
    let ledger = NodeLedger::open(&path, &read_key(&config.keys.join("sealing.key"))?)?;
    if ledger.policy()? == policy_of(config) { Ok(ledger) } else { Err(NodeError::PolicyChanged) }
}

/// A secret of 32 bytes, written as 64 hexadecimal digits.
pub(crate) fn read_key(path: &Path) -> Result<[u8; 32], NodeError> {
    let text =
        std::fs::read_to_string(path).map_err(|source| NodeError::Read { path: path.to_owned(), source })?;
    let mut key = [0; 32];
    hex::decode_to_slice(text.trim(), &mut key)
        .map_err(|_| NodeError::Key { path: path.to_owned(), reason: "not 64 hexadecimal digits" })?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_leave_in_slots_that_end_with_the_time_limit() {
        let at = |elapsed: f64| {
            let elapsed = Duration::from_secs_f64(elapsed);
            slot(Duration::from_millis(50), Duration::from_secs(120), elapsed).as_secs_f64()
        };
        for (elapsed, leaves) in [
            (0.0, 0.05),
            (0.05, 0.05),
            (0.051, 0.1),
            (60.0, 102.4),
            (102.5, 121.0),
            (120.9, 121.0),
            (121.1, 204.8),
            (205.0, 241.0),
            (242.0, 409.6),
        ] {
            assert!((at(elapsed) - leaves).abs() < 1e-9, "{elapsed}: {} is not {leaves}", at(elapsed));
        }
        // A slot above any honest run stays what it is.
        let long = slot(Duration::from_secs(60), Duration::from_secs(1), Duration::from_millis(1_500));
        assert_eq!(long, Duration::from_secs(60));
    }
}
