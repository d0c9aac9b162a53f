//! The data officer's decisions: that one question may be answered once, or not at all.

use almoner_federation::note::KeyName;
use almoner_federation::{
    DecodeError, Digest, Reader, Signature, SigningError, SigningKey, VerifyingKey, lp,
};

use super::{LABEL, digest};

pub(super) const WORD: &str = "APPROVE";

/// What an officer signs when a question waits: one agency's answer to one question, for a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    /// The ledger it is for.
    pub origin: KeyName,
    /// What may be asked, whenever and under whichever number.
    pub question: Digest,
    /// Whether it may be answered.
    pub approved: bool,
    /// When the officer decided, Unix seconds.
    pub decided_at_s: u64,
    /// From this second on the decision holds no more.
    pub until_s: u64,
}

/// An [`Approval`] with the officer's signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedApproval {
    /// What was decided.
    pub approval: Approval,
    /// The officer's signature over [`Approval::statement`].
    pub officer: Signature,
}

impl Approval {
    /// `LP("almoner/1/decision", origin, question, approved as 1 byte, decided_at_s, until_s)`.
    pub fn statement(&self) -> Vec<u8> {
        lp(&[
            b"almoner/1/decision",
            self.origin.as_str().as_bytes(),
            &self.question.0,
            &[self.approved.into()],
            &self.decided_at_s.to_be_bytes(),
            &self.until_s.to_be_bytes(),
        ])
    }

    /// Signs it.
    pub fn sign(self, officer: &SigningKey) -> SignedApproval {
        SignedApproval { officer: officer.sign(&self.statement()), approval: self }
    }
}

impl SignedApproval {
    /// Whether it is the officer's.
    pub fn verify(&self, officer: &VerifyingKey) -> Result<(), SigningError> {
        officer.verify(&self.approval.statement(), &self.officer)
    }
}

/// An APPROVE entry: `LP(label, "APPROVE", at_s, question, decided_at_s, until_s, signature)`. The origin is the
/// ledger's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovalEntry {
    /// When it was written, Unix seconds.
    pub at_s: u64,
    /// What was approved.
    pub question: Digest,
    /// When, Unix seconds.
    pub decided_at_s: u64,
    /// From this second on it allows nothing.
    pub until_s: u64,
    /// The officer's signature over [`Approval::statement`].
    pub officer: Signature,
}

impl ApprovalEntry {
    /// The decision that it records, at the ledger of that name.
    pub fn signed(&self, origin: &KeyName) -> SignedApproval {
        let approval = Approval {
            origin: origin.to_owned(),
            question: self.question,
            approved: true,
            decided_at_s: self.decided_at_s,
            until_s: self.until_s,
        };
        SignedApproval { approval, officer: self.officer }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let [at_s, decided_at_s, until_s] =
            [self.at_s, self.decided_at_s, self.until_s].map(u64::to_be_bytes);
        lp(&[
            LABEL.as_bytes(),
            WORD.as_bytes(),
            &at_s,
            &self.question.0,
            &decided_at_s,
            &until_s,
            &self.officer.0,
        ])
    }

    pub(super) fn decode(mut reader: Reader<'_>) -> Result<Self, DecodeError> {
        let entry = ApprovalEntry {
            at_s: reader.u64()?,
            question: digest(&mut reader)?,
            decided_at_s: reader.u64()?,
            until_s: reader.u64()?,
            officer: Signature(reader.array()?),
        };
        reader.end()?;
        Ok(entry)
    }
}
