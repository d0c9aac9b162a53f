//! What becomes of a finished round: a release, signed and kept.

use almoner_api::{Refusal, to_wire, v1};
use almoner_audit::Publication;
use almoner_federation::Digest;
use almoner_ledger::{RegistryEntry, RegistryStep};
use prost::Message;

use crate::Coordinator;
use crate::ask::Asked;
use crate::coordinator::now_s;
use crate::round::Done;

/// Most bytes of masked vectors kept with one release: half of what the registry takes, so that the
/// signed messages beside them always fit.
const MAX_KEPT_BYTES: usize = 128 << 20;

impl Coordinator {
    /// Signs, keeps and returns the release of a finished round.
    pub(crate) async fn publish(&self, asked: Asked, done: Done) -> Result<v1::Release, Refusal> {
        let Done { total, masked, checkpoints } = done;
        let published_at_s = now_s();
        let context = Digest::of(total.evidence.context.bytes());
        let publication = Publication::new(context, &total.cells, published_at_s).encode();
        let signature = self.signing.sign(&publication);
        let release = v1::Release {
            spec: Some(asked.signed.clone()),
            context: Some(to_wire(&total.evidence.context)),
            readies: total.evidence.readies.iter().map(to_wire).collect(),
            checkpoints: checkpoints.into_values().collect(),
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
        let (family, spec_hash) = (asked.family(&self.manifest), asked.spec_hash);
        let (planner, price) = (asked.spec.planner, asked.plan.price());
        self.with_registry(move |registry| {
            registry.publish(family, spec_hash, &planner, price, published_at_s, &bytes)
        })
        .await?;
        // The release stands whatever becomes of the checkpoint.
        if self.checkpoint().await.is_err() {
            tracing::warn!("the registry's checkpoint could not be kept for auditors");
        }
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
