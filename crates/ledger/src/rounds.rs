//! The tables of a node's ledger beside its entries, and what must hold between them.

use std::collections::{BTreeSet, HashMap};

use almoner_federation::{Digest, QueryId, Signature};
use almoner_secure_sum::{MAX_MESSAGE_BYTES, Message, Ready};
use rusqlite::{Connection, OptionalExtension};

use crate::books::{Books, Round, RoundPhase};
use crate::entry::{Entry, Step};
use crate::error::LedgerError;
use crate::node_types::Asked;
use crate::seal::{About, Row, Seal};
use crate::store::{Kind, Store, damaged, hex};

/// A row per attempt under the number of its RESERVE entry; all but the READY, its signature and the tag
/// over both repeats entries or the READY in words for whoever inspects the file. Vectors exist only of
/// prepared and charged attempts; a deleted one is overwritten (`secure_delete`), though its sealed bytes may stand in the
/// write-ahead log until the next checkpoint.
pub(crate) const KIND: Kind = Kind {
    name: "node ledger",
    application_id: i32::from_be_bytes(*b"alm1"),
    version: 1,
    tables: &[
        "CREATE TABLE rounds (reserved_by INTEGER PRIMARY KEY, query_id TEXT NOT NULL, attempt INTEGER NOT NULL, \
         spec_hash TEXT NOT NULL, planner TEXT NOT NULL, cost_picorho INTEGER NOT NULL, \
         expires_at_s INTEGER NOT NULL, state TEXT NOT NULL, ready BLOB NOT NULL, signature BLOB NOT NULL, \
         tag BLOB NOT NULL) STRICT",
        "CREATE TABLE vectors (reserved_by INTEGER PRIMARY KEY, sealed BLOB NOT NULL) STRICT",
        "CREATE TABLE questions (spec_hash TEXT PRIMARY KEY, body BLOB NOT NULL, signature BLOB NOT NULL) STRICT, \
         WITHOUT ROWID",
    ],
};

pub(crate) const INSERT: &str = "INSERT INTO rounds (reserved_by, query_id, attempt, spec_hash, planner, \
     cost_picorho, expires_at_s, state, ready, signature, tag) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";

/// An attempt's state as the table spells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Prepared,
    Charged,
    Expired,
    Aborted,
}

impl State {
    pub(crate) fn after(step: &Step) -> State {
        match step {
            Step::Reserve { .. } => State::Prepared,
            Step::Charge { .. } => State::Charged,
            Step::Expire => State::Expired,
            Step::Abort => State::Aborted,
        }
    }

    fn of(phase: &RoundPhase) -> State {
        match phase {
            RoundPhase::Reserved => State::Prepared,
            RoundPhase::Charged { .. } => State::Charged,
            RoundPhase::Expired => State::Expired,
            RoundPhase::Aborted => State::Aborted,
        }
    }

    pub(crate) fn word(self) -> &'static str {
        match self {
            State::Prepared => "prepared",
            State::Charged => "charged",
            State::Expired => "expired",
            State::Aborted => "aborted",
        }
    }

    /// A charged vector stays for retransmission; an ended reservation must never be releasable.
    pub(crate) fn keeps_vector(self) -> bool {
        matches!(self, State::Prepared | State::Charged)
    }
}

/// What is stored of an attempt beside its entries.
pub(crate) struct Stored {
    pub(crate) ready: Vec<u8>,
    pub(crate) signature: Signature,
}

/// An attempt in words, for errors.
pub(crate) fn place(reserved_by: u64) -> String {
    format!("the attempt reserved by entry {reserved_by}")
}

pub(crate) fn missing(reserved_by: u64) -> LedgerError {
    damaged(place(reserved_by), "its row or its sealed vector is missing")
}

pub(crate) fn read(connection: &Connection, reserved_by: u64) -> Result<Stored, LedgerError> {
    let found = connection
        .prepare_cached("SELECT ready, signature FROM rounds WHERE reserved_by = ?1")?
        .query_row([reserved_by as i64], |row| {
            Ok(Stored { ready: row.get(0)?, signature: Signature(row.get(1)?) })
        })
        .optional()?;
    found.ok_or_else(|| missing(reserved_by))
}

pub(crate) fn sealed(connection: &Connection, reserved_by: u64) -> Result<Vec<u8>, LedgerError> {
    let found = connection
        .prepare_cached("SELECT sealed FROM vectors WHERE reserved_by = ?1")?
        .query_row([reserved_by as i64], |row| row.get(0))
        .optional()?;
    found.ok_or_else(|| missing(reserved_by))
}

/// The question with this hash, as it travelled.
pub(crate) fn question(connection: &Connection, spec_hash: &Digest) -> Result<Option<Asked>, LedgerError> {
    let found = connection
        .prepare_cached("SELECT body, signature FROM questions WHERE spec_hash = ?1")?
        .query_row([hex(spec_hash)], |row| Ok(Asked { body: row.get(0)?, signature: Signature(row.get(1)?) }))
        .optional()?;
    Ok(found)
}

/// Recomputes tree, sums and states from the entries.
pub(crate) fn replay(store: &mut Store, seal: &Seal) -> Result<Books, LedgerError> {
    let mut books = Books::new();
    let tag = store.replay(|number, bytes, after| {
        let entry =
            Entry::decode(bytes).map_err(|error| damaged(format!("entry {number}"), error.to_string()))?;
        books.apply(&entry, after).map_err(|fault| damaged(format!("entry {number}"), fault.to_string()))
    })?;
    match tag {
        Some(tag) if !seal.is_head(store.position(), &tag) => {
            Err(LedgerError::ForeignSeal { last: store.position().size - 1 })
        }
        _ => Ok(books),
    }
}

/// Compares the tables with what the entries say; returns the deadlines of the reserved attempts.
pub(crate) fn verify(
    store: &Store,
    books: &Books,
    seal: &Seal,
) -> Result<BTreeSet<(u64, QueryId, u32)>, LedgerError> {
    let mut expected: HashMap<u64, (QueryId, u32, &Round)> = books
        .rounds()
        .map(|((query, attempt), round)| (round.reserved_by, (*query, *attempt, round)))
        .collect();
    let mut deadlines = BTreeSet::new();
    let connection = store.read()?;
    let mut statement = connection.prepare(
        "SELECT reserved_by, query_id, attempt, spec_hash, planner, cost_picorho, expires_at_s, state, ready, \
         signature, tag FROM rounds ORDER BY reserved_by",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let reserved_by = row.get::<_, i64>(0)? as u64;
        let Some((query, attempt, round)) = expected.remove(&reserved_by) else {
            return Err(damaged(place(reserved_by), "that entry reserves nothing"));
        };
        let state = State::of(&round.phase);
        let told = (
            row.get::<_, String>(1)?,
            row.get::<_, i64>(2)?,
            row.get::<_, String>(3)?,
            row.get::<_, String>(4)?,
            row.get::<_, i64>(5)? as u64,
            row.get::<_, String>(7)?,
        );
        let (spec, planner) = (hex(&round.spec_hash), round.planner.to_string());
        if told
            != (query.to_string(), i64::from(attempt), spec, planner, round.cost.get(), state.word().into())
        {
            return Err(damaged(
                place(reserved_by),
                format!("its row is not what the entries say ({})", state.word()),
            ));
        }
        let (expires, ready, signature, tag): (i64, Vec<u8>, Vec<u8>, Vec<u8>) =
            (row.get(6)?, row.get(8)?, row.get(9)?, row.get(10)?);
        let shaped = ready.len() <= MAX_MESSAGE_BYTES && signature.len() == 64;
        if !shaped || !seal.is_row(&Row { reserved_by, ready: &ready, signature: &signature }, &tag) {
            return Err(damaged(place(reserved_by), "its READY or the signature was changed"));
        }
        let expires_at_s = Ready::decode(&ready).ok().map(|ready| ready.expires_at_s);
        let Some(expires_at_s) =
            expires_at_s.filter(|expires_at_s| i64::try_from(*expires_at_s) == Ok(expires))
        else {
            return Err(damaged(place(reserved_by), "its deadline is not its READY's"));
        };
        if state.keeps_vector() {
            let about = About { query, attempt, spec_hash: round.spec_hash };
            if seal.open(&about, sealed(connection, reserved_by)?).is_none() {
                return Err(damaged(place(reserved_by), "its sealed vector cannot be opened"));
            }
        }
        if state == State::Prepared {
            deadlines.insert((expires_at_s, query, attempt));
        }
    }
    if let Some(reserved_by) = expected.keys().min() {
        return Err(missing(*reserved_by));
    }
    let kept = books.rounds().filter(|(_, round)| State::of(&round.phase).keeps_vector()).count();
    let vectors: i64 = connection.query_row("SELECT count(*) FROM vectors", [], |row| row.get(0))?;
    // Every kept vector was found above, so a different count means one too many.
    if vectors != kept as i64 {
        return Err(damaged(
            "the table of vectors",
            "it holds one that belongs to no prepared or charged attempt",
        ));
    }
    Ok(deadlines)
}
