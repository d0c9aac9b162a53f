//! The questions that wait for the data officer, and her decisions: `queue.sqlite` beside the ledger, which node and
//! officer's commands open at the same time.
//!
//! The file is a letter box and no authority. A decision counts only if the officer's signature over exactly this
//! question verifies; what the officer is shown is read from the planner's signed bytes. Who can write the file can
//! lose questions and decisions, which are then asked and taken again. He could also make it forget which attempt has
//! an approval, within the approval's days: that is the ledger's to know for good.

mod error;
mod listing;
mod store;

use std::path::Path;
use std::sync::{Mutex, MutexGuard};

use almoner_federation::{Digest, QueryId, Signature, SigningError};
use almoner_query::Spec;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

pub use error::QueueError;
pub use listing::{Decided, Listing, Waiting};

use crate::decision::{DAY_S, MAX_DAYS, Office, SignedDecision};

/// Most questions that wait at one node. With the longest questions they take 70 MB.
pub const MAX_WAITING: u64 = 1_000;

/// Most of them that one planner asked.
pub const MAX_WAITING_OF_A_PLANNER: u64 = 100;

/// Most decisions that are kept.
const MAX_DECISIONS: u64 = 10_000;

/// How long a question waits that is not asked again.
const WAITING_S: u64 = 30 * DAY_S;

/// The node's side: one attempt at a question that no rule approves by itself.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// What is asked.
    pub spec: &'a Spec,
    /// The planner's signature, which the caller has verified, over `spec`'s canonical bytes.
    pub signature: &'a Signature,
    /// Which try.
    pub attempt: u32,
    /// The present second.
    pub now_s: u64,
    /// By this second the attempt is in the ledger, or will never be.
    pub reserved_by_s: u64,
}

/// What becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// The officer approved it, and this attempt alone has her approval, whose [`SignedDecision::id`] this is.
    Approved(Digest),
    /// It waits for the officer.
    Queued,
    /// The officer denied it.
    Denied,
    /// The approval is another attempt's, which is not over.
    Held,
    /// Too many wait already.
    Full,
}

/// How the ledger has an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It knows no such attempt.
    Unknown,
    /// Reserved: it may still be charged.
    Open,
    /// Charged: it has used its approval up.
    Charged,
    /// Expired or aborted: it can never be charged.
    Over,
}

/// An open queue.
pub struct Queue {
    connection: Mutex<Connection>,
}

impl Queue {
    /// Opens the file, or makes it, for its owner alone, in a folder that is there.
    ///
    /// # Errors
    /// When it cannot be opened or is another program's. An operation on it waits at most five seconds for another
    /// process.
    pub fn open(path: &Path) -> Result<Queue, QueueError> {
        Ok(Queue { connection: Mutex::new(store::open(path)?) })
    }

    /// Looks for the officer's decision on a question. Where there is none, or where one approval has been used up
    /// by another attempt, the question waits for the next. An attempt that has an approval keeps it until `standing`,
    /// which asks the ledger, says that it is over. One transaction.
    ///
    /// # Errors
    /// When the file fails, or `standing` does.
    pub fn ask<E>(
        &self,
        asked: &Asked<'_>,
        office: &Office,
        standing: impl Fn(QueryId, u32) -> Result<Standing, E>,
    ) -> Result<Reply, E>
    where
        E: From<QueueError>,
    {
        let mut connection = self.lock()?;
        let tx = begin(&mut connection)?;
        forget_old(&tx, office, asked.now_s)?;
        let question = asked.spec.question();
        let reply = match in_force(&tx, office, &question, asked.now_s)?.first() {
            Some((_, false)) => Reply::Denied,
            Some((id, true)) => match holder(&tx, id, asked, standing)? {
                Hold::Ours => Reply::Approved(*id),
                Hold::Open => Reply::Held,
                Hold::UsedUp => wait(&tx, asked, &question)?,
            },
            None => wait(&tx, asked, &question)?,
        };
        tx.commit().map_err(QueueError::from)?;
        Ok(reply)
    }

    /// Whether the newest decision on a question that holds now is an approval, used or not.
    ///
    /// # Errors
    /// When the file fails.
    pub fn is_approved(&self, question: &Digest, office: &Office, now_s: u64) -> Result<bool, QueueError> {
        let mut connection = self.lock()?;
        let tx = begin(&mut connection)?;
        Ok(matches!(in_force(&tx, office, question, now_s)?.first(), Some((_, true))))
    }

    /// Keeps the officer's decision on a question that waits or was decided before, and takes it off the list of
    /// those that wait. The newest decision counts; of two in one second, a denial.
    ///
    /// # Errors
    /// [`QueueError::Decision`] when it is not `office`'s or does not hold; [`QueueError::NoQuestion`];
    /// [`QueueError::Full`]; when the file fails.
    pub fn decide(
        &self,
        question: &Digest,
        signed: &SignedDecision,
        office: &Office,
        now_s: u64,
    ) -> Result<(), QueueError> {
        let decision = signed.verify(office, question)?;
        decision.holds(now_s)?;
        let mut connection = self.lock()?;
        let tx = begin(&mut connection)?;
        forget_old(&tx, office, now_s)?;
        let name = question.to_string();
        let known: Option<(Vec<u8>, Vec<u8>)> = tx
            .prepare_cached(
                "SELECT spec, signature FROM waiting WHERE question = ?1 \
                 UNION ALL SELECT spec, spec_signature FROM decisions WHERE question = ?1 LIMIT 1",
            )?
            .query_row([&name], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let (spec, signature) = known.ok_or(QueueError::NoQuestion)?;
        if count(&tx, "SELECT COUNT(*) FROM decisions", [])? >= MAX_DECISIONS {
            return Err(QueueError::Full);
        }
        tx.prepare_cached(
            "INSERT OR IGNORE INTO decisions (id, question, bytes, signature, spec, spec_signature, decided_at_s) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![
            signed.id().to_string(),
            name,
            signed.bytes,
            signed.signature.0,
            spec,
            signature,
            integer(decision.decided_at_s)?,
        ])?;
        tx.prepare_cached("DELETE FROM waiting WHERE question = ?1")?.execute([&name])?;
        Ok(tx.commit()?)
    }

    fn lock(&self) -> Result<MutexGuard<'_, Connection>, QueueError> {
        self.connection.lock().map_err(|_| QueueError::Stopped)
    }
}

/// Takes the file for writing at once, so that what is read in the transaction cannot change before it ends.
fn begin(connection: &mut Connection) -> Result<Transaction<'_>, QueueError> {
    Ok(connection.transaction_with_behavior(TransactionBehavior::Immediate)?)
}

/// Drops what waits no more: old questions, those under another manifest, and decisions that have long ceased to hold.
fn forget_old(tx: &Transaction<'_>, office: &Office, now_s: u64) -> Result<(), QueueError> {
    tx.prepare_cached("DELETE FROM waiting WHERE manifest <> ?1 OR last_seen_s < ?2")?
        .execute(params![office.manifest_hash.to_string(), integer(now_s.saturating_sub(WAITING_S))?])?;
    // No decision holds for longer, so that no approval is forgotten, nor its user, while it holds.
    let oldest = now_s.saturating_sub(2 * MAX_DAYS * DAY_S);
    tx.prepare_cached("DELETE FROM decisions WHERE decided_at_s < ?1")?.execute([integer(oldest)?])?;
    tx.prepare_cached("DELETE FROM uses WHERE approval NOT IN (SELECT id FROM decisions)")?.execute([])?;
    Ok(())
}

/// The verified decisions on a question that hold now, each with whether it approves: newest first, denials first
/// among those of one second.
fn in_force(
    tx: &Transaction<'_>,
    office: &Office,
    question: &Digest,
    now_s: u64,
) -> Result<Vec<(Digest, bool)>, QueueError> {
    let mut statement = tx.prepare_cached("SELECT bytes, signature FROM decisions WHERE question = ?1")?;
    let rows = statement.query_map([question.to_string()], |row| {
        Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, Vec<u8>>(1)?))
    })?;
    let mut found = Vec::new();
    for row in rows {
        let Ok(signed) = signed_decision(row?) else { continue };
        let Ok(decision) = signed.verify(office, question) else { continue };
        if decision.holds(now_s).is_ok() {
            found.push((decision.decided_at_s, !decision.approved, signed.id()));
        }
    }
    found.sort_unstable();
    Ok(found.into_iter().rev().map(|(_, denied, id)| (id, !denied)).collect())
}

fn signed_decision((bytes, signature): (Vec<u8>, Vec<u8>)) -> Result<SignedDecision, SigningError> {
    Ok(SignedDecision { bytes, signature: Signature::try_from(signature.as_slice())? })
}

/// Whose an approval is.
enum Hold {
    Ours,
    Open,
    UsedUp,
}

/// Gives the approval to the attempt that asks, unless another has it.
fn holder<E: From<QueueError>>(
    tx: &Transaction<'_>,
    approval: &Digest,
    asked: &Asked<'_>,
    standing: impl Fn(QueryId, u32) -> Result<Standing, E>,
) -> Result<Hold, E> {
    let ours = (asked.spec.query_id, asked.attempt);
    for (query, attempt, reserved_by_s) in users(tx, approval)? {
        if (query, attempt) == ours {
            continue;
        }
        match standing(query, attempt)? {
            Standing::Charged => return Ok(Hold::UsedUp),
            Standing::Open => return Ok(Hold::Open),
            // Its work may be under way.
            Standing::Unknown if asked.now_s < reserved_by_s => return Ok(Hold::Open),
            Standing::Unknown | Standing::Over => {}
        }
    }
    let put = || -> Result<(), QueueError> {
        tx.prepare_cached("DELETE FROM uses WHERE approval = ?1")?.execute([approval.to_string()])?;
        tx.prepare_cached(
            "INSERT INTO uses (approval, query, attempt, reserved_by_s) VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute(params![
            approval.to_string(),
            ours.0.to_string(),
            ours.1,
            integer(asked.reserved_by_s)?
        ])?;
        Ok(())
    };
    put()?;
    Ok(Hold::Ours)
}

/// The attempts that were given an approval: one, unless somebody else wrote into the file.
fn users(tx: &Transaction<'_>, approval: &Digest) -> Result<Vec<(QueryId, u32, u64)>, QueueError> {
    let mut statement =
        tx.prepare_cached("SELECT query, attempt, reserved_by_s FROM uses WHERE approval = ?1")?;
    let rows = statement.query_map([approval.to_string()], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, u32>(1)?, row.get::<_, i64>(2)?))
    })?;
    rows.map(|row| {
        let (query, attempt, reserved_by_s) = row?;
        let query = query.parse().map_err(|_| QueueError::Damaged)?;
        Ok((query, attempt, reserved_by_s.try_into().map_err(|_| QueueError::Damaged)?))
    })
    .collect()
}

/// Lets a question wait, or notes that it was asked again.
fn wait(tx: &Transaction<'_>, asked: &Asked<'_>, question: &Digest) -> Result<Reply, QueueError> {
    let (name, planner, now_s) =
        (question.to_string(), asked.spec.planner.to_string(), integer(asked.now_s)?);
    let again = tx
        .prepare_cached("UPDATE waiting SET last_seen_s = ?2, asked = asked + 1 WHERE question = ?1")?
        .execute(params![name, now_s])?;
    if again > 0 {
        return Ok(Reply::Queued);
    }
    let own = count(tx, "SELECT COUNT(*) FROM waiting WHERE planner = ?1", [&planner])?;
    if own >= MAX_WAITING_OF_A_PLANNER || count(tx, "SELECT COUNT(*) FROM waiting", [])? >= MAX_WAITING {
        return Ok(Reply::Full);
    }
    tx.prepare_cached(
        "INSERT INTO waiting (question, manifest, planner, spec, signature, first_seen_s, last_seen_s, asked) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, 1)",
    )?
    .execute(params![
        name,
        asked.spec.manifest_hash.to_string(),
        planner,
        asked.spec.encode(),
        asked.signature.0,
        now_s,
    ])?;
    Ok(Reply::Queued)
}

fn count<P: rusqlite::Params>(tx: &Transaction<'_>, sql: &str, with: P) -> Result<u64, QueueError> {
    let counted: i64 = tx.prepare_cached(sql)?.query_row(with, |row| row.get(0))?;
    u64::try_from(counted).map_err(|_| QueueError::Damaged)
}

/// SQLite's integers are signed; no clock and no deadline is so late.
fn integer(value: u64) -> Result<i64, QueueError> {
    i64::try_from(value).map_err(|_| QueueError::Clock)
}
