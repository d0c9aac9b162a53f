//! From a planner's signed question to this node's own plan of it. What the coordinator says of the
//! question is never believed: text, price and sensitivity are the node's own reading.

use almoner_api::{Refusal, v1};
use almoner_federation::Digest;
use almoner_query::{Plan, Spec, plan};

use crate::Node;

/// A question that passed every rule which needs no data.
pub(crate) struct Question {
    pub spec: Spec,
    pub spec_hash: Digest,
    pub plan: Plan,
    pub attempt: u32,
    /// Whether the planner's signature is too old for a question that no officer approved.
    pub stale: bool,
}

/// How far ahead of this node's clock a planner's may be, in seconds.
const CLOCK_SKEW_S: u64 = 300;

impl Node {
    /// Checks one attempt at a signed question.
    ///
    /// # Errors
    /// Each depends on the question, the manifest and this node's limits alone.
    pub(crate) fn question(&self, signed: &v1::Signed, attempt: u32) -> Result<Question, Refusal> {
        let spec = Spec::decode(&signed.body).map_err(|_| Refusal::Malformed)?;
        if spec.federation != self.manifest.federation || spec.manifest_hash != self.manifest.hash() {
            return Err(Refusal::Manifest);
        }
        let planner = self.manifest.planner(&spec.planner).ok_or(Refusal::Planner)?;
        planner.signing_key.verify(&signed.body, &signed.signature()?).map_err(|_| Refusal::Signature)?;
        if attempt >= self.limits.attempts_per_query {
            return Err(Refusal::Attempts);
        }
        let now_s = self.clock.now_s();
        if spec.issued_at_s > now_s.saturating_add(CLOCK_SKEW_S) {
            return Err(Refusal::Stale);
        }
        let stale = spec.issued_at_s < now_s.saturating_sub(self.limits.question_age_s);
        let plan = plan(&self.manifest, &spec.sql, spec.rho).map_err(|_| Refusal::Plan)?;
        if plan.canonical_sql() != spec.sql || plan.hash() != spec.plan_hash {
            return Err(Refusal::PlanMismatch);
        }
        if plan.price() > self.limits.query_rho {
            return Err(Refusal::Price);
        }
        Ok(Question { spec_hash: Digest::of(&signed.body), spec, plan, attempt, stale })
    }
}
