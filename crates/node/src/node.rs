//! A node: everything it knows, put together once at start.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use almoner_api::Refusal;
use almoner_engine::Source;
use almoner_federation::{Digest, Manifest, Name, NodeId, SigningKey};
use almoner_ledger::{Budget, LedgerError, NodeLedger, Position};
use almoner_secure_sum::{MaskKey, PairRoots, ReleaseRules, Roster};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::{Clock, Limits, NodeConfig, NodeError, Step, refused};

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
    pub(crate) roots: Arc<PairRoots>,
    pub(crate) signing: Arc<SigningKey>,
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

        let signing_path = config.keys.join("signing.key");
        let signing = SigningKey::from_seed(&read_key(&signing_path)?)
            .map_err(|_| NodeError::Key { path: signing_path.clone(), reason: "not an Ed25519 seed" })?;
        if signing.verifying_key() != agency.signing_key {
            return Err(NodeError::Key {
                path: signing_path,
                reason: "not the signing key of this agency in the manifest",
            });
        }
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
        let source = Source::open(&config.data, &manifest, &config.agency, &bounding).await?;
        tracing::info!("loaded for this node's eyes only:\n{}", source.report());
        let path = ledger_path(config);
        if !path.exists() {
            return Err(NodeError::NoLedger { path });
        }
        let ledger = open_ledger(config, clock.now_s(), NodeLedger::open_begun)?;
        Ok(Node {
            id,
            limits: config.limits.clone(),
            rules,
            roster,
            source,
            sketch_key,
            ledger: Arc::new(ledger),
            roots: Arc::new(roots),
            signing: Arc::new(signing),
            clock,
            queries: Semaphore::new(config.limits.queries_at_once),
            drill,
            manifest,
        })
    }

    /// What the ledger says of a planner's budget, with its position.
    pub async fn account(&self, planner: Name) -> Result<(Budget, Position), Refusal> {
        self.with_ledger(move |ledger| Ok((ledger.budget(&planner)?, ledger.position()?))).await
    }

    /// Runs a step on the ledger away from the async threads, for it waits for the disk.
    pub(crate) async fn with_ledger<T: Send + 'static>(
        &self,
        step: impl FnOnce(&NodeLedger) -> Result<T, LedgerError> + Send + 'static,
    ) -> Result<T, Refusal> {
        let ledger = self.ledger.clone();
        tokio::task::spawn_blocking(move || step(&ledger))
            .await
            .map_err(|_| Refusal::Internal)?
            .map_err(|error| refused::by_ledger(&error))
    }

    /// When the answer to a Prepare that came at `started` may leave: after the READY slot, or twice,
    /// four times, eight times... as long. So the moment tells no more than the order of magnitude of the
    /// work, which mostly depends on the plan and the size of the tables.
    pub(crate) async fn wait_for_slot(&self, started: Instant) {
        let mut slot = self.limits.ready_slot;
        while slot < started.elapsed() {
            slot = slot.saturating_mul(2);
        }
        tokio::time::sleep_until(started + slot).await;
    }
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

/// Begins the node's ledger: once in its life, by the data officer's own hand. A node that made one by
/// itself would begin with a full budget again wherever its folder is mistyped or lost.
///
/// # Errors
/// When there is one already, or it cannot be written.
pub fn init(config: &NodeConfig, clock: &dyn Clock) -> Result<PathBuf, NodeError> {
    let path = ledger_path(config);
    if path.exists() {
        return Err(NodeError::LedgerExists { path });
    }
    let mut folder = std::fs::DirBuilder::new();
    folder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut folder, 0o700);
    folder.create(&config.state).map_err(|source| NodeError::Read { path: config.state.clone(), source })?;
    open_ledger(config, clock.now_s(), NodeLedger::open)?;
    Ok(path)
}

fn ledger_path(config: &NodeConfig) -> PathBuf {
    config.state.join("ledger.sqlite")
}

/// Opens the ledger under the manifest's and the agency's own limits, whichever are smaller.
fn open_ledger(
    config: &NodeConfig,
    now_s: u64,
    open: fn(&Path, &[u8; 32], almoner_ledger::Policy, u64) -> Result<NodeLedger, LedgerError>,
) -> Result<NodeLedger, NodeError> {
    let sealing = read_key(&config.keys.join("sealing.key"))?;
    let total = config.limits.total_rho;
    let planners = config.manifest.planners.iter();
    let policy = almoner_ledger::Policy {
        manifest_hash: config.manifest.hash(),
        limits: almoner_ledger::Limits {
            total,
            planners: planners.map(|planner| (planner.name.clone(), planner.rho.min(total))).collect(),
        },
    };
    Ok(open(&ledger_path(config), &sealing, policy, now_s)?)
}

/// A secret of 32 bytes, written as 64 hexadecimal digits.
fn read_key(path: &Path) -> Result<[u8; 32], NodeError> {
    let text =
        std::fs::read_to_string(path).map_err(|source| NodeError::Read { path: path.to_owned(), source })?;
    let mut key = [0; 32];
    hex::decode_to_slice(text.trim(), &mut key)
        .map_err(|_| NodeError::Key { path: path.to_owned(), reason: "not 64 hexadecimal digits" })?;
    Ok(key)
}
