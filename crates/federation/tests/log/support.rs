//! Keys, entries, and the other implementation's view of a tree.

use almoner_federation::merkle::{Tree, leaf_hash};
use almoner_federation::note::KeyName;
use almoner_federation::{Digest, SigningKey};
use tlog_tiles::tlog::{self, Hash, HashReader};

/// The key whose seed is 32 times `seed`.
pub fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32]).expect("any 32 bytes are a seed")
}

pub fn name(text: &str) -> KeyName {
    text.parse().expect("a key name")
}

/// Entry number `index`: of varying length, the first of them empty.
pub fn entry(index: u64) -> Vec<u8> {
    format!("entry {index};").repeat(index as usize % 7).into_bytes()
}

pub fn tree(size: u64) -> Tree {
    let mut tree = Tree::new();
    (0..size).for_each(|index| tree.push(leaf_hash(&entry(index))));
    tree
}

/// Numbers that look random and are the same at every run.
pub struct Numbers(u64);

impl Numbers {
    pub fn new(seed: u64) -> Self {
        Numbers(seed)
    }

    /// A number from 0 to `bound`, with it.
    pub fn up_to(&mut self, bound: u64) -> u64 {
        self.0 += 1;
        let Digest(bytes) = Digest::of(&self.0.to_be_bytes());
        let number = u64::from_be_bytes(*bytes.first_chunk().expect("32 bytes"));
        if bound == u64::MAX { number } else { number % (bound + 1) }
    }
}

/// All hashes of a tree as `tlog_tiles` computes and numbers them.
pub struct Oracle(Vec<Hash>);

impl Oracle {
    pub fn new(size: u64) -> Self {
        let mut oracle = Oracle(Vec::new());
        for index in 0..size {
            let hashes =
                tlog::stored_hashes(index, &entry(index), &oracle).expect("earlier hashes are there");
            oracle.0.extend(hashes);
        }
        oracle
    }

    pub fn root(&self, size: u64) -> Digest {
        Digest(tlog::tree_hash(size, self).expect("the tree is as large").0)
    }
}

impl HashReader for Oracle {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, tlog::Error> {
        Ok(indexes.iter().map(|index| self.0[*index as usize]).collect())
    }
}

pub fn theirs(proof: &[Digest]) -> Vec<Hash> {
    proof.iter().map(|digest| Hash(digest.0)).collect()
}

pub fn ours(proof: Vec<Hash>) -> Vec<Digest> {
    proof.into_iter().map(|hash| Digest(hash.0)).collect()
}
