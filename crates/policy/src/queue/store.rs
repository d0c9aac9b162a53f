//! The file itself: SQLite in WAL, for its owner alone, shared by processes.

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::QueueError;

/// How long one process waits for another.
const BUSY: Duration = Duration::from_secs(5);

/// "ALMQ".
const APPLICATION_ID: i32 = 0x414c_4d51;
const VERSION: i32 = 1;

/// All there may be in the schema.
const TABLES: [&str; 2] = [
    "CREATE TABLE waiting (question TEXT PRIMARY KEY, manifest TEXT NOT NULL, planner TEXT NOT NULL, \
     spec BLOB NOT NULL, spec_signature BLOB NOT NULL, first_seen_s INTEGER NOT NULL, \
     last_seen_s INTEGER NOT NULL, asked INTEGER NOT NULL) STRICT",
    "CREATE TABLE decisions (question TEXT NOT NULL, decided_at_s INTEGER NOT NULL, approved INTEGER NOT NULL, \
     until_s INTEGER NOT NULL, signature BLOB NOT NULL, reason TEXT NOT NULL, given INTEGER NOT NULL, \
     spec BLOB NOT NULL, spec_signature BLOB NOT NULL, PRIMARY KEY (question, decided_at_s, approved)) STRICT",
];

pub(super) fn open(path: &Path) -> Result<Connection, QueueError> {
    let failed =
        |source: Box<dyn std::error::Error + Send + Sync>| QueueError::Open { path: path.to_owned(), source };
    create_private(path).map_err(|source| failed(source.into()))?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(|source| failed(source.into()))?;
    match prepare(&mut connection) {
        Ok(true) => Ok(connection),
        Ok(false) => Err(QueueError::NotOurs { path: path.to_owned() }),
        Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::NotADatabase) => {
            Err(QueueError::NotOurs { path: path.to_owned() })
        }
        Err(error) => Err(failed(error.into())),
    }
}

/// Whether the file is a queue, made now if it was empty.
fn prepare(connection: &mut Connection) -> rusqlite::Result<bool> {
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "trusted_schema", "OFF")?;
    connection.pragma_update(None, "cell_size_check", "ON")?;
    let mode: String = connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    // What the officer was told is decided must survive the power.
    connection.pragma_update(None, "synchronous", "FULL")?;
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // SQLite's own indices have no text.
    let found: Vec<String> = tx
        .prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid")?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let id: i32 = tx.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let version: i32 = tx.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if found.is_empty() && (id, version) == (0, 0) {
        for table in TABLES {
            tx.execute(table, [])?;
        }
        tx.pragma_update(None, "application_id", APPLICATION_ID)?;
        tx.pragma_update(None, "user_version", VERSION)?;
    } else if found != TABLES || (id, version) != (APPLICATION_ID, VERSION) {
        // A trigger or a view could rewrite what is stored here.
        return Ok(false);
    }
    tx.commit()?;
    Ok(mode == "wal")
}

/// Makes the file if it is missing, readable by its owner alone. SQLite gives its companions the same mode.
fn create_private(path: &Path) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}
