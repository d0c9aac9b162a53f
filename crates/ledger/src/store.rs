//! One SQLite file with a chain of entries: opening it for one writer, appending, reading back.
//!
//! WAL with `synchronous=FULL`: a committed transaction is on the disk before `COMMIT` returns. One writer
//! holds the lock file beside it ([`file::WriterLock`]); others, in this process or another, may read beside
//! the writer through SQLite and its `-wal` and `-shm` files ([`LedgerReader`](crate::LedgerReader)). SQLite
//! itself holds `fcntl` locks on the file, which a process loses when it closes *any* descriptor of it: in this
//! process only SQLite may open the file while a store or a reader has it (SQLite knows its own descriptors
//! and closes none too early), and nothing may copy it but [`LedgerReader::backup`](crate::LedgerReader::backup).

mod chain;
mod file;

use std::path::{Path, PathBuf};
use std::time::Duration;

use almoner_federation::Digest;
use almoner_federation::merkle::{Tree, leaf_hash};
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior, params};

use crate::error::LedgerError;
use crate::node_types::Position;
pub(crate) use chain::{Header, page, replay};
use file::WriterLock;
pub(crate) use file::{failed, private, sync_folder, with_ending};

/// How long to wait for another program that has the file locked, such as an inspector's SQLite shell.
pub(crate) const BUSY: Duration = Duration::from_secs(2);

/// What tells one kind of file from another.
pub(crate) struct Kind {
    /// In words, for errors.
    pub(crate) name: &'static str,
    /// SQLite's `application_id`.
    pub(crate) application_id: i32,
    /// SQLite's `user_version`.
    pub(crate) version: i32,
    /// Tables beside the chain's.
    pub(crate) tables: &'static [&'static str],
}

/// An open file and the tree over its entries. What was written since the last [`Store::commit`] is in the tree
/// and not yet on the disk; after a failed write or commit nothing is read or written any more.
pub(crate) struct Store {
    connection: Connection,
    tree: Tree,
    batch: Option<Batch>,
    stopped: bool,
    path: PathBuf,
    /// After the connection, so that the next writer finds the file closed.
    _lock: WriterLock,
}

/// A transaction that was begun and not yet committed.
struct Batch {
    /// How many entries the disk has.
    before: u64,
    /// The seal of the head that [`Store::commit`] will write.
    tag: Vec<u8>,
}

/// One write under way: a savepoint of the batch.
pub(crate) struct Write<'a> {
    pub(crate) tx: &'a Connection,
    tree: &'a mut Tree,
}

impl Write<'_> {
    /// Appends one entry; returns the tree that ends with it.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> Result<Position, LedgerError> {
        let number = self.tree.size();
        self.tree.push(leaf_hash(bytes));
        let after = present(self.tree);
        self.tx
            .prepare_cached("INSERT INTO entries (number, bytes, root) VALUES (?1, ?2, ?3)")?
            .execute(params![sql_int(number)?, bytes, after.root.0])?;
        Ok(after)
    }
}

impl Store {
    /// Opens the file, or makes it with mode 0600, and takes it as its one writer.
    pub(crate) fn open(path: &Path, kind: &Kind) -> Result<Self, LedgerError> {
        let lock = WriterLock::take(path)?;
        file::create_private(path)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection =
            Connection::open_with_flags(path, flags).map_err(|error| named(path, kind, error))?;
        prepare(&mut connection, path, kind).map_err(|error| match error {
            LedgerError::Store(error) => named(path, kind, error),
            other => other,
        })?;
        Ok(Store {
            connection,
            tree: Tree::new(),
            batch: None,
            stopped: false,
            path: path.to_owned(),
            _lock: lock,
        })
    }

    /// The tree over all entries, those of the open batch too.
    pub(crate) fn position(&self) -> Position {
        present(&self.tree)
    }

    /// The tree over all entries, those of the open batch too, for roots and proofs of its past.
    pub(crate) fn tree(&self) -> &Tree {
        &self.tree
    }

    /// Whether an earlier failure left it uncertain what the disk holds.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// Whether anything was written, or tried, since the last commit.
    pub(crate) fn has_open_batch(&self) -> bool {
        self.batch.is_some()
    }

    /// The connection, for reading: what was written in the open batch too.
    pub(crate) fn read(&self) -> Result<&Connection, LedgerError> {
        if self.stopped { Err(LedgerError::Stopped) } else { Ok(&self.connection) }
    }

    /// All of `work` or nothing, as part of the open batch; nothing is durable before [`Store::commit`].
    /// `tag` seals the head that it leads to.
    ///
    /// # Errors
    /// Those of `work`; [`LedgerError::InUse`] while another program has the file locked, and then nothing was tried.
    pub(crate) fn write<T>(
        &mut self,
        tag: impl FnOnce(Position) -> Vec<u8>,
        work: impl FnOnce(&mut Write<'_>) -> Result<T, LedgerError>,
    ) -> Result<T, LedgerError> {
        if self.stopped {
            return Err(LedgerError::Stopped);
        }
        let outcome = self.attempt(tag, work);
        if let Err(LedgerError::Store(_) | LedgerError::Damaged { .. } | LedgerError::Stopped) = outcome {
            self.stop();
        }
        outcome
    }

    fn attempt<T>(
        &mut self,
        tag: impl FnOnce(Position) -> Vec<u8>,
        work: impl FnOnce(&mut Write<'_>) -> Result<T, LedgerError>,
    ) -> Result<T, LedgerError> {
        if self.batch.is_none() {
            self.connection.execute_batch("BEGIN IMMEDIATE").map_err(|error| in_use(&self.path, error))?;
            self.batch = Some(Batch { before: self.tree.size(), tag: Vec::new() });
        } else if self.connection.is_autocommit() {
            // SQLite rolled the whole batch back by itself, as it may after an error. A savepoint would now be
            // a transaction of its own, on top of entries that are not there.
            return Err(LedgerError::Stopped);
        }
        let before = self.tree.size();
        let savepoint = self.connection.savepoint()?;
        let done = match work(&mut Write { tx: &savepoint, tree: &mut self.tree }) {
            Ok(done) => done,
            Err(error) => {
                self.tree.truncate(before);
                savepoint.finish()?;
                return Err(error);
            }
        };
        savepoint.commit()?;
        if let Some(batch) = self.batch.as_mut().filter(|_| self.tree.size() != before) {
            batch.tag = tag(present(&self.tree));
        }
        Ok(done)
    }

    /// Makes everything that was written since the last commit durable, with one head over it.
    ///
    /// # Errors
    /// Then nothing can be said about the disk, and the store has stopped.
    pub(crate) fn commit(&mut self) -> Result<(), LedgerError> {
        let Some(batch) = &self.batch else { return Ok(()) };
        match commit(&self.connection, batch, &self.tree) {
            Ok(()) => {
                self.batch = None;
                Ok(())
            }
            Err(error) => {
                self.stop();
                Err(error)
            }
        }
    }

    /// Gives the open batch up and reads and writes nothing any more. After a failed write the disk may hold
    /// more than we know (a commit whose fsync failed can come back): only reading the whole file again, at
    /// the next start, can tell.
    pub(crate) fn stop(&mut self) {
        self.stopped = true;
        if let Some(batch) = self.batch.take() {
            self.tree.truncate(batch.before);
            // If it fails, closing the connection does the same.
            let _ = self.connection.execute_batch("ROLLBACK");
        }
    }

    /// Reads every entry in order, gives each with the tree that ends with it to `each`, and compares the
    /// roots stored beside the entries. Returns the stored head's tag once size and root agree.
    pub(crate) fn replay(
        &mut self,
        mut each: impl FnMut(u64, &[u8], Position) -> Result<(), LedgerError>,
    ) -> Result<Option<Vec<u8>>, LedgerError> {
        let mut tree = Tree::new();
        let tag = replay(&self.connection, |number, bytes, after| {
            tree.push(leaf_hash(bytes));
            each(number, bytes, after)
        })?;
        self.tree = tree;
        Ok(tag)
    }

    /// The bytes of at most `at_most` entries (10,000 at the most) from number `from` on.
    pub(crate) fn entries(&self, from: u64, at_most: usize) -> Result<Vec<Vec<u8>>, LedgerError> {
        page(self.read()?, from, at_most)
    }
}

/// The settings that durability hangs on, and the tables of a new file.
fn prepare(connection: &mut Connection, path: &Path, kind: &Kind) -> Result<(), LedgerError> {
    connection.busy_timeout(BUSY)?;
    let mode: String = connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    if mode != "wal" {
        return Err(not_ours(path, kind.name, format!("its journal mode is {mode}")));
    }
    connection.pragma_update(None, "synchronous", "FULL")?;
    // On macOS fsync alone does not reach the platter; elsewhere these change nothing.
    connection.pragma_update(None, "fullfsync", "ON")?;
    connection.pragma_update(None, "checkpoint_fullfsync", "ON")?;
    connection.pragma_update(None, "secure_delete", "ON")?;
    // What a savepoint keeps to undo itself stays out of the folder of temporary files.
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "trusted_schema", "OFF")?;
    connection.pragma_update(None, "cell_size_check", "ON")?;

    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let header = Header::read(&tx)?;
    if header.is_blank() {
        chain::begin(&tx, kind)?;
    } else {
        header.check(kind)?.map_err(|reason| not_ours(path, kind.name, reason))?;
    }
    Ok(tx.commit()?)
}

fn commit(connection: &Connection, batch: &Batch, tree: &Tree) -> Result<(), LedgerError> {
    if tree.size() != batch.before {
        let head = present(tree);
        connection
            .prepare_cached("INSERT OR REPLACE INTO head (one, size, root, tag) VALUES (1, ?1, ?2, ?3)")?
            .execute(params![sql_int(head.size)?, head.root.0, batch.tag])?;
    }
    Ok(connection.execute_batch("COMMIT")?)
}

fn present(tree: &Tree) -> Position {
    Position { size: tree.size(), root: tree.root() }
}

/// SQLite's integers are signed.
pub(crate) fn sql_int(value: u64) -> Result<i64, LedgerError> {
    i64::try_from(value).map_err(|_| crate::error::Refusal::TooLarge("a number of 2^63 or more").into())
}

pub(crate) fn damaged(place: impl Into<String>, problem: impl Into<String>) -> LedgerError {
    LedgerError::Damaged { place: place.into(), problem: problem.into() }
}

/// Shown to people and compared as text.
pub(crate) fn hex(digest: &Digest) -> String {
    digest.to_string()
}

pub(crate) fn not_ours(path: &Path, kind: &'static str, reason: impl Into<String>) -> LedgerError {
    LedgerError::NotOurs { path: path.to_owned(), kind, reason: reason.into() }
}

fn named(path: &Path, kind: &Kind, error: rusqlite::Error) -> LedgerError {
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => not_ours(path, kind.name, "it is no SQLite file"),
        _ => in_use(path, error),
    }
}

/// The error, unless it is that another program holds SQLite's own locks.
fn in_use(path: &Path, error: rusqlite::Error) -> LedgerError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => LedgerError::InUse(path.to_owned()),
        _ => error.into(),
    }
}

#[cfg(test)]
mod tests;
