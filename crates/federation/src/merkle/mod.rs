//! Merkle trees of RFC 9162, section 2.1: over the READYs of one release and over a ledger's entries.
//!
//! A proof binds leaves to a root, not to a number of leaves: a verifier takes size and root together
//! from one signed statement, as [`crate::checkpoint`] makes them.

mod consistency;
mod frontier;
mod inclusion;
mod tree;

use ring::digest::{Context, SHA256};

use crate::Digest;

pub use consistency::verify_consistency;
pub use frontier::Frontier;
pub use inclusion::{inclusion_proof, verify_inclusion};
pub use tree::Tree;

/// `SHA-256(0x00 || entry)`: the hash of one leaf.
pub fn leaf_hash(entry: &[u8]) -> Digest {
    hash(0, &[entry])
}

/// `SHA-256(0x01 || left || right)`: the hash of two subtrees side by side.
pub fn node_hash(left: &Digest, right: &Digest) -> Digest {
    hash(1, &[&left.0, &right.0])
}

fn hash(prefix: u8, parts: &[&[u8]]) -> Digest {
    let mut context = Context::new(&SHA256);
    context.update(&[prefix]);
    for part in parts {
        context.update(part);
    }
    Digest(context.finish().as_ref().try_into().expect("SHA-256 gives 32 bytes"))
}

/// The Merkle tree hash of `leaves`, each already a [`leaf_hash`].
pub fn root(leaves: &[Digest]) -> Digest {
    let mut tree = Frontier::new();
    leaves.iter().for_each(|leaf| tree.push(*leaf));
    tree.root()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves(n: u8) -> Vec<Digest> {
        (0..n).map(|i| leaf_hash(&[i])).collect()
    }

    /// The definition of RFC 9162, 2.1.1, word for word.
    fn defined_root(leaves: &[Digest]) -> Digest {
        match leaves {
            [] => Digest::of(&[]),
            [one] => *one,
            many => {
                let k = many.len().next_power_of_two() / 2;
                node_hash(&defined_root(&many[..k]), &defined_root(&many[k..]))
            }
        }
    }

    #[test]
    fn the_root_is_the_defined_one_at_every_size() {
        for n in 0..70 {
            assert_eq!(root(&leaves(n)), defined_root(&leaves(n)), "size {n}");
        }
        // Values of the RFC 6962/9162 reference implementations for the empty tree and one empty leaf.
        assert_eq!(root(&[]).to_string(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_eq!(
            leaf_hash(b"").to_string(),
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
        );
    }

    #[test]
    fn a_proof_shows_its_own_leaf_and_no_other() {
        for n in 1..34u8 {
            let all = leaves(n);
            let top = root(&all);
            for index in 0..n as usize {
                let proof = inclusion_proof(&all, index).expect("the leaf exists");
                for claimed in 0..n as usize {
                    for (leaf_index, leaf) in all.iter().enumerate() {
                        let shown = verify_inclusion(*leaf, claimed as u64, n as u64, &proof, top);
                        assert_eq!(
                            shown,
                            claimed == index && leaf_index == index,
                            "{index} {claimed} {leaf_index} of {n}"
                        );
                    }
                }
                let longer = [proof.as_slice(), &[top]].concat();
                assert!(!verify_inclusion(all[index], index as u64, n as u64, &longer, top));
            }
            assert_eq!(inclusion_proof(&all, n as usize), None);
        }
    }
}
