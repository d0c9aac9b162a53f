//! A sealed vector opens under its own key and attempt and nowhere else.

use super::*;

fn about() -> About {
    About { query: QueryId([1; 16]), attempt: 2, spec_hash: Digest([3; 32]) }
}

#[test]
fn a_vector_opens_only_under_its_key_query_attempt_and_question() {
    let (seal, cells) = (Seal::new(&[7; 32]), [i64::MIN, -1, 0, 1, i64::MAX]);
    let sealed = seal.seal(&about(), &cells).expect("random bytes");
    let open = |seal: &Seal, about: About| seal.open(&about, sealed.clone());
    assert_eq!(open(&seal, about()).expect("its own").as_slice(), cells);
    assert_eq!(open(&Seal::new(&[7; 32]), about()).expect("after a restart").as_slice(), cells);
    assert!(open(&Seal::new(&[8; 32]), about()).is_none());
    assert!(open(&seal, About { query: QueryId([0; 16]), ..about() }).is_none());
    assert!(open(&seal, About { attempt: 3, ..about() }).is_none());
    assert!(open(&seal, About { spec_hash: Digest([0; 32]), ..about() }).is_none());
    for bit in 0..sealed.len() * 8 {
        let mut changed = sealed.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(seal.open(&about(), changed).is_none(), "bit {bit}");
    }
    for cut in 0..sealed.len() {
        assert!(seal.open(&about(), sealed[..cut].to_vec()).is_none(), "{cut} bytes");
    }
}

#[test]
fn the_same_vector_is_never_sealed_to_the_same_bytes() {
    let seal = Seal::new(&[7; 32]);
    let sealed = || seal.seal(&about(), &[1, 2, 3]).expect("random bytes");
    let (one, other) = (sealed(), sealed());
    assert_ne!(one[..NONCE_LEN], other[..NONCE_LEN]);
    assert_ne!(one[NONCE_LEN..], other[NONCE_LEN..]);
}

#[test]
fn a_tag_belongs_to_one_head_or_one_row() {
    let seal = Seal::new(&[7; 32]);
    let head = Position { size: 5, root: Digest([1; 32]) };
    let tag = seal.tag_head(head);
    assert!(seal.is_head(head, &tag));
    assert!(!seal.is_head(Position { size: 6, ..head }, &tag));
    assert!(!seal.is_head(Position { root: Digest([2; 32]), ..head }, &tag));
    assert!(!Seal::new(&[8; 32]).is_head(head, &tag));

    let row =
        |reserved_by, ready: &'static [u8], signature: &'static [u8]| Row { reserved_by, ready, signature };
    let tag = seal.tag_row(&row(1, b"ready", b"signature"));
    assert!(seal.is_row(&row(1, b"ready", b"signature"), &tag));
    for other in
        [row(2, b"ready", b"signature"), row(1, b"read", b"ysignature"), row(1, b"ready", b"signaturE")]
    {
        assert!(!seal.is_row(&other, &tag));
    }
}
