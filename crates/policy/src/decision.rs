//! The data officer's word on one question, signed with her own key.

use almoner_federation::{
    DecodeError, Digest, FederationId, Manifest, Name, Reader, Signature, SigningKey, VerifyingKey, lp,
};
use thiserror::Error;

const LABEL: &str = "almoner/1/decision";

/// How long a decision may hold, in days.
pub const MAX_DAYS: u64 = 30;

/// Most bytes of a reason.
pub const MAX_REASON_BYTES: usize = 500;

pub(crate) const DAY_S: u64 = 86_400;

/// How far the officer's clock may be ahead of the node's, in seconds.
const CLOCK_SKEW_S: u64 = 300;

/// Approval or denial of one question at one agency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Whose question it is.
    pub federation: FederationId,
    /// The agency for which the officer decides.
    pub agency: Name,
    /// [`Spec::question`](almoner_query::Spec::question): what is asked, by whom, what for, at what price, under
    /// which manifest.
    pub question: Digest,
    /// Whether it may be answered: once.
    pub approved: bool,
    /// When the officer decided, in seconds since 1970.
    pub decided_at_s: u64,
    /// From this second on it holds no more; at most 30 days after the decision.
    pub until_s: u64,
    /// The officer's own note; it stays at the agency.
    pub reason: String,
}

/// Why a decision does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DecisionFault {
    /// The bytes are no decision.
    #[error("the decision cannot be read")]
    Malformed,
    /// It is not signed with the officer's key in the manifest.
    #[error("the decision is not signed with the data officer's key that the manifest names")]
    Signature,
    /// It is about another question, or for another agency or federation.
    #[error("the decision is about another question, agency or federation")]
    Other,
    /// It does not hold at this time, or longer than any may.
    #[error("the decision does not hold at this time")]
    Time,
}

/// The office whose decisions count: an agency's under one manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Office {
    pub(crate) federation: FederationId,
    pub(crate) manifest_hash: Digest,
    pub(crate) agency: Name,
    officer_key: VerifyingKey,
}

impl Office {
    /// That of an agency which the manifest names.
    pub fn of(manifest: &Manifest, agency: &Name) -> Option<Office> {
        Some(Office {
            federation: manifest.federation.clone(),
            manifest_hash: manifest.hash(),
            agency: agency.clone(),
            officer_key: manifest.agency_named(agency)?.officer_key,
        })
    }

    /// The decision that this office takes now, for so many days.
    ///
    /// # Panics
    /// When the days or the reason are beyond [`MAX_DAYS`] and [`MAX_REASON_BYTES`], which callers check.
    pub fn decide(
        &self,
        question: Digest,
        approved: bool,
        reason: String,
        now_s: u64,
        days: u64,
    ) -> Decision {
        assert!((1..=MAX_DAYS).contains(&days) && reason.len() <= MAX_REASON_BYTES, "callers check both");
        let (federation, agency) = (self.federation.clone(), self.agency.clone());
        let until_s = now_s.saturating_add(days * DAY_S);
        Decision { federation, agency, question, approved, decided_at_s: now_s, until_s, reason }
    }
}

impl Decision {
    /// Canonical bytes: `LP(label, federation, agency, question, "approve" or "deny", decided_at_s, until_s, reason)`;
    /// times as big-endian `u64`.
    pub fn encode(&self) -> Vec<u8> {
        lp(&[
            LABEL.as_bytes(),
            self.federation.as_str().as_bytes(),
            self.agency.as_str().as_bytes(),
            self.question.as_bytes(),
            if self.approved { b"approve" } else { b"deny" },
            &self.decided_at_s.to_be_bytes(),
            &self.until_s.to_be_bytes(),
            self.reason.as_bytes(),
        ])
    }

    /// Reads canonical bytes strictly.
    ///
    /// # Errors
    /// When the bytes are not exactly what [`Decision::encode`] writes.
    pub fn decode(bytes: &[u8]) -> Result<Decision, DecodeError> {
        let name = |text: &str| text.parse::<Name>().map_err(|_| DecodeError::Malformed("not a name"));
        let mut reader = Reader::new(bytes, LABEL)?;
        let decision = Decision {
            federation: name(reader.text()?)?,
            agency: name(reader.text()?)?,
            question: Digest(reader.array()?),
            approved: match reader.text()? {
                "approve" => true,
                "deny" => false,
                _ => return Err(DecodeError::Malformed("neither an approval nor a denial")),
            },
            decided_at_s: reader.u64()?,
            until_s: reader.u64()?,
            reason: reader.text()?.to_owned(),
        };
        reader.end()?;
        if decision.reason.len() > MAX_REASON_BYTES {
            return Err(DecodeError::Malformed("the reason is too long"));
        }
        Ok(decision)
    }

    /// Signs the decision.
    pub fn sign(&self, officer: &SigningKey) -> SignedDecision {
        let bytes = self.encode();
        let signature = officer.sign(&bytes);
        SignedDecision { bytes, signature }
    }
}

/// A decision on its way, not to be believed before [`SignedDecision::verify`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedDecision {
    /// Canonical bytes.
    pub bytes: Vec<u8>,
    /// Claims to be the officer's.
    pub signature: Signature,
}

impl SignedDecision {
    /// SHA-256 of the canonical bytes: the name under which an approval is used up.
    pub fn id(&self) -> Digest {
        Digest::of(&self.bytes)
    }

    /// The decision, if it is this office's about exactly this question; whether it holds at some time is
    /// [`Decision::holds`].
    ///
    /// # Errors
    /// [`DecisionFault`], but not `Time`.
    pub fn verify(&self, office: &Office, question: &Digest) -> Result<Decision, DecisionFault> {
        office.officer_key.verify(&self.bytes, &self.signature).map_err(|_| DecisionFault::Signature)?;
        let decision = Decision::decode(&self.bytes).map_err(|_| DecisionFault::Malformed)?;
        let ours = decision.federation == office.federation && decision.agency == office.agency;
        if ours && decision.question == *question { Ok(decision) } else { Err(DecisionFault::Other) }
    }
}

impl Decision {
    /// Whether it holds at a moment, in seconds since 1970.
    ///
    /// # Errors
    /// [`DecisionFault::Time`] before it was taken (clocks may differ by five minutes), from `until_s` on, and ever
    /// where it would hold for more than 30 days.
    pub fn holds(&self, now_s: u64) -> Result<(), DecisionFault> {
        let bounded = self.until_s <= self.decided_at_s.saturating_add(MAX_DAYS * DAY_S);
        let begun = self.decided_at_s <= now_s.saturating_add(CLOCK_SKEW_S);
        if bounded && begun && now_s < self.until_s { Ok(()) } else { Err(DecisionFault::Time) }
    }
}
