//! How a life stops and goes on: closed, killed, or with an older copy put in its place.

use almoner_federation::merkle::{Frontier, leaf_hash};
use almoner_ledger::{Entry, LedgerReader, NodeLedger, Position, Step, StoredReady};

use super::life::Life;
use crate::support::*;

/// What a witness says to a ledger that claims to go on from what it remembers.
fn goes_on(ledger: &NodeLedger, remembered: Position) -> bool {
    let mut tree = Frontier::new();
    while tree.size() < remembered.size {
        let at_most = (remembered.size - tree.size()) as usize;
        let page = ledger.entries(tree.size(), at_most).expect("entries");
        if page.is_empty() {
            return false;
        }
        page.iter().for_each(|bytes| tree.push(leaf_hash(bytes)));
    }
    tree.root() == remembered.root
}

impl Life {
    /// After a clean end, or from what a power cut would leave.
    pub fn reopen(&mut self, killed: bool) {
        let before = self.ledger().position().expect("position");
        if killed {
            let copy = beside(&self.path, "x");
            snapshot(&self.path, &copy);
            self.ledger = None;
            for ending in ["", "-wal", "-shm", ".lock"] {
                // Most of them are not there after a clean end.
                let _ = std::fs::remove_file(beside(&self.path, ending));
            }
            self.path = copy;
        } else {
            self.ledger = None;
        }
        self.ledger = Some(NodeLedger::open(&self.path, &KEY).expect("reopens"));
        assert!(goes_on(self.ledger(), before));
        self.nothing_is_lost(before);
        self.count(if killed { "reopen: killed" } else { "reopen" });
    }

    /// Every entry, in order, and every attempt that is looked at.
    fn nothing_is_lost(&mut self, before: Position) {
        let reader = LedgerReader::open(&self.path).expect("a reader");
        let mut log = self.log.iter();
        let end = reader.replay(|_, bytes, _| {
            let told = match Entry::decode(bytes).expect("the ledger's own") {
                Entry::Policy(_) => ("policy", 0, 0),
                Entry::Approval(_) => ("approval", 0, 0),
                Entry::Load(_) => ("load", 0, 0),
                Entry::Round(round) => {
                    let word = match round.step {
                        Step::Reserve { .. } => "reserve",
                        Step::Charge { .. } => "charge",
                        Step::Expire => "expire",
                        Step::Abort => "abort",
                    };
                    let number = u64::from_be_bytes(round.query.0[8..].try_into().expect("eight bytes"));
                    (word, number, round.attempt)
                }
            };
            assert_eq!(log.next(), Some(&told));
            Ok::<_, almoner_ledger::LedgerError>(())
        });
        assert_eq!(end.expect("whole"), before);
        assert_eq!(log.next(), None);
        for at in (0..self.attempts.len()).rev().take(300).chain((0..self.attempts.len()).step_by(101)) {
            let known = &self.attempts[at];
            let found = self.ledger().find(query(known.number), known.attempt).expect("find").expect("kept");
            assert_eq!(found, StoredReady { state: self.state(at), ..known.stored.clone() });
        }
    }

    pub fn back_up(&mut self) {
        let path = beside(&self.path, ".old");
        if let Some((old, _)) = self.backup.take() {
            for ending in ["", "-wal", "-shm", ".lock"] {
                let _ = std::fs::remove_file(beside(&old, ending));
            }
        }
        snapshot(&self.path, &path);
        self.backup = Some((path, self.ledger().position().expect("position")));
        self.count("a copy is made");
    }

    /// An older copy opens as if nothing was wrong, and a witness who remembers more will have none of it, neither as it
    /// is nor after it went on in its own way. The newest file goes on.
    pub fn restore(&mut self) {
        let Some((path, then)) = self.backup.clone() else { return };
        let remembered = self.ledger().position().expect("position");
        if remembered.size == then.size {
            return;
        }
        {
            let old = NodeLedger::open(&path, &KEY).expect("a valid ledger, long ago");
            assert!(old.position().expect("position").size < remembered.size);
            assert!(goes_on(&old, then) && !goes_on(&old, remembered));
            // Each expiry or abort adds entries to it, until it looks as long.
            old.expire(u64::MAX).expect("expires what was open then");
            assert!(!goes_on(&old, remembered), "its own way is another");
        }
        self.backup = None;
        assert!(goes_on(self.ledger(), remembered));
        self.count("an older copy is noticed");
    }
}
