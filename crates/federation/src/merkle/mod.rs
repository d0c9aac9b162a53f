//! Merkle trees of RFC 9162, section 2.1: over the READYs of one release and over a ledger's entries.

use ring::digest::{Context, SHA256};

use crate::Digest;

/// `SHA-256(0x00 || entry)`: the hash of one leaf.
pub fn leaf_hash(entry: &[u8]) -> Digest {
    hash(0, &[entry])
}

fn node_hash(left: &Digest, right: &Digest) -> Digest {
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

/// An append-only tree that remembers only its frontier: the roots of the perfect subtrees that its
/// size is made of, largest first. Appending costs amortised one hash, whatever the size.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    peaks: Vec<Digest>,
}

impl Frontier {
    /// The empty tree.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a leaf by its [`leaf_hash`].
    pub fn push(&mut self, leaf: Digest) {
        let mut peak = leaf;
        // Each trailing one bit of the size is a perfect subtree as large as the one just completed.
        for _ in 0..self.size.trailing_ones() {
            let left = self.peaks.pop().expect("one peak for every one bit of the size");
            peak = node_hash(&left, &peak);
        }
        self.peaks.push(peak);
        self.size += 1;
    }

    /// How many leaves were appended.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The Merkle tree hash of all leaves; SHA-256 of nothing for the empty tree.
    pub fn root(&self) -> Digest {
        let mut peaks = self.peaks.iter().rev();
        match peaks.next() {
            None => Digest::of(&[]),
            Some(last) => peaks.fold(*last, |right, left| node_hash(left, &right)),
        }
    }
}

/// The Merkle tree hash of `leaves`, each already a [`leaf_hash`].
pub fn root(leaves: &[Digest]) -> Digest {
    let mut tree = Frontier::new();
    leaves.iter().for_each(|leaf| tree.push(*leaf));
    tree.root()
}

/// The audit path of leaf `index` among `leaves`, nearest sibling first (RFC 9162, 2.1.3.1);
/// `None` when there is no such leaf.
pub fn inclusion_proof(leaves: &[Digest], index: usize) -> Option<Vec<Digest>> {
    if index >= leaves.len() {
        return None;
    }
    let mut proof = Vec::new();
    let (mut leaves, mut index) = (leaves, index);
    while leaves.len() > 1 {
        let split = leaves.len().next_power_of_two() / 2;
        let (left, right) = leaves.split_at(split);
        if index < split {
            proof.push(root(right));
            leaves = left;
        } else {
            proof.push(root(left));
            leaves = right;
            index -= split;
        }
    }
    proof.reverse();
    Some(proof)
}

/// Whether `proof` shows that `leaf` stands at `index` in the tree of `size` leaves with hash `root`
/// (RFC 9162, 2.1.3.2).
pub fn verify_inclusion(leaf: Digest, index: u64, size: u64, proof: &[Digest], root: Digest) -> bool {
    if index >= size {
        return false;
    }
    let (mut at, mut last, mut hash) = (index, size - 1, leaf);
    for sibling in proof {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            hash = node_hash(sibling, &hash);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        at >>= 1;
        last >>= 1;
    }
    last == 0 && hash == root
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
