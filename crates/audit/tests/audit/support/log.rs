//! A log in memory, and the notes that its owner signs of it.

use almoner_federation::checkpoint::{Checkpoint, SignedCheckpoint};
use almoner_federation::merkle::{Tree, leaf_hash};
use almoner_federation::note::KeyName;
use almoner_federation::{Digest, SigningKey};
use almoner_ledger::Position;

/// Entries with their tree and the key that signs it.
pub struct Log {
    pub origin: KeyName,
    pub key: SigningKey,
    pub entries: Vec<Vec<u8>>,
    pub tree: Tree,
}

impl Log {
    pub fn new(origin: KeyName, key: SigningKey) -> Self {
        Log { origin, key, entries: Vec::new(), tree: Tree::new() }
    }

    pub fn push(&mut self, bytes: Vec<u8>) -> Position {
        self.tree.push(leaf_hash(&bytes));
        self.entries.push(bytes);
        self.position()
    }

    pub fn position(&self) -> Position {
        Position { size: self.tree.size(), root: self.tree.root() }
    }

    /// The checkpoint of the first `size` entries as they are now.
    pub fn note(&self, size: u64) -> SignedCheckpoint {
        let mut tree = Tree::new();
        self.entries.iter().for_each(|entry| tree.push(leaf_hash(entry)));
        self.signed(size, tree.root_at(size).expect("so many entries"))
    }

    pub fn signed(&self, size: u64, root: Digest) -> SignedCheckpoint {
        Checkpoint { origin: self.origin.clone(), size, root }.sign(&self.key).expect("signs")
    }
}
