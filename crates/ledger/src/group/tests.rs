//! Batches of a known make-up: who is committed with whom, and what everyone is told.

use std::path::Path;
use std::sync::Barrier;

use super::*;
use crate::error::Refusal;
use crate::store::Kind;

/// A COMMIT fails while a row of `fuse` refers to no entry, for SQLite checks that only then.
const FUSED: Kind = Kind {
    name: "test file",
    application_id: 7,
    version: 1,
    tables: &["CREATE TABLE fuse (entry INTEGER REFERENCES entries (number) DEFERRABLE INITIALLY DEFERRED)"],
};

type Outcome<T> = Result<T, LedgerError>;

impl HasStore for Store {
    fn store(&mut self) -> &mut Store {
        self
    }
}

fn append(store: &mut Store, text: &str) -> Result<u64, LedgerError> {
    store.write(|_| Vec::new(), |write| Ok(write.append(text.as_bytes())?.size - 1))
}

fn open(path: &Path) -> Store {
    let mut store = Store::open(path, &FUSED).expect("opens");
    store.replay(|_, _, _| Ok(())).expect("whole");
    store
}

/// Runs `first`, and once `others` calls wait for their turn lets it end, so that all share its batch.
fn together<T: Send>(
    group: &Group<Store>,
    first: impl FnOnce(&mut Store) -> Result<T, LedgerError> + Send,
    others: usize,
    other: impl Fn(usize, &mut Store) -> Result<T, LedgerError> + Sync,
) -> (std::thread::Result<Outcome<T>>, Vec<Outcome<T>>) {
    let begun = Barrier::new(others + 1);
    std::thread::scope(|scope| {
        let (begun, other) = (&begun, &other);
        let first = scope.spawn(move || {
            group.run(|store| {
                begun.wait();
                while group.waiting.load(Ordering::SeqCst) < others {
                    std::thread::yield_now();
                }
                first(store)
            })
        });
        let others: Vec<_> = (0..others)
            .map(|number| {
                scope.spawn(move || {
                    begun.wait();
                    group.run(|store| other(number, store))
                })
            })
            .collect();
        let others = others.into_iter().map(|other| other.join().expect("no panic")).collect();
        (first.join(), others)
    })
}

/// How many transactions the write-ahead log holds: frames of 24 + 4096 bytes after 32, of which those that
/// end a transaction have the size of the file in their second word (SQLite's file format, section 4.1).
fn commits(path: &Path) -> usize {
    // The log, unlike the file, may be opened: SQLite holds no lock on it.
    let log = std::fs::read(crate::store::with_ending(path, "-wal")).expect("the log");
    log[32..].chunks_exact(24 + 4096).filter(|frame| frame[4..8] != [0; 4]).count()
}

#[test]
fn callers_that_wait_together_are_committed_together_and_each_gets_its_own_answer() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("x.db");
    let group = Group::new(open(&path));
    let before = commits(&path);
    let (first, others) = together(
        &group,
        |store| append(store, "first"),
        63,
        |number, store| match number % 3 {
            0 => append(store, &format!("call {number}")),
            1 => store.write(
                |_| Vec::new(),
                |write| {
                    write.append(format!("refused {number}").as_bytes())?;
                    Err(Refusal::Unknown.into())
                },
            ),
            _ => Ok(store.position().size),
        },
    );
    assert_eq!(first.expect("no panic").expect("appended"), 0);
    assert_eq!(commits(&path) - before, 1, "one transaction, one fsync for 22 appends");
    let mut numbers: Vec<u64> = vec![];
    for (number, outcome) in others.into_iter().enumerate() {
        match number % 3 {
            0 => numbers.push(outcome.expect("appended")),
            1 => assert!(matches!(outcome, Err(LedgerError::Refused(Refusal::Unknown)))),
            _ => assert!((1..=22).contains(&outcome.expect("read"))),
        }
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=21).collect::<Vec<_>>(), "each accepted call has an entry of its own");
    drop(group);
    let store = open(&path);
    assert_eq!(store.position().size, 22);
    let entries = store.entries(0, 100).expect("entries");
    assert!(entries.iter().all(|entry| !entry.starts_with(b"refused")));
}

#[test]
fn a_batch_has_a_bound_and_what_comes_after_is_the_next() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("x.db");
    let group = Group::new(open(&path));
    let before = commits(&path);
    let (first, others) =
        together(&group, |store| append(store, "first"), MAX_CALLS + 9, |_, store| append(store, "more"));
    assert!(first.expect("no panic").is_ok() && others.iter().all(Result::is_ok));
    let batches = commits(&path) - before;
    // The second batch may fall apart, for its callers need not wait for each other.
    assert!((2..=11).contains(&batches), "{batches}");
}

#[test]
fn a_failed_commit_tells_nobody_of_success_and_the_disk_keeps_what_it_had() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("x.db");
    let group = Group::new(open(&path));
    group.run(|store| append(store, "durable")).expect("alone");
    let durable = group.run(|store| Ok(store.position())).expect("read");
    let (first, others) = together(
        &group,
        |store| {
            store
                .write(|_| Vec::new(), |write| Ok(write.tx.execute("INSERT INTO fuse VALUES (999)", [])?))?;
            append(store, "lost")
        },
        40,
        |number, store| match number % 2 {
            0 => append(store, "lost too"),
            _ => Ok(store.position().size),
        },
    );
    let mut outcomes = others;
    outcomes.push(first.expect("no panic"));
    let causes = outcomes.iter().filter(|outcome| matches!(outcome, Err(LedgerError::Store(_)))).count();
    let stopped = outcomes.iter().filter(|outcome| matches!(outcome, Err(LedgerError::Stopped))).count();
    assert_eq!((causes, stopped), (1, 40), "one learns the cause, nobody sees what was read or written");
    assert!(matches!(group.run(|store| Ok(store.position())), Err(LedgerError::Stopped)));
    let store = group.shared.into_inner().expect("no panic").inner;
    assert_eq!(store.position(), durable, "the tree is that of the disk again");
    drop(store);
    let store = open(&path);
    assert_eq!(
        (store.position(), store.entries(0, 9).expect("entries")),
        (durable, vec![b"durable".to_vec()])
    );
}

#[test]
fn a_panic_in_a_batch_ends_it_for_all_and_leaves_nothing_of_it() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("x.db");
    let group = Group::new(open(&path));
    group.run(|store| append(store, "durable")).expect("alone");
    let (first, others) = together(
        &group,
        |store| -> Result<u64, LedgerError> {
            append(store, "lost")?;
            panic!("the caller's own fault")
        },
        30,
        |_, store| append(store, "never begun"),
    );
    assert!(first.is_err());
    assert!(others.iter().all(|outcome| matches!(outcome, Err(LedgerError::Stopped))));
    drop(group);
    assert_eq!(open(&path).position().size, 1);
}

#[test]
fn those_who_wait_for_a_commit_learn_of_a_panic_after_them() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("x.db");
    let group = Group::new(open(&path));
    // Whoever comes second sees the first's entry and panics; the third is too late.
    let work = |store: &mut Store| match store.position().size {
        0 => {
            while group.waiting.load(Ordering::SeqCst) < 2 {
                std::thread::yield_now();
            }
            append(store, "first")
        }
        _ => panic!("the second caller's fault"),
    };
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..3).map(|_| scope.spawn(|| group.run(work))).collect();
        callers.into_iter().map(|caller| caller.join()).collect()
    });
    let panics = outcomes.iter().filter(|outcome| outcome.is_err()).count();
    let stopped = outcomes.iter().filter(|outcome| matches!(outcome, Ok(Err(LedgerError::Stopped)))).count();
    assert_eq!((panics, stopped), (1, 2));
    drop(group);
    assert_eq!(open(&path).position().size, 0);
}

/// What a power cut leaves when it comes after the work of a batch and before its COMMIT.
#[test]
fn a_batch_that_was_not_committed_is_not_in_the_files() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (path, copy) = (folder.path().join("x.db"), folder.path().join("copy.db"));
    let mut store = open(&path);
    append(&mut store, "durable").expect("appended");
    store.commit().expect("committed");
    let durable = store.position();
    // Large enough that SQLite writes some of it to its log before the COMMIT.
    for number in 0..20 {
        append(&mut store, &"not yet ".repeat(100_000 + number)).expect("appended");
    }
    for ending in ["", "-wal"] {
        let (from, to) = (crate::store::with_ending(&path, ending), crate::store::with_ending(&copy, ending));
        let status = std::process::Command::new("cp").arg(from).arg(to).status().expect("cp runs");
        assert!(status.success());
    }
    assert_eq!(open(&copy).position(), durable);
    store.commit().expect("committed");
    let later = store.position();
    drop(store);
    assert_eq!(open(&path).position(), later);
}
