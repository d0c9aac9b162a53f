use super::*;
use crate::keystream::{Keystream, Pads, Sign};

fn vector() -> serde_json::Value {
    serde_json::from_str(include_str!("../../test_vec/key_schedule.json")).expect("the vector is JSON")
}

fn word(text: &serde_json::Value) -> u64 {
    let digits = text.as_str().and_then(|text| text.strip_prefix("0x")).expect("a hexadecimal word");
    u64::from_str_radix(digits, 16).expect("a hexadecimal word")
}

fn bytes(text: &serde_json::Value) -> [u8; 32] {
    let digest: Digest = text.as_str().expect("text").parse().expect("32 hexadecimal bytes");
    digest.0
}

#[test]
fn seed_and_stream_are_those_of_the_reference() {
    let vector = vector();
    for (ring, known) in [(Ring::Z64, &vector), (Ring::Gf2, &vector["gf2"])] {
        let seed = mask_seed(&bytes(&vector["K"]), Digest(bytes(&vector["ctx"])), ring);
        assert_eq!(*seed, bytes(&known["seed"]));

        let mut words = vec![0; 8193];
        Pads::new(ring, [(&seed, Sign::Plus)]).apply(&mut words);
        let first: Vec<u64> = known["first4_u64_le"].as_array().expect("a list").iter().map(word).collect();
        assert_eq!(words[..4], first);
        assert_eq!(words[8192], word(&known["u64[8192]"]));
    }
}

#[test]
fn a_stream_taken_away_leaves_what_was_there() {
    let seed = Secret::new([7; 32]);
    let cells: Vec<u64> = (0..20_000).map(|k| u64::MAX - k).collect();
    let lengths = [1, 2, 8191, 8192, 8193, 16_384, 20_000];
    for (ring, length) in
        [Ring::Z64, Ring::Gf2].into_iter().flat_map(|ring| lengths.map(|length| (ring, length)))
    {
        let mut masked = cells[..length].to_vec();
        Pads::new(ring, [(&seed, Sign::Plus)]).apply(&mut masked);
        assert!(masked.iter().zip(&cells).all(|(a, b)| a != b), "a zero word is a chance of 2^-64");
        Pads::new(ring, [(&seed, Sign::Minus)]).apply(&mut masked);
        assert_eq!(masked, cells[..length]);
    }
}

#[test]
fn the_stream_by_words_is_the_stream_by_cells() {
    let seed = Secret::new([9; 32]);
    let mut cells = vec![0; 10_000];
    Pads::new(Ring::Z64, [(&seed, Sign::Plus)]).apply(&mut cells);
    let mut words = Vec::new();
    Keystream::new().words(&seed, |word| {
        words.push(word);
        (words.len() < 10_000).then_some(())
    });
    assert_eq!(words, cells);
}

#[test]
fn every_input_of_a_derivation_matters() {
    let federation = |name: &str| name.parse().expect("a name");
    let (a, b) = (Digest::of(b"a"), Digest::of(b"b"));
    assert_ne!(pair_salt(&federation("x"), a), pair_salt(&federation("y"), a));
    assert_ne!(pair_salt(&federation("x"), a), pair_salt(&federation("x"), b));

    let (k, l) = ([1; 32], [2; 32]);
    let (low, high) = (NodeId(1), NodeId(2));
    let base = pair_root(a, &k, (low, &k), (high, &l));
    for other in [
        pair_root(b, &k, (low, &k), (high, &l)),
        pair_root(a, &l, (low, &k), (high, &l)),
        pair_root(a, &k, (low, &l), (high, &l)),
        pair_root(a, &k, (low, &k), (high, &k)),
        pair_root(a, &k, (low, &k), (NodeId(3), &l)),
        pair_root(a, &k, (NodeId(0), &k), (high, &l)),
    ] {
        assert_ne!(base, other);
    }
    assert_ne!(mask_seed(&k, a, Ring::Z64), mask_seed(&k, b, Ring::Z64));
    assert_ne!(mask_seed(&k, a, Ring::Z64), mask_seed(&l, a, Ring::Z64));
    assert_ne!(mask_seed(&k, a, Ring::Z64), mask_seed(&k, a, Ring::Gf2));
}
