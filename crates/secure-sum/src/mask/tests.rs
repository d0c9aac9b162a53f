use almoner_federation::NodeId;

use super::*;
use crate::graph::graph_degree;
use crate::schedule::Secret;
use crate::{Context, Message};

fn accepted(context: &Context, node: NodeId) -> AcceptedContext {
    AcceptedContext::after_all_checks(
        context.clone(),
        context.hash(),
        node,
        Digest::of(&node.0.to_be_bytes()),
    )
}

fn context(n: u32, colluders: u32) -> Context {
    Context {
        spec_hash: Digest::of(b"spec"),
        manifest_hash: Digest::of(b"manifest"),
        attempt: n,
        participants: (0..n).map(|i| NodeId(7 * i + 2)).collect(),
        ready_root: Digest::of(b"root"),
        graph_degree: graph_degree(n, colluders),
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

#[test]
fn masks_cancel_in_the_complete_graph_and_in_the_ring() {
    for (n, colluders) in
        [(2, 0), (3, 1), (20, 6), (128, 40), (129, 43), (130, 43), (200, 66), (256, 100), (300, 100)]
    {
        let context = context(n, colluders);
        let (mut sum, mut expected) = (vec![0u64; 40], vec![0u64; 40]);
        for node in &context.participants {
            let cells = noisy(*node);
            let masked =
                mask(&cells, &accepted(&context, *node), &roots(&context, *node)).expect("its own roots");
            for (k, cell) in masked.cells().iter().enumerate() {
                assert_ne!(*cell, cells[k].cast_unsigned(), "an unmasked cell is a chance of 2^-64");
                sum[k] = sum[k].wrapping_add(*cell);
                expected[k] = expected[k].wrapping_add(cells[k].cast_unsigned());
            }
        }
        assert_eq!(sum, expected, "{n} participants");
    }
}

#[test]
fn the_same_cells_give_the_same_bytes() {
    let context = context(5, 1);
    let node = context.participants[2];
    let once = mask(&noisy(node), &accepted(&context, node), &roots(&context, node)).expect("its own roots");
    let twice = mask(&noisy(node), &accepted(&context, node), &roots(&context, node)).expect("its own roots");
    assert_eq!(once.to_le_bytes(), twice.to_le_bytes());
    assert_eq!(Masked::from_le_bytes(&once.to_le_bytes()).as_ref(), Ok(&once));
    assert_eq!(once.hash(), Digest::of(&once.to_le_bytes()));
}

#[test]
fn roots_of_another_node_manifest_or_roster_mask_nothing() {
    let context = context(4, 1);
    let (node, other) = (context.participants[0], context.participants[1]);
    let refused =
        |roots: &PairRoots| mask(&[1], &accepted(&context, node), roots).expect_err("not its roots");
    assert_eq!(refused(&roots(&context, other)), LocalFault::PairRoots.into());
    let elsewhere = Context { manifest_hash: Digest::of(b"other"), ..context.clone() };
    assert_eq!(refused(&roots(&elsewhere, node)), LocalFault::PairRoots.into());
    let fewer = Context { participants: context.participants[..3].to_vec(), ..context.clone() };
    assert_eq!(refused(&roots(&fewer, node)), LocalFault::PairRoots.into());
}

#[test]
fn vectors_have_a_length_within_bounds() {
    let context = context(2, 0);
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
