//! The canonical bytes of the registry's entries: what was published, by hash, and at which price.

use almoner_federation::{DecodeError, Digest, Name, PicoRho, Reader, lp};

use crate::entry::name;

/// The first item of every entry.
const LABEL: &str = "almoner/1/registry-entry";

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegistryStep {
    /// A question was answered.
    Publish {
        /// What questions that it may answer too have in common.
        family: Digest,
        /// SHA-256 of the release.
        release: Digest,
    },
    /// An attempt's context was fixed, so that nodes may charge it from here on.
    Charge {
        /// Which try.
        attempt: u32,
        /// The context's hash.
        context: Digest,
    },
}

/// One entry of the registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryEntry {
    /// What happened.
    pub step: RegistryStep,
    /// When, Unix seconds.
    pub at_s: u64,
    /// What was asked, hashed.
    pub spec_hash: Digest,
    /// Who asked.
    pub planner: Name,
    /// The price of one attempt. CHARGE entries alone add it to the sums.
    pub cost: PicoRho,
    /// All charges up to and with this entry.
    pub spent_total: PicoRho,
    /// This planner's charges up to and with this entry.
    pub spent_planner: PicoRho,
}

impl RegistryEntry {
    /// The canonical bytes: `LP(label, "PUBLISH", family, release_hash, ...)` or
    /// `LP(label, "CHARGE", attempt, ctx_hash, ...)`, followed by `at_s, spec_hash, planner, cost, spent_total,
    /// spent_planner`; integers big-endian, `u64` but for the `u32` attempt.
    pub fn encode(&self) -> Vec<u8> {
        let attempt;
        let mut items: Vec<&[u8]> = vec![LABEL.as_bytes()];
        match &self.step {
            RegistryStep::Publish { family, release } => {
                items.extend([b"PUBLISH".as_slice(), &family.0, &release.0])
            }
            RegistryStep::Charge { attempt: number, context } => {
                attempt = number.to_be_bytes();
                items.extend([b"CHARGE".as_slice(), &attempt, &context.0]);
            }
        }
        let [at_s, cost, spent_total, spent_planner] =
            [self.at_s, self.cost.get(), self.spent_total.get(), self.spent_planner.get()]
                .map(u64::to_be_bytes);
        let planner = self.planner.as_str().as_bytes();
        items.extend([at_s.as_slice(), &self.spec_hash.0, planner, &cost, &spent_total, &spent_planner]);
        lp(&items)
    }

    /// Reads [`RegistryEntry::encode`]'s bytes back, and nothing else.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes, LABEL)?;
        let step = match reader.text()? {
            "PUBLISH" => {
                RegistryStep::Publish { family: Digest(reader.array()?), release: Digest(reader.array()?) }
            }
            "CHARGE" => RegistryStep::Charge { attempt: reader.u32()?, context: Digest(reader.array()?) },
            _ => return Err(DecodeError::Malformed("unknown type of entry")),
        };
        let entry = RegistryEntry {
            step,
            at_s: reader.u64()?,
            spec_hash: Digest(reader.array()?),
            planner: name(&mut reader)?,
            cost: PicoRho::new(reader.u64()?),
            spent_total: PicoRho::new(reader.u64()?),
            spent_planner: PicoRho::new(reader.u64()?),
        };
        reader.end()?;
        Ok(entry)
    }
}
