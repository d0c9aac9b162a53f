//! That a tree only grew: RFC 9162, section 2.1.4.

use super::node_hash;
use crate::Digest;

/// Whether `proof` shows that the tree of `new_size` leaves with hash `new_root` begins with the tree of
/// `old_size` leaves with hash `old_root` (RFC 9162, 2.1.4.2).
///
/// The empty tree, whose hash is SHA-256 of nothing, begins every tree, and every tree begins itself;
/// the proof of either is empty.
pub fn verify_consistency(
    old_size: u64,
    old_root: Digest,
    new_size: u64,
    new_root: Digest,
    proof: &[Digest],
) -> bool {
    let empty = Digest::of(&[]);
    if old_size > new_size || (new_size == 0 && new_root != empty) {
        return false;
    }
    if old_size == 0 {
        return proof.is_empty() && old_root == empty;
    }
    if old_size == new_size {
        return proof.is_empty() && old_root == new_root;
    }
    // An old tree of a power of two leaves is itself a subtree of the new one, and not sent again.
    let (first, rest) = match proof.split_first() {
        None => return false,
        Some(_) if old_size.is_power_of_two() => (old_root, proof),
        Some((first, rest)) => (*first, rest),
    };
    // `at` and `last` are the places, on the level reached, of the old tree's last subtree and of the
    // new tree's. The largest subtree that ends with the old tree is where the proof begins.
    let skip = (old_size - 1).trailing_ones();
    let (mut at, mut last) = ((old_size - 1) >> skip, (new_size - 1) >> skip);
    let (mut old, mut new) = (first, first);
    for sibling in rest {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            old = node_hash(sibling, &old);
            new = node_hash(sibling, &new);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            new = node_hash(&new, sibling);
        }
        at >>= 1;
        last >>= 1;
    }
    last == 0 && old == old_root && new == new_root
}
