//! A whole federation's evidence without processes: real keys, really masked vectors that add up, signed READYs, receipts
//! and publications, cosigned checkpoints. One [`Lie`] at a time can be told while it is made.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use almoner_api::{to_wire, v1};
use almoner_audit::{AskedQuestion, Mirror, Publication, Report, audit, family_of, question_of};
use almoner_federation::checkpoint::{Checkpoint, SignedCheckpoint};
use almoner_federation::merkle::{Tree, leaf_hash};
use almoner_federation::note::KeyName;
use almoner_federation::tiles::{TileKind, TilePath, WIDTH, encode_bundle};
use almoner_federation::{Digest, Manifest, Name, NodeId, PicoRho, QueryId, Role, SigningKey};
use almoner_ledger::{
    About, Accounts, Approval, Asked, Books, Entry, Limits, LoadEntry, NodeLedger, Policy, Position,
    Registry, RegistryEntry, RegistryStep, Reservation, Step, TerritoryLimit, Touched,
};
use almoner_query::{Plan, Spec, plan};
use almoner_secure_sum::{
    Collecting, MaskKey, Masked, NodeRound, Output, PairRoots, Ready, ReleaseRules, Ring, Roster, Signed,
    mask,
};
use prost::Message;

/// When all begins, Unix seconds.
pub const NOW: u64 = 1_800_000_000;

const NAMES: [&str; 6] = ["north", "south", "tax", "welfare", "health", "schools"];
pub const SQL: [&str; 4] = [
    "SELECT COUNT(*) AS n FROM residents",
    "SELECT age, COUNT(*) AS n FROM residents GROUP BY age",
    "SELECT COUNT(*) AS n FROM residents WHERE county = 'A'",
    "SELECT county, COUNT(*) AS n FROM residents GROUP BY county",
];

/// One thing that is not as it should be. Where it names no node, the agency `LIAR` does it, in round `ROUND`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lie {
    /// The entry's price is half the plan's.
    Price,
    /// The entry counts for one territory, the question touches all.
    Territories,
    /// The charge is logged for another context.
    OtherContext,
    /// Reserved, never charged; the receipt is for a ledger that has one more entry.
    NoCharge,
    /// Neither reserved nor charged; READY and receipt sign positions in a ledger that does not exist.
    NoRound,
    /// The receipt names the position of the reservation.
    Receipt,
    /// READY names the position before the reservation.
    Ready,
    /// Its checkpoint has too few cosigners, is of another agency, is too old, or has another root.
    Unwitnessed,
    ForeignNote,
    OldNote,
    ForkedNote,
    /// It does not mask.
    Unmasked,
    /// It reserves with the approval of another question.
    OtherApproval,
    /// It charges again for an attempt that had expired.
    Expired,
    /// Its first policy is above the manifest, or names keys that are not in it.
    PolicyTotal,
    PolicyPlanner,
    PolicyStranger,
    PolicyPeriod,
    /// Its officer signed that one more agency than there are must take part.
    OwnQuorum,
    /// Its officer signed that two strangers must take part.
    OwnAnchors,
    /// Its officer signed a smaller price for one question.
    OwnPrice,
    PolicyOfficer,
    PolicyAuditors,
    /// The second policy lacks an auditor's signature, is called no grant, or is signed by a stranger.
    NoCountersign,
    NoGrant,
    StrangeOfficer,
    /// It names another manifest than the one the question was asked under.
    OldManifest,
    /// The coordinator's registry.
    RegistryContext,
    RegistryNoCharge,
    RegistryPrice,
    RegistryFamily,
    RegistryPlanner,
}

pub const LIAR: usize = 1;
pub const ROUND: u64 = 1;

pub fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32]).expect("a seed of 32 bytes")
}

pub fn name(text: &str) -> Name {
    text.parse().expect("a well-formed name")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The text of a manifest of `agencies`, each holding everybody of a place of its own.
pub fn manifest_text(agencies: usize, epoch: u32, total: &str) -> String {
    let public = |seed| hex(key(seed).verifying_key().as_bytes());
    let mut text = format!(
        r#"[federation]
id = "tests"
epoch = {epoch}
[coordinator]
name = "office"
endpoint = "https://127.0.0.1:7000"
signing_key = "{}"
[unit]
kind = "person"
column = "id"
population = 100000
[policy]
delta = 1e-9
total_rho = {total}
quorum = 3
colluders = 1
min_honest = 2
witnesses = 2
changes_need_auditor = true
period = "year"
period_rho = {total}
[[planner]]
name = "ministry"
signing_key = "{}"
rho = {total}
[[planner]]
name = "city"
signing_key = "{}"
rho = {total}
[[auditor]]
name = "court"
signing_key = "{}"
[[sector]]
name = "residence"
agencies_per_unit = 1
[territory]
column = "county"
rho = {total}
"#,
        public(200),
        public(201),
        public(202),
        public(203)
    );
    for node in 1..=agencies as u8 {
        let name = NAMES[usize::from(node) - 1];
        let mask = MaskKey::from_bytes(&[node; 32]).public();
        text += &format!(
            "[[agency]]\nnode = {node}\nname = \"{name}\"\nlegal_name = \"{name}\"\nsector = \"residence\"\n\
             endpoint = \"https://127.0.0.1:70{node:02}\"\nsigning_key = \"{}\"\nofficer_key = \"{}\"\nmask_key = \"{}\"\n",
            public(node),
            public(100 + node),
            hex(&mask)
        );
    }
    text += "[[table]]\nname = \"residents\"\nrows_per_unit = 1\n\
             [[table.column]]\nname = \"county\"\ntype = \"text\"\ndomain = [\"A\", \"B\", \"C\"]\n\
             [[table.column]]\nname = \"age\"\ntype = \"integer\"\nmin = 0\nmax = 120\n";
    text
}

/// Entries with their tree and the key that signs it.
pub struct Log {
    pub origin: KeyName,
    pub key: SigningKey,
    pub entries: Vec<Vec<u8>>,
    pub tree: Tree,
}

impl Log {
    fn new(origin: KeyName, key: SigningKey) -> Self {
        Log { origin, key, entries: Vec::new(), tree: Tree::new() }
    }

    pub fn push(&mut self, bytes: Vec<u8>) -> Position {
        self.tree.push(leaf_hash(&bytes));
        self.entries.push(bytes);
        self.position()
    }

    pub fn position(&self) -> Position {
        Position { size: self.tree.size(), root: self.tree.root() }
    }

    /// The checkpoint of the first `size` entries as they are now.
    pub fn note(&self, size: u64) -> SignedCheckpoint {
        let mut tree = Tree::new();
        self.entries.iter().for_each(|entry| tree.push(leaf_hash(entry)));
        self.signed(size, tree.root_at(size).expect("so many entries"))
    }

    pub fn signed(&self, size: u64, root: Digest) -> SignedCheckpoint {
        Checkpoint { origin: self.origin.clone(), size, root }.sign(&self.key).expect("signs")
    }
}

pub struct Node {
    pub id: NodeId,
    pub name: Name,
    pub log: Log,
    books: Books,
    real: Option<NodeLedger>,
    mask_key: MaskKey,
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

    fn append(&mut self, entry: &Entry) -> Position {
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
    accounts: Accounts,
    real: Option<Registry>,
    /// By the number of the registry's entry.
    pub releases: BTreeMap<u64, v1::Evidence>,
    /// By round, the numbers of the liar's entries that reserved and charged its last attempt.
    pub places: BTreeMap<u64, (u64, u64)>,
    /// PUBLISH entries by round.
    pub published: BTreeMap<u64, u64>,
    lie: Option<Lie>,
    now: u64,
    next: u64,
    /// Logs whose hash tiles stay as they were, and whose old checkpoint stays, by folder.
    pub stale_tiles: Vec<(String, Vec<Vec<u8>>)>,
    pub stale_notes: BTreeMap<String, String>,
    pub seen: Vec<(String, SignedCheckpoint)>,
}

pub struct Round<'a> {
    pub planner: &'a str,
    pub sql: &'a str,
    /// Attempts that were charged and lost before the one that was published.
    pub lost: u32,
    pub published: bool,
    pub approved: bool,
}

impl Round<'_> {
    pub fn of(sql: &str) -> Round<'_> {
        Round { planner: "ministry", sql, lost: 0, published: true, approved: false }
    }
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
            stale_notes: BTreeMap::new(),
            seen: Vec::new(),
        };
        world.put_in_force(files);
        world
    }

    fn lies(&self, node: usize, round: u64, lie: Lie) -> bool {
        node == LIAR && round == ROUND && self.lie == Some(lie)
    }

    fn policy(&self, node: usize) -> Policy {
        let manifest = &self.manifests.last().expect("one at least").1;
        let agency = manifest.agency(self.nodes[node].id).expect("a member");
        let mut policy = Policy {
            origin: self.nodes[node].log.origin.clone(),
            manifest_hash: manifest.hash(),
            limits: Limits {
                total: manifest.policy.total_rho,
                planners: manifest.planners.iter().map(|p| (p.name.clone(), p.rho)).collect(),
                period: manifest.policy.period,
                territory: TerritoryLimit::of(manifest),
            },
            release: almoner_ledger::ReleaseLimits::default(),
            rules: String::new(),
            officer: agency.officer_key,
            auditors: manifest.auditors.iter().map(|auditor| auditor.signing_key).collect(),
        };
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

    /// A question asked, every attempt charged, and the last one published if it should be.
    pub fn round(&mut self, round: &Round<'_>) {
        let number = self.next;
        self.next += 1;
        let manifest = self.manifests.last().expect("one at least").1.clone();
        let rho = PicoRho::new(10_000_000_000 + number);
        let plan = plan(&manifest, round.sql, rho).expect("a plain question");
        let mut query = [0; 16];
        query[8..].copy_from_slice(&number.to_be_bytes());
        let spec = Spec {
            federation: manifest.federation.clone(),
            manifest_hash: manifest.hash(),
            query_id: QueryId(query),
            planner: name(round.planner),
            sql: round.sql.into(),
            rho,
            plan_hash: plan.hash(),
            purpose: format!("report {number}"),
            issued_at_s: self.now,
        };
        let asker = key(if round.planner == "city" { 202 } else { 201 });
        let body = spec.encode();
        let asked = AskedQuestion { signature: asker.sign(&body), body };
        for attempt in 0..=round.lost {
            let publish = round.published && attempt == round.lost;
            self.attempt(number, round, &manifest, (&spec, &plan, &asked), attempt, publish);
            self.now += 100;
        }
    }

    fn reserve(
        &mut self,
        node: usize,
        number: u64,
        round: &Round<'_>,
        (spec, plan, asked): (&Spec, &Plan, &AskedQuestion),
        attempt: u32,
        manifest: &Manifest,
    ) -> Ready {
        let lies = |lie| self.lies(node, number, lie);
        let (price, territories, skips) = (lies(Lie::Price), lies(Lie::Territories), lies(Lie::NoRound));
        let (other, late) = (lies(Lie::OtherApproval), lies(Lie::Ready));
        let stranger = node == LIAR && self.lie == Some(Lie::PolicyOfficer);
        let now = self.now;
        let own = &mut self.nodes[node];
        let before = own.log.position();
        let spec_hash = Digest::of(&asked.body);
        let mut ready = Ready {
            spec_hash,
            manifest_hash: manifest.hash(),
            node: own.id,
            attempt,
            nonce: Digest::of(format!("{number} {attempt} {node}").as_bytes()).0,
            expires_at_s: now + 60,
            ledger_size: before.size + 1,
            ledger_root: Digest::of(b"a root of nothing"),
            cost: plan.price(),
            plan_hash: plan.hash(),
            ring: Ring::Z64,
            snapshot: Digest::of(b"snapshot"),
        };
        if own.questions.iter().all(|known| known.body != asked.body) {
            own.questions.push(asked.clone());
        }
        if skips {
            return ready;
        }
        let approval = (round.approved && attempt == 0 && node == LIAR).then(|| {
            let question = if other { Digest::of(b"another question") } else { spec.question() };
            let origin = own.log.origin.clone();
            let approval =
                Approval { origin, question, approved: true, decided_at_s: now, until_s: now + 90 };
            approval.sign(&if stranger { key(250) } else { key(100 + own.id.0 as u8) })
        });
        if let Some(decided) = &approval {
            let entry = own.books.approval_entry(decided, now);
            own.append(&entry);
        }
        let question = approval.as_ref().map(|decided| decided.approval.question);
        let touched = if territories { Touched::Some(vec![0]) } else { Touched::of(plan.territories()) };
        let cost = if price { PicoRho::new(plan.price().get() / 2) } else { plan.price() };
        let about = About { spec_hash, planner: spec.planner.clone(), cost };
        let step = Step::Reserve { touched: touched.clone(), approval: question };
        let entry =
            own.books.round_entry(step, now, (spec.query_id, attempt), about).expect("a known territory");
        let after = own.append(&entry);
        (ready.ledger_size, ready.ledger_root) =
            if late { (before.size, before.root) } else { (after.size, after.root) };
        if let Some(real) = &own.real {
            let reservation = Reservation {
                query: spec.query_id,
                attempt,
                spec_hash,
                planner: spec.planner.clone(),
                cost,
                touched,
                approval,
                asked: Asked { body: asked.body.clone(), signature: asked.signature },
                expires_at_s: now + 60,
                now_s: now,
                noisy: vec![1; plan.dimension()],
            };
            let stored = real.reserve(reservation, |position| {
                assert_eq!(position, after, "the real ledger has the same tree");
                let signed = Signed::sign(ready.clone(), &own.log.key);
                (signed.as_signed().bytes().to_vec(), *signed.as_signed().signature())
            });
            stored.expect("a reservation that fits");
        }
        ready
    }

    fn attempt(
        &mut self,
        number: u64,
        round: &Round<'_>,
        manifest: &Manifest,
        (spec, plan, asked): (&Spec, &Plan, &AskedQuestion),
        attempt: u32,
        publish: bool,
    ) {
        let spec_hash = Digest::of(&asked.body);
        let roster = Arc::new(Roster::of(manifest).expect("distinct keys"));
        let question = question_of(manifest, plan, spec_hash, attempt);
        let mut collecting = Collecting::new(roster.clone(), question).expect("cells");
        let mut readies = Vec::new();
        for node in 0..self.nodes.len() {
            let ready = self.reserve(node, number, round, (spec, plan, asked), attempt, manifest);
            let signed = Signed::sign(ready.clone(), &self.nodes[node].log.key);
            collecting.receive(self.nodes[node].id, signed.as_signed(), self.now).expect("is ready");
            readies.push(ready);
        }
        let mut releasing = collecting.release(&key(200), self.now).expect("a quorum");
        let context = releasing.ctx_hash();
        let lie = self.lie.filter(|_| number == ROUND);
        if lie != Some(Lie::RegistryNoCharge) {
            let said = if lie == Some(Lie::RegistryContext) { Digest::of(b"another") } else { context };
            let cost = if lie == Some(Lie::RegistryPrice) { PicoRho::new(1) } else { plan.price() };
            self.record(RegistryStep::Charge { attempt, context: said }, spec, spec_hash, cost, &[]);
        }
        let rules = ReleaseRules::new(&manifest.policy, 0, 0, Default::default(), 0);
        let (mut masked_by, mut notes) = (Vec::new(), Vec::new());
        for (node, ready) in readies.into_iter().enumerate() {
            let release = releasing.release_for(self.nodes[node].id).expect("takes part");
            let accepted = NodeRound::prepared(ready)
                .accept(&release, &roster, &rules, self.now)
                .expect("a release that keeps the rules");
            let lies = |lie| self.lies(node, number, lie);
            let (other, none) = (lies(Lie::OtherContext), lies(Lie::NoCharge) || lies(Lie::NoRound));
            let (early, bare, expired) = (lies(Lie::Receipt), lies(Lie::Unmasked), lies(Lie::Expired));
            let now = self.now;
            let own = &mut self.nodes[node];
            let noisy: Vec<i64> =
                (0..plan.dimension() as i64).map(|cell| cell * 7 + node as i64 - 40).collect();
            let before = own.log.position();
            let key_of = (spec.query_id, attempt);
            let mut position =
                Position { size: before.size + 1, root: Digest::of(b"another root of nothing") };
            let cost = own_cost(&own.books, key_of, plan);
            let about = || About { spec_hash, planner: spec.planner.clone(), cost };
            if expired {
                let entry = own.books.round_entry(Step::Expire, now, key_of, about()).expect("reserved");
                own.append(&entry);
            }
            if !none {
                let said = if other { Digest::of(b"another context") } else { accepted.hash() };
                let step = Step::Charge { context: said };
                let entry = own.books.round_entry(step, now, key_of, about()).expect("reserved");
                position = own.append(&entry);
                if node == LIAR {
                    let reserved =
                        own.books.round(spec.query_id, attempt).map_or(0, |round| round.reserved_by);
                    self.places.insert(number, (reserved, position.size - 1));
                }
            }
            if let Some(real) = &own.real {
                let charged = real.charge(spec.query_id, attempt, &accepted, now).expect("reserved");
                assert_eq!(charged.position(), position, "the real ledger has the same tree");
            }
            if early {
                position = before;
            }
            let roots = PairRoots::derive(&roster, own.id, &own.mask_key).expect("its own key");
            let masked = if bare {
                Masked::from_cells(noisy.iter().map(|cell| cell.cast_unsigned()).collect()).expect("cells")
            } else {
                mask(&noisy, &accepted, &roots).expect("its own roots")
            };
            let output = Output {
                ctx_hash: accepted.hash(),
                node: own.id,
                vector_hash: masked.hash(),
                ledger_size: position.size,
                ledger_root: position.root,
            };
            let output = Signed::sign(output, &own.log.key);
            notes.push(self.witnessed(node, number, position));
            releasing.receive(self.nodes[node].id, output.as_signed(), &masked).expect("is right");
            masked_by.push(masked);
        }
        if !publish {
            return;
        }
        let total = releasing.finish().expect("all answered");
        let publication = Publication::new(context, &total.cells, self.now).encode();
        let evidence = v1::Evidence {
            release: Some(v1::Release {
                spec: Some(v1::Signed::new(asked.body.clone(), &asked.signature)),
                context: Some(to_wire(&total.evidence.context)),
                readies: total.evidence.readies.iter().map(to_wire).collect(),
                outputs: total.evidence.outputs.iter().map(to_wire).collect(),
                total: total.cells,
                publication: Some(v1::Signed::new(publication.clone(), &key(200).sign(&publication))),
                checkpoints: notes,
            }),
            masked: masked_by.iter().map(|m| v1::MaskedVector { values: m.cells().to_vec() }).collect(),
        };
        let family = match lie {
            Some(Lie::RegistryFamily) => Digest::of(b"another family"),
            _ => family_of(manifest, plan),
        };
        let bytes = evidence.encode_to_vec();
        let step = RegistryStep::Publish { family, release: Digest::of(&bytes) };
        let cost = if lie == Some(Lie::RegistryPrice) { PicoRho::new(1) } else { plan.price() };
        let place = self.record(step, spec, spec_hash, cost, &bytes);
        self.published.insert(number, place);
        self.releases.insert(place, evidence);
    }

    /// A cosigned note of a ledger that holds the charge.
    fn witnessed(&mut self, node: usize, round: u64, position: Position) -> String {
        let mut wanted = self.nodes.len() - 1;
        let mut at = position;
        let mut signer = node;
        if self.lies(node, round, Lie::Unwitnessed) {
            wanted = 1;
        } else if self.lies(node, round, Lie::ForeignNote) {
            signer = 0;
        } else if self.lies(node, round, Lie::OldNote) {
            let size = position.size - 1;
            at = Position { size, root: self.nodes[node].log.tree.root_at(size).expect("an earlier tree") };
        } else if self.lies(node, round, Lie::ForkedNote) {
            at.root = Digest::of(b"a fork");
        }
        let mut note = self.nodes[signer].log.signed(at.size, at.root);
        self.cosign(&mut note, node, wanted);
        if position == self.nodes[node].log.position() {
            self.nodes[node].shown = Some(note.clone());
        }
        note.to_string()
    }

    fn cosign(&self, note: &mut SignedCheckpoint, not: usize, wanted: usize) {
        let others = self.nodes.iter().enumerate().filter(|(place, _)| *place != not).take(wanted);
        for (_, other) in others {
            let cosignature = note.cosign(&other.log.origin, &other.log.key, self.now).expect("cosigns");
            note.add(&cosignature, &other.log.key.verifying_key()).expect("is right");
        }
    }

    fn record(
        &mut self,
        step: RegistryStep,
        spec: &Spec,
        spec_hash: Digest,
        cost: PicoRho,
        release: &[u8],
    ) -> u64 {
        let liar = self.lie == Some(Lie::RegistryPlanner) && self.next == ROUND + 1;
        let planner = if liar { name("city") } else { spec.planner.clone() };
        let number = self.registry.position().size;
        let entry = self.accounts.next(step, spec_hash, &planner, cost, self.now);
        let entry = entry.expect("sums fit").expect("is new");
        self.accounts.apply(number, &entry).expect("fits");
        self.registry.push(entry.encode());
        if let Some(real) = &self.real {
            let done = match step {
                RegistryStep::Charge { attempt, context } => {
                    real.charge(spec_hash, (attempt, context), &planner, cost, self.now, b"pending")
                }
                RegistryStep::Publish { family, .. } => {
                    real.publish(family, spec_hash, &planner, cost, self.now, release)
                }
            };
            done.expect("is new");
            assert_eq!(real.position().expect("readable").size, number + 1);
            assert_eq!(real.position().expect("readable"), self.registry.position());
        }
        number
    }

    /// Real ledgers hold the very entries of the logs here.
    pub fn assert_real(&self) {
        for node in &self.nodes {
            let real = node.real.as_ref().expect("in files");
            assert_eq!(real.entries(0, 10_000).expect("readable"), node.log.entries);
        }
    }

    /// The registry's entry number `place` changed, and everything signed again.
    pub fn rewrite_registry(&mut self, place: u64, change: impl FnOnce(&mut RegistryEntry)) {
        let bytes = &mut self.registry.entries[place as usize];
        let mut entry = RegistryEntry::decode(bytes).expect("an entry");
        change(&mut entry);
        *bytes = entry.encode();
    }

    /// A release changed and published so.
    pub fn republish(&mut self, round: u64, change: impl FnOnce(&mut v1::Evidence)) -> u64 {
        let place = self.published[&round];
        let evidence = self.releases.get_mut(&place).expect("published");
        change(evidence);
        let hash = Digest::of(&evidence.encode_to_vec());
        self.rewrite_registry(place, |entry| {
            if let RegistryStep::Publish { release, .. } = &mut entry.step {
                *release = hash;
            }
        });
        place
    }

    /// Writes all of it as a mirror.
    pub fn write(&self, root: &Path) -> Mirror {
        let mirror = Mirror::new(root);
        for (text, _) in &self.manifests {
            mirror.keep_manifest(text).expect("room");
        }
        let logs = self.nodes.iter().map(|node| (format!("nodes/{}", node.name), &node.log));
        for (folder, log) in logs.chain([("registry".to_owned(), &self.registry)]) {
            let place = match folder.strip_prefix("nodes/") {
                Some(agency) => mirror.node(&name(agency)),
                None => mirror.registry(),
            };
            let stale = self.stale_tiles.iter().find(|(of, _)| *of == folder);
            let tiles = stale.map_or(&log.entries, |(_, entries)| entries);
            let mut writer = place.writer(0).expect("a new folder");
            tiles.iter().for_each(|entry| writer.push(entry));
            writer.flush().expect("room");
            if stale.is_some() {
                let width = (tiles.len() as u64).min(WIDTH);
                let path = TilePath::new(TileKind::Entries, 0, width).expect("a path");
                let bundle = encode_bundle(&log.entries).expect("short entries");
                fs::write(place.root().join(path.to_string()), bundle).expect("room");
            }
            let note = match self.stale_notes.get(&folder) {
                Some(note) => note.clone(),
                None => {
                    let mut note = log.note(log.entries.len() as u64);
                    let not =
                        self.nodes.iter().position(|n| n.log.origin == log.origin).unwrap_or(usize::MAX);
                    self.cosign(&mut note, not, self.nodes.len());
                    note.to_string()
                }
            };
            place.keep_checkpoint(&note).expect("room");
        }
        for node in &self.nodes {
            mirror.keep_questions(&node.name, &node.questions).expect("room");
            for other in self.nodes.iter().filter(|other| other.id != node.id) {
                if let Some(shown) = &other.shown {
                    mirror.keep_remembered(&node.name, &other.name, &shown.to_string()).expect("room");
                }
            }
        }
        for (number, evidence) in &self.releases {
            mirror.keep_release(*number, &evidence.encode_to_vec()).expect("room");
        }
        for (folder, note) in &self.seen {
            let checkpoint = note.checkpoint();
            mirror.keep_seen(folder, checkpoint.size, &checkpoint.root, &note.to_string()).expect("room");
        }
        mirror
    }

    /// What an audit of it finds.
    pub fn audit(&self) -> Report {
        let folder = tempfile::tempdir().expect("a temporary folder");
        audit(&self.write(folder.path()), &[]).expect("readable")
    }
}

fn own_cost(books: &Books, (query, attempt): (QueryId, u32), plan: &Plan) -> PicoRho {
    books.round(query, attempt).map_or(plan.price(), |round| round.cost)
}

/// Rounds of every kind, and a second manifest between them.
pub fn federation(agencies: usize, lie: Option<Lie>, files: Option<&Path>) -> World {
    let mut world = World::new(agencies, lie, files);
    world.round(&Round::of(SQL[0]));
    world.round(&Round { approved: true, ..Round::of(SQL[1]) });
    world.round(&Round { lost: 1, planner: "city", ..Round::of(SQL[2]) });
    world.grant();
    world.round(&Round { published: false, ..Round::of(SQL[3]) });
    world.round(&Round { planner: "city", ..Round::of(SQL[0]) });
    world
}
