//! Whose decisions count, about what, and for how long. A decision is the ledger's [`Approval`], for its signature
//! stands there for ever.

use almoner_federation::note::KeyName;
use almoner_federation::{Digest, Manifest, Name, Role, VerifyingKey};
use almoner_ledger::{Approval, SignedApproval};
use thiserror::Error;

/// How long a decision may hold, in days.
pub const MAX_DAYS: u64 = 30;

pub(crate) const DAY_S: u64 = 86_400;

/// How far the officer's clock may be ahead of the node's, in seconds.
const CLOCK_SKEW_S: u64 = 300;

/// The office whose decisions count: an agency's under one manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Office {
    /// The name of the agency's ledger.
    pub(crate) origin: KeyName,
    pub(crate) manifest_hash: Digest,
    officer_key: VerifyingKey,
}

/// Why a decision does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DecisionFault {
    /// Not by this agency's officer: the key that the manifest names.
    #[error("the decision is not signed with the data officer's key that the manifest names")]
    Signature,
    /// It is about another question, or for another agency's ledger.
    #[error("the decision is about another question or another agency")]
    Other,
    /// It does not hold at this time, or longer than any may.
    #[error("the decision does not hold at this time")]
    Time,
}

impl Office {
    /// That of an agency which the manifest names.
    pub fn of(manifest: &Manifest, agency: &Name) -> Option<Office> {
        Some(Office {
            origin: manifest.identity(Role::Agency, agency).key_name(),
            manifest_hash: manifest.hash(),
            officer_key: manifest.agency_named(agency)?.officer_key,
        })
    }

    /// The decision that this office takes now, for so many days, to be signed by its officer.
    ///
    /// # Panics
    /// When the days are not 1 to [`MAX_DAYS`], which callers check.
    pub fn decide(&self, question: Digest, approved: bool, now_s: u64, days: u64) -> Approval {
        assert!((1..=MAX_DAYS).contains(&days), "callers check the days");
        let until_s = now_s.saturating_add(days * DAY_S);
        Approval { origin: self.origin.clone(), question, approved, decided_at_s: now_s, until_s }
    }

    /// Whether a decision is this office's about exactly this question, at whatever time.
    ///
    /// # Errors
    /// [`DecisionFault::Signature`] or [`DecisionFault::Other`].
    pub fn verify(&self, decided: &SignedApproval, question: &Digest) -> Result<(), DecisionFault> {
        decided.verify(&self.officer_key).map_err(|_| DecisionFault::Signature)?;
        let Approval { origin, question: about, .. } = &decided.approval;
        if *origin == self.origin && about == question { Ok(()) } else { Err(DecisionFault::Other) }
    }
}

/// Whether a decision holds at a moment, in seconds since 1970.
///
/// # Errors
/// [`DecisionFault::Time`] before it was taken (clocks may differ by five minutes), from its end on, and always where
/// it would hold for more than 30 days.
pub fn holds(decided: &Approval, now_s: u64) -> Result<(), DecisionFault> {
    let bounded = decided.until_s <= decided.decided_at_s.saturating_add(MAX_DAYS * DAY_S);
    let begun = decided.decided_at_s <= now_s.saturating_add(CLOCK_SKEW_S);
    if bounded && begun && now_s < decided.until_s { Ok(()) } else { Err(DecisionFault::Time) }
}
