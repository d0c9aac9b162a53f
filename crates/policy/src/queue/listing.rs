//! What the data officer sees of the queue: read from signed bytes, and left out where a signature does not verify.

use almoner_federation::{Digest, Manifest, Signature};
use almoner_ledger::Approval;
use almoner_query::Spec;

use super::{Queue, QueueError, begin, decision, forget_old};
use crate::decision::Office;

/// A question that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Its name: [`Spec::question`].
    pub question: Digest,
    /// The question as the planner signed it when it was first asked.
    pub spec: Spec,
    /// When it first came, in seconds since 1970, by the node's clock.
    pub first_seen_s: u64,
    /// When it last came.
    pub last_seen_s: u64,
    /// How often it came.
    pub asked: u64,
}

/// A question that was decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    /// The question as the planner signed it.
    pub spec: Spec,
    /// The decision, whose signature was verified.
    pub decision: Approval,
    /// The officer's note, which nobody signed.
    pub reason: String,
    /// Whether an attempt was given the approval; whether it was charged, the ledger knows.
    pub given: bool,
}

/// The whole queue.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// What waits, longest first.
    pub waiting: Vec<Waiting>,
    /// What was decided in the last 60 days, newest first.
    pub decided: Vec<Decided>,
    /// How many rows do not prove themselves under this manifest, and are not shown.
    pub unproved: u64,
}

impl Queue {
    /// Everything in the queue.
    ///
    /// # Errors
    /// When the file fails.
    pub fn list(&self, manifest: &Manifest, office: &Office, now_s: u64) -> Result<Listing, QueueError> {
        let mut connection = self.lock()?;
        let tx = begin(&mut connection)?;
        forget_old(&tx, office, now_s)?;
        let mut listing = Listing::default();

        let mut statement = tx.prepare(
            "SELECT question, spec, spec_signature, first_seen_s, last_seen_s, asked FROM waiting \
             ORDER BY first_seen_s, question",
        )?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let number =
                |index| Ok::<_, QueueError>(u64::try_from(row.get::<_, i64>(index)?).unwrap_or_default());
            let question: String = row.get(0)?;
            match spec(&question, (row.get(1)?, row.get(2)?), manifest) {
                Some((question, spec)) => {
                    let (first_seen_s, last_seen_s, asked) = (number(3)?, number(4)?, number(5)?);
                    listing.waiting.push(Waiting { question, spec, first_seen_s, last_seen_s, asked });
                }
                None => listing.unproved += 1,
            }
        }
        drop(rows);
        drop(statement);

        let mut statement = tx.prepare(
            "SELECT approved, decided_at_s, until_s, signature, question, spec, spec_signature, reason, given \
             FROM decisions ORDER BY decided_at_s DESC, approved, question",
        )?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let question: String = row.get(4)?;
            let proved = match spec(&question, (row.get(5)?, row.get(6)?), manifest) {
                Some((question, spec)) => decision(row, office, question)?
                    .filter(|decided| office.verify(decided, &question).is_ok())
                    .map(|decided| (spec, decided.approval)),
                None => None,
            };
            match proved {
                Some((spec, decision)) => {
                    let (reason, given) = (row.get(7)?, row.get(8)?);
                    listing.decided.push(Decided { spec, decision, reason, given });
                }
                None => listing.unproved += 1,
            }
        }
        drop(rows);
        drop(statement);
        tx.commit()?;
        Ok(listing)
    }
}

/// The question of a row, if its planner signed it and it is the one that the row names.
fn spec(
    question: &str,
    (bytes, signature): (Vec<u8>, Vec<u8>),
    manifest: &Manifest,
) -> Option<(Digest, Spec)> {
    let spec = Spec::decode(&bytes).ok()?;
    let planner = manifest.planner(&spec.planner)?;
    planner.signing_key.verify(&bytes, &Signature::try_from(signature.as_slice()).ok()?).ok()?;
    let named: Digest = question.parse().ok()?;
    let ours = spec.manifest_hash == manifest.hash() && spec.question() == named;
    ours.then_some((named, spec))
}
