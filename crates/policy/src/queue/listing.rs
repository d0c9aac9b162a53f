//! What the data officer sees of the queue: read from signed bytes, and left out where a signature does not verify.

use almoner_federation::{Digest, Manifest, Signature};
use almoner_query::Spec;

use super::{Queue, QueueError, begin, forget_old, signed_decision, users};
use crate::decision::{Decision, Office};

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
    pub decision: Decision,
    /// Whether an attempt has been given the approval.
    pub used: bool,
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
            "SELECT question, spec, signature, first_seen_s, last_seen_s, asked FROM waiting \
             ORDER BY first_seen_s, question",
        )?;
        let rows = statement.query_map([], |row| {
            let question: String = row.get(0)?;
            let signed: (Vec<u8>, Vec<u8>) = (row.get(1)?, row.get(2)?);
            Ok((question, signed, [row.get::<_, i64>(3)?, row.get(4)?, row.get(5)?]))
        })?;
        for row in rows {
            let (question, signed, numbers) = row?;
            let [first_seen_s, last_seen_s, asked] =
                numbers.map(|number| u64::try_from(number).unwrap_or_default());
            match spec(&question, signed, manifest) {
                Some((question, spec)) => {
                    listing.waiting.push(Waiting { question, spec, first_seen_s, last_seen_s, asked });
                }
                None => listing.unproved += 1,
            }
        }
        drop(statement);

        let mut statement =
            tx.prepare("SELECT question, spec, spec_signature, bytes, signature FROM decisions ORDER BY id")?;
        let rows = statement.query_map([], |row| {
            let question: String = row.get(0)?;
            let asked: (Vec<u8>, Vec<u8>) = (row.get(1)?, row.get(2)?);
            Ok((question, asked, (row.get::<_, Vec<u8>>(3)?, row.get::<_, Vec<u8>>(4)?)))
        })?;
        for row in rows {
            let (question, asked, decided) = row?;
            let proved = || {
                let (question, spec) = spec(&question, asked, manifest)?;
                let signed = signed_decision(decided).ok()?;
                Some((spec, signed.verify(office, &question).ok()?, signed.id()))
            };
            match proved() {
                Some((spec, decision, id)) => {
                    let used = !users(&tx, &id)?.is_empty();
                    listing.decided.push(Decided { spec, decision, used });
                }
                None => listing.unproved += 1,
            }
        }
        drop(statement);
        listing.decided.sort_by_key(|one| std::cmp::Reverse(one.decision.decided_at_s));
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
