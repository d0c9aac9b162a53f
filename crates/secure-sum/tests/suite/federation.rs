//! A whole federation in memory, with keys that are the same in every run: randomness comes from
//! SHA-256 of a text, so a failure repeats itself.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use almoner_federation::{Digest, NodeId, PicoRho, SigningKey};
use almoner_secure_sum::{
    AcceptedContext, Collecting, MaskKey, Masked, Member, Message, NodeRound, Output, PairRoots, Question,
    Ready, Release, ReleaseRules, Releasing, Ring, Roster, SecureSumError, Signed, Verified, mask,
};

/// The time of every test, before any READY expires.
pub const NOW_S: u64 = 1_000;

/// The time at which every READY expires.
pub const EXPIRY_S: u64 = 2_000;

/// Members of the test federation; their numbers have gaps.
pub const IDS: [NodeId; 6] = [NodeId(1), NodeId(4), NodeId(5), NodeId(9), NodeId(20), NodeId(21)];

/// Six nodes, their coordinator, and what each of them knows.
pub struct Federation {
    pub roster: Arc<Roster>,
    pub coordinator: SigningKey,
    pub nodes: Vec<Node>,
}

/// One node.
pub struct Node {
    pub id: NodeId,
    pub signing: SigningKey,
    roots: OnceLock<PairRoots>,
}

/// A signing key drawn from a text.
pub fn signing_key(text: &str) -> SigningKey {
    SigningKey::from_seed(&Digest::of(text.as_bytes()).0).expect("a seed of 32 bytes")
}

fn mask_key(id: NodeId) -> MaskKey {
    MaskKey::from_bytes(&Digest::of(format!("mask key {id}").as_bytes()).0)
}

impl Federation {
    /// The federation under the manifest whose hash is that of `manifest`.
    pub fn under(manifest: &str) -> Self {
        let coordinator = signing_key("coordinator");
        let signing = |id: NodeId| signing_key(&format!("signing key {id}"));
        let members = IDS.map(|id| {
            (id, Member { signing_key: signing(id).verifying_key(), mask_key: mask_key(id).public() })
        });
        let name = "test-fed".parse().expect("a name");
        let roster = Roster::new(name, Digest::of(manifest.as_bytes()), coordinator.verifying_key(), members)
            .expect("six members");
        let nodes = IDS.map(|id| Node { id, signing: signing(id), roots: OnceLock::new() });
        Federation { roster: Arc::new(roster), coordinator, nodes: nodes.into() }
    }

    /// The federation of most tests.
    pub fn new() -> Self {
        Federation::under("manifest")
    }

    /// A member by number.
    pub fn node(&self, id: NodeId) -> &Node {
        self.nodes.iter().find(|node| node.id == id).expect("a member")
    }

    /// The pair roots of a member, derived when first asked for.
    pub fn roots(&self, id: NodeId) -> &PairRoots {
        let derive = || PairRoots::derive(&self.roster, id, &mask_key(id)).expect("honest keys");
        self.node(id).roots.get_or_init(derive)
    }

    /// The READY of `id` for `question`, whose nonce depends on `draw`.
    pub fn ready(&self, id: NodeId, question: &Question, draw: &str) -> Ready {
        Ready {
            spec_hash: question.spec_hash,
            manifest_hash: self.roster.manifest_hash(),
            node: id,
            attempt: question.attempt,
            nonce: Digest::of(format!("nonce {id} {} {draw}", question.attempt).as_bytes()).0,
            expires_at_s: EXPIRY_S,
            ledger_size: 10,
            ledger_root: Digest::of(b"ledger"),
            cost: question.cost,
            plan_hash: question.plan_hash,
            ring: question.ring,
            snapshot: Digest::of(format!("snapshot {id}").as_bytes()),
        }
    }

    /// The same, signed.
    pub fn signed_ready(&self, id: NodeId, question: &Question, draw: &str) -> Verified<Ready> {
        Signed::sign(self.ready(id, question, draw), &self.node(id).signing)
    }

    /// A release by `participants`, each of which sent the READY of `draw`.
    pub fn releasing(&self, question: Question, participants: &[NodeId], draw: &str) -> Releasing {
        let mut collecting = Collecting::new(self.roster.clone(), question).expect("a bounded question");
        for id in participants {
            let ready = self.signed_ready(*id, &question, draw);
            collecting.receive(*id, ready.as_signed(), NOW_S).expect("an honest READY");
        }
        collecting.release(&self.coordinator, NOW_S).expect("a quorum")
    }

    /// What `id` does with `release` after it sent the READY of `draw` for `question`.
    pub fn accept(
        &self,
        id: NodeId,
        question: &Question,
        draw: &str,
        release: &Release,
    ) -> Result<AcceptedContext, SecureSumError> {
        NodeRound::prepared(self.ready(id, question, draw)).accept(release, &self.roster, &rules(), NOW_S)
    }

    /// The masked cells and signed output of `id` for an accepted context.
    pub fn output(&self, noisy: &[i64], accepted: &AcceptedContext) -> (Verified<Output>, Masked) {
        let node = self.node(accepted.node());
        let masked = mask(noisy, accepted, self.roots(node.id)).expect("its own roots");
        let output = Output {
            ctx_hash: accepted.hash(),
            node: node.id,
            vector_hash: masked.hash(),
            ledger_size: 11,
            ledger_root: Digest::of(b"ledger after"),
        };
        (Signed::sign(output, &node.signing), masked)
    }

    /// Every participant's masked cells under an honest coordinator.
    pub fn masked(
        &self,
        question: Question,
        participants: &[NodeId],
        draw: &str,
        noisy: impl Fn(NodeId) -> Vec<i64>,
    ) -> Vec<Masked> {
        let releasing = self.releasing(question, participants, draw);
        participants
            .iter()
            .map(|id| {
                let release = releasing.release_for(*id).expect("a participant");
                let accepted = self.accept(*id, &question, draw, &release).expect("an honest release");
                self.output(&noisy(*id), &accepted).1
            })
            .collect()
    }
}

/// The question of most tests.
pub fn question(cells: usize, attempt: u32) -> Question {
    Question {
        spec_hash: Digest::of(b"spec"),
        plan_hash: Digest::of(b"plan"),
        cost: PicoRho::new(5_000_000_000),
        ring: Ring::Z64,
        cells,
        attempt,
        quorum: 3,
        colluders: 1,
    }
}

/// What every node demands: three participants, two of them among the first three members.
pub fn rules() -> ReleaseRules {
    ReleaseRules {
        quorum: 3,
        colluders: 1,
        honest: 2,
        min_honest: 2,
        anchors: BTreeSet::from([IDS[0], IDS[1], IDS[2]]),
        min_anchors: 2,
    }
}

/// Both rings.
pub const RINGS: [Ring; 2] = [Ring::Z64, Ring::Gf2];

/// The sum modulo 2^64, cell by cell, read as signed numbers.
pub fn sum<'a>(vectors: impl IntoIterator<Item = &'a Masked>) -> Vec<i64> {
    sum_in(Ring::Z64, vectors)
}

/// The sum in `ring`, word by word.
pub fn sum_in<'a>(ring: Ring, vectors: impl IntoIterator<Item = &'a Masked>) -> Vec<i64> {
    let mut total: Vec<u64> = Vec::new();
    for vector in vectors {
        total.resize(vector.cells().len(), 0);
        ring.combine(&mut total, vector.cells());
    }
    total.into_iter().map(u64::cast_signed).collect()
}

/// SHA-256 of a text as a signature that belongs to nothing.
pub fn no_signature() -> almoner_federation::Signature {
    almoner_federation::Signature([7; 64])
}

/// The bytes of a message.
pub fn bytes<M: Message>(message: &M) -> Vec<u8> {
    message.encode()
}
