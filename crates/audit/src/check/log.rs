//! One log's entries against its signature, and against everything that anybody was ever shown of it.

use std::io;
use std::ops::ControlFlow;

use almoner_federation::checkpoint::{Checkpoint, SignedCheckpoint, UnverifiedCheckpoint};
use almoner_federation::merkle::{Frontier, leaf_hash};
use almoner_federation::note::KeyName;
use almoner_federation::{Digest, VerifyingKey};
use almoner_ledger::Position;

use super::shown::Shown;
use crate::finding::{Code, Finding};
use crate::mirror::{LogFolder, ReadEntry};

/// Under which name and with which keys a log signs: the same party may have had others under older manifests.
pub(crate) struct Signer<'a> {
    pub(crate) log: &'a str,
    pub(crate) origin: KeyName,
    pub(crate) keys: Vec<VerifyingKey>,
}

impl Signer<'_> {
    /// The note as this log's, if one of its keys signed it.
    pub(crate) fn verify(&self, note: &str) -> Option<SignedCheckpoint> {
        let parsed = UnverifiedCheckpoint::parse(note).ok()?;
        self.keys.iter().find_map(|key| parsed.clone().verify(&self.origin, key).ok())
    }

    /// The newest note of its folder, or a finding.
    pub(crate) fn newest(
        &self,
        folder: &LogFolder,
        findings: &mut Vec<Finding>,
    ) -> io::Result<Option<SignedCheckpoint>> {
        let note = match folder.checkpoint() {
            Ok(Some(note)) => note,
            Ok(None) => {
                findings.push(Finding::new(Code::Unsigned, self.log, "there is no checkpoint of it"));
                return Ok(None);
            }
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                findings.push(Finding::new(Code::Unsigned, self.log, error.to_string()));
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let signed = self.verify(&note);
        if signed.is_none() {
            let text = format!("its checkpoint is not signed by {} under a key in the manifest", self.origin);
            findings.push(Finding::new(Code::Unsigned, self.log, text));
        }
        Ok(signed)
    }
}

/// Reads all entries under `checkpoint`, gives each to `each` with the tree that ends with it, and compares the tree with
/// everything shown. One finding for each kind of trouble, at the first entry where it shows. Returns that entry: from
/// there on the log cannot be believed; `None` when all entries are there, and are what was signed and shown.
pub(crate) fn read(
    folder: &LogFolder,
    log: &str,
    checkpoint: &Checkpoint,
    shown: &Shown,
    findings: &mut Vec<Finding>,
    mut each: impl FnMut(u64, &[u8], Position),
) -> io::Result<Option<u64>> {
    let before = findings.len();
    let mut tree = Frontier::new();
    let mut compared = Compared::default();
    compared.at(0, tree.root(), shown);
    let mut changed: Option<u64> = None;
    let read = folder.entries(checkpoint.size, |number, entry, tile| {
        let leaf = leaf_hash(entry);
        if tile.is_some_and(|hash| hash != leaf) {
            changed.get_or_insert(number);
        }
        tree.push(leaf);
        let root = tree.root();
        each(number, entry, Position { size: number + 1, root });
        compared.at(number + 1, root, shown);
        ControlFlow::Continue(())
    })?;
    // What was signed for entries that are gone.
    let beyond = shown.largest().filter(|seen| seen.size > checkpoint.size);
    if let ReadEntry::Until(number) = read {
        let text = format!(
            "its checkpoint counts {} entries, but from here on they are missing or broken",
            checkpoint.size
        );
        findings.push(Finding::new(Code::Missing, log, text).at(number));
    } else if tree.root() != checkpoint.root {
        // The hash tiles tell which entry is not the one that was hashed; without them, the positions around it.
        let finding = match changed {
            Some(number) => {
                let text = "this entry is not the one that was hashed into the signed tree";
                Finding::new(Code::Root, log, text).at(number)
            }
            None => {
                let text = format!(
                    "the entries do not lead to the signed root; the first that was changed, dropped, moved or inserted \
                     is one of {} to {}",
                    compared.agreed,
                    compared.differed.as_ref().map_or(checkpoint.size, |(size, _)| *size).saturating_sub(1)
                );
                Finding::new(Code::Root, log, text).at(compared.agreed)
            }
        };
        findings.push(finding);
    } else if let Some((size, by)) = &compared.differed {
        let mut text = format!(
            "it signed another tree of {size} entries, which {by} shows: two histories that agree on the first {}; \
             {} shown positions differ",
            compared.agreed, compared.different
        );
        if let Some(seen) = beyond {
            text += &format!(
                "; it has signed a tree of {} entries and has only {} now",
                seen.size, checkpoint.size
            );
        }
        findings.push(Finding::new(Code::Fork, log, text).at(compared.agreed));
        return Ok(Some(compared.agreed));
    }
    if let Some(seen) = beyond {
        let text = format!(
            "it signed a tree of {} entries, which {} shows, but has only {} now: it was set back",
            seen.size, seen.by, checkpoint.size
        );
        findings.push(Finding::new(Code::Rollback, log, text).at(checkpoint.size));
    }
    Ok(findings[before..].iter().filter_map(|finding| finding.entry).min())
}

/// How the entries agree with what was shown.
#[derive(Default)]
struct Compared {
    /// The largest size up to which all agrees.
    agreed: u64,
    /// The smallest at which something differs, and who was shown that.
    differed: Option<(u64, String)>,
    different: usize,
}

impl Compared {
    fn at(&mut self, size: u64, root: Digest, shown: &Shown) {
        let seen = shown.at(size);
        let mut others = seen.iter().filter(|seen| seen.root != root);
        match others.next() {
            None if seen.is_empty() => {}
            // Where two trees of one size were shown, the one that is here says nothing of where they part.
            Some(other) => {
                self.different += 1 + others.count();
                self.differed.get_or_insert_with(|| (size, other.by.to_string()));
            }
            None if self.differed.is_none() => self.agreed = size,
            None => {}
        }
    }
}
