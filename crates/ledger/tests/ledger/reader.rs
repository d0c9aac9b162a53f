//! Reading beside the writer: consistent, whole, and in nobody's way.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use almoner_federation::{Digest, PicoRho, merkle};
use almoner_ledger::{
    FileKind, LedgerError, LedgerReader, NodeLedger, Policy, Position, Registry, RegistryEntry,
};
use rusqlite::Connection;

use crate::support::*;

fn limits() -> Policy {
    policy(1_000_000, &[("tax", 1_000_000)])
}

fn told(reader: &LedgerReader) -> (Position, Vec<Vec<u8>>) {
    let mut entries = vec![];
    let end = reader.replay(|number, bytes, root| {
        assert_eq!(number, entries.len() as u64);
        entries.push(bytes.to_vec());
        let leaves: Vec<Digest> = entries.iter().map(|entry| merkle::leaf_hash(entry)).collect();
        assert_eq!(root, merkle::root(&leaves));
        Ok::<_, LedgerError>(())
    });
    assert_eq!(end.as_ref().expect("whole"), &reader.position().expect("position"));
    (end.expect("whole"), entries)
}

#[test]
fn a_reader_beside_the_writer_sees_one_instant_and_the_next_one_a_later() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("ledger.db");
    let us = Federation::new();
    let ledger = open(&path, limits()).expect("a new ledger");
    us.reserve(&ledger, asked(1, "tax", 10)).expect("fits");
    let reader = LedgerReader::open(&path).expect("beside its writer");
    assert_eq!(reader.kind(), FileKind::NodeLedger);
    let (then, entries) = (ledger.position().expect("position"), ledger.entries(0, 99).expect("entries"));
    assert_eq!(told(&reader), (then, entries.clone()));

    for number in 2..500 {
        us.reserve(&ledger, asked(number, "tax", 10)).expect("a reader holds nobody up");
    }
    us.charge(&ledger, 1, 0).expect("reserved");
    assert_eq!(told(&reader), (then, entries.clone()), "still the same instant");
    assert_eq!(reader.entries(1, 5).expect("entries"), entries[1..]);
    let later = LedgerReader::open(&path).expect("another");
    assert_eq!(later.position().expect("position"), ledger.position().expect("position"));
    assert_eq!(told(&later).1, ledger.entries(0, usize::MAX).expect("entries"));
    let stopped = later.replay(|number, _, _| match number {
        3 => Err(LedgerError::Stopped),
        _ => Ok(()),
    });
    assert!(matches!(stopped, Err(LedgerError::Stopped)), "the callback's own error ends it");

    // A writer that ends before its readers takes nothing from them or from the file.
    drop(ledger);
    assert_eq!(told(&reader), (then, entries));
    drop(reader);
    drop(later);
    let ledger = open(&path, limits()).expect("reopens");
    assert_eq!(ledger.position().expect("position").size, 501);
    us.charge(&ledger, 2, 0).expect("reserved");
}

/// In a child: reads the parent's ledger while the parent writes, and says each size that it saw.
#[test]
fn child_reads_beside_its_parent() {
    let Some(path) = std::env::var_os("ALMONER_TEST_READS") else { return };
    for _ in 0..20 {
        let reader = LedgerReader::open(Path::new(&path)).expect("beside its writer");
        println!("said {}", told(&reader).0.size);
    }
}

#[test]
fn another_process_reads_while_this_one_writes_and_neither_waits() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("ledger.db");
    let us = Federation::new();
    let ledger = open(&path, limits()).expect("a new ledger");
    let output = std::thread::scope(|scope| {
        let child = scope.spawn(|| {
            Command::new(std::env::current_exe().expect("this test"))
                .args(["--exact", "reader::child_reads_beside_its_parent", "--nocapture"])
                .env("ALMONER_TEST_READS", &path)
                .output()
                .expect("runs")
        });
        // At least so many, enough for SQLite to move its log into the file; then so long as the child reads, but slowly:
        // each time it reads all that there is.
        for number in 1..10_000 {
            us.reserve(&ledger, asked(number, "tax", 1)).expect("fits");
            if number >= 300 {
                if child.is_finished() {
                    break;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        child.join().expect("no panic")
    });
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("text");
    let sizes: Vec<u64> = text
        .lines()
        .filter_map(|line| line.split_once("said "))
        .map(|(_, size)| size.parse().expect("a size"))
        .collect();
    assert_eq!(sizes.len(), 20);
    assert!(sizes.is_sorted(), "time goes on: {sizes:?}");
    let position = ledger.position().expect("position");
    assert!(*sizes.last().expect("twenty") <= position.size);
    drop(ledger);
    assert_eq!(open(&path, limits()).expect("whole").position().expect("position"), position);
}

#[test]
fn one_writer_in_this_process_and_readers_take_no_lock_from_it() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("ledger.db");
    let link = folder.path().join("link.db");
    let ledger = open(&path, limits()).expect("a new ledger");
    std::os::unix::fs::symlink(&path, &link).expect("a link");
    let in_use = || {
        for path in [&path, &link] {
            let second = open(path, limits()).err().expect("one writer");
            assert!(matches!(&second, LedgerError::InUse(found) if found == path), "{second}");
        }
    };
    in_use();
    drop(LedgerReader::open(&path).expect("a reader"));
    in_use();
    let reader = LedgerReader::open(&link).expect("a reader");
    drop(ledger);
    let ledger = open(&path, limits()).expect("a reader is no writer");
    in_use();
    drop(reader);
    in_use();
    drop(ledger);
    drop(open(&link, limits()).expect("free again"));
}

fn filled(path: &Path) -> Registry {
    let registry = Registry::open(path).expect("a new registry");
    for number in 1..=3 {
        let text = format!("answer {number}");
        registry
            .charge(spec(number), (0, spec(100)), &name("tax"), PicoRho::new(1), NOW, b"round")
            .expect("recorded");
        registry
            .publish(spec(number), spec(number), &name("tax"), PicoRho::new(1), NOW, text.as_bytes())
            .expect("published");
    }
    registry
}

fn releases(reader: &LedgerReader) -> Result<Vec<(u64, String)>, LedgerError> {
    let mut releases = vec![];
    reader.releases(|number, bytes| {
        releases.push((number, String::from_utf8(bytes.to_vec()).expect("text")));
        Ok::<_, LedgerError>(())
    })?;
    Ok(releases)
}

#[test]
fn a_registrys_releases_stream_in_order_and_an_edit_of_one_is_found() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (path, copy) = (folder.path().join("registry.db"), folder.path().join("copy.db"));
    let registry = filled(&path);
    let reader = LedgerReader::open(&path).expect("beside its writer");
    assert_eq!(reader.kind(), FileKind::Registry);
    let expected = [(1, "answer 1".into()), (3, "answer 2".into()), (5, "answer 3".into())];
    assert_eq!(releases(&reader).expect("whole"), expected);
    let (position, entries) = told(&reader);
    assert_eq!(position, registry.position().expect("position"));
    assert!(entries.iter().all(|entry| RegistryEntry::decode(entry).is_ok()));
    drop(reader);
    drop(registry);

    for (sql, place) in [
        ("UPDATE releases SET bytes = zeroblob(12) WHERE entry = 1", "the release of entry 1"),
        ("DELETE FROM releases WHERE entry = 5", "the release of entry 5"),
        ("INSERT INTO releases VALUES (2, x'00')", "the release of entry 2"),
        ("INSERT INTO releases VALUES (77, x'00')", "the release of entry 77"),
    ] {
        let _ = std::fs::remove_file(&copy);
        std::fs::copy(&path, &copy).expect("the file is closed");
        Connection::open(&copy).and_then(|db| db.execute_batch(sql)).expect(sql);
        let error = releases(&LedgerReader::open(&copy).expect("opens")).expect_err(sql);
        assert!(error.to_string().starts_with(&format!("{place} is damaged")), "{sql}: {error}");
        for ending in ["-wal", "-shm"] {
            let _ = std::fs::remove_file(beside(&copy, ending));
        }
    }
}

#[test]
fn what_is_no_ledger_or_was_edited_is_refused_or_named() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (path, copy) = (folder.path().join("ledger.db"), folder.path().join("copy.db"));
    let us = Federation::new();
    let ledger = open(&path, limits()).expect("a new ledger");
    for number in 1..5 {
        us.reserve(&ledger, asked(number, "tax", 10)).expect("fits");
    }
    drop(ledger);
    let reader = LedgerReader::open(&path).expect("without a writer");
    assert!(matches!(releases(&reader), Err(LedgerError::NotOurs { kind: "registry", .. })));
    drop(reader);

    let open = |path: &Path| LedgerReader::open(path).err().expect("refused");
    assert!(matches!(open(&folder.path().join("missing.db")), LedgerError::Io { .. }));
    std::fs::write(&copy, "").expect("an empty file");
    assert!(matches!(open(&copy), LedgerError::NotBegun(_)));
    std::fs::write(&copy, "not a database, but long enough to have a header ".repeat(9)).expect("a text");
    assert!(matches!(open(&copy), LedgerError::NotOurs { .. }));

    let edited = |sql: &str| {
        for ending in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(beside(&copy, ending));
        }
        std::fs::copy(&path, &copy).expect("the file is closed");
        Connection::open(&copy).and_then(|db| db.execute_batch(sql)).expect(sql);
        LedgerReader::open(&copy)
    };
    for sql in ["PRAGMA application_id = 7", "PRAGMA user_version = 9"] {
        assert!(matches!(edited(sql), Err(LedgerError::NotOurs { .. })), "{sql}");
    }
    let view = edited("CREATE VIEW v AS SELECT * FROM rounds").err().expect("an added view");
    assert!(view.to_string().starts_with("the schema is damaged"), "{view}");
    for (sql, place) in [
        ("UPDATE entries SET bytes = zeroblob(9) WHERE number = 2", "entry 2"),
        ("DELETE FROM entries WHERE number = 2", "entry 2"),
        ("UPDATE head SET root = zeroblob(32)", "the head"),
        ("UPDATE head SET root = zeroblob(31)", "the head"),
        ("DELETE FROM head", "the head"),
    ] {
        let reader = edited(sql).expect("its tables are right");
        let error = reader.replay(|_, _, _| Ok::<_, LedgerError>(())).expect_err(sql);
        assert!(error.to_string().starts_with(&format!("{place} is damaged")), "{sql}: {error}");
        let backup = reader.backup(&folder.path().join("backup.db"));
        assert!(matches!(backup, Err(LedgerError::Damaged { .. })), "no copy of what is damaged: {sql}");
    }
    let left: Vec<_> = std::fs::read_dir(folder.path()).expect("the folder").collect();
    assert!(left.iter().all(|entry| {
        !entry.as_ref().expect("an entry").file_name().to_string_lossy().starts_with("backup")
    }));
}

#[test]
fn a_backup_is_one_private_file_of_one_instant_and_overwrites_nothing() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (path, to) = (folder.path().join("ledger.db"), folder.path().join("backup.db"));
    let us = Federation::new();
    let ledger = open(&path, limits()).expect("a new ledger");
    for number in 1..50 {
        us.reserve(&ledger, asked(number, "tax", 10)).expect("fits");
    }
    us.charge(&ledger, 1, 0).expect("reserved");
    let reader = LedgerReader::open(&path).expect("a reader");
    let then = told(&reader);
    us.charge(&ledger, 2, 0).expect("reserved");
    reader.backup(&to).expect("a copy");
    us.charge(&ledger, 3, 0).expect("the writer has its locks");
    assert!(matches!(open(&path, limits()), Err(LedgerError::InUse(_))));

    assert_eq!(std::fs::metadata(&to).expect("the copy").permissions().mode() & 0o777, 0o600);
    for ending in ["-wal", "-shm", "-journal", ".partial"] {
        assert!(!beside(&to, ending).exists(), "{ending}");
    }
    assert_eq!(told(&LedgerReader::open(&to).expect("a ledger")), then, "the reader's instant");
    for ending in ["-wal", "-shm"] {
        assert!(!beside(&to, ending).exists(), "to read a copy leaves nothing beside it");
    }
    let bytes = std::fs::read(&to).expect("the copy");
    let again = reader.backup(&to);
    assert!(matches!(&again, Err(LedgerError::Io { path, .. }) if *path == to));
    std::fs::write(beside(&to, ".2.partial"), "someone's").expect("a file in the way");
    assert!(matches!(reader.backup(&beside(&to, ".2")), Err(LedgerError::Io { .. })));
    assert_eq!(std::fs::read(beside(&to, ".2.partial")).expect("still there"), b"someone's");
    assert_eq!(std::fs::read(&to).expect("the copy"), bytes, "untouched");
    assert!(matches!(reader.backup(&folder.path().join("nowhere/x.db")), Err(LedgerError::Io { .. })));

    // It is a whole ledger: an older one.
    let copy = NodeLedger::open(&to, &KEY).expect("opens");
    assert_eq!(copy.position().expect("position"), then.0);
    assert_eq!(us.charge(&copy, 1, 0).expect("charged then").noisy(), vector(1));
}

#[test]
fn a_registry_backup_has_the_releases() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (path, to) = (folder.path().join("registry.db"), folder.path().join("backup.db"));
    let registry = filled(&path);
    LedgerReader::open(&path).and_then(|reader| reader.backup(&to)).expect("a copy");
    let copy = LedgerReader::open(&to).expect("a registry");
    assert_eq!(releases(&copy).expect("whole").len(), 3);
    assert_eq!(copy.position().expect("position"), registry.position().expect("position"));
}

/// What a reader leaves beside a file without a writer, and that the next writer clears it away.
#[test]
fn a_reader_of_a_stopped_ledger_changes_nothing_in_it() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("ledger.db");
    let us = Federation::new();
    let ledger = open(&path, limits()).expect("a new ledger");
    us.reserve(&ledger, asked(1, "tax", 10)).expect("fits");
    drop(ledger);
    let before = std::fs::read(&path).expect("the file");
    told(&LedgerReader::open(&path).expect("without a writer"));
    assert_eq!(std::fs::read(&path).expect("the file"), before);
    assert_eq!(std::fs::metadata(beside(&path, "-wal")).map(|log| log.len()).unwrap_or(0), 0);
    drop(open(&path, limits()).expect("reopens"));
    assert!(!beside(&path, "-wal").exists() && !beside(&path, "-shm").exists());
    assert_eq!(std::fs::read(&path).expect("the file"), before);
}

/// No program of ours does this: a person with a SQLite shell on the file of a node that runs.
#[test]
fn a_stranger_who_locks_the_file_delays_a_call_and_breaks_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("ledger.db");
    let us = Federation::new();
    let ledger = open(&path, limits()).expect("a new ledger");
    us.reserve(&ledger, asked(1, "tax", 10)).expect("fits");
    let stranger = Connection::open(&path).expect("a shell");
    stranger.execute_batch("BEGIN IMMEDIATE").expect("takes the write lock");
    let refused = us.charge(&ledger, 1, 0);
    assert!(matches!(&refused, Err(LedgerError::InUse(found)) if *found == path), "{refused:?}");
    assert_eq!(ledger.position().expect("reading goes on").size, 2);
    stranger.execute_batch("ROLLBACK").expect("lets it go");
    assert_eq!(us.charge(&ledger, 1, 0).expect("reserved").position().size, 3);

    // One who writes is found out by the next entry at the latest.
    let forged = "INSERT INTO entries VALUES (3, x'00', zeroblob(32))";
    stranger.execute_batch(forged).expect("writes");
    assert!(matches!(us.reserve(&ledger, asked(2, "tax", 10)), Err(LedgerError::Store(_))));
    assert!(matches!(ledger.position(), Err(LedgerError::Stopped)));
    drop((ledger, stranger));
    assert!(matches!(open(&path, limits()), Err(LedgerError::Damaged { .. })));
}
