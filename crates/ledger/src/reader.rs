//! Reading a ledger or a registry beside its writer, in this process or another: for exports, audits and
//! copies, while the node works on. Nothing here needs a key, and nothing here writes to the file.

use std::path::{Path, PathBuf};

use almoner_federation::{Digest, Signature};
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::error::LedgerError;
use crate::node_types::{Asked, Position};
use crate::registry_entry::{RegistryEntry, RegistryStep};
use crate::store::{
    BUSY, Header, Kind, damaged, failed, not_ours, page, private, replay, sync_folder, with_ending,
};
use crate::{registry, rounds};

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A node's privacy ledger: entries that [`Entry::decode`](crate::Entry::decode) reads.
    NodeLedger,
    /// A coordinator's registry: entries that [`RegistryEntry::decode`] reads, and releases.
    Registry,
}

impl FileKind {
    fn of(application_id: i32) -> Option<Self> {
        [FileKind::NodeLedger, FileKind::Registry]
            .into_iter()
            .find(|kind| kind.kind().application_id == application_id)
    }

    fn kind(self) -> &'static Kind {
        match self {
            FileKind::NodeLedger => &rounds::KIND,
            FileKind::Registry => &registry::KIND,
        }
    }
}

/// A node's ledger or a registry as it stood, durably, when it was opened: one read transaction, so that
/// everything it tells belongs together, whatever the writer does meanwhile. To see what was written later,
/// open another.
///
/// It never holds the writer up. But the write-ahead log cannot be emptied while a reader looks at it, so it
/// grows by whatever is written meanwhile: drop a reader when its work is done.
///
/// The file is opened read-only; SQLite's readers still mark in `-shm`, beside it, what they read, and make it if it is
/// missing (an empty `-wal` too, where no writer is; both stay, and the next writer removes them). So a reader runs as
/// the writer's user, who alone may open the files, and in a folder that can be written; a [`backup`](Self::backup) needs
/// neither `-wal` nor `-shm` and can be read from a folder that cannot.
///
/// In the process of the writer too, only readers like this one may open the file: to read it as a plain file and close
/// it would drop the locks by which SQLite's users know of each other.
///
/// Seals are not checked, for they need the node's key: a reader finds damage, and [`LedgerReader::position`] is
/// what to compare with what the node has signed.
pub struct LedgerReader {
    connection: Connection,
    kind: FileKind,
    path: PathBuf,
}

impl LedgerReader {
    /// Opens the file at `path` for reading, as it stands.
    ///
    /// # Errors
    /// [`LedgerError::Io`] when there is no such file, [`LedgerError::Unreadable`], [`LedgerError::NotBegun`] for a file
    /// without content, [`LedgerError::NotOurs`] for another program's or version's, [`LedgerError::Damaged`] when its
    /// tables were changed.
    pub fn open(path: &Path) -> Result<Self, LedgerError> {
        std::fs::metadata(path).map_err(failed(path, "read it"))?;
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let opened = Connection::open_with_flags(path, flags).map_err(LedgerError::from);
        let opened = opened.and_then(|connection| {
            let header = look(&connection)?;
            Ok((connection, header))
        });
        let (connection, header) = opened.map_err(|error| unreadable(path, error))?;
        if header.is_blank() {
            return Err(LedgerError::NotBegun(path.to_owned()));
        }
        const KINDS: &str = "node ledger or registry";
        let foreign = || not_ours(path, KINDS, "it was made by another program or for another purpose");
        let kind = FileKind::of(header.application_id).ok_or_else(foreign)?;
        header.check(kind.kind())?.map_err(|reason| not_ours(path, kind.kind().name, reason))?;
        Ok(LedgerReader { connection, kind, path: path.to_owned() })
    }

    /// What the file holds.
    pub fn kind(&self) -> FileKind {
        self.kind
    }

    /// The tree over all entries, as the file's head states it. [`LedgerReader::replay`] recomputes it.
    ///
    /// # Errors
    /// [`LedgerError::Damaged`] when the head is missing or is none.
    pub fn position(&self) -> Result<Position, LedgerError> {
        let mut statement = self.connection.prepare_cached("SELECT size, root FROM head")?;
        let mut rows = statement.query([])?;
        let Some(row) = rows.next()? else {
            let entries: i64 =
                self.connection.query_row("SELECT count(*) FROM entries", [], |row| row.get(0))?;
            return match entries {
                0 => Ok(Position { size: 0, root: Digest::of(&[]) }),
                _ => Err(damaged("the head", "it is missing")),
            };
        };
        let (size, root) = (u64::try_from(row.get::<_, i64>(0)?), row.get_ref(1)?.as_blob());
        match (size, root.ok().and_then(|root| root.try_into().ok())) {
            (Ok(size), Some(root)) => Ok(Position { size, root: Digest(root) }),
            _ => Err(damaged("the head", "it is no size and root")),
        }
    }

    /// The bytes of at most `at_most` entries (10,000 at the most) from number `from` on: the leaves of the tree.
    pub fn entries(&self, from: u64, at_most: usize) -> Result<Vec<Vec<u8>>, LedgerError> {
        page(&self.connection, from, at_most)
    }

    /// Gives every entry in order to `each`: its number from 0, its bytes, and the root of the tree that ends
    /// with it. One entry is in memory at a time. The tree is recomputed and compared with the stored roots and
    /// the head; returns its position, which is the only one worth trusting.
    ///
    /// # Errors
    /// [`LedgerError::Damaged`] naming the first entry that disagrees, or what `each` returns; entries before it
    /// were given already.
    pub fn replay<E: From<LedgerError>>(
        &self,
        mut each: impl FnMut(u64, &[u8], Digest) -> Result<(), E>,
    ) -> Result<Position, E> {
        let mut end = Position { size: 0, root: Digest::of(&[]) };
        replay(&self.connection, |number, bytes, after| {
            end = after;
            each(number, bytes, after.root)
        })?;
        Ok(end)
    }

    /// Gives every question that a node's ledger keeps, as its planner signed it, to `each`, in the order of hashes.
    ///
    /// # Errors
    /// [`LedgerError::NotOurs`] for a registry, or what `each` returns.
    pub fn questions<E: From<LedgerError>>(
        &self,
        mut each: impl FnMut(Asked) -> Result<(), E>,
    ) -> Result<(), E> {
        let kind = FileKind::NodeLedger;
        if self.kind != kind {
            return Err(not_ours(&self.path, kind.kind().name, "it is a registry").into());
        }
        let failed = |error: rusqlite::Error| E::from(LedgerError::from(error));
        let select = "SELECT body, signature FROM questions ORDER BY spec_hash";
        let mut statement = self.connection.prepare(select).map_err(failed)?;
        let mut rows = statement.query([]).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            let signature = Signature(row.get(1).map_err(failed)?);
            each(Asked { body: row.get(0).map_err(failed)?, signature })?;
        }
        Ok(())
    }

    /// Gives every release of a registry in the order of publication to `each`: the number of its PUBLISH entry, and
    /// its bytes, which have the hash that the entry states. One release is in memory at a time.
    ///
    /// # Errors
    /// [`LedgerError::NotOurs`] for a node's ledger, which has no releases; [`LedgerError::Damaged`] naming the
    /// first that is missing, changed or belongs to no entry; or what `each` returns.
    pub fn releases<E: From<LedgerError>>(
        &self,
        mut each: impl FnMut(u64, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.kind != FileKind::Registry {
            return Err(not_ours(&self.path, registry::KIND.name, "it is a node ledger").into());
        }
        // Both sides of the join, so that an entry without its release is found as well as the opposite.
        let sql = "SELECT coalesce(number, entry), entries.bytes, releases.bytes FROM entries \
                   FULL JOIN releases ON number = entry ORDER BY 1";
        let mut statement = self.connection.prepare(sql).map_err(LedgerError::from)?;
        let mut rows = statement.query([]).map_err(LedgerError::from)?;
        while let Some(row) = rows.next().map_err(LedgerError::from)? {
            if let Some((number, release)) = release(row)? {
                each(number, release)?;
            }
        }
        Ok(())
    }

    /// Writes a copy of the whole file, as this reader sees it, to `to`: one file with mode 0600 that is its own,
    /// read back whole and on the disk before it gets that name. It is written as `to` with `.partial` after its name,
    /// in a file system that has hard links.
    ///
    /// **A copy is an older ledger as soon as the node charges again: never put it back in place of a later one.**
    ///
    /// # Errors
    /// [`LedgerError::Io`] when either name is taken (nothing is ever overwritten) or cannot be written;
    /// [`LedgerError::Damaged`] when the copy, and so the file, does not read back whole.
    pub fn backup(&self, to: &Path) -> Result<(), LedgerError> {
        let taken = "write a copy there: it exists already, and nothing is overwritten; give another name";
        if std::fs::symlink_metadata(to).is_ok() {
            return Err(failed(to, taken)(std::io::ErrorKind::AlreadyExists.into()));
        }
        let partial = with_ending(to, ".partial");
        let made = private().create_new(true).open(&partial).map_err(failed(
            &partial,
            "make it; if it was left behind by a copy that did not end, remove it and try again",
        ))?;
        // SQLite opens the file next, and nothing else in this process may have it open then.
        drop(made);
        let written = self.copy(&partial).and_then(|()| {
            std::fs::hard_link(&partial, to).map_err(failed(to, taken))?;
            sync_folder(to).map_err(failed(to, "write its folder to the disk"))
        });
        let removed = std::fs::remove_file(&partial).map_err(failed(&partial, "remove it"));
        written.and(removed)
    }

    fn copy(&self, partial: &Path) -> Result<(), LedgerError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut copy = Connection::open_with_flags(partial, flags)?;
        copy.pragma_update(None, "synchronous", "FULL")?;
        // All pages in one step, from this reader's own transaction; in WAL that holds no writer up.
        match Backup::new(&self.connection, &mut copy)?.step(-1)? {
            StepResult::Done => {}
            other => return Err(damaged("the copy", format!("SQLite did not finish it: {other:?}"))),
        }
        // A copy says "write-ahead log" like its original, and could then not be read where nothing can be
        // written. Its next writer sets it again.
        let _: String = copy.pragma_update_and_check(None, "journal_mode", "DELETE", |row| row.get(0))?;
        replay::<LedgerError>(&copy, |_, _, _| Ok(()))?;
        copy.close().map_err(|(_, error)| error)?;
        let synced = std::fs::File::open(partial).and_then(|file| file.sync_all());
        synced.map_err(failed(partial, "write it to the disk"))
    }
}

/// Begins the reader's one transaction.
fn look(connection: &Connection) -> Result<Header, LedgerError> {
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "query_only", "ON")?;
    connection.pragma_update(None, "trusted_schema", "OFF")?;
    connection.pragma_update(None, "cell_size_check", "ON")?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.execute_batch("BEGIN")?;
    Header::read(connection)
}

/// The release in a row of entry and release, if the entry publishes one.
fn release<'a>(row: &'a rusqlite::Row<'_>) -> Result<Option<(u64, &'a [u8])>, LedgerError> {
    let number = row.get::<_, i64>(0)? as u64;
    let place = || format!("the release of entry {number}");
    let (entry, release) = (row.get_ref(1)?.as_blob().ok(), row.get_ref(2)?.as_blob().ok());
    let entry = entry.map(RegistryEntry::decode).transpose();
    let entry = entry.map_err(|error| damaged(format!("entry {number}"), error.to_string()))?;
    let hash = entry.and_then(|entry| match entry.step {
        RegistryStep::Publish { release, .. } => Some(release),
        RegistryStep::Charge { .. } => None,
    });
    match (hash, release) {
        (None, None) => Ok(None),
        (Some(hash), Some(release)) if Digest::of(release) == hash => Ok(Some((number, release))),
        (Some(_), Some(_)) => Err(damaged(place(), "its bytes are not those that were published")),
        (Some(_), None) => Err(damaged(place(), "it is missing")),
        (None, Some(_)) => Err(damaged(place(), "that entry publishes nothing")),
    }
}

fn unreadable(path: &Path, error: LedgerError) -> LedgerError {
    let LedgerError::Store(source) = error else { return error };
    match source.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => not_ours(path, "node ledger or registry", "it is no SQLite file"),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => LedgerError::InUse(path.to_owned()),
        _ => LedgerError::Unreadable { path: path.to_owned(), source },
    }
}
