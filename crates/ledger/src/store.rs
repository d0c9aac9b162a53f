//! One SQLite file with a chain of entries: opening it for one writer, appending, reading back.
//!
//! WAL with `synchronous=FULL`: a committed transaction is on the disk before `COMMIT` returns. The file
//! is held with `locking_mode=EXCLUSIVE`, an `fcntl` lock that the kernel drops when the process dies, so
//! that no crash leaves a stale lock. Such a lock is also lost when *this* process closes any other
//! descriptor of the file: nothing in the process but this module may open it.

mod file;

use std::path::{Path, PathBuf};
use std::time::Duration;

use almoner_federation::Digest;
use almoner_federation::merkle::{Frontier, leaf_hash};
use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior, params};

use crate::error::LedgerError;
use crate::node_types::Position;

/// Most entries one call returns.
const MAX_PAGE: usize = 10_000;

/// The tables every chain has. Numbers count from 0; `root` is the tree's after the entry.
const CHAIN_TABLES: [&str; 2] = [
    "CREATE TABLE entries (number INTEGER PRIMARY KEY, bytes BLOB NOT NULL, root BLOB NOT NULL) STRICT",
    "CREATE TABLE head (one INTEGER PRIMARY KEY CHECK (one = 1), size INTEGER NOT NULL, root BLOB NOT NULL, \
     tag BLOB NOT NULL) STRICT",
];

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

/// An open file and the tree over its entries. Memory never runs ahead of the disk: the tree moves on
/// only after a commit, and after a failed write nothing is read or written any more.
pub(crate) struct Store {
    connection: Connection,
    tree: Frontier,
    stopped: bool,
    path: PathBuf,
}

/// One transaction under way.
pub(crate) struct Write<'a> {
    pub(crate) tx: &'a Transaction<'a>,
    tree: &'a mut Frontier,
}

impl Write<'_> {
    /// Appends one entry; returns the tree that ends with it.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> Result<Position, LedgerError> {
        let number = self.tree.size();
        self.tree.push(leaf_hash(bytes));
        let after = position(self.tree);
        self.tx
            .prepare_cached("INSERT INTO entries (number, bytes, root) VALUES (?1, ?2, ?3)")?
            .execute(params![sql_int(number)?, bytes, after.root.0])?;
        Ok(after)
    }
}

impl Store {
    /// Opens the file, or makes it with mode 0600, and takes it for this process alone.
    pub(crate) fn open(path: &Path, kind: &Kind) -> Result<Self, LedgerError> {
        file::create_private(path)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection =
            Connection::open_with_flags(path, flags).map_err(|error| named(path, kind, error))?;
        let mut store = Store { connection, tree: Frontier::new(), stopped: false, path: path.to_owned() };
        store.take(kind).map_err(|error| match error {
            LedgerError::Store(error) => named(path, kind, error),
            other => other,
        })?;
        Ok(store)
    }

    fn take(&mut self, kind: &Kind) -> Result<(), LedgerError> {
        let connection = &mut self.connection;
        connection.busy_timeout(Duration::ZERO)?;
        connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
        let mode: String =
            connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
        if mode != "wal" {
            return Err(not_ours(&self.path, kind, format!("its journal mode is {mode}")));
        }
        connection.pragma_update(None, "synchronous", "FULL")?;
        // On macOS fsync alone does not reach the platter; elsewhere these change nothing.
        connection.pragma_update(None, "fullfsync", "ON")?;
        connection.pragma_update(None, "checkpoint_fullfsync", "ON")?;
        connection.pragma_update(None, "secure_delete", "ON")?;
        connection.pragma_update(None, "trusted_schema", "OFF")?;
        connection.pragma_update(None, "cell_size_check", "ON")?;

        let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let tables: Vec<&str> = CHAIN_TABLES.iter().chain(kind.tables).copied().collect();
        let found: Vec<String> = tx
            .prepare("SELECT sql FROM sqlite_schema ORDER BY rowid")?
            .query_map([], |row| Ok(row.get::<_, Option<String>>(0)?.unwrap_or_default()))?
            .collect::<Result<_, _>>()?;
        let id: i32 = tx.pragma_query_value(None, "application_id", |row| row.get(0))?;
        let version: i32 = tx.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if found.is_empty() && (id, version) == (0, 0) {
            for table in &tables {
                tx.execute(table, [])?;
            }
            tx.pragma_update(None, "application_id", kind.application_id)?;
            tx.pragma_update(None, "user_version", kind.version)?;
        } else if id != kind.application_id {
            return Err(not_ours(
                &self.path,
                kind,
                "it was made by another program or for another purpose".into(),
            ));
        } else if version != kind.version {
            return Err(not_ours(&self.path, kind, format!("it has version {version}")));
        } else if found != tables {
            // A trigger or a view could rewrite what is stored here.
            return Err(damaged(
                "the schema",
                "a table, index, trigger or view was added, changed or removed",
            ));
        }
        Ok(tx.commit()?)
    }

    /// The tree over all entries.
    pub(crate) fn position(&self) -> Position {
        position(&self.tree)
    }

    /// The connection, for reading.
    pub(crate) fn read(&self) -> Result<&Connection, LedgerError> {
        if self.stopped { Err(LedgerError::Stopped) } else { Ok(&self.connection) }
    }

    /// One durable transaction: all of `work` or nothing. `tag` seals the head that it leads to.
    pub(crate) fn write<T>(
        &mut self,
        tag: impl FnOnce(Position) -> Vec<u8>,
        work: impl FnOnce(&mut Write<'_>) -> Result<T, LedgerError>,
    ) -> Result<T, LedgerError> {
        if self.stopped {
            return Err(LedgerError::Stopped);
        }
        let mut tree = self.tree.clone();
        let outcome = transact(&mut self.connection, &mut tree, tag, work);
        match &outcome {
            Ok(_) => self.tree = tree,
            // After a failed write the disk may hold more than we know (a commit whose fsync failed can
            // come back): only reading the whole file again, at the next start, can tell.
            Err(LedgerError::Store(_) | LedgerError::Damaged { .. }) => self.stopped = true,
            Err(_) => {}
        }
        outcome
    }

    /// Reads every entry in order, gives each with the tree that ends with it to `each`, and compares the
    /// roots stored beside the entries. Returns the stored head's tag once size and root agree.
    pub(crate) fn replay(
        &mut self,
        mut each: impl FnMut(u64, &[u8], Position) -> Result<(), LedgerError>,
    ) -> Result<Option<Vec<u8>>, LedgerError> {
        let mut tree = Frontier::new();
        let mut statement =
            self.connection.prepare("SELECT number, bytes, root FROM entries ORDER BY number")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (number, bytes, root) = (row.get::<_, i64>(0)?, row.get_ref(1)?, row.get_ref(2)?);
            let expected = tree.size();
            if u64::try_from(number) != Ok(expected) {
                return Err(damaged(format!("entry {expected}"), "it is missing"));
            }
            let (Ok(bytes), Ok(root)) = (bytes.as_blob(), root.as_blob()) else {
                return Err(damaged(format!("entry {number}"), "it is not bytes"));
            };
            tree.push(leaf_hash(bytes));
            let after = position(&tree);
            if root != after.root.0 {
                return Err(damaged(
                    format!("entry {number}"),
                    "the root over it and all before differs from the stored one",
                ));
            }
            each(expected, bytes, after)?;
        }
        drop(rows);
        drop(statement);
        let head = self
            .connection
            .prepare("SELECT size, root, tag FROM head")?
            .query_map([], |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?, row.get::<_, Vec<u8>>(2)?))
            })?
            .collect::<Result<Vec<_>, _>>()?;
        let after = position(&tree);
        let tag = match head.as_slice() {
            [] if after.size == 0 => None,
            [] => return Err(damaged("the head", "it is missing")),
            [(size, root, tag), ..] => {
                if u64::try_from(*size) != Ok(after.size) {
                    let last = format!("entry {}", (*size).saturating_sub(1));
                    return Err(damaged(
                        last,
                        format!("the head counts {size} entries, {} are stored", after.size),
                    ));
                }
                if root[..] != after.root.0 {
                    return Err(damaged("the head", "its root is not the root of the entries"));
                }
                Some(tag.clone())
            }
        };
        self.tree = tree;
        Ok(tag)
    }

    /// The bytes of at most `at_most` entries (10,000 at the most) from number `from` on.
    pub(crate) fn entries(&self, from: u64, at_most: usize) -> Result<Vec<Vec<u8>>, LedgerError> {
        let Ok(from) = i64::try_from(from) else { return Ok(Vec::new()) };
        let limit = at_most.min(MAX_PAGE) as i64;
        let mut statement = self
            .read()?
            .prepare_cached("SELECT bytes FROM entries WHERE number >= ?1 ORDER BY number LIMIT ?2")?;
        let rows = statement.query_map([from, limit], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

fn transact<T>(
    connection: &mut Connection,
    tree: &mut Frontier,
    tag: impl FnOnce(Position) -> Vec<u8>,
    work: impl FnOnce(&mut Write<'_>) -> Result<T, LedgerError>,
) -> Result<T, LedgerError> {
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let before = tree.size();
    let done = work(&mut Write { tx: &tx, tree })?;
    if tree.size() != before {
        let head = position(tree);
        tx.prepare_cached("INSERT OR REPLACE INTO head (one, size, root, tag) VALUES (1, ?1, ?2, ?3)")?
            .execute(params![sql_int(head.size)?, head.root.0, tag(head)])?;
    }
    tx.commit()?;
    Ok(done)
}

fn position(tree: &Frontier) -> Position {
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

fn not_ours(path: &Path, kind: &Kind, reason: String) -> LedgerError {
    LedgerError::NotOurs { path: path.to_owned(), kind: kind.name, reason }
}

fn named(path: &Path, kind: &Kind, error: rusqlite::Error) -> LedgerError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => LedgerError::InUse(path.to_owned()),
        Some(ErrorCode::NotADatabase) => not_ours(path, kind, "it is no SQLite file".into()),
        _ => error.into(),
    }
}

#[cfg(test)]
mod tests;
