//! A tree that answers for all its past: roots and proofs at every size it ever had.

use super::node_hash;
use crate::Digest;

/// An append-only tree that keeps the hashes of all its complete subtrees: less than two digests a leaf,
/// 64 bytes, and up to twice that while a vector has just grown. Appending costs amortised one hash;
/// a root or a proof costs at most 64.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree {
    /// `levels[k][i]` is the hash of leaves `[i * 2^k, (i + 1) * 2^k)`; level k has `size >> k` of them.
    levels: Vec<Vec<Digest>>,
}

impl Tree {
    /// The empty tree.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a leaf by its [`leaf_hash`](super::leaf_hash).
    pub fn push(&mut self, leaf: Digest) {
        let mut hash = leaf;
        for level in 0.. {
            if level == self.levels.len() {
                self.levels.push(Vec::new());
            }
            let row = &mut self.levels[level];
            row.push(hash);
            // Two neighbours, the left one at an even place, complete a subtree one level up.
            match row.as_slice() {
                [.., left, right] if row.len().is_multiple_of(2) => hash = node_hash(left, right),
                _ => return,
            }
        }
    }

    /// Takes back all leaves from number `size` on, for a writer whose transaction failed. Does nothing
    /// to a tree that has no more than `size` leaves.
    pub fn truncate(&mut self, size: u64) {
        for (level, row) in self.levels.iter_mut().enumerate() {
            row.truncate(usize::try_from(size >> level).unwrap_or(usize::MAX));
        }
        self.levels.retain(|row| !row.is_empty());
    }

    /// How many leaves were appended.
    pub fn size(&self) -> u64 {
        self.levels.first().map_or(0, |leaves| leaves.len() as u64)
    }

    /// The Merkle tree hash of all leaves; SHA-256 of nothing for the empty tree.
    pub fn root(&self) -> Digest {
        self.hash_of(0, self.size())
    }

    /// The Merkle tree hash of the first `size` leaves; `None` when there are fewer.
    pub fn root_at(&self, size: u64) -> Option<Digest> {
        (size <= self.size()).then(|| self.hash_of(0, size))
    }

    /// The hash of the complete subtree over leaves `[index * 2^level, (index + 1) * 2^level)`; `None`
    /// when not all of them were appended.
    pub fn subtree(&self, level: u32, index: u64) -> Option<Digest> {
        self.levels.get(level as usize)?.get(usize::try_from(index).ok()?).copied()
    }

    /// The audit path of leaf `index` in the tree of the first `size` leaves, nearest sibling first
    /// (RFC 9162, 2.1.3.1); `None` when there are not so many leaves, or `index` is not among them.
    pub fn inclusion_proof(&self, index: u64, size: u64) -> Option<Vec<Digest>> {
        if index >= size || size > self.size() {
            return None;
        }
        let mut proof = Vec::new();
        let (mut begin, mut end) = (0, size);
        while end - begin > 1 {
            let split = split(begin, end);
            if index < split {
                proof.push(self.hash_of(split, end));
                end = split;
            } else {
                proof.push(self.hash_of(begin, split));
                begin = split;
            }
        }
        proof.reverse();
        Some(proof)
    }

    /// The proof that the tree of the first `new` leaves begins with the tree of the first `old`
    /// (RFC 9162, 2.1.4.1), empty when one of them is empty or both are the same; `None` when `old`
    /// is larger than `new` or there are fewer than `new` leaves.
    pub fn consistency_proof(&self, old: u64, new: u64) -> Option<Vec<Digest>> {
        if old > new || new > self.size() {
            return None;
        }
        let mut proof = Vec::new();
        if old == 0 {
            return Some(proof);
        }
        let (mut begin, mut end) = (0, new);
        while old != end {
            let split = split(begin, end);
            if old <= split {
                proof.push(self.hash_of(split, end));
                end = split;
            } else {
                proof.push(self.hash_of(begin, split));
                begin = split;
            }
        }
        // The verifier already has the hash of the old tree itself.
        if begin > 0 {
            proof.push(self.hash_of(begin, end));
        }
        proof.reverse();
        Some(proof)
    }

    /// The Merkle tree hash of leaves `[begin, end)`, all of them appended, where `begin` is a multiple
    /// of every power of two that is not larger than `end - begin`.
    fn hash_of(&self, begin: u64, end: u64) -> Digest {
        let mut right = None;
        let mut rest = end;
        while rest > begin {
            let level = (rest - begin).trailing_zeros();
            let left = self.subtree(level, (rest >> level) - 1).expect("the leaves were appended");
            right = Some(right.map_or(left, |right| node_hash(&left, &right)));
            rest -= 1 << level;
        }
        right.unwrap_or_else(|| Digest::of(&[]))
    }
}

/// Where RFC 9162 splits leaves `[begin, end)`, two or more: the left side is the largest power of two
/// smaller than their number.
fn split(begin: u64, end: u64) -> u64 {
    begin + (1 << (end - begin - 1).ilog2())
}
