//! A publication: the coordinator's signed statement of a release's total.

use almoner_api::{Refusal, to_wire, v1};
use almoner_federation::{DecodeError, Digest, Reader, lp};
use almoner_ledger::{RegistryEntry, RegistryStep};
use prost::Message;

use crate::Coordinator;
use crate::ask::Asked;
use crate::coordinator::now_s;
use crate::round::Done;

/// Most bytes of masked vectors kept with one release: half of what the registry takes, so that the
/// signed messages beside them always fit.
const MAX_KEPT_BYTES: usize = 128 << 20;

/// The label of a publication's canonical bytes.
const LABEL: &str = "almoner/1/publish";

/// What the coordinator signs when a round is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Publication {
    /// The round's context.
    pub context: Digest,
    /// SHA-256 of the total's little-endian bytes.
    pub total: Digest,
    /// Seconds since 1970-01-01 UTC.
    pub published_at_s: u64,
}

impl Publication {
    /// The statement for `total`.
    pub fn new(context: Digest, total: &[i64], published_at_s: u64) -> Self {
        let bytes: Vec<u8> = total.iter().flat_map(|value| value.to_le_bytes()).collect();
        Publication { context, total: Digest::of(&bytes), published_at_s }
    }

    /// Canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        lp(&[LABEL.as_bytes(), &self.context.0, &self.total.0, &self.published_at_s.to_be_bytes()])
    }

    /// Reads canonical bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes, LABEL)?;
        let publication = Publication {
            context: Digest(reader.array()?),
            total: Digest(reader.array()?),
            published_at_s: reader.u64()?,
        };
        reader.end()?;
        Ok(publication)
    }
}

impl Coordinator {
    /// Signs, keeps and returns the release of a finished round.
    pub(crate) async fn publish(&self, asked: Asked, done: Done) -> Result<v1::Release, Refusal> {
        let Done { total, masked } = done;
        let published_at_s = now_s();
        let context = Digest::of(total.evidence.context.bytes());
        let publication = Publication::new(context, &total.cells, published_at_s).encode();
        let signature = self.signing.sign(&publication);
        let release = v1::Release {
            spec: Some(asked.signed.clone()),
            context: Some(to_wire(&total.evidence.context)),
            readies: total.evidence.readies.iter().map(to_wire).collect(),
            outputs: total.evidence.outputs.iter().map(to_wire).collect(),
            total: total.cells,
            publication: Some(v1::Signed::new(publication, &signature)),
        };
        let kept = masked.len() * release.total.len() * 8 <= MAX_KEPT_BYTES;
        let masked = if kept {
            masked.into_values().map(|vector| v1::MaskedVector { values: vector.cells().to_vec() }).collect()
        } else {
            tracing::warn!(
                "the masked vectors are too large to keep; the release keeps their signed hashes alone"
            );
            Vec::new()
        };
        let evidence = v1::Evidence { release: Some(release), masked };
        let bytes = evidence.encode_to_vec();
        let (family, spec_hash) = (asked.family(), asked.spec_hash);
        let (planner, price) = (asked.spec.planner, asked.plan.price());
        self.with_registry(move |registry| {
            registry.publish(family, spec_hash, &planner, price, published_at_s, &bytes)
        })
        .await?;
        evidence.release.ok_or(Refusal::Internal)
    }
}

/// A registry entry as auditors list it; `None` for one that published nothing.
pub(crate) fn line(number: u64, entry: RegistryEntry) -> Option<v1::ReleaseLine> {
    matches!(entry.step, RegistryStep::Publish { .. }).then(|| v1::ReleaseLine {
        number,
        spec_hash: entry.spec_hash.0.to_vec(),
        planner: entry.planner.to_string(),
        cost: entry.cost.get(),
        published_at_s: entry.at_s,
    })
}
