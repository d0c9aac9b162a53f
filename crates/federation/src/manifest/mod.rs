//! The manifest: the federation's constitution, written by the agencies together and pinned by hash
//! in every node's own configuration. A [`Manifest`] exists only checked.

mod check;
mod columns;
mod file;
mod open;
mod territory;
mod witnessing;

pub use territory::Territory;
pub use witnessing::Witnessing;

use std::collections::BTreeSet;
use std::fmt;

use crate::{
    Digest, FederationId, FileError, Identity, Name, NodeId, PeriodLength, PicoRho, Problem, Role, Table,
    VerifyingKey, parse_toml,
};

/// The whole constitution, parsed and checked.
#[derive(Debug, Clone)]
pub struct Manifest {
    hash: Digest,
    /// The federation's name.
    pub federation: FederationId,
    /// The version of this constitution; a new one begins a new mask-key epoch.
    pub epoch: u32,
    /// Who runs the rounds.
    pub coordinator: Coordinator,
    /// What the budget protects.
    pub unit: Unit,
    /// The privacy policy.
    pub policy: Policy,
    /// Who may ask.
    pub planners: Vec<Planner>,
    /// Who may read the evidence.
    pub auditors: Vec<Auditor>,
    /// The agencies in the order of their node numbers.
    pub agencies: Vec<Agency>,
    /// Sectors with the most agencies of each that may hold the same unit.
    pub sectors: Vec<(Name, u32)>,
    /// The tables that can be asked about.
    pub tables: Vec<Table>,
    /// The partition of the units by which budgets are counted apart, if there is one.
    pub territory: Option<Territory>,
}

/// The party that runs rounds and publishes; trusted for liveness only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coordinator {
    /// Its name.
    pub name: Name,
    /// Where planners reach it, `https://HOST:PORT`.
    pub endpoint: String,
    /// Signs contexts and publications.
    pub signing_key: VerifyingKey,
}

/// Whom the budget protects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnitKind {
    /// One citizen with all her records.
    Person,
    /// One household with all its members' records.
    Household,
}

impl fmt::Display for UnitKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            UnitKind::Person => "person",
            UnitKind::Household => "household",
        })
    }
}

/// The privacy unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// Person or household.
    pub kind: UnitKind,
    /// The column that carries it in every table.
    pub column: String,
    /// A public upper bound on how many units the whole federation may hold.
    pub population: u64,
    /// SHA-256 of the key that the agencies share, and nobody else, for sketches of distinct units; without it
    /// there are none.
    pub sketch_key_sha256: Option<Digest>,
}

/// The privacy policy of the federation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Policy {
    /// The delta at which people are shown an epsilon; display only.
    pub delta: f64,
    /// What all questions together may cost.
    pub total_rho: PicoRho,
    /// `q`: no release has fewer participants.
    pub quorum: u32,
    /// `t`: how many agencies may collude with the coordinator without breaking the promise.
    pub colluders: u32,
    /// The smallest number of honest noise shares, `q - t` or less.
    pub min_honest: u32,
    /// The relative standard error above which an answer is flagged as dominated by noise; display only.
    pub quality_limit: f64,
    /// How many other agencies must have cosigned a ledger that holds a charge before its answer leaves.
    pub witnesses: u32,
    /// Whether every change of a ledger's policy needs an auditor's signature beside the data officer's.
    pub changes_need_auditor: bool,
    /// What all questions of one period together may cost, where periods are limited.
    pub period: Option<PeriodLimit>,
}

/// A limit that counts anew with each period; the total, which does not, stays the promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeriodLimit {
    /// How long a period is.
    pub length: PeriodLength,
    /// What all questions of one period together may cost.
    pub rho: PicoRho,
}

impl Policy {
    /// `h = q - t`: the honest noise shares every release is sure to have (PROTOCOL B.2).
    pub fn honest_shares(&self) -> u32 {
        self.quorum - self.colluders
    }
}

/// Who may ask, and how much of the total.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planner {
    /// Its name.
    pub name: Name,
    /// Signs every question.
    pub signing_key: VerifyingKey,
    /// What this planner's questions together may cost.
    pub rho: PicoRho,
}

/// Who may read ledgers and published evidence, cosign checkpoints, and countersign policies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Auditor {
    /// Its name.
    pub name: Name,
    /// Verifies its cosignatures and countersignatures.
    pub signing_key: VerifyingKey,
}

/// One agency and its node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agency {
    /// The node's number.
    pub node: NodeId,
    /// Short name.
    pub name: Name,
    /// The name in law.
    pub legal_name: String,
    /// The sector whose overlap rule covers it.
    pub sector: Option<Name>,
    /// Where the coordinator reaches the node, `https://HOST:PORT`.
    pub endpoint: String,
    /// Signs READYs, outputs and checkpoints.
    pub signing_key: VerifyingKey,
    /// The data officer's own key: signs what the ledger may spend, and approvals. It need not be at the node.
    pub officer_key: VerifyingKey,
    /// The X25519 public key of this epoch.
    pub mask_key: [u8; 32],
}

impl Manifest {
    /// Reads and checks a whole `federation.toml`. `file` names it in errors.
    ///
    /// # Errors
    /// Every problem found, each with its line and a remedy.
    pub fn parse(text: &str, file: &str) -> Result<Manifest, FileError> {
        let questions = open::questions(text);
        if !questions.is_empty() {
            return Err(FileError { file: file.into(), problems: questions });
        }
        let raw = parse_toml(text, file, "docs/manifest.md lists every field")?;
        check::check(raw, text, Digest::of(text.as_bytes()))
            .map_err(|problems| FileError { file: file.into(), problems })
    }

    /// As [`Manifest::parse`], for a party that accepted the manifest with hash `pin`.
    ///
    /// # Errors
    /// Also when the text is another manifest than the accepted one.
    pub fn parse_pinned(text: &str, file: &str, pin: &Digest) -> Result<Manifest, FileError> {
        let found = Digest::of(text.as_bytes());
        if found != *pin {
            let message =
                format!("this is not the pinned manifest: its SHA-256 is {found}, accepted was {pin}");
            let remedy =
                "compare the two, and write the new value as manifest_sha256 only if you accept the change";
            let problem = Problem { line: 1, message, remedy: remedy.into() };
            return Err(FileError { file: file.into(), problems: vec![problem] });
        }
        Manifest::parse(text, file)
    }

    /// SHA-256 of the file's bytes: what every node pins.
    pub fn hash(&self) -> Digest {
        self.hash
    }

    /// The agency of that number.
    pub fn agency(&self, node: NodeId) -> Option<&Agency> {
        self.agencies.iter().find(|agency| agency.node == node)
    }

    /// The agency of that name.
    pub fn agency_named(&self, name: &Name) -> Option<&Agency> {
        self.agencies.iter().find(|agency| agency.name == *name)
    }

    /// The planner of that name.
    pub fn planner(&self, name: &Name) -> Option<&Planner> {
        self.planners.iter().find(|planner| planner.name == *name)
    }

    /// Whether each of these tables, named in the manifest's spelling, is held by one of these agencies.
    pub fn are_held(&self, tables: &[String], nodes: &[NodeId]) -> bool {
        let holds = |table: &Table, node: &NodeId| {
            self.agency(*node).is_some_and(|agency| table.holders.contains(&agency.name))
        };
        let held = |table: &Table| nodes.iter().any(|node| holds(table, node));
        tables.iter().all(|name| self.table(name).is_some_and(held))
    }

    /// The table of that name, without regard to case.
    pub fn table(&self, name: &str) -> Option<&Table> {
        self.tables.iter().find(|table| table.name.eq_ignore_ascii_case(name))
    }

    /// `m`: at how many agencies that hold `table` one unit may have records (PROTOCOL C): over the
    /// sectors, the declared overlap or the number of holders, whichever is smaller; an agency
    /// without a sector counts for itself.
    pub fn overlap(&self, table: &Table) -> u32 {
        self.overlap_of(|agency| table.holders.contains(&agency.name))
    }

    /// At how many of these agencies one unit may have records.
    fn overlap_of(&self, among: impl Fn(&Agency) -> bool) -> u32 {
        let holders = || self.agencies.iter().filter(|agency| among(agency));
        let alone = holders().filter(|agency| agency.sector.is_none()).count() as u32;
        let shared: u32 = self
            .sectors
            .iter()
            .map(|(sector, most)| {
                (holders().filter(|a| a.sector.as_ref() == Some(sector)).count() as u32).min(*most)
            })
            .sum();
        alone + shared
    }

    /// How the other agencies watch each ledger.
    pub fn witnessing(&self) -> Witnessing {
        Witnessing {
            others: self.agencies.len().saturating_sub(1) as u32,
            cosign: self.policy.witnesses,
            colluders: self.policy.colluders,
        }
    }

    /// Whether a certificate's identity is a party of this federation in that role.
    pub fn knows(&self, identity: &Identity) -> bool {
        identity.federation == self.federation
            && match identity.role {
                Role::Agency => self.agency_named(&identity.name).is_some(),
                Role::Coordinator => self.coordinator.name == identity.name,
                Role::Planner => self.planner(&identity.name).is_some(),
                Role::Auditor => self.auditors.iter().any(|auditor| auditor.name == identity.name),
            }
    }

    /// The identity of a party of this federation.
    pub fn identity(&self, role: Role, name: &Name) -> Identity {
        Identity { federation: self.federation.clone(), role, name: name.clone() }
    }

    /// The numbers of all nodes, ascending.
    pub fn nodes(&self) -> BTreeSet<NodeId> {
        self.agencies.iter().map(|agency| agency.node).collect()
    }
}
