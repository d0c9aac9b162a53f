use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::*;
use crate::Ring;

fn vector() -> serde_json::Value {
    serde_json::from_str(include_str!("../../test_vec/release.json")).expect("the vector is JSON")
}

fn context(participants: Vec<NodeId>, graph_degree: u32) -> Context {
    Context {
        spec_hash: Digest::of(b"spec"),
        manifest_hash: Digest::of(b"manifest"),
        attempt: 1,
        participants,
        ready_root: Digest::of(b"root"),
        graph_degree,
        ring: Ring::Z64,
    }
}

fn nodes(n: u32) -> Vec<NodeId> {
    (0..n).map(|i| NodeId(3 * i + 1)).collect()
}

/// Every node's neighbours, from the public order alone.
fn adjacency(context: &Context, ctx_hash: Digest) -> BTreeMap<NodeId, Vec<NodeId>> {
    context.participants.iter().map(|node| (*node, neighbours(context, ctx_hash, *node))).collect()
}

/// How many of `members` can be reached from the first of them without leaving them.
fn reached(adjacency: &BTreeMap<NodeId, Vec<NodeId>>, members: &BTreeSet<NodeId>) -> usize {
    let mut queue: VecDeque<NodeId> = members.iter().take(1).copied().collect();
    let mut seen: BTreeSet<NodeId> = queue.iter().copied().collect();
    while let Some(node) = queue.pop_front() {
        for next in &adjacency[&node] {
            if members.contains(next) && seen.insert(*next) {
                queue.push_back(*next);
            }
        }
    }
    seen.len()
}

#[test]
fn degrees_are_those_of_exact_arithmetic() {
    for row in vector()["degree"].as_array().expect("a list") {
        let number = |at: usize| row[at].as_u64().expect("a number") as u32;
        assert_eq!(graph_degree(number(0), number(1)), number(2), "{row}");
    }
    assert_eq!(graph_degree(0, 0), 0);
    assert_eq!(graph_degree(1, 0), 0);
}

#[test]
fn the_degree_is_the_least_that_meets_the_bound() {
    for (n, t) in
        [(200, 100), (300, 150), (1000, 500), (3000, 1500), (3000, 1000), (5000, 2500), (5000, 3000)]
    {
        let degree = graph_degree(n, t);
        // For display arithmetic is enough here: the bound moves by t/n per unit of degree.
        let log2_failure = |k: u32| {
            (f64::from(n) * f64::from(n - 1) / 2.0).log2()
                + f64::from(k) * (f64::from(t) / f64::from(n)).log2()
        };
        assert!(degree.is_multiple_of(2) && degree >= LEAST_DEGREE);
        assert!(log2_failure(degree) <= -119.999, "{n} {t}");
        assert!(degree == LEAST_DEGREE || log2_failure(degree - 2) > -120.001, "{n} {t}");
    }
}

#[test]
fn the_order_of_the_ring_is_the_known_one() {
    let ring = &vector()["ring"];
    let ctx_hash = Digest::of(b"ring");
    assert_eq!(ctx_hash.to_string(), ring["ctx_hash"]);
    assert_eq!(hex::encode(schedule::graph_seed(ctx_hash).as_slice()), ring["seed"]);
    let order: Vec<u64> = shuffled(&nodes(130), ctx_hash).iter().map(|node| u64::from(node.0)).collect();
    let known: Vec<u64> = ring["order"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|node| node.as_u64().expect("a number"))
        .collect();
    assert_eq!(order, known);
}

#[test]
fn up_to_128_everybody_is_everybodys_neighbour() {
    for n in [2, 3, 5, 127, 128] {
        let context = context(nodes(n), graph_degree(n, n / 3));
        for (node, others) in adjacency(&context, Digest::of(b"any")) {
            let expected: Vec<NodeId> = nodes(n).into_iter().filter(|other| *other != node).collect();
            assert_eq!(others, expected);
        }
    }
}

#[test]
fn the_ring_is_symmetric_regular_and_connected() {
    for n in [129, 130, 150, 199, 200, 257, 300] {
        let degree = graph_degree(n, n / 3);
        assert!(degree < n - 1, "a real ring, not the complete graph");
        let context = context(nodes(n), degree);
        let adjacency = adjacency(&context, Digest::of(&n.to_be_bytes()));
        for (node, others) in &adjacency {
            let distinct: BTreeSet<NodeId> = others.iter().copied().collect();
            assert_eq!((others.len(), distinct.len()), (degree as usize, degree as usize));
            assert!(!distinct.contains(node));
            assert!(others.iter().all(|other| adjacency[other].contains(node)), "{n}: {node}");
        }
        let all: BTreeSet<NodeId> = nodes(n).into_iter().collect();
        assert_eq!(reached(&adjacency, &all), n as usize);
    }
}

/// Whoever the third of colluders are, the honest rest stays connected. 60 draws of them; with C(300,2)
/// (1/3)^96 < 2^-136 a draw, the false-alarm rate is below 2^-130.
#[test]
fn honest_nodes_stay_connected_without_the_colluders() {
    let n = 300;
    let context = context(nodes(n), graph_degree(n, n / 3));
    for draw in 0..60u32 {
        let adjacency = adjacency(&context, Digest::of(&draw.to_be_bytes()));
        let corrupt: BTreeSet<NodeId> = shuffled(&nodes(n), Digest::of(format!("corrupt {draw}").as_bytes()))
            .into_iter()
            .take(n as usize / 3)
            .collect();
        let honest: BTreeSet<NodeId> = nodes(n).into_iter().filter(|node| !corrupt.contains(node)).collect();
        assert_eq!(reached(&adjacency, &honest), honest.len(), "draw {draw}");
    }
}

/// Fisher-Yates gives every node every place equally often. 6,000 orders of 6 nodes: each of the 36
/// counts is binomial with mean 1000, and by Hoeffding's inequality is off by 233 or more with a
/// probability of at most 2 exp(-2 * 233^2 / 6000) < 2.77e-8; all together below 1e-6.
#[test]
fn every_place_of_the_ring_is_equally_likely() {
    let ids = nodes(6);
    let mut counts = [[0u32; 6]; 6];
    for draw in 0..6_000u32 {
        for (place, node) in shuffled(&ids, Digest::of(&draw.to_be_bytes())).into_iter().enumerate() {
            counts[place][ids.binary_search(&node).expect("a participant")] += 1;
        }
    }
    assert!(counts.as_flattened().iter().all(|count| count.abs_diff(1000) < 233), "{counts:?}");
}

#[test]
fn another_context_lines_the_ring_up_differently_and_strangers_have_no_place() {
    let ids = nodes(300);
    assert_ne!(shuffled(&ids, Digest::of(b"a")), shuffled(&ids, Digest::of(b"b")));
    let context = context(ids, 96);
    assert!(neighbours(&context, Digest::of(b"a"), NodeId(2)).is_empty());
}
