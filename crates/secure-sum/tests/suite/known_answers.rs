//! One whole release, byte by byte, against `test_vec/release.json`.

use std::collections::BTreeSet;
use std::sync::Arc;

use almoner_federation::{Digest, NodeId, PicoRho, SigningKey};
use almoner_secure_sum::{
    Abort, Collecting, Context, MaskKey, Member, Message, NodeRound, Output, PairRoots, Question, Ready,
    ReleaseRules, Ring, Roster, Signed, mask,
};
use serde_json::Value;

use crate::federation::bytes;

const PARTICIPANTS: [NodeId; 3] = [NodeId(2), NodeId(5), NodeId(11)];

fn vector() -> Value {
    serde_json::from_str(include_str!("../../test_vec/release.json")).expect("the vector is JSON")
}

fn h(text: String) -> Digest {
    Digest::of(text.as_bytes())
}

fn signing(node: NodeId) -> SigningKey {
    SigningKey::from_seed(&h(format!("signing key {node}")).0).expect("a seed of 32 bytes")
}

fn mask_key(node: NodeId) -> MaskKey {
    MaskKey::from_bytes(&h(format!("mask key {node}")).0)
}

fn ready(node: NodeId, ring: Ring) -> Ready {
    Ready {
        spec_hash: Digest::of(b"spec"),
        manifest_hash: Digest::of(b"manifest"),
        node,
        attempt: 1,
        nonce: h(format!("nonce {node}")).0,
        expires_at_s: 1_800_000_000 + u64::from(node.0),
        ledger_size: 10 * u64::from(node.0),
        ledger_root: h(format!("ledger root {node}")),
        cost: PicoRho::new(5_000_000_000),
        plan_hash: Digest::of(b"plan"),
        ring,
        snapshot: h(format!("snapshot {node}")),
    }
}

#[test]
fn a_release_of_numbers_is_the_known_one_from_ready_to_total() {
    let total = a_release_is_the_known_one(Ring::Z64, &vector()["z64"]);
    assert!((0..).zip(&total).all(|(k, cell)| *cell == 18 * k - 3_000));
}

#[test]
fn a_release_of_bits_is_the_known_one_from_ready_to_total() {
    let total = a_release_is_the_known_one(Ring::Gf2, &vector()["gf2"]);
    let word = |k: i64| (2 * k - 1_000) ^ (5 * k - 1_000) ^ (11 * k - 1_000);
    assert!((0..).zip(&total).all(|(k, bits)| *bits == word(k)));
}

/// Runs the release and compares every byte on the way; returns the total.
fn a_release_is_the_known_one(ring: Ring, vector: &Value) -> Vec<i64> {
    let coordinator = SigningKey::from_seed(&Digest::of(b"coordinator").0).expect("a seed of 32 bytes");
    let members = [2, 5, 9, 11].map(NodeId).map(|node| {
        let signing_key = signing(node).verifying_key();
        (node, Member { signing_key, mask_key: mask_key(node).public() })
    });
    let (federation, manifest_hash) = ("test-fed".parse().expect("a name"), Digest::of(b"manifest"));
    let roster = Roster::new(federation, manifest_hash, coordinator.verifying_key(), members);
    let roster = Arc::new(roster.expect("four members"));
    let question = Question {
        spec_hash: Digest::of(b"spec"),
        plan_hash: Digest::of(b"plan"),
        cost: PicoRho::new(5_000_000_000),
        ring,
        cells: 8_200,
        attempt: 1,
        quorum: 3,
        colluders: 1,
    };
    let rules = ReleaseRules {
        quorum: 3,
        colluders: 1,
        honest: 2,
        min_honest: 2,
        anchors: BTreeSet::new(),
        min_anchors: 0,
    };

    let mut collecting = Collecting::new(roster.clone(), question).expect("a bounded question");
    for node in PARTICIPANTS {
        let ready = Signed::sign(ready(node, ring), &signing(node));
        let key = node.to_string();
        assert_eq!(hex::encode(ready.as_signed().bytes()), vector["ready"][&key]);
        assert_eq!(hex::encode(ready.as_signed().signature().0), vector["ready_signature"][&key]);
        collecting.receive(node, ready.as_signed(), 0).expect("an honest READY");
    }
    let mut releasing = collecting.release(&coordinator, 0).expect("a quorum");
    let context = releasing.context().as_signed();
    assert_eq!(hex::encode(context.bytes()), vector["context"]);
    assert_eq!(hex::encode(context.signature().0), vector["context_signature"]);
    assert_eq!(releasing.context().ready_root.to_string(), vector["ready_root"]);
    assert_eq!(releasing.ctx_hash().to_string(), vector["ctx_hash"]);
    assert_eq!(Context::decode(context.bytes()).map(|context| context.hash()), Ok(releasing.ctx_hash()));

    for node in PARTICIPANTS {
        let key = node.to_string();
        let release = releasing.release_for(node).expect("a participant");
        let proof: Vec<String> = release.proof.iter().map(Digest::to_string).collect();
        assert_eq!(serde_json::to_value(proof).expect("text"), vector["proof"][&key]);
        let accepted = NodeRound::prepared(ready(node, ring))
            .accept(&release, &roster, &rules, 0)
            .expect("an honest release");

        let noisy: Vec<i64> = (0..8_200).map(|k| k * i64::from(node.0) - 1_000).collect();
        let roots = PairRoots::derive(&roster, node, &mask_key(node)).expect("honest keys");
        let masked = mask(&noisy, &accepted, &roots).expect("its own roots");
        assert_eq!(masked.hash().to_string(), vector["masked"][&key]["hash"]);
        for (at, cell) in vector["masked"][&key]["cells"].as_object().expect("cells by index") {
            let at: usize = at.parse().expect("an index");
            assert_eq!(masked.cells()[at].to_string(), *cell, "node {node}, cell {at}");
        }

        let output = Output {
            ctx_hash: accepted.hash(),
            node,
            vector_hash: masked.hash(),
            ledger_size: 10 * u64::from(node.0) + 1,
            ledger_root: h(format!("ledger root after {node}")),
        };
        let output = Signed::sign(output, &signing(node));
        assert_eq!(hex::encode(output.as_signed().bytes()), vector["output"][&key]);
        assert_eq!(hex::encode(output.as_signed().signature().0), vector["output_signature"][&key]);
        releasing.receive(node, output.as_signed(), &masked).expect("an honest output");
    }
    let total = releasing.finish().expect("every output is in").cells;
    for (at, word) in vector["total"].as_object().expect("words by index") {
        let at: usize = at.parse().expect("an index");
        assert_eq!(total[at].cast_unsigned().to_string(), *word, "total, word {at}");
    }
    total
}

#[test]
fn an_abort_certificate_is_the_known_one() {
    let abort = Abort { spec_hash: Digest::of(b"spec"), attempt: 1, node: NodeId(5) };
    assert_eq!(hex::encode(bytes(&abort)), vector()["abort"]);
}
