//! The questions that wait for the data officer, and her decisions: `queue.sqlite` beside the ledger, which node and
//! officer's commands open at the same time.
//!
//! The file is a letter box and no authority. A decision counts only if the officer's signature over exactly this
//! question verifies; what the officer is shown is read from the planner's signed bytes; whether an approval has been
//! used the ledger knows. Who can write the file can lose questions and decisions, which are then asked and taken
//! again: nothing more, except that a lost denial uncovers an older approval that was never used.

mod error;
mod listing;
mod store;

use std::path::Path;
use std::sync::{Mutex, MutexGuard};

use almoner_federation::{Digest, Signature};
use almoner_ledger::{Approval, ApprovalUse, SignedApproval};
use almoner_query::Spec;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, TransactionBehavior, params};

pub use error::QueueError;
pub use listing::{Decided, Listing, Waiting};

use crate::decision::{DAY_S, MAX_DAYS, Office, holds};

/// Most questions that wait at one node. With the longest questions they take 70 MB.
pub const MAX_WAITING: u64 = 1_000;

/// Most of them that one planner asked.
pub const MAX_WAITING_OF_A_PLANNER: u64 = 100;

/// Most bytes of the officer's note on a decision.
pub const MAX_REASON_BYTES: usize = 500;

/// Most decisions that are kept.
const MAX_DECISIONS: u64 = 10_000;

/// How long a question waits that is not asked again.
const WAITING_S: u64 = 30 * DAY_S;

/// How long a decision is kept: any has ceased to hold before.
const DECIDED_S: u64 = 2 * MAX_DAYS * DAY_S;

/// The node's side: a question that no rule approves by itself.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// What is asked.
    pub spec: &'a Spec,
    /// The planner's signature, which the caller has verified, over `spec`'s canonical bytes.
    pub signature: &'a Signature,
}

/// What becomes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// The officer approved it, and no attempt has used that yet: reserve with it.
    Approved(SignedApproval),
    /// It waits for the officer.
    Queued,
    /// The officer denied it.
    Denied,
    /// Another attempt that is not over has the approval.
    Held,
    /// Too many wait already.
    Full,
}

/// An open queue.
pub struct Queue {
    connection: Mutex<Connection>,
}

impl Queue {
    /// Opens the file, or makes it, for its owner alone, in a folder that is there. Every operation on it waits at
    /// most five seconds for another process.
    ///
    /// # Errors
    /// When it cannot be opened or is another program's.
    pub fn open(path: &Path) -> Result<Queue, QueueError> {
        Ok(Queue { connection: Mutex::new(store::open(path)?) })
    }

    /// Looks for the officer's decision on a question. Where there is none, or only an approval that was charged
    /// for, the question waits for the next. `used` asks the ledger. One transaction.
    ///
    /// # Errors
    /// When the file fails, or `used` does.
    pub fn ask<E: From<QueueError>>(
        &self,
        asked: &Asked<'_>,
        office: &Office,
        now_s: u64,
        used: impl FnOnce(&Approval) -> Result<ApprovalUse, E>,
    ) -> Result<Reply, E> {
        let mut connection = self.lock()?;
        let tx = begin(&mut connection)?;
        forget_old(&tx, office, now_s)?;
        let question = asked.spec.question();
        let reply = match newest(&tx, office, &question, now_s)? {
            Some(decided) if !decided.approval.approved => Reply::Denied,
            Some(decided) => match used(&decided.approval)? {
                ApprovalUse::Free => {
                    note_given(&tx, &decided.approval)?;
                    Reply::Approved(decided)
                }
                ApprovalUse::Held => Reply::Held,
                ApprovalUse::Spent => wait(&tx, asked, &question, now_s)?,
            },
            None => wait(&tx, asked, &question, now_s)?,
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
        Ok(newest(&tx, office, question, now_s)?.is_some_and(|decided| decided.approval.approved))
    }

    /// Keeps the officer's decision on a question that waits or was decided before, with her note, and takes it off
    /// the list of those that wait. The newest decision counts; of two in one second, a denial.
    ///
    /// # Errors
    /// [`QueueError::Decision`] when it is not `office`'s or does not hold; [`QueueError::NoQuestion`];
    /// [`QueueError::Full`]; when the file fails.
    pub fn decide(
        &self,
        decided: &SignedApproval,
        reason: &str,
        office: &Office,
        now_s: u64,
    ) -> Result<(), QueueError> {
        let Approval { origin: _, question, approved, decided_at_s, until_s } = &decided.approval;
        office.verify(decided, question)?;
        holds(&decided.approval, now_s)?;
        if reason.len() > MAX_REASON_BYTES {
            return Err(QueueError::Reason);
        }
        let mut connection = self.lock()?;
        let tx = begin(&mut connection)?;
        forget_old(&tx, office, now_s)?;
        let name = question.to_string();
        let known: Option<(Vec<u8>, Vec<u8>)> = tx
            .prepare_cached(
                "SELECT spec, spec_signature FROM waiting WHERE question = ?1 \
                 UNION ALL SELECT spec, spec_signature FROM decisions WHERE question = ?1 LIMIT 1",
            )?
            .query_row([&name], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let (spec, spec_signature) = known.ok_or(QueueError::NoQuestion)?;
        if count(&tx, "SELECT COUNT(*) FROM decisions", [])? >= MAX_DECISIONS {
            return Err(QueueError::Full);
        }
        tx.prepare_cached(
            "INSERT OR REPLACE INTO decisions (question, decided_at_s, approved, until_s, signature, reason, given, \
             spec, spec_signature) VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, ?7, ?8)",
        )?
        .execute(params![
            name,
            integer(*decided_at_s)?,
            approved,
            integer(*until_s)?,
            decided.officer.0,
            reason,
            spec,
            spec_signature,
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
    let before = |age_s: u64| integer(now_s.saturating_sub(age_s));
    tx.prepare_cached("DELETE FROM waiting WHERE manifest <> ?1 OR last_seen_s < ?2")?
        .execute(params![office.manifest_hash.to_string(), before(WAITING_S)?])?;
    tx.prepare_cached("DELETE FROM decisions WHERE decided_at_s < ?1")?.execute([before(DECIDED_S)?])?;
    Ok(())
}

/// The newest decision on a question that is the officer's and holds now; of two in one second, the denial.
fn newest(
    tx: &Transaction<'_>,
    office: &Office,
    question: &Digest,
    now_s: u64,
) -> Result<Option<SignedApproval>, QueueError> {
    let mut statement = tx.prepare_cached(
        "SELECT approved, decided_at_s, until_s, signature FROM decisions WHERE question = ?1 \
         ORDER BY decided_at_s DESC, approved",
    )?;
    let mut rows = statement.query([question.to_string()])?;
    while let Some(row) = rows.next()? {
        let Some(decided) = decision(row, office, *question)? else { continue };
        if office.verify(&decided, question).is_ok() && holds(&decided.approval, now_s).is_ok() {
            return Ok(Some(decided));
        }
    }
    Ok(None)
}

/// What the first four columns of a row say of a question: not to be believed before it is verified.
fn decision(row: &Row<'_>, office: &Office, question: Digest) -> Result<Option<SignedApproval>, QueueError> {
    let times = [row.get::<_, i64>(1)?, row.get(2)?].map(u64::try_from);
    let signature: Vec<u8> = row.get(3)?;
    let ([Ok(decided_at_s), Ok(until_s)], Ok(officer)) = (times, Signature::try_from(signature.as_slice()))
    else {
        return Ok(None);
    };
    let (origin, approved) = (office.origin.clone(), row.get(0)?);
    let approval = Approval { origin, question, approved, decided_at_s, until_s };
    Ok(Some(SignedApproval { approval, officer }))
}

/// Notes for the officer's eyes that an attempt was given the approval.
fn note_given(tx: &Transaction<'_>, approval: &Approval) -> Result<(), QueueError> {
    tx.prepare_cached(
        "UPDATE decisions SET given = 1 WHERE question = ?1 AND decided_at_s = ?2 AND approved",
    )?
    .execute(params![approval.question.to_string(), integer(approval.decided_at_s)?])?;
    Ok(())
}

/// Lets a question wait, or notes that it was asked again.
fn wait(tx: &Transaction<'_>, asked: &Asked<'_>, question: &Digest, now_s: u64) -> Result<Reply, QueueError> {
    let (name, planner, now_s) = (question.to_string(), asked.spec.planner.to_string(), integer(now_s)?);
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
        "INSERT INTO waiting (question, manifest, planner, spec, spec_signature, first_seen_s, last_seen_s, asked) \
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
    Ok(u64::try_from(counted).expect("a count is not negative"))
}

/// SQLite's integers are signed; no clock and no deadline is so late.
fn integer(value: u64) -> Result<i64, QueueError> {
    i64::try_from(value).map_err(|_| QueueError::Clock)
}
