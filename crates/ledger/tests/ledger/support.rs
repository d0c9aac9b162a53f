//! A small federation with real keys: READYs are really signed and contexts really accepted, for there
//! is no other way to an `AcceptedContext`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use almoner_federation::{Digest, Name, NodeId, PicoRho, QueryId, Signature, SigningKey, merkle};
use almoner_ledger::{
    Asked, Charged, LedgerError, Limits, NodeLedger, Policy, Position, Reservation, StoredReady, Touched,
};
use almoner_secure_sum::{
    AcceptedContext, Context, Member, Message, NodeRound, Ready, Release, ReleaseRules, Ring, Roster, Signed,
};

/// When all tests begin, Unix seconds.
pub const NOW: u64 = 1_800_000_000;

/// When their reservations end.
pub const DEADLINE: u64 = NOW + 60;

/// The node's sealing key.
pub const KEY: [u8; 32] = [7; 32];

pub fn name(text: &str) -> Name {
    text.parse().expect("a well-formed name")
}

pub fn query(number: u64) -> QueryId {
    let mut bytes = [0; 16];
    bytes[8..].copy_from_slice(&number.to_be_bytes());
    QueryId(bytes)
}

pub fn spec(number: u64) -> Digest {
    Digest::of(&number.to_be_bytes())
}

/// A policy with these allowances, in pico-rho.
pub fn policy(total: u64, planners: &[(&str, u64)]) -> Policy {
    let planners: BTreeMap<_, _> =
        planners.iter().map(|(planner, limit)| (name(planner), PicoRho::new(*limit))).collect();
    Policy {
        origin: ORIGIN.parse().expect("a key's name"),
        manifest_hash: manifest_hash(),
        limits: Limits { total: PicoRho::new(total), planners, period: None, territory: None },
        release: almoner_ledger::ReleaseLimits::default(),
        rules: String::new(),
        officer: officer().verifying_key(),
        auditors: Vec::new(),
    }
}

/// The ledger's name.
pub const ORIGIN: &str = "north.agency.tests";

/// The data officer's key.
pub fn officer() -> SigningKey {
    SigningKey::from_seed(&[77; 32]).expect("a seed of 32 bytes")
}

/// The tree without an entry.
pub fn nothing() -> Position {
    Position { size: 0, root: Digest::of(&[]) }
}

pub fn manifest_hash() -> Digest {
    Digest::of(b"the manifest of these tests")
}

/// Begins the ledger, or opens it and puts the policy in force if it is another.
pub fn open(path: &Path, policy: Policy) -> Result<NodeLedger, LedgerError> {
    let ledger = match NodeLedger::open(path, &KEY) {
        Err(LedgerError::NotBegun(_)) => {
            return NodeLedger::begin(path, &KEY, policy.sign(nothing(), &officer()), NOW);
        }
        opened => opened?,
    };
    if ledger.policy()? != policy {
        let after = ledger.position()?;
        ledger.change_policy(policy.sign(after, &officer()), NOW)?;
    }
    Ok(ledger)
}

/// A reservation of `cost` by `planner` for question `number`, attempt 0, with a vector that tells it.
pub fn asked(number: u64, planner: &str, cost: u64) -> Reservation {
    Reservation {
        query: query(number),
        attempt: 0,
        spec_hash: spec(number),
        planner: name(planner),
        cost: PicoRho::new(cost),
        touched: Touched::All,
        approval: None,
        asked: Asked { body: number.to_be_bytes().to_vec(), signature: Signature([0; 64]) },
        expires_at_s: DEADLINE,
        now_s: NOW,
        noisy: vector(number),
    }
}

pub fn vector(number: u64) -> Vec<i64> {
    (0..5).map(|cell| (number as i64) * 1_000_003 - cell * 7).collect()
}

/// The keys of one federation of three, seen from node 1.
pub struct Federation {
    node: Arc<SigningKey>,
    coordinator: SigningKey,
    roster: Roster,
    rules: ReleaseRules,
}

impl Federation {
    pub fn new() -> Self {
        let key = |seed: u8| SigningKey::from_seed(&[seed; 32]).expect("a seed of 32 bytes");
        let members = (1..=3).map(|number: u8| {
            let member = Member { signing_key: key(number).verifying_key(), mask_key: [number; 32] };
            (NodeId(number.into()), member)
        });
        let roster = Roster::new(name("tests"), manifest_hash(), key(9).verifying_key(), members);
        Federation {
            node: Arc::new(key(1)),
            coordinator: key(9),
            roster: roster.expect("three members with keys of their own"),
            rules: ReleaseRules {
                quorum: 3,
                colluders: 1,
                honest: 2,
                min_honest: 2,
                anchors: BTreeSet::new(),
                min_anchors: 0,
            },
        }
    }

    /// A READY that states `reservation`, as the node would sign it.
    pub fn ready(&self, reservation: &Reservation) -> impl FnOnce(Position) -> (Vec<u8>, Signature) + use<> {
        let mut ready = Ready {
            spec_hash: reservation.spec_hash,
            manifest_hash: manifest_hash(),
            node: NodeId(1),
            attempt: reservation.attempt,
            nonce: reservation.query.0.repeat(2).try_into().expect("16 bytes twice"),
            expires_at_s: reservation.expires_at_s,
            ledger_size: 0,
            ledger_root: Digest([0; 32]),
            cost: reservation.cost,
            plan_hash: Digest::of(b"plan"),
            ring: Ring::Z64,
            snapshot: Digest::of(b"snapshot"),
        };
        let key = self.node.clone();
        move |position| {
            (ready.ledger_size, ready.ledger_root) = (position.size, position.root);
            let bytes = ready.encode();
            let signature = key.sign(&bytes);
            (bytes, signature)
        }
    }

    /// Reserves through a READY that states the reservation.
    pub fn reserve(&self, ledger: &NodeLedger, reservation: Reservation) -> Result<StoredReady, LedgerError> {
        let ready = self.ready(&reservation);
        ledger.reserve(reservation, ready)
    }

    /// The token for a release of `ready` in the context numbered `variant`: the same numbers, the same
    /// context.
    pub fn accept(&self, ready: &[u8], variant: u8) -> AcceptedContext {
        let attempt = NodeRound::prepared(Ready::decode(ready).expect("a stored READY is one"));
        let leaves = [ready, &[variant, 2], &[variant, 3]].map(merkle::leaf_hash);
        let context = Context {
            spec_hash: attempt.ready().spec_hash,
            manifest_hash: manifest_hash(),
            attempt: attempt.ready().attempt,
            participants: vec![NodeId(1), NodeId(2), NodeId(3)],
            ready_root: merkle::root(&leaves),
            graph_degree: 2,
            ring: Ring::Z64,
        };
        let release = Release {
            context: Signed::sign(context, &self.coordinator).as_signed().clone(),
            proof: merkle::inclusion_proof(&leaves, 0).expect("the first of three leaves"),
        };
        attempt.accept(&release, &self.roster, &self.rules, 0).expect("a release that keeps every rule")
    }

    /// Charges attempt 0 of question `number` in the context `variant`.
    pub fn charge(&self, ledger: &NodeLedger, number: u64, variant: u8) -> Result<Charged, LedgerError> {
        let stored = ledger.find(query(number), 0)?.expect("reserved before");
        ledger.charge(query(number), 0, &self.accept(&stored.ready, variant), NOW)
    }

    pub fn node_key(&self) -> &SigningKey {
        &self.node
    }
}

/// What a power cut would leave: the file and its write-ahead log, copied by another process, because
/// closing a copy's descriptor in this one would drop the ledger's lock.
pub fn snapshot(from: &Path, to: &Path) {
    for ending in ["", "-wal"] {
        let (from, to) = (beside(from, ending), beside(to, ending));
        if from.exists() {
            let status = std::process::Command::new("cp").arg(&from).arg(&to).status().expect("cp runs");
            assert!(status.success(), "cp {} {}", from.display(), to.display());
        }
    }
}

/// `path` with `ending` after its name.
pub fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}
