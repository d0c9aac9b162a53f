//! Which participants share a mask. Everybody with everybody up to 128; above, a ring in an order
//! drawn from the context, each node with its nearest neighbours on both sides. What the masks hide is
//! safe while the honest nodes stay connected.

use almoner_federation::{Digest, NodeId};
use dashu::integer::UBig;

use crate::keystream::Keystream;
use crate::{Context, schedule};

/// Most participants of a complete graph.
const COMPLETE_UP_TO: u32 = 128;

/// The least degree of a ring graph.
const LEAST_DEGREE: u32 = 96;

/// The wanted failure probability is 2^-40 after a coordinator tried 2^80 choices of the participants.
const BITS: usize = 120;

/// Neighbours of every node in the mask graph of `participants` nodes of which `colluders` may be corrupt.
///
/// Complete (`participants - 1`) up to 128. Above, the smallest even `k >= 96` with
/// `C(n,2) (t/n)^k <= 2^-120`: the honest nodes of the ring come apart only where two disjoint runs of
/// `k/2` corrupt nodes stand, there are at most `C(n,2)` places for them, and each run pair has at
/// most the probability `(t/n)^k` (PROTOCOL A.5). When no such `k` is below `participants - 1`, the
/// graph is complete. The arithmetic is exact, so that all parties find the same number.
pub fn graph_degree(participants: u32, colluders: u32) -> u32 {
    let (n, t) = (participants, colluders);
    let complete = n.saturating_sub(1);
    if n <= COMPLETE_UP_TO || t >= n {
        return complete;
    }
    let power = |base: u32| UBig::from(base).pow(LEAST_DEGREE as usize);
    let (mut bad, mut all) =
        ((UBig::from(n) * UBig::from(n - 1) / UBig::from(2u8) * power(t)) << BITS, power(n));
    let (t, n) = (UBig::from(t), UBig::from(n));
    let (t_squared, n_squared) = (&t * &t, &n * &n);
    let mut degree = LEAST_DEGREE;
    while degree < complete && bad > all {
        bad *= &t_squared;
        all *= &n_squared;
        degree += 2;
    }
    degree.min(complete)
}

/// The neighbours of `node` in the graph of `context`, whose hash is `ctx_hash`; each once, in any
/// order. None when `node` does not participate.
pub(crate) fn neighbours(context: &Context, ctx_hash: Digest, node: NodeId) -> Vec<NodeId> {
    let n = context.participants.len();
    let degree = context.graph_degree as usize;
    if context.index_of(node).is_none() {
        return Vec::new();
    }
    if degree + 1 >= n {
        return context.participants.iter().copied().filter(|other| *other != node).collect();
    }
    let ring = shuffled(&context.participants, ctx_hash);
    let at = ring.iter().position(|other| *other == node).expect("a shuffle keeps every participant");
    (1..=degree / 2).flat_map(|step| [ring[(at + step) % n], ring[(at + n - step) % n]]).collect()
}

/// The participants in the order of the ring: Fisher-Yates from the last place down, each place drawn
/// without bias from the key stream of the graph's seed (a word is skipped when it lies in the last,
/// incomplete run of multiples).
fn shuffled(participants: &[NodeId], ctx_hash: Digest) -> Vec<NodeId> {
    let mut ring = participants.to_vec();
    let mut place = ring.len().saturating_sub(1);
    Keystream::new().words(&schedule::graph_seed(ctx_hash), |word| {
        if place == 0 {
            return None;
        }
        let choices = place as u64 + 1;
        if word < u64::MAX - u64::MAX % choices {
            ring.swap(place, (word % choices) as usize);
            place -= 1;
        }
        Some(())
    });
    ring
}

#[cfg(test)]
mod tests;
