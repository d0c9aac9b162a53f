//! The canonical bytes of a node's ledger entries (PROTOCOL E.2): what auditors read and trees hash.

use std::collections::BTreeMap;

use almoner_federation::{DecodeError, Digest, Name, PicoRho, QueryId, Reader, lp};

/// The first item of every entry.
const LABEL: &str = "almoner/1/ledger-entry";

/// Most planners a policy may name.
pub(crate) const MAX_PLANNERS: usize = 10_000;

/// What a node is willing to spend: the smaller of the manifest's limits and its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Over all planners, for ever.
    pub total: PicoRho,
    /// Per planner; whoever is not named here is refused. Their sum may exceed the total.
    pub planners: BTreeMap<Name, PicoRho>,
}

/// Under which constitution and limits the ledger is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The pinned manifest.
    pub manifest_hash: Digest,
    /// The limits in force.
    pub limits: Limits,
}

/// One entry. All cumulative sums are of *charges*, after the entry; reservations are recomputed from
/// the RESERVE entries that no later entry ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// The opening entry, and one more whenever the manifest or a limit changes.
    Policy(PolicyEntry),
    /// One step of one attempt.
    Round(RoundEntry),
}

/// A POLICY entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyEntry {
    /// When it was written, Unix seconds.
    pub at_s: u64,
    /// What is in force from here on.
    pub policy: Policy,
    /// All charges so far.
    pub charged_total: PicoRho,
}

/// What happened to an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Budget was set aside and the noisy vector sealed.
    Reserve,
    /// The budget is spent, for this context and no other.
    Charge {
        /// The context's hash.
        context: Digest,
    },
    /// Its time passed; the budget is free again.
    Expire,
    /// The coordinator gave it up; the budget is free again.
    Abort,
}

impl Step {
    fn word(&self) -> &'static str {
        match self {
            Step::Reserve => "RESERVE",
            Step::Charge { .. } => "CHARGE",
            Step::Expire => "EXPIRE",
            Step::Abort => "ABORT",
        }
    }
}

/// A RESERVE, CHARGE, EXPIRE or ABORT entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoundEntry {
    /// What happened.
    pub step: Step,
    /// When, Unix seconds.
    pub at_s: u64,
    /// The planner's number of the question.
    pub query: QueryId,
    /// Which try.
    pub attempt: u32,
    /// What was asked, hashed.
    pub spec_hash: Digest,
    /// Who asked.
    pub planner: Name,
    /// The price.
    pub cost: PicoRho,
    /// All charges after this entry.
    pub charged_total: PicoRho,
    /// This planner's charges after this entry.
    pub charged_planner: PicoRho,
}

impl Entry {
    /// The canonical bytes:
    /// `LP(label, "POLICY", at_s, manifest_hash, total, charged_total, count, (planner, limit)*)` or
    /// `LP(label, step, at_s, query_id, attempt, spec_hash, ctx_hash or nothing, planner, cost,
    /// charged_total, charged_planner)`; integers big-endian, `u64` but for the attempt and the count of planners.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Entry::Policy(entry) => entry.encode(),
            Entry::Round(entry) => entry.encode(),
        }
    }

    /// Reads [`Entry::encode`]'s bytes back, and nothing else: each entry has one encoding.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes, LABEL)?;
        let step = match reader.text()? {
            "POLICY" => return PolicyEntry::decode(reader).map(Entry::Policy),
            "RESERVE" => Step::Reserve,
            "CHARGE" => Step::Charge { context: Digest([0; 32]) },
            "EXPIRE" => Step::Expire,
            "ABORT" => Step::Abort,
            _ => return Err(DecodeError::Malformed("unknown type of entry")),
        };
        RoundEntry::decode(step, reader).map(Entry::Round)
    }
}

impl PolicyEntry {
    fn encode(&self) -> Vec<u8> {
        let Policy { manifest_hash, limits } = &self.policy;
        let head = [self.at_s, limits.total.get(), self.charged_total.get()].map(u64::to_be_bytes);
        let planners: Vec<_> =
            limits.planners.iter().map(|(name, limit)| (name.as_str(), limit.get().to_be_bytes())).collect();
        let count = (planners.len() as u32).to_be_bytes();
        let mut items: Vec<&[u8]> =
            vec![LABEL.as_bytes(), b"POLICY", &head[0], &manifest_hash.0, &head[1], &head[2], &count];
        for (name, limit) in &planners {
            items.extend([name.as_bytes(), limit.as_slice()]);
        }
        lp(&items)
    }

    fn decode(mut reader: Reader<'_>) -> Result<Self, DecodeError> {
        let at_s = reader.u64()?;
        let manifest_hash = Digest(reader.array()?);
        let total = PicoRho::new(reader.u64()?);
        let charged_total = PicoRho::new(reader.u64()?);
        let count = reader.u32()? as usize;
        if count > MAX_PLANNERS {
            return Err(DecodeError::Malformed("too many planners"));
        }
        let mut planners = BTreeMap::new();
        for _ in 0..count {
            let (planner, limit) = (name(&mut reader)?, PicoRho::new(reader.u64()?));
            // Names in ascending order, so that one policy has one encoding.
            if planners.last_key_value().is_some_and(|(last, _)| *last >= planner) {
                return Err(DecodeError::Malformed("planners out of order"));
            }
            planners.insert(planner, limit);
        }
        reader.end()?;
        let policy = Policy { manifest_hash, limits: Limits { total, planners } };
        Ok(PolicyEntry { at_s, policy, charged_total })
    }
}

impl RoundEntry {
    fn encode(&self) -> Vec<u8> {
        let context: &[u8] = match &self.step {
            Step::Charge { context } => &context.0,
            Step::Reserve | Step::Expire | Step::Abort => &[],
        };
        lp(&[
            LABEL.as_bytes(),
            self.step.word().as_bytes(),
            &self.at_s.to_be_bytes(),
            &self.query.0,
            &self.attempt.to_be_bytes(),
            &self.spec_hash.0,
            context,
            self.planner.as_str().as_bytes(),
            &self.cost.get().to_be_bytes(),
            &self.charged_total.get().to_be_bytes(),
            &self.charged_planner.get().to_be_bytes(),
        ])
    }

    fn decode(mut step: Step, mut reader: Reader<'_>) -> Result<Self, DecodeError> {
        let at_s = reader.u64()?;
        let query = QueryId(reader.array()?);
        let attempt = reader.u32()?;
        let spec_hash = Digest(reader.array()?);
        match &mut step {
            Step::Charge { context } => *context = Digest(reader.array()?),
            Step::Reserve | Step::Expire | Step::Abort => drop(reader.array::<0>()?),
        }
        let entry = RoundEntry {
            step,
            at_s,
            query,
            attempt,
            spec_hash,
            planner: name(&mut reader)?,
            cost: PicoRho::new(reader.u64()?),
            charged_total: PicoRho::new(reader.u64()?),
            charged_planner: PicoRho::new(reader.u64()?),
        };
        reader.end()?;
        Ok(entry)
    }
}

pub(crate) fn name(reader: &mut Reader<'_>) -> Result<Name, DecodeError> {
    reader.text()?.parse().map_err(|_| DecodeError::Malformed("not a name"))
}
