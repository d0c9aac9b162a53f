//! `node.toml`: the agency's own file. It pins the manifest and may only tighten what the manifest allows.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use almoner_federation::{Digest, FileError, Manifest, Name, NodeId, PicoRho, Problem, parse_toml};
use almoner_policy::{ApproveTables, Rules, RulesTable};
use serde::Deserialize;

use crate::NodeError;
use crate::data::{DataConfig, DataLimitsTable, FlightSqlTable, ObjectsTable, Places, PostgresTable};

/// The file's fields; unknown ones are refused.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NodeFile {
    agency: Name,
    listen: std::net::SocketAddr,
    manifest: PathBuf,
    manifest_sha256: Digest,
    keys: PathBuf,
    data: Option<PathBuf>,
    objects: Option<ObjectsTable>,
    postgres: Option<PostgresTable>,
    flight_sql: Option<FlightSqlTable>,
    state: PathBuf,
    data_limits: Option<DataLimitsTable>,
    #[serde(default)]
    limits: LimitsTable,
    #[serde(default)]
    rules: RulesTable,
    #[serde(default)]
    approve: ApproveTables,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct LimitsTable {
    total_rho: Option<PicoRho>,
    query_rho: Option<PicoRho>,
    quorum: Option<u32>,
    anchors: Vec<Name>,
    min_anchors: u32,
    attempts_per_query: u32,
    queries_at_once: usize,
    query_timeout_s: u64,
    ready_expires_after_s: u64,
    ready_slot_ms: u64,
    question_age_s: u64,
    witness_timeout_s: u64,
}

impl Default for LimitsTable {
    fn default() -> Self {
        LimitsTable {
            total_rho: None,
            query_rho: None,
            quorum: None,
            anchors: Vec::new(),
            min_anchors: 0,
            attempts_per_query: 3,
            queries_at_once: 4,
            query_timeout_s: 120,
            ready_expires_after_s: 300,
            ready_slot_ms: 50,
            question_age_s: 3_600,
            witness_timeout_s: 10,
        }
    }
}

/// What this agency allows, never more than the manifest does.
#[derive(Debug, Clone)]
pub struct Limits {
    /// What all questions together may cost at this node.
    pub total_rho: PicoRho,
    /// What one question may cost.
    pub query_rho: PicoRho,
    /// Fewest participants of a release.
    pub quorum: u32,
    /// Agencies whose keys this one verified itself, out of band.
    pub anchors: BTreeSet<NodeId>,
    /// Fewest anchors among a release's participants.
    pub min_anchors: u32,
    /// Most attempts at one question.
    pub attempts_per_query: u32,
    /// Most questions computed at the same time.
    pub queries_at_once: usize,
    /// How long the data source may take for one.
    pub query_timeout: Duration,
    /// How long a READY holds its reservation, in seconds.
    pub ready_expires_after_s: u64,
    /// READY leaves this long after Prepare came, or twice, four times... as long when the work takes longer.
    pub ready_slot: Duration,
    /// How old a planner's signature may be, in seconds.
    pub question_age_s: u64,
    /// How long an answer may wait for its witnesses, and a call for the node to be confirmed after its start.
    pub witness_timeout: Duration,
}

/// A node's whole configuration, checked against the manifest it pins.
#[derive(Debug)]
pub struct NodeConfig {
    /// This agency.
    pub agency: Name,
    /// Where to listen.
    pub listen: std::net::SocketAddr,
    /// The accepted manifest.
    pub manifest: Manifest,
    /// Its file.
    pub manifest_file: PathBuf,
    /// Folder of the agency's keys.
    pub keys: PathBuf,
    /// Where its tables are.
    pub data: DataConfig,
    /// Folder of its ledger.
    pub state: PathBuf,
    /// Its own limits.
    pub limits: Limits,
    /// Its own rules on what is answered, and what its data officer approves.
    pub rules: Rules,
}

impl NodeConfig {
    /// Reads and checks `node.toml` and the manifest it pins. Relative paths start at the file's folder.
    ///
    /// # Errors
    /// Each names the file, the line where there is one, and the remedy.
    pub fn read(path: &Path) -> Result<Self, NodeError> {
        let text = read_text(path)?;
        let shown = path.display().to_string();
        let file: NodeFile = parse_toml(&text, &shown, "docs/data-officer.md lists every field")?;
        let folder = path.parent().unwrap_or(Path::new("."));
        let manifest_path = folder.join(&file.manifest);
        let manifest_name = manifest_path.display().to_string();
        let manifest =
            Manifest::parse_pinned(&read_text(&manifest_path)?, &manifest_name, &file.manifest_sha256)?;
        let problem = |message: String, remedy: &str| {
            NodeError::File(FileError {
                file: shown.clone(),
                problems: vec![Problem { line: 1, message, remedy: remedy.into() }],
            })
        };
        if manifest.agency_named(&file.agency).is_none() {
            let message = format!("the manifest has no agency {:?}", file.agency);
            return Err(problem(message, "write this agency's name as the manifest spells it"));
        }
        let places = Places {
            data: file.data,
            objects: file.objects,
            limits: file.data_limits,
            postgres: file.postgres,
            flight_sql: file.flight_sql,
        };
        let data = DataConfig::of(places, folder).map_err(|(message, remedy)| problem(message, remedy))?;
        let limits = check_limits(&file.limits, &manifest).map_err(|message| {
            problem(message, "limits may only tighten the manifest's policy; correct the [limits] table")
        })?;
        let rules = Rules::check(&file.rules, &file.approve, &manifest).map_err(|message| {
            problem(message, "correct it in [rules] or [[approve]]; docs/data-officer.md lists every field")
        })?;
        Ok(NodeConfig {
            agency: file.agency,
            listen: file.listen,
            manifest,
            manifest_file: manifest_path,
            keys: folder.join(file.keys),
            data,
            state: folder.join(file.state),
            limits,
            rules,
        })
    }
}

fn check_limits(table: &LimitsTable, manifest: &Manifest) -> Result<Limits, String> {
    let anchors = table
        .anchors
        .iter()
        .map(|name| {
            manifest.agency_named(name).map(|agency| agency.node).ok_or(format!("unknown anchor {name:?}"))
        })
        .collect::<Result<BTreeSet<_>, _>>()?;
    if table.min_anchors as usize > anchors.len() {
        return Err(format!(
            "min_anchors is {} but only {} anchors are named",
            table.min_anchors,
            anchors.len()
        ));
    }
    let quorum = table.quorum.unwrap_or(manifest.policy.quorum);
    if quorum < manifest.policy.quorum || quorum as usize > manifest.agencies.len() {
        let most = manifest.agencies.len();
        return Err(format!("quorum must be {} to {most}", manifest.policy.quorum));
    }
    let within = |name: &str, value: u64, range: std::ops::RangeInclusive<u64>| {
        if range.contains(&value) {
            Ok(value)
        } else {
            Err(format!("{name} must be {} to {}", range.start(), range.end()))
        }
    };
    let at_most = |name: &str, value: Option<PicoRho>, most: PicoRho| match value {
        Some(value) if value > most => {
            Err(format!("{name} {value} is more than {most}, which holds already"))
        }
        value => Ok(value.unwrap_or(most)),
    };
    let total_rho = at_most("total_rho", table.total_rho, manifest.policy.total_rho)?;
    Ok(Limits {
        total_rho,
        query_rho: at_most("query_rho", table.query_rho, total_rho)?,
        quorum,
        anchors,
        min_anchors: table.min_anchors,
        attempts_per_query: within("attempts_per_query", table.attempts_per_query.into(), 1..=100)? as u32,
        queries_at_once: within("queries_at_once", table.queries_at_once as u64, 1..=256)? as usize,
        query_timeout: Duration::from_secs(within("query_timeout_s", table.query_timeout_s, 1..=86_400)?),
        ready_expires_after_s: within("ready_expires_after_s", table.ready_expires_after_s, 5..=86_400)?,
        ready_slot: Duration::from_millis(within("ready_slot_ms", table.ready_slot_ms, 1..=60_000)?),
        question_age_s: within("question_age_s", table.question_age_s, 60..=604_800)?,
        witness_timeout: Duration::from_secs(within("witness_timeout_s", table.witness_timeout_s, 1..=600)?),
    })
}

fn read_text(path: &Path) -> Result<String, NodeError> {
    std::fs::read_to_string(path).map_err(|source| NodeError::Read { path: path.to_owned(), source })
}
