//! What is changed after it was signed, and all of it as the folder that an audit reads.

use std::fs;
use std::path::Path;

use almoner_api::v1;
use almoner_audit::{Mirror, Report, audit};
use almoner_federation::Digest;
use almoner_federation::tiles::{TileKind, TilePath, WIDTH, encode_bundle};
use almoner_ledger::{RegistryEntry, RegistryStep};
use prost::Message;

use super::parties::name;
use super::world::World;

impl World {
    /// Real ledgers hold the very entries of the logs here.
    pub fn assert_real(&self) {
        for node in &self.nodes {
            let real = node.real.as_ref().expect("in files");
            assert_eq!(real.entries(0, 10_000).expect("readable"), node.log.entries);
        }
    }

    /// The registry's entry number `place` changed, and everything signed again.
    pub fn rewrite_registry(&mut self, place: u64, change: impl FnOnce(&mut RegistryEntry)) {
        let bytes = &mut self.registry.entries[place as usize];
        let mut entry = RegistryEntry::decode(bytes).expect("an entry");
        change(&mut entry);
        *bytes = entry.encode();
    }

    /// A release changed and published so.
    pub fn republish(&mut self, round: u64, change: impl FnOnce(&mut v1::Evidence)) -> u64 {
        let place = self.published[&round];
        let evidence = self.releases.get_mut(&place).expect("published");
        change(evidence);
        let hash = Digest::of(&evidence.encode_to_vec());
        self.rewrite_registry(place, |entry| {
            if let RegistryStep::Publish { release, .. } = &mut entry.step {
                *release = hash;
            }
        });
        place
    }

    /// Writes all of it as a mirror.
    pub fn write(&self, root: &Path) -> Mirror {
        let mirror = Mirror::new(root);
        for (text, _) in &self.manifests {
            mirror.keep_manifest(text).expect("room");
        }
        let logs = self.nodes.iter().map(|node| (format!("nodes/{}", node.name), &node.log));
        for (folder, log) in logs.chain([("registry".to_owned(), &self.registry)]) {
            let place = match folder.strip_prefix("nodes/") {
                Some(agency) => mirror.node(&name(agency)),
                None => mirror.registry(),
            };
            let stale = self.stale_tiles.iter().find(|(of, _)| *of == folder);
            let tiles = stale.map_or(&log.entries, |(_, entries)| entries);
            let mut writer = place.writer(0).expect("a new folder");
            tiles.iter().for_each(|entry| writer.push(entry));
            writer.flush().expect("room");
            if stale.is_some() {
                let width = (tiles.len() as u64).min(WIDTH);
                let path = TilePath::new(TileKind::Entries, 0, width).expect("a path");
                let bundle = encode_bundle(&log.entries).expect("short entries");
                fs::write(place.root().join(path.to_string()), bundle).expect("room");
            }
            let note = match self.stale_notes.get(&folder) {
                Some(note) => note.clone(),
                None => {
                    let mut note = log.note(log.entries.len() as u64);
                    let not =
                        self.nodes.iter().position(|n| n.log.origin == log.origin).unwrap_or(usize::MAX);
                    self.cosign(&mut note, not, self.nodes.len());
                    note.to_string()
                }
            };
            place.keep_checkpoint(&note).expect("room");
        }
        for node in &self.nodes {
            mirror.keep_questions(&node.name, &node.questions).expect("room");
            for other in self.nodes.iter().filter(|other| other.id != node.id) {
                if let Some(shown) = &other.shown {
                    mirror.keep_remembered(&node.name, &other.name, &shown.to_string()).expect("room");
                }
            }
        }
        for (number, evidence) in &self.releases {
            mirror.keep_release(*number, &evidence.encode_to_vec()).expect("room");
        }
        for (folder, note) in &self.seen {
            let checkpoint = note.checkpoint();
            mirror.keep_seen(folder, checkpoint.size, &checkpoint.root, &note.to_string()).expect("room");
        }
        mirror
    }

    /// What an audit of it finds.
    pub fn audit(&self) -> Report {
        let folder = tempfile::tempdir().expect("a temporary folder");
        audit(&self.write(folder.path()), &[]).expect("readable")
    }
}
