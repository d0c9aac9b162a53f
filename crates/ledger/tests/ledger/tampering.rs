//! Someone edits the file: the next opening says where, and answers nothing.

use std::path::Path;

use almoner_federation::merkle::{Frontier, leaf_hash};
use almoner_federation::{PicoRho, SigningKey};
use almoner_ledger::{Entry, LedgerError, NodeLedger, Policy, SignedPolicy};
use rusqlite::{Connection, params};

use crate::support::*;

fn limits() -> Policy {
    policy(1_000, &[("tax", 1_000)])
}

/// Entries: 0 POLICY, 1-4 RESERVE of questions 1-4, 5-6 CHARGE of 1 and 2, 7 ABORT of 3; 4 stays reserved.
fn ledger(path: &Path) -> NodeLedger {
    let us = Federation::new();
    let ledger = open(path, limits()).expect("a new ledger");
    for number in 1..=4 {
        us.reserve(&ledger, asked(number, "tax", 10)).expect("fits");
    }
    us.charge(&ledger, 1, 0).expect("reserved");
    us.charge(&ledger, 2, 0).expect("reserved");
    ledger.abort(query(3), 0, NOW).expect("reserved");
    ledger
}

/// Opens a copy of `path` after `edit`.
fn after(path: &Path, edit: impl FnOnce(&Connection)) -> LedgerError {
    let copy = beside(path, ".edited");
    let _ = std::fs::remove_file(&copy);
    std::fs::copy(path, &copy).expect("the file is closed");
    let connection = Connection::open(&copy).expect("a SQLite file");
    edit(&connection);
    drop(connection);
    open(&copy, limits()).err().expect("the edit must be found")
}

#[test]
fn an_edited_entry_is_named() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("ledger.db");
    drop(ledger(&path));
    for number in 0..8i64 {
        let length: i64 = Connection::open(&path)
            .and_then(|db| {
                db.query_row("SELECT length(bytes) FROM entries WHERE number = ?1", [number], |r| r.get(0))
            })
            .expect("the entry");
        for at in [0, 30, length / 2, length - 1] {
            let error = after(&path, |db| {
                let mut bytes: Vec<u8> = db
                    .query_row("SELECT bytes FROM entries WHERE number = ?1", [number], |row| row.get(0))
                    .expect("the entry");
                bytes[at as usize] ^= 1;
                db.execute("UPDATE entries SET bytes = ?1 WHERE number = ?2", params![bytes, number])
                    .expect("edits");
            });
            let text = error.to_string();
            assert!(text.starts_with(&format!("entry {number} is damaged")), "{text}");
            assert!(text.contains("restore the newest copy"), "it says what to do: {text}");
        }
        let error = after(&path, |db| {
            db.execute("DELETE FROM entries WHERE number = ?1", [number]).expect("deletes");
        });
        // Without the last entry the head counts one too many.
        assert!(error.to_string().starts_with(&format!("entry {number} is damaged")), "{error}");
    }
}

#[test]
fn an_edited_table_is_named() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("ledger.db");
    drop(ledger(&path));
    let row = "the attempt reserved by entry";
    for (sql, place) in [
        ("UPDATE rounds SET state = 'prepared' WHERE reserved_by = 1", format!("{row} 1")),
        ("UPDATE rounds SET state = 'charged' WHERE reserved_by = 4", format!("{row} 4")),
        ("UPDATE rounds SET state = 'prepared' WHERE reserved_by = 3", format!("{row} 3")),
        ("UPDATE rounds SET query_id = lower(hex(zeroblob(16))) WHERE reserved_by = 2", format!("{row} 2")),
        ("UPDATE rounds SET attempt = 1 WHERE reserved_by = 2", format!("{row} 2")),
        ("UPDATE rounds SET attempt = 4294967296 WHERE reserved_by = 2", format!("{row} 2")),
        ("UPDATE rounds SET spec_hash = lower(hex(zeroblob(32))) WHERE reserved_by = 2", format!("{row} 2")),
        ("UPDATE rounds SET planner = 'health' WHERE reserved_by = 2", format!("{row} 2")),
        ("UPDATE rounds SET cost_picorho = 9 WHERE reserved_by = 2", format!("{row} 2")),
        ("UPDATE rounds SET expires_at_s = expires_at_s + 1 WHERE reserved_by = 4", format!("{row} 4")),
        ("UPDATE rounds SET ready = zeroblob(300) WHERE reserved_by = 4", format!("{row} 4")),
        ("UPDATE rounds SET ready = zeroblob(3000000) WHERE reserved_by = 4", format!("{row} 4")),
        ("UPDATE rounds SET signature = zeroblob(64) WHERE reserved_by = 4", format!("{row} 4")),
        ("UPDATE rounds SET signature = zeroblob(3) WHERE reserved_by = 4", format!("{row} 4")),
        ("UPDATE rounds SET tag = zeroblob(32) WHERE reserved_by = 4", format!("{row} 4")),
        ("UPDATE rounds SET reserved_by = 9 WHERE reserved_by = 4", format!("{row} 9")),
        ("UPDATE rounds SET reserved_by = 0 WHERE reserved_by = 4", format!("{row} 0")),
        ("DELETE FROM rounds WHERE reserved_by = 3", format!("{row} 3")),
        ("DELETE FROM rounds", format!("{row} 1")),
        ("DELETE FROM vectors WHERE reserved_by = 1", format!("{row} 1")),
        ("UPDATE vectors SET sealed = zeroblob(68) WHERE reserved_by = 1", format!("{row} 1")),
        ("UPDATE vectors SET sealed = zeroblob(0) WHERE reserved_by = 4", format!("{row} 4")),
        (
            "UPDATE vectors SET sealed = (SELECT sealed FROM vectors WHERE reserved_by = 4) WHERE reserved_by = 1",
            format!("{row} 1"),
        ),
        (
            "INSERT INTO vectors SELECT 3, sealed FROM vectors WHERE reserved_by = 1",
            "the table of vectors".into(),
        ),
        ("UPDATE head SET root = zeroblob(32)", "the head".into()),
        ("UPDATE head SET size = 7", "entry 6".into()),
        ("DELETE FROM head", "the head".into()),
        ("CREATE TRIGGER free AFTER INSERT ON entries BEGIN DELETE FROM rounds; END", "the schema".into()),
        ("CREATE INDEX i ON rounds (state)", "the schema".into()),
        ("CREATE VIEW v AS SELECT * FROM rounds", "the schema".into()),
        ("DROP TABLE vectors", "the schema".into()),
    ] {
        let error = after(&path, |db| db.execute_batch(sql).expect(sql));
        assert!(error.to_string().starts_with(&format!("{place} is damaged")), "{sql}: {error}");
    }
    for sql in ["UPDATE head SET tag = zeroblob(32)", "UPDATE head SET tag = x''"] {
        let error = after(&path, |db| db.execute_batch(sql).expect(sql));
        assert!(matches!(error, LedgerError::ForeignSeal { last: 7 }), "{sql}: {error}");
    }
    for sql in ["PRAGMA application_id = 7", "PRAGMA user_version = 2"] {
        let error = after(&path, |db| db.execute_batch(sql).expect(sql));
        assert!(matches!(error, LedgerError::NotOurs { .. }), "{sql}: {error}");
    }
    open(&path, limits()).expect("the original still opens");
}

/// A forger who knows the format but not the sealing key: every root and sum fits, only the head's tag does not; and
/// who does not even have the officer's key fails at the policy.
#[test]
fn a_history_rewritten_without_the_key_does_not_open() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("ledger.db");
    drop(ledger(&path));
    let error = rewritten(&path, |policy| policy.sign(nothing(), &officer()));
    assert!(matches!(error, LedgerError::ForeignSeal { last: 7 }), "{error}");
    let stranger = SigningKey::from_seed(&[78; 32]).expect("a key");
    let error = rewritten(&path, |policy| policy.sign(nothing(), &stranger));
    assert!(
        error.to_string().contains("entry 0 is damaged: it is not signed by the data officer"),
        "{error}"
    );
}

/// What opening says when the first policy grants everything and the whole tree was made anew.
fn rewritten(path: &Path, sign: impl Fn(Policy) -> SignedPolicy) -> LedgerError {
    after(path, |db| {
        let mut entries: Vec<Vec<u8>> = db
            .prepare("SELECT bytes FROM entries ORDER BY number")
            .and_then(|mut all| all.query_map([], |row| row.get(0))?.collect())
            .expect("entries");
        let Ok(Entry::Policy(mut opening)) = Entry::decode(&entries[0]) else {
            panic!("a POLICY comes first")
        };
        let mut policy = opening.signed.policy.clone();
        policy.limits.total = PicoRho::new(u64::MAX);
        opening.signed = sign(policy);
        entries[0] = Entry::Policy(opening).encode();
        let mut tree = Frontier::new();
        for (number, bytes) in entries.iter().enumerate() {
            tree.push(leaf_hash(bytes));
            db.execute(
                "UPDATE entries SET bytes = ?1, root = ?2 WHERE number = ?3",
                params![bytes, tree.root().0, number as i64],
            )
            .expect("edits");
        }
        db.execute("UPDATE head SET root = ?1", [tree.root().0]).expect("edits");
    })
}

/// Any one byte of the file: either the opening fails, or the byte meant nothing and all is as it was.
#[test]
fn a_flipped_byte_anywhere_never_changes_what_the_ledger_says() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("ledger.db");
    let us = Federation::new();
    let tell = |ledger: &NodeLedger| {
        let states: Vec<_> = (1..=4).map(|number| ledger.find(query(number), 0).expect("find")).collect();
        (ledger.position().expect("position"), ledger.entries(0, 100).expect("entries"), states)
    };
    let ledger = ledger(&path);
    let expected = tell(&ledger);
    drop(ledger);
    let (original, copy) = (std::fs::read(&path).expect("the file"), folder.path().join("copy.db"));
    let mut found = 0;
    for at in (0..original.len()).step_by(41) {
        let mut bytes = original.clone();
        bytes[at] ^= 1 << (at % 8);
        std::fs::write(&copy, &bytes).expect("a copy");
        match open(&copy, limits()) {
            Err(_) => found += 1,
            Ok(ledger) => {
                assert_eq!(tell(&ledger), expected, "byte {at}");
                assert_eq!(us.charge(&ledger, 1, 0).expect("charged").noisy(), vector(1), "byte {at}");
            }
        }
        let _ = std::fs::remove_file(beside(&copy, "-wal"));
    }
    assert!(found > 20, "most of the file's pages are nearly empty, but not all: {found}");
    assert_eq!(expected.0.root, open(&path, limits()).expect("unharmed").position().expect("position").root);
}
