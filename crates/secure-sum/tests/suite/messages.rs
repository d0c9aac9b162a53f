//! One message, one encoding: whatever differs from it in any way is not read.

use std::fmt::Debug;

use almoner_federation::{DecodeError, Digest, NodeId, PicoRho, lp};
use almoner_secure_sum::{
    Abort, Context, MAX_MESSAGE_BYTES, MAX_PARTICIPANTS, Message, Output, Ready, Ring, SecureSumError, Signed,
};
use proptest::prelude::*;

use crate::federation::{Federation, IDS, RINGS, no_signature, question, signing_key};

fn context(participants: &[u32]) -> Context {
    Context {
        spec_hash: Digest::of(b"spec"),
        manifest_hash: Digest::of(b"manifest"),
        attempt: 1,
        participants: participants.iter().copied().map(NodeId).collect(),
        ready_root: Digest::of(b"root"),
        graph_degree: 3,
        ring: Ring::Z64,
    }
}

fn ready() -> Ready {
    Federation::new().ready(IDS[0], &question(1, 1), "")
}

fn output() -> Output {
    Output {
        ctx_hash: Digest::of(b"context"),
        node: NodeId(4),
        vector_hash: Digest::of(b"vector"),
        ledger_size: 11,
        ledger_root: Digest::of(b"ledger"),
    }
}

fn abort() -> Abort {
    Abort { spec_hash: Digest::of(b"spec"), attempt: 1, node: NodeId(4) }
}

/// The items of canonical bytes.
fn items(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut items = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<4>() {
        let (item, rest) = rest.split_at(u32::from_be_bytes(*length) as usize);
        items.push(item.to_vec());
        bytes = rest;
    }
    items
}

fn joined(items: &[Vec<u8>]) -> Vec<u8> {
    lp(&items.iter().map(Vec::as_slice).collect::<Vec<_>>())
}

fn reads_only_itself<M: Message + PartialEq + Debug>(message: &M) {
    let bytes = message.encode();
    assert_eq!(M::decode(&bytes).as_ref(), Ok(message));
    assert_eq!(message.hash(), Digest::of(&bytes));
    assert!(bytes.len() <= MAX_MESSAGE_BYTES);

    for cut in 0..bytes.len() {
        assert!(M::decode(&bytes[..cut]).is_err(), "a prefix of {cut} bytes");
    }
    assert_eq!(M::decode(&[&bytes[..], &[0]].concat()), Err(DecodeError::Malformed("trailing bytes")));
    assert!(M::decode(&[&bytes[..], &bytes[..]].concat()).is_err(), "the message twice");

    let items = items(&bytes);
    for at in 0..items.len() {
        let mut fewer = items.clone();
        fewer.remove(at);
        assert!(M::decode(&joined(&fewer)).is_err(), "item {at} is missing");
        let mut longer = items.clone();
        longer[at].push(0);
        assert!(M::decode(&joined(&longer)).is_err(), "item {at} is longer");
        let mut shorter = items.clone();
        shorter[at].pop();
        assert!(M::decode(&joined(&shorter)).is_err(), "item {at} is shorter");
    }
    for label in ["almoner/2/ctx", "almoner/1/query", "", "ALMONER/1/READY", "almoner/1/mask-gf2"] {
        let mut other = items.clone();
        other[0] = label.as_bytes().to_vec();
        assert_eq!(M::decode(&joined(&other)), Err(DecodeError::Label(M::LABEL)));
    }
}

#[test]
fn each_message_reads_only_its_own_bytes() {
    reads_only_itself(&ready());
    reads_only_itself(&context(&[1, 4, 5, 9]));
    reads_only_itself(&Ready { ring: Ring::Gf2, ..ready() });
    reads_only_itself(&Context { ring: Ring::Gf2, ..context(&[1, 4, 5, 9]) });
    reads_only_itself(&output());
    reads_only_itself(&abort());
}

#[test]
fn no_message_reads_as_another_kind() {
    let all = [ready().encode(), context(&[1, 2]).encode(), output().encode(), abort().encode()];
    let kinds = |bytes: &[u8]| {
        [
            Ready::decode(bytes).is_ok(),
            Context::decode(bytes).is_ok(),
            Output::decode(bytes).is_ok(),
            Abort::decode(bytes).is_ok(),
        ]
    };
    for (at, bytes) in all.iter().enumerate() {
        assert_eq!(kinds(bytes), std::array::from_fn(|kind| kind == at));
    }
}

#[test]
fn participants_are_strictly_ascending_and_within_bounds() {
    let read = |participants: &[u32]| Context::decode(&context(participants).encode());
    for bad in [&[1, 1][..], &[1, 4, 4, 9], &[4, 1], &[1, 9, 5], &[9, 5, 4, 1]] {
        assert_eq!(read(bad), Err(DecodeError::Malformed("participants must ascend")), "{bad:?}");
    }
    let most: Vec<u32> = (0..MAX_PARTICIPANTS as u32).collect();
    assert_eq!(read(&most), Ok(context(&most)));
    assert!(context(&most).encode().len() <= MAX_MESSAGE_BYTES);
    let more: Vec<u32> = (0..=MAX_PARTICIPANTS as u32).collect();
    for bad in [&[][..], &[1], &more] {
        assert_eq!(read(bad), Err(DecodeError::Malformed("number of participants")));
    }
    let mut odd = items(&context(&[1, 4]).encode());
    odd[4].extend([0, 0]);
    assert_eq!(Context::decode(&joined(&odd)), Err(DecodeError::Malformed("number of participants")));
}

#[test]
fn only_this_versions_rings_and_statement_are_read() {
    let unknown = DecodeError::Malformed("unknown ring width");
    let (context, ready) = (items(&context(&[1, 4]).encode()), items(&ready().encode()));
    for bits in [0u32, 1, 2, 32, 63, 64, 65, 128, 1 << 24, 64 << 24, u32::MAX] {
        let known = match bits {
            64 => Ok(Ring::Z64),
            1 => Ok(Ring::Gf2),
            _ => Err(unknown),
        };
        let (mut context, mut ready) = (context.clone(), ready.clone());
        (context[7], ready[11]) = (bits.to_be_bytes().to_vec(), bits.to_be_bytes().to_vec());
        assert_eq!(Context::decode(&joined(&context)).map(|context| context.ring), known, "{bits}");
        assert_eq!(Ready::decode(&joined(&ready)).map(|ready| ready.ring), known, "{bits}");
    }
    let mut weaker = items(&abort().encode());
    weaker[4] = b"never released, rarely will".to_vec();
    assert_eq!(Abort::decode(&joined(&weaker)), Err(DecodeError::Malformed("unknown statement")));
}

#[test]
fn a_signature_belongs_to_one_key_one_text_and_one_kind() {
    let (ours, theirs) = (signing_key("ours"), signing_key("theirs"));
    let signed = Signed::sign(output(), &ours);
    let (bytes, signature) = (signed.as_signed().bytes().to_vec(), *signed.as_signed().signature());
    let refused = |error| matches!(error, SecureSumError::Signature("almoner/1/out"));

    assert_eq!(signed.as_signed().verify(&ours.verifying_key()).as_deref(), Ok(&output()));
    assert!(refused(signed.as_signed().verify(&theirs.verifying_key()).expect_err("their key")));
    let mut changed = bytes.clone();
    changed[20] ^= 1;
    for (bytes, signature) in [(changed, signature), (bytes.clone(), no_signature())] {
        let claimed = Signed::<Output>::from_parts(bytes, signature).expect("short");
        assert!(refused(claimed.verify(&ours.verifying_key()).expect_err("not signed")));
    }
    // Signed by the right key, but as another kind of message.
    let other = Signed::<Ready>::from_parts(bytes, signature).expect("short");
    let refused = other.verify(&ours.verifying_key()).expect_err("another kind");
    assert_eq!(refused, SecureSumError::Malformed(DecodeError::Label("almoner/1/ready")));
}

#[test]
fn a_message_has_a_length_within_bounds() {
    assert!(Signed::<Ready>::from_parts(vec![0; MAX_MESSAGE_BYTES], no_signature()).is_ok());
    assert!(Signed::<Ready>::from_parts(vec![0; MAX_MESSAGE_BYTES + 1], no_signature()).is_err());
}

proptest! {
    #[test]
    fn every_message_survives_its_bytes(
        (hash, nonce) in (any::<[u8; 32]>(), any::<[u8; 32]>()),
        (node, attempt) in (any::<u32>(), any::<u32>()),
        (expires_at_s, ledger_size, cost) in (any::<u64>(), any::<u64>(), any::<u64>()),
        nodes in prop::collection::btree_set(any::<u32>(), 2..50),
        ring in prop::sample::select(&RINGS[..]),
    ) {
        let cost = PicoRho::new(cost);
        let ready = Ready { node: NodeId(node), attempt, nonce, expires_at_s, ledger_size, cost, spec_hash: Digest(hash), ring, ..ready() };
        prop_assert_eq!(Ready::decode(&ready.encode()), Ok(ready));
        let nodes: Vec<u32> = nodes.into_iter().collect();
        let context = Context { attempt, graph_degree: node, ready_root: Digest(hash), ring, ..context(&nodes) };
        prop_assert_eq!(Context::decode(&context.encode()), Ok(context));
    }

    /// Bytes near a message are refused or have that very encoding: nothing is read loosely.
    #[test]
    fn whatever_reads_encodes_to_the_same_bytes(
        ring in prop::sample::select(&RINGS[..]),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = Context { ring, ..context(&[1, 4, 5, 9]) }.encode();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(context) = Context::decode(&bytes) {
            prop_assert_eq!(context.encode(), bytes);
        }
    }
}
