//! The chain of entries as it stands in a file: its tables, and reading it whole or by the page.

use almoner_federation::merkle::{Frontier, leaf_hash};
use rusqlite::{Connection, Row};

use crate::error::LedgerError;
use crate::node_types::Position;
use crate::store::{Kind, damaged};

/// Most entries one call returns.
const MAX_PAGE: usize = 10_000;

/// The tables every chain has. Numbers count from 0; `root` is the tree's after the entry.
const CHAIN_TABLES: [&str; 2] = [
    "CREATE TABLE entries (number INTEGER PRIMARY KEY, bytes BLOB NOT NULL, root BLOB NOT NULL) STRICT",
    "CREATE TABLE head (one INTEGER PRIMARY KEY CHECK (one = 1), size INTEGER NOT NULL, root BLOB NOT NULL, \
     tag BLOB NOT NULL) STRICT",
];

/// What a file says it is.
pub(crate) struct Header {
    pub(crate) application_id: i32,
    pub(crate) version: i32,
    /// The SQL of everything in it.
    schema: Vec<String>,
}

impl Header {
    pub(crate) fn read(connection: &Connection) -> Result<Self, LedgerError> {
        let schema = connection
            .prepare("SELECT sql FROM sqlite_schema ORDER BY rowid")?
            .query_map([], |row| Ok(row.get::<_, Option<String>>(0)?.unwrap_or_default()))?
            .collect::<Result<_, _>>()?;
        let number = |name| connection.pragma_query_value(None, name, |row| row.get(0));
        Ok(Header { application_id: number("application_id")?, version: number("user_version")?, schema })
    }

    /// Whether nothing was ever written.
    pub(crate) fn is_blank(&self) -> bool {
        self.schema.is_empty() && (self.application_id, self.version) == (0, 0)
    }

    /// Succeeds for a file of this kind and version without anything added or missing; the first problem
    /// in words is [`LedgerError::NotOurs`]'s.
    pub(crate) fn check(&self, kind: &Kind) -> Result<Result<(), String>, LedgerError> {
        if self.application_id != kind.application_id {
            return Ok(Err("it was made by another program or for another purpose".into()));
        }
        if self.version != kind.version {
            return Ok(Err(format!("it has version {}", self.version)));
        }
        if self.schema.iter().ne(tables(kind)) {
            // A trigger or a view could rewrite what is stored here.
            return Err(damaged(
                "the schema",
                "a table, index, trigger or view was added, changed or removed",
            ));
        }
        Ok(Ok(()))
    }
}

/// Makes all tables of a new file and says in it what it is.
pub(crate) fn begin(connection: &Connection, kind: &Kind) -> Result<(), LedgerError> {
    for table in tables(kind) {
        connection.execute(table, [])?;
    }
    connection.pragma_update(None, "application_id", kind.application_id)?;
    Ok(connection.pragma_update(None, "user_version", kind.version)?)
}

fn tables(kind: &Kind) -> impl Iterator<Item = &&'static str> {
    CHAIN_TABLES.iter().chain(kind.tables)
}

/// Reads every entry in order, gives each with the tree that ends with it to `each`, and compares the
/// roots stored beside the entries. Returns the stored head's tag once size and root agree.
pub(crate) fn replay<E: From<LedgerError>>(
    connection: &Connection,
    mut each: impl FnMut(u64, &[u8], Position) -> Result<(), E>,
) -> Result<Option<Vec<u8>>, E> {
    let mut tree = Frontier::new();
    let mut statement = connection
        .prepare("SELECT number, bytes, root FROM entries ORDER BY number")
        .map_err(LedgerError::from)?;
    let mut rows = statement.query([]).map_err(LedgerError::from)?;
    while let Some(row) = rows.next().map_err(LedgerError::from)? {
        let number = tree.size();
        let bytes = push(&mut tree, row)?;
        each(number, bytes, position(&tree))?;
    }
    Ok(head_tag(connection, position(&tree))?)
}

/// Takes the row of the next entry into the tree; returns the entry.
fn push<'a>(tree: &mut Frontier, row: &'a Row<'_>) -> Result<&'a [u8], LedgerError> {
    let (number, bytes, root) = (row.get::<_, i64>(0)?, row.get_ref(1)?, row.get_ref(2)?);
    let expected = tree.size();
    if u64::try_from(number) != Ok(expected) {
        return Err(damaged(format!("entry {expected}"), "it is missing"));
    }
    let (Ok(bytes), Ok(root)) = (bytes.as_blob(), root.as_blob()) else {
        return Err(damaged(format!("entry {number}"), "it is not bytes"));
    };
    tree.push(leaf_hash(bytes));
    if root != tree.root().0 {
        return Err(damaged(
            format!("entry {number}"),
            "the root over it and all before differs from the stored one",
        ));
    }
    Ok(bytes)
}

/// The stored head's tag, if the head is that of `after`; none for a chain without entries.
fn head_tag(connection: &Connection, after: Position) -> Result<Option<Vec<u8>>, LedgerError> {
    let head = connection
        .prepare("SELECT size, root, tag FROM head")?
        .query_map([], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?, row.get::<_, Vec<u8>>(2)?))
        })?
        .collect::<Result<Vec<_>, _>>()?;
    match head.into_iter().next() {
        None if after.size == 0 => Ok(None),
        None => Err(damaged("the head", "it is missing")),
        Some((size, ..)) if u64::try_from(size) != Ok(after.size) => {
            let last = format!("entry {}", size.saturating_sub(1));
            Err(damaged(last, format!("the head counts {size} entries, {} are stored", after.size)))
        }
        Some((_, root, _)) if root[..] != after.root.0 => {
            Err(damaged("the head", "its root is not the root of the entries"))
        }
        Some((.., tag)) => Ok(Some(tag)),
    }
}

/// The bytes of at most `at_most` entries (10,000 at the most) from number `from` on.
pub(crate) fn page(connection: &Connection, from: u64, at_most: usize) -> Result<Vec<Vec<u8>>, LedgerError> {
    let Ok(from) = i64::try_from(from) else { return Ok(Vec::new()) };
    let limit = at_most.min(MAX_PAGE) as i64;
    let mut statement =
        connection.prepare_cached("SELECT bytes FROM entries WHERE number >= ?1 ORDER BY number LIMIT ?2")?;
    let rows = statement.query_map([from, limit], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn position(tree: &Frontier) -> Position {
    Position { size: tree.size(), root: tree.root() }
}
