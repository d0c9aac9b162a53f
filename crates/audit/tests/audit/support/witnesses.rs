//! Checkpoints that others cosign.

use almoner_federation::Digest;
use almoner_federation::checkpoint::SignedCheckpoint;
use almoner_ledger::Position;

use super::lie::Lie;
use super::world::World;

impl World {
    /// A cosigned note of a ledger that holds the charge.
    pub(super) fn witnessed(&mut self, node: usize, round: u64, position: Position) -> String {
        let mut wanted = self.nodes.len() - 1;
        let mut at = position;
        let mut signer = node;
        if self.lies(node, round, Lie::Unwitnessed) {
            wanted = 1;
        } else if self.lies(node, round, Lie::ForeignNote) {
            signer = 0;
        } else if self.lies(node, round, Lie::OldNote) {
            let size = position.size - 1;
            at = Position { size, root: self.nodes[node].log.tree.root_at(size).expect("an earlier tree") };
        } else if self.lies(node, round, Lie::ForkedNote) {
            at.root = Digest::of(b"a fork");
        }
        let mut note = self.nodes[signer].log.signed(at.size, at.root);
        self.cosign(&mut note, node, wanted);
        if position == self.nodes[node].log.position() {
            self.nodes[node].shown = Some(note.clone());
        }
        note.to_string()
    }

    /// Adds the cosignatures of as many nodes as are wanted, but for one.
    pub(super) fn cosign(&self, note: &mut SignedCheckpoint, not: usize, wanted: usize) {
        let others = self.nodes.iter().enumerate().filter(|(place, _)| *place != not).take(wanted);
        for (_, other) in others {
            let cosignature = note.cosign(&other.log.origin, &other.log.key, self.now).expect("cosigns");
            note.add(&cosignature, &other.log.key.verifying_key()).expect("is right");
        }
    }
}
