//! The question as it travels: canonical bytes that planner and coordinator sign and nodes plan again.

use almoner_federation::{DecodeError, Digest, FederationId, Name, PicoRho, QueryId, Reader, lp};

use crate::parse::MAX_TEXT_BYTES;

const LABEL: &str = "almoner/1/query";

/// One question, complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    /// Whose question it is.
    pub federation: FederationId,
    /// The constitution it is asked under.
    pub manifest_hash: Digest,
    /// The planner's random number for it.
    pub query_id: QueryId,
    /// Who asks.
    pub planner: Name,
    /// Canonical SQL.
    pub sql: String,
    /// The most it may cost.
    pub rho: PicoRho,
    /// The hash of the plan that follows from manifest, SQL and rho.
    pub plan_hash: Digest,
    /// What the planner wants the answer for, in a sentence; may be empty where no node asks for it.
    pub purpose: String,
    /// When it was asked, in seconds since 1970.
    pub issued_at_s: u64,
}

/// Most bytes of a purpose.
pub const MAX_PURPOSE_BYTES: usize = 500;

impl Spec {
    /// Canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        lp(&[
            LABEL.as_bytes(),
            self.federation.as_str().as_bytes(),
            self.manifest_hash.as_bytes(),
            self.query_id.as_bytes(),
            self.planner.as_str().as_bytes(),
            self.sql.as_bytes(),
            &self.rho.get().to_be_bytes(),
            self.plan_hash.as_bytes(),
            self.purpose.as_bytes(),
            &self.issued_at_s.to_be_bytes(),
        ])
    }

    /// Reads canonical bytes strictly.
    ///
    /// # Errors
    /// When the bytes are not exactly what [`Spec::encode`] writes.
    pub fn decode(bytes: &[u8]) -> Result<Spec, DecodeError> {
        let name = |text: &str| text.parse::<Name>().map_err(|_| DecodeError::Malformed("not a name"));
        let mut reader = Reader::new(bytes, LABEL)?;
        let spec = Spec {
            federation: name(reader.text()?)?,
            manifest_hash: Digest(reader.array()?),
            query_id: QueryId(reader.array()?),
            planner: name(reader.text()?)?,
            sql: reader.text()?.to_owned(),
            rho: PicoRho::new(reader.u64()?),
            plan_hash: Digest(reader.array()?),
            purpose: reader.text()?.to_owned(),
            issued_at_s: reader.u64()?,
        };
        reader.end()?;
        if spec.sql.len() > MAX_TEXT_BYTES {
            return Err(DecodeError::Malformed("the question is too long"));
        }
        if spec.purpose.len() > MAX_PURPOSE_BYTES {
            return Err(DecodeError::Malformed("the purpose is too long"));
        }
        Ok(spec)
    }

    /// What the question is, whenever and however often it is asked: SHA-256 of everything but the planner's random
    /// number and the time. Approvals are given to it.
    pub fn question(&self) -> Digest {
        Digest::of(&lp(&[
            b"almoner/1/question",
            self.federation.as_str().as_bytes(),
            self.manifest_hash.as_bytes(),
            self.planner.as_str().as_bytes(),
            self.sql.as_bytes(),
            &self.rho.get().to_be_bytes(),
            self.plan_hash.as_bytes(),
            self.purpose.as_bytes(),
        ]))
    }

    /// SHA-256 of the canonical bytes.
    pub fn hash(&self) -> Digest {
        Digest::of(&self.encode())
    }
}
