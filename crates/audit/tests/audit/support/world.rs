//! The federation: its ledgers and registry from the first policies on.

use std::collections::BTreeMap;
use std::path::Path;

use almoner_api::v1;
use almoner_audit::AskedQuestion;
use almoner_federation::checkpoint::SignedCheckpoint;
use almoner_federation::{Digest, Manifest, Name, NodeId, PicoRho, Role};
use almoner_ledger::{Accounts, Books, Entry, LoadEntry, NodeLedger, Policy, Position, Registry};
use almoner_secure_sum::MaskKey;

use super::lie::{LIAR, Lie, ROUND};
use super::log::Log;
use super::parties::{NOW, key, manifest_text, name, policy_of};
use super::rules::Moment;

pub struct Node {
    pub id: NodeId,
    pub name: Name,
    pub log: Log,
    pub(super) books: Books,
    pub(super) real: Option<NodeLedger>,
    pub(super) mask_key: MaskKey,
    pub questions: Vec<AskedQuestion>,
    /// The newest checkpoint that the others cosigned.
    pub shown: Option<SignedCheckpoint>,
}

impl Node {
    /// One more entry that nobody is shown.
    pub fn append_policy_again(&mut self) {
        let last = self.log.entries.last().expect("some").clone();
        self.log.push(last);
    }

    pub(super) fn append(&mut self, entry: &Entry) -> Position {
        let after = self.log.push(entry.encode());
        // A liar's entry may not fit; what it says is then the auditor's to judge.
        let _ = self.books.apply(entry, after);
        after
    }
}

/// A federation and everything that it has signed.
pub struct World {
    pub manifests: Vec<(String, Manifest)>,
    pub nodes: Vec<Node>,
    pub registry: Log,
    pub(super) accounts: Accounts,
    pub(super) real: Option<Registry>,
    /// By the number of the registry's entry.
    pub releases: BTreeMap<u64, v1::Evidence>,
    /// By round, the numbers of the liar's entries that reserved and charged its last attempt.
    pub places: BTreeMap<u64, (u64, u64)>,
    /// PUBLISH entries by round.
    pub published: BTreeMap<u64, u64>,
    pub(super) lie: Option<Lie>,
    pub(super) now: u64,
    pub(super) next: u64,
    /// Logs whose hash tiles stay as they were, and whose old checkpoint stays, by folder.
    /// Rules to put in force in the next round.
    pub change: Option<(Moment, &'static str)>,
    pub stale_tiles: Vec<(String, Vec<Vec<u8>>)>,
    pub stale_notes: BTreeMap<String, String>,
    pub seen: Vec<(String, SignedCheckpoint)>,
}

impl World {
    /// A federation whose ledgers have begun, in real files beneath `files` besides, if it is given.
    pub fn new(agencies: usize, lie: Option<Lie>, files: Option<&Path>) -> Self {
        let text = manifest_text(agencies, 1, "1");
        let manifest = Manifest::parse(&text, "first").expect("a good manifest");
        let nodes = manifest.agencies.iter().map(|agency| {
            let origin = manifest.identity(Role::Agency, &agency.name).key_name();
            Node {
                id: agency.node,
                name: agency.name.clone(),
                log: Log::new(origin, key(agency.node.0 as u8)),
                books: Books::new(),
                real: None,
                mask_key: MaskKey::from_bytes(&[agency.node.0 as u8; 32]),
                questions: Vec::new(),
                shown: None,
            }
        });
        let origin = manifest.identity(Role::Coordinator, &manifest.coordinator.name).key_name();
        let mut world = World {
            nodes: nodes.collect(),
            registry: Log::new(origin, key(200)),
            accounts: Accounts::default(),
            real: files.map(|files| Registry::open(&files.join("registry")).expect("a new registry")),
            manifests: vec![(text, manifest)],
            releases: BTreeMap::new(),
            places: BTreeMap::new(),
            published: BTreeMap::new(),
            lie,
            now: NOW,
            next: 0,
            stale_tiles: Vec::new(),
            change: None,
            stale_notes: BTreeMap::new(),
            seen: Vec::new(),
        };
        world.put_in_force(files);
        world
    }

    pub(super) fn lies(&self, node: usize, round: u64, lie: Lie) -> bool {
        node == LIAR && round == ROUND && self.lie == Some(lie)
    }

    pub(super) fn policy(&self, node: usize) -> Policy {
        let manifest = &self.manifests.last().expect("one at least").1;
        let agency = manifest.agency(self.nodes[node].id).expect("a member");
        let mut policy = policy_of(manifest, agency);
        if node == LIAR && self.manifests.len() == 1 {
            let more = PicoRho::new(9_000_000_000_000);
            match self.lie {
                Some(Lie::PolicyTotal) => policy.limits.total = more,
                Some(Lie::PolicyPlanner) => {
                    policy.limits.planners.insert(name("city"), more);
                }
                Some(Lie::PolicyStranger) => {
                    policy.limits.planners.insert(name("friend"), PicoRho::new(1));
                }
                Some(Lie::OwnQuorum) => policy.release.quorum = 5,
                Some(Lie::OwnAnchors) => {
                    policy.release.anchors = [8, 9].map(NodeId).into();
                    policy.release.min_anchors = 1;
                }
                Some(Lie::OwnPrice) => policy.release.query = PicoRho::new(1),
                Some(Lie::PolicyPeriod) => policy.limits.period = None,
                Some(Lie::PolicyOfficer) => policy.officer = key(250).verifying_key(),
                Some(Lie::PolicyAuditors) => policy.auditors.clear(),
                _ => {}
            }
        }
        policy
    }

    /// The present manifest's policy, in every ledger.
    fn put_in_force(&mut self, files: Option<&Path>) {
        let second = self.manifests.len() > 1;
        for node in 0..self.nodes.len() {
            let mut policy = self.policy(node);
            let liar = node == LIAR;
            if liar && second && self.lie == Some(Lie::OldManifest) {
                policy.manifest_hash = self.manifests[0].1.hash();
            }
            let own = &mut self.nodes[node];
            let officer = match (liar, second, self.lie) {
                (true, _, Some(Lie::PolicyOfficer)) | (true, true, Some(Lie::StrangeOfficer)) => key(250),
                _ => key(100 + own.id.0 as u8),
            };
            let after = own.books.position();
            let mut signed = policy.sign(after, &officer);
            let countersigned = !(liar && matches!(self.lie, Some(Lie::NoCountersign | Lie::PolicyAuditors)));
            if second && countersigned {
                signed.countersign(after, &key(203));
            }
            let mut entry = own.books.policy_entry(signed.clone(), self.now);
            if liar
                && second
                && self.lie == Some(Lie::NoGrant)
                && let Entry::Policy(entry) = &mut entry
            {
                entry.grant = false;
            }
            own.append(&entry);
            match (files, &own.real) {
                (_, Some(real)) => drop(real.change_policy(signed, self.now).expect("is signed")),
                (Some(files), None) => {
                    let path = files.join(own.name.as_str());
                    own.real = Some(NodeLedger::begin(&path, &[9; 32], signed, self.now).expect("begins"));
                }
                (None, None) => {}
            }
            if !second {
                let snapshot = Digest::of(b"snapshot");
                own.append(&Entry::Load(LoadEntry { at_s: self.now, snapshot }));
                if let Some(real) = &own.real {
                    real.load(snapshot, self.now).expect("the first data");
                }
            }
        }
        self.now += 100;
    }

    /// A second manifest with twice the budget.
    pub fn grant(&mut self) {
        let text = manifest_text(self.nodes.len(), 2, "2");
        let manifest = Manifest::parse(&text, "second").expect("a good manifest");
        self.manifests.push((text, manifest));
        self.put_in_force(None);
    }
}
