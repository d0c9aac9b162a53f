use almoner_federation::VerifyingKey;
use ring::rand::SystemRandom;

use super::*;
use crate::Member;

const MEMBERS: [u32; 4] = [2, 5, 9, 11];

fn vector() -> serde_json::Value {
    serde_json::from_str(include_str!("../../test_vec/release.json")).expect("the vector is JSON")
}

fn key(node: u32) -> MaskKey {
    MaskKey::from_bytes(&Digest::of(format!("mask key {node}").as_bytes()).0)
}

fn roster(mask_key: impl Fn(u32) -> [u8; 32]) -> Roster {
    let signing_key = VerifyingKey::new([0; 32]);
    let members = MEMBERS.map(|node| (NodeId(node), Member { signing_key, mask_key: mask_key(node) }));
    Roster::new("test-fed".parse().expect("a name"), Digest::of(b"manifest"), signing_key, members)
        .expect("four members")
}

#[test]
fn pair_roots_are_the_known_ones_on_both_sides() {
    let vector = vector();
    let salt = pair_salt(&"test-fed".parse().expect("a name"), Digest::of(b"manifest"));
    assert_eq!(salt.to_string(), vector["pair_salt"]);
    let roster = roster(|node| key(node).public());
    let of = |node: u32| PairRoots::derive(&roster, NodeId(node), &key(node)).expect("honest keys");
    let roots = MEMBERS.map(|node| (node, of(node)));
    let with = |node: u64, peer: u64| {
        let (_, own) = roots.iter().find(|(own, _)| u64::from(*own) == node).expect("a member");
        hex::encode(own.with(NodeId(peer as u32)).expect("a peer").as_slice())
    };
    let known = vector["pair_root"].as_array().expect("a list");
    assert_eq!(known.len(), 6);
    for pair in known {
        let (low, high) = (pair["low"].as_u64().expect("number"), pair["high"].as_u64().expect("number"));
        assert_eq!(with(low, high), pair["root"]);
        assert_eq!(with(high, low), pair["root"]);
    }
    for node in MEMBERS {
        assert_eq!(hex::encode(key(node).public()), vector["mask_public"][node.to_string()]);
    }
}

/// Every X25519 public key whose shared secret is zero: the points of order 1, 2, 4 and 8 on the curve
/// and its twist, with their encodings above 2^255 - 19 (RFC 7748 section 6.1; list as in Bernstein's
/// "Curve25519" page).
const LOW_ORDER: [&str; 7] = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
];

#[test]
fn points_of_low_order_are_refused_and_their_owner_named() {
    for point in LOW_ORDER {
        let point: Digest = point.parse().expect("32 bytes");
        for top_bit in [0, 0x80] {
            let mut bytes = point.0;
            bytes[31] |= top_bit;
            let roster = roster(|node| if node == 9 { bytes } else { key(node).public() });
            let refused = PairRoots::derive(&roster, NodeId(2), &key(2)).expect_err("a zero secret");
            assert_eq!(refused, SecureSumError::node(NodeId(9), NodeFault::LowOrderKey), "{point}");
        }
    }
}

#[test]
fn only_the_owner_of_the_key_in_the_roster_derives() {
    let roster = roster(|node| key(node).public());
    let derive =
        |node: u32, key: MaskKey| PairRoots::derive(&roster, NodeId(node), &key).expect_err("not its key");
    assert_eq!(derive(2, key(5)), LocalFault::MaskKey.into());
    assert_eq!(derive(3, key(2)), SecureSumError::node(NodeId(3), NodeFault::Stranger));
}

#[test]
fn a_drawn_key_survives_its_bytes_and_shows_nothing() {
    let drawn = MaskKey::generate(&SystemRandom::new()).expect("the system has randomness");
    let again = MaskKey::from_bytes(&drawn.to_bytes());
    assert_eq!(drawn.public(), again.public());
    assert_eq!(format!("{drawn:?}"), "MaskKey");
}

#[test]
fn a_roster_is_two_to_five_thousand_members_with_keys_of_their_own() {
    let build = |members: Vec<(u32, [u8; 32])>| {
        let signing_key = VerifyingKey::new([0; 32]);
        let members =
            members.into_iter().map(|(node, mask_key)| (NodeId(node), Member { signing_key, mask_key }));
        Roster::new("f".parse().expect("a name"), Digest::of(b""), signing_key, members).map(|_| ())
    };
    let many =
        |count: u32| (0..count).map(|node| (node, Digest::of(&node.to_be_bytes()).0)).collect::<Vec<_>>();
    assert_eq!(build(many(2)), Ok(()));
    assert_eq!(build(many(5000)), Ok(()));
    for bad in
        [many(0), many(1), many(5001), vec![(1, [1; 32]), (1, [2; 32])], vec![(1, [1; 32]), (2, [1; 32])]]
    {
        assert!(matches!(build(bad), Err(SecureSumError::Local(LocalFault::Roster(_)))));
    }
}

#[test]
fn roots_with_some_peers_are_those_of_all_and_only_with_members() {
    let roster = roster(|node| key(node).public());
    let node = NodeId(5);
    let all = PairRoots::derive(&roster, node, &key(5)).expect("honest keys");
    let some =
        PairRoots::derive_with(&roster, node, &key(5), [NodeId(2), node, NodeId(11)]).expect("members");
    for peer in [2, 11].map(NodeId) {
        assert!(some.with(peer).is_some() && some.with(peer) == all.with(peer));
    }
    assert!(some.with(NodeId(9)).is_none() && some.with(node).is_none() && all.with(NodeId(9)).is_some());
    let refused = PairRoots::derive_with(&roster, node, &key(5), [NodeId(3)]).expect_err("a stranger");
    assert_eq!(refused, SecureSumError::node(NodeId(3), NodeFault::Stranger));
}
