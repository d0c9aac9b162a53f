//! A round whose context is fixed is kept durably before the first Release goes out, so that after a
//! crash the same context is sent again and nobody is charged twice.

use almoner_api::{Refusal, signed, to_signed, to_wire, v1};
use almoner_audit::question_of;
use almoner_federation::Digest;
use almoner_secure_sum::{Releasing, Signed};
use prost::Message;

use crate::Coordinator;
use crate::ask::Asked;

impl Coordinator {
    /// Keeps the round, and charges it to the coordinator's own account.
    pub(crate) async fn keep_pending(
        &self,
        asked: &Asked,
        round: &Releasing,
        now_s: u64,
    ) -> Result<(), Refusal> {
        let bytes = v1::Release {
            spec: Some(asked.signed.clone()),
            context: Some(to_wire(round.context().as_signed())),
            readies: round.readies().iter().map(|ready| to_wire(ready.as_signed())).collect(),
            ..Default::default()
        }
        .encode_to_vec();
        let (spec_hash, planner, price) = (asked.spec_hash, asked.spec.planner.clone(), asked.plan.price());
        let attempt = (round.context().attempt, round.ctx_hash());
        self.with_registry(move |registry| {
            registry.charge(spec_hash, attempt, &planner, price, now_s, &bytes)
        })
        .await
    }

    /// The round of this question that was never finished, if there is one.
    pub(crate) async fn pending(&self, spec_hash: Digest) -> Result<Option<v1::Release>, Refusal> {
        let bytes = self.with_registry(move |registry| registry.pending(&spec_hash)).await?;
        bytes.map(|bytes| v1::Release::decode(bytes.as_slice()).map_err(|_| Refusal::Internal)).transpose()
    }

    /// The round as it stood when its context was fixed.
    pub(crate) fn resume(&self, asked: &Asked, pending: v1::Release) -> Result<Releasing, Refusal> {
        let context: Signed<almoner_secure_sum::Context> = to_signed(signed(pending.context)?)?;
        let readies = pending.readies.into_iter().map(to_signed).collect::<Result<Vec<_>, _>>()?;
        let attempt = context.verify(self.roster.coordinator()).map_err(|_| Refusal::Internal)?.attempt;
        let question = question_of(&self.manifest, &asked.plan, asked.spec_hash, attempt);
        Releasing::restore(self.roster.clone(), question, &context, &readies).map_err(|_| Refusal::Internal)
    }
}
