use almoner_federation::NodeId;

use super::*;
use crate::graph::graph_degree;
use crate::schedule::Secret;
use crate::{Context, Message, Ring};

const RINGS: [Ring; 2] = [Ring::Z64, Ring::Gf2];

fn accepted(context: &Context, node: NodeId) -> AcceptedContext {
    AcceptedContext::after_all_checks(
        context.clone(),
        context.hash(),
        node,
        Digest::of(&node.0.to_be_bytes()),
    )
}

fn context(n: u32, colluders: u32, ring: Ring) -> Context {
    Context {
        spec_hash: Digest::of(b"spec"),
        manifest_hash: Digest::of(b"manifest"),
        attempt: n,
        participants: (0..n).map(|i| NodeId(7 * i + 2)).collect(),
        ready_root: Digest::of(b"root"),
        graph_degree: graph_degree(n, colluders),
        ring,
    }
}

/// Pair roots as both sides would agree on them, without 45,000 curve operations.
fn roots(context: &Context, node: NodeId) -> PairRoots {
    PairRoots::fabricated(
        node,
        context.manifest_hash,
        context.participants.iter().filter(|peer| **peer != node).map(|peer| {
            let (low, high) = (node.min(*peer), node.max(*peer));
            (*peer, Secret::new(Digest::of(format!("{low} {high}").as_bytes()).0))
        }),
    )
}

fn noisy(node: NodeId) -> Vec<i64> {
    let extreme = [i64::MIN, i64::MAX, -1, 0];
    (0..40).map(|k| extreme[k % 4].wrapping_mul(i64::from(node.0)).wrapping_add(k as i64)).collect()
}

fn masked(context: &Context, node: NodeId) -> Masked {
    mask(&noisy(node), &accepted(context, node), &roots(context, node)).expect("its own roots")
}

#[test]
fn masks_cancel_in_the_complete_graph_and_in_the_ring() {
    let graphs =
        [(2, 0), (3, 1), (20, 6), (128, 40), (129, 43), (130, 43), (200, 66), (256, 100), (300, 100)];
    for (ring, (n, colluders)) in RINGS.into_iter().flat_map(|ring| graphs.map(|graph| (ring, graph))) {
        let context = context(n, colluders, ring);
        let (mut sum, mut expected) = (vec![0u64; 40], vec![0u64; 40]);
        for node in &context.participants {
            let cells = noisy(*node);
            let masked = masked(&context, *node);
            let cells: Vec<u64> = cells.into_iter().map(i64::cast_unsigned).collect();
            assert!(masked.cells().iter().zip(&cells).all(|(y, v)| y != v), "an unmasked cell: chance 2^-64");
            ring.combine(&mut sum, masked.cells());
            ring.combine(&mut expected, &cells);
        }
        assert_eq!(sum, expected, "{n} participants in {ring:?}");
    }
}

#[test]
fn the_two_rings_share_no_mask() {
    // The token is forged to hold one hash for both, so that nothing but the ring differs.
    let pads = RINGS.map(|ring| {
        let context = context(2, 0, ring);
        let node = context.participants[0];
        let token = AcceptedContext::after_all_checks(
            context.clone(),
            Digest::of(b"one hash"),
            node,
            Digest::of(b"READY"),
        );
        mask(&[0; 1000], &token, &roots(&context, node)).expect("its own roots")
    });
    assert!(pads[0].cells().iter().zip(pads[1].cells()).all(|(a, b)| a != b), "a word in common: 2^-54");
}

/// Four ones combine to 4 or to 0. A uniform word is below 2^32 with a probability of 2^-32; there are 160
/// words, so the false-alarm rate is below 2^-24.
#[test]
fn views_that_differ_in_the_ring_alone_give_uniform_words() {
    for (ours, theirs) in [(Ring::Z64, Ring::Gf2), (Ring::Gf2, Ring::Z64)] {
        let (shown, other) = (context(4, 1, ours), context(4, 1, theirs));
        assert_eq!(Context { ring: ours, ..other.clone() }, shown);
        let vectors: Vec<Masked> = shown
            .participants
            .iter()
            .map(|node| {
                let context = if *node == shown.participants[1] { &other } else { &shown };
                mask(&[1; 40], &accepted(context, *node), &roots(context, *node)).expect("its own roots")
            })
            .collect();
        for ring in RINGS {
            let mut sum = vec![0u64; 40];
            vectors.iter().for_each(|masked| ring.combine(&mut sum, masked.cells()));
            assert!(sum.iter().all(|word| *word >> 32 != 0), "combined in {ring:?}");
        }
    }
}

#[test]
fn the_same_cells_give_the_same_bytes() {
    let context = context(5, 1, Ring::Z64);
    let node = context.participants[2];
    let (once, twice) = (masked(&context, node), masked(&context, node));
    assert_eq!(once.to_le_bytes(), twice.to_le_bytes());
    assert_eq!(Masked::from_le_bytes(&once.to_le_bytes()).as_ref(), Ok(&once));
    assert_eq!(once.hash(), Digest::of(&once.to_le_bytes()));
}

#[test]
fn roots_of_another_node_manifest_or_roster_mask_nothing() {
    let context = context(4, 1, Ring::Z64);
    let (node, other) = (context.participants[0], context.participants[1]);
    let refused =
        |roots: &PairRoots| mask(&[1], &accepted(&context, node), roots).expect_err("not its roots");
    assert_eq!(refused(&roots(&context, other)), LocalFault::PairRoots.into());
    let elsewhere = Context { manifest_hash: Digest::of(b"other"), ..context.clone() };
    assert_eq!(refused(&roots(&elsewhere, node)), LocalFault::PairRoots.into());
    let without_one = PairRoots::fabricated(
        node,
        context.manifest_hash,
        context.participants[2..].iter().map(|peer| (*peer, Secret::new([7; 32]))),
    );
    assert_eq!(refused(&without_one), LocalFault::PairRoots.into(), "no vector lacks a mask");
    let fewer = Context { participants: context.participants[..3].to_vec(), ..context.clone() };
    assert_eq!(refused(&roots(&fewer, node)), LocalFault::PairRoots.into());
}

#[test]
fn vectors_have_a_length_within_bounds() {
    let context = context(2, 0, Ring::Z64);
    let node = context.participants[0];
    let long = vec![0i64; MAX_CELLS + 1];
    for cells in [&long[..0], &long] {
        let refused = mask(cells, &accepted(&context, node), &roots(&context, node)).expect_err("length");
        assert_eq!(refused, LocalFault::VectorLength.into());
    }
    assert!(Masked::from_cells(vec![]).is_err());
    assert!(Masked::from_cells(vec![0; MAX_CELLS]).is_ok());
    assert!(Masked::from_cells(vec![0; MAX_CELLS + 1]).is_err());
    for bytes in [0, 7, 9, 8 * MAX_CELLS + 8] {
        let refused = Masked::from_le_bytes(&vec![0; bytes]).expect_err("no whole cells within bounds");
        assert!(matches!(refused, SecureSumError::Malformed(_)));
    }
}
