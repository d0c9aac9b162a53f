//! A federation whose evidence is streamed to a folder: every ledger, the registry, every question, every release.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use almoner_audit::{LogFolder, LogWriter, Mirror, family_of};
use almoner_federation::checkpoint::{Checkpoint, SignedCheckpoint};
use almoner_federation::note::KeyName;
use almoner_federation::{Digest, Manifest, Name, NodeId, PicoRho, QueryId, Role, SigningKey, lp, merkle};
use almoner_ledger::{About, Accounts, Books, Entry, LoadEntry, Position, RegistryStep, Step, Touched};
use almoner_query::{Plan, Spec, plan};
use almoner_secure_sum::{Context, Message as _, Ready, Ring, graph_degree};

use crate::parties::{NOW, SQL, key, manifest_text, name, policy_of};
use crate::release::{Draft, Sealed};

/// Releases that are signed and written together: their entries fill whole tiles.
const BATCH: u64 = 256;

/// An agency and its ledger.
pub struct Agency {
    pub id: NodeId,
    pub origin: KeyName,
    pub key: SigningKey,
    name: Name,
    folder: LogFolder,
    ledger: LogWriter,
}

impl Agency {
    fn append(&mut self, bytes: &[u8]) -> Position {
        self.ledger.push(bytes);
        let (size, root) = self.ledger.position();
        Position { size, root }
    }
}

/// Everything so far. Ledgers differ in their first entries alone, so that one set of books serves all.
pub struct Federation {
    manifest: Manifest,
    mirror: Mirror,
    agencies: Vec<Agency>,
    books: Books,
    accounts: Accounts,
    registry: LogWriter,
    plans: HashMap<String, Arc<Plan>>,
    questions: BufWriter<File>,
}

impl Federation {
    /// Ledgers with their policies and data.
    pub fn begin(root: &Path, agencies: usize) -> Self {
        let text = manifest_text(agencies, 1, "1000000");
        let manifest = Manifest::parse(&text, "bench").expect("a good manifest");
        let mirror = Mirror::new(root);
        mirror.keep_manifest(&text).expect("room");
        let load = Entry::Load(LoadEntry { at_s: NOW, snapshot: snapshot() });
        let mut books = Books::new();
        let mut made: Vec<Agency> = Vec::new();
        for agency in &manifest.agencies {
            let (origin, folder) =
                (manifest.identity(Role::Agency, &agency.name).key_name(), mirror.node(&agency.name));
            let ledger = folder.writer(0).expect("a new folder");
            let (id, name, key_of) = (agency.node, agency.name.clone(), key(agency.node.0 as u8));
            let mut here = Agency { id, origin, key: key_of, name, folder, ledger };
            let officer = key(100 + agency.node.0 as u8);
            let signed = policy_of(&manifest, agency).sign(Books::new().position(), &officer);
            let policy = Books::new().policy_entry(signed, NOW);
            let after = [&policy, &load].map(|entry| here.append(&entry.encode()));
            if made.is_empty() {
                books.apply(&policy, after[0]).expect("fits");
                books.apply(&load, after[1]).expect("fits");
            }
            made.push(here);
        }
        let first = made[0].folder.root().to_owned();
        std::fs::create_dir_all(&first).expect("room");
        let questions = BufWriter::new(File::create(first.join("questions")).expect("room"));
        let registry = mirror.registry().writer(0).expect("a new folder");
        Federation {
            manifest,
            mirror,
            agencies: made,
            books,
            accounts: Accounts::default(),
            registry,
            plans: HashMap::new(),
            questions,
        }
    }

    /// As many releases, and the end: notes that everybody cosigned.
    pub fn make(mut self, releases: u64) {
        let threads = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        for from in (0..releases).step_by(BATCH as usize) {
            let drafts: Vec<Draft> =
                (from..releases.min(from + BATCH)).map(|number| self.draft(number)).collect();
            let here = &self;
            let share = |drafts: &[Draft]| drafts.iter().map(|draft| here.seal(draft)).collect::<Vec<_>>();
            let sealed: Vec<Sealed> = std::thread::scope(|scope| {
                let chunks = drafts.chunks(drafts.len().div_ceil(threads));
                let workers: Vec<_> = chunks.map(|chunk| scope.spawn(move || share(chunk))).collect();
                workers.into_iter().flat_map(|worker| worker.join().expect("signs")).collect()
            });
            drafts.iter().zip(sealed).for_each(|(draft, sealed)| self.publish(draft, &sealed));
            self.agencies.iter_mut().for_each(|agency| agency.ledger.flush().expect("room"));
            self.registry.flush().expect("room");
        }
        self.end();
    }

    /// Plain questions, some hundred different ones.
    fn sql(number: u64) -> String {
        match number % 8 {
            which @ 0..4 => SQL[which as usize].to_owned(),
            _ => format!("SELECT COUNT(*) AS n FROM residents WHERE age < {}", 1 + number / 8 % 120),
        }
    }

    /// A round reserved and charged in every ledger; nothing is signed yet.
    fn draft(&mut self, number: u64) -> Draft {
        let (sql, rho, now) = (Self::sql(number), PicoRho::new(1_000_000_000), NOW + number);
        let manifest = &self.manifest;
        let planned = self
            .plans
            .entry(sql.clone())
            .or_insert_with(|| Arc::new(plan(manifest, &sql, rho).expect("a plain question")));
        let plan = Arc::clone(planned);
        let mut query = [0; 16];
        query[8..].copy_from_slice(&number.to_be_bytes());
        let spec = Spec {
            federation: manifest.federation.clone(),
            manifest_hash: manifest.hash(),
            query_id: QueryId(query),
            planner: name("ministry"),
            sql,
            rho,
            plan_hash: plan.hash(),
            purpose: "the monthly report on incomes".into(),
            issued_at_s: now,
        };
        let body = spec.encode();
        let spec_hash = Digest::of(&body);
        let touched = Touched::of(plan.territories());
        let reserved =
            self.append(Step::Reserve { touched, approval: None }, &spec, spec_hash, plan.price(), now);
        let readies: Vec<Ready> = self
            .agencies
            .iter()
            .zip(reserved)
            .map(|(agency, position)| Ready {
                spec_hash,
                manifest_hash: self.manifest.hash(),
                node: agency.id,
                attempt: 0,
                nonce: Digest::of(format!("{number} {}", agency.id).as_bytes()).0,
                expires_at_s: now + 60,
                ledger_size: position.size,
                ledger_root: position.root,
                cost: plan.price(),
                plan_hash: plan.hash(),
                ring: Ring::Z64,
                snapshot: snapshot(),
            })
            .collect();
        let leaves: Vec<Digest> = readies.iter().map(|ready| merkle::leaf_hash(&ready.encode())).collect();
        let context = Context {
            spec_hash,
            manifest_hash: self.manifest.hash(),
            attempt: 0,
            participants: self.agencies.iter().map(|agency| agency.id).collect(),
            ready_root: merkle::root(&leaves),
            graph_degree: graph_degree(leaves.len() as u32, self.manifest.policy.colluders),
            ring: Ring::Z64,
        };
        let charge = Step::Charge { context: context.hash() };
        let charged = self.append(charge, &spec, spec_hash, plan.price(), now);
        Draft { number, now_s: now, body, spec_hash, plan, readies, context, charged }
    }

    /// One entry in every ledger.
    fn append(
        &mut self,
        step: Step,
        spec: &Spec,
        spec_hash: Digest,
        cost: PicoRho,
        now: u64,
    ) -> Vec<Position> {
        let about = About { spec_hash, planner: spec.planner.clone(), cost };
        let entry = self.books.round_entry(step, now, (spec.query_id, 0), about).expect("fits");
        let bytes = entry.encode();
        let after: Vec<_> = self.agencies.iter_mut().map(|agency| agency.append(&bytes)).collect();
        self.books.apply(&entry, after[0]).expect("fits");
        after
    }

    fn seal(&self, draft: &Draft) -> Sealed {
        let sealed = draft.seal(&self.agencies);
        self.mirror.keep_release(draft.number * 2 + 1, &sealed.evidence).expect("room");
        sealed
    }

    fn publish(&mut self, draft: &Draft, sealed: &Sealed) {
        let (family, release) = (family_of(&self.manifest, &draft.plan), Digest::of(&sealed.evidence));
        let context = draft.context.hash();
        for (number, step) in [
            (draft.number * 2, RegistryStep::Charge { attempt: 0, context }),
            (draft.number * 2 + 1, RegistryStep::Publish { family, release }),
        ] {
            let entry =
                self.accounts.next(step, draft.spec_hash, &name("ministry"), draft.plan.price(), draft.now_s);
            let entry = entry.expect("sums fit").expect("is new");
            self.accounts.apply(number, &entry).expect("fits");
            self.registry.push(&entry.encode());
        }
        self.questions.write_all(&lp(&[&draft.body, &sealed.asked.0])).expect("room");
    }

    fn end(mut self) {
        self.questions.flush().expect("room");
        let first = self.agencies[0].folder.root().join("questions");
        for (place, agency) in self.agencies.iter().enumerate() {
            if place > 0 {
                // All were asked the same.
                std::fs::hard_link(&first, agency.folder.root().join("questions")).expect("room");
            }
            let (size, root) = agency.ledger.position();
            let note = Checkpoint { origin: agency.origin.clone(), size, root };
            let note = self.cosigned(note.sign(&agency.key).expect("signs"), Some(place)).to_string();
            agency.folder.keep_checkpoint(&note).expect("room");
            for other in self.agencies.iter().filter(|other| other.id != agency.id) {
                self.mirror.keep_remembered(&other.name, &agency.name, &note).expect("room");
            }
        }
        let (size, root) = self.registry.position();
        let office = self.manifest.identity(Role::Coordinator, &self.manifest.coordinator.name);
        let note = Checkpoint { origin: office.key_name(), size, root }.sign(&key(200)).expect("signs");
        let note = self.cosigned(note, None);
        self.mirror.registry().keep_checkpoint(&note.to_string()).expect("room");
    }

    fn cosigned(&self, mut note: SignedCheckpoint, own: Option<usize>) -> SignedCheckpoint {
        for (_, other) in self.agencies.iter().enumerate().filter(|(place, _)| Some(*place) != own) {
            let cosignature = note.cosign(&other.origin, &other.key, NOW).expect("cosigns");
            note.add(&cosignature, &other.key.verifying_key()).expect("is right");
        }
        note
    }
}

/// The data of every agency, for ever.
fn snapshot() -> Digest {
    Digest::of(b"snapshot")
}
