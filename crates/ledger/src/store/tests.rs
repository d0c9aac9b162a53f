//! The settings that durability hangs on, and what a failed write leaves in memory.

use super::*;
use crate::error::Refusal;

const PLAIN: Kind = Kind { name: "test file", application_id: 7, version: 1, tables: &[] };

#[test]
fn every_commit_is_synced_and_others_may_read_beside_it() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = Store::open(&folder.path().join("x.db"), &PLAIN).expect("a new file");
    let setting = |name| {
        let value: rusqlite::types::Value =
            store.connection.pragma_query_value(None, name, |row| row.get(0)).expect(name);
        format!("{value:?}")
    };
    assert_eq!(setting("journal_mode"), r#"Text("wal")"#);
    assert_eq!(setting("synchronous"), "Integer(2)", "FULL");
    assert_eq!(setting("locking_mode"), r#"Text("normal")"#, "or readers would be locked out");
    assert_eq!(setting("temp_store"), "Integer(2)", "MEMORY");
    assert_eq!(setting("secure_delete"), "Integer(1)");
    assert_eq!(setting("trusted_schema"), "Integer(0)");
}

#[test]
fn a_refused_transaction_leaves_nothing_and_a_failed_one_stops_the_store() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("x.db");
    let mut store = Store::open(&path, &PLAIN).expect("a new file");
    let tag = |_| Vec::new();
    store.write(tag, |write| write.append(b"one")).expect("appends");
    store.commit().expect("commits");
    let before = store.position();

    let refused: Result<(), _> = store.write(tag, |write| {
        write.append(b"two")?;
        Err(Refusal::Unknown.into())
    });
    assert!(matches!(refused, Err(LedgerError::Refused(_))));
    assert_eq!((store.position(), store.entries(0, 9).expect("entries").len()), (before, 1));

    let failed: Result<(), _> = store.write(tag, |write| {
        write.append(b"two")?;
        write.tx.execute("INSERT INTO nowhere VALUES (1)", [])?;
        Ok(())
    });
    assert!(matches!(failed, Err(LedgerError::Store(_))));
    assert!(matches!(store.write(tag, |write| write.append(b"three")), Err(LedgerError::Stopped)));
    assert!(matches!(store.entries(0, 9), Err(LedgerError::Stopped)));
    drop(store);

    let mut store = Store::open(&path, &PLAIN).expect("reopens");
    store.replay(|_, _, _| Ok(())).expect("whole");
    assert_eq!(store.position(), before);
}
