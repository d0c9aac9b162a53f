//! Free answers: what was released for one question often answers others. Post-processing only.

use std::sync::Arc;

use almoner_federation::{Digest, Manifest, lp};

use crate::layout::{ColumnValue, reading};
use crate::parse::parse;
use crate::plan::{Draft, Plan};
use crate::question::{Understood, understand};

/// By how much a free answer's block may have cost less than the question's own would: the error is at most
/// `sqrt(2)` times as large.
const CHEAPER: u64 = 2;

impl Plan {
    /// What questions that may answer each other have in common, in canonical text: the table, the condition and the keys.
    /// They touch the same territories then, because these follow from the manifest, the table and the condition: one
    /// that reads placed rows only is never of a family with one that reads all.
    pub fn family(&self) -> Digest {
        let draft = &self.draft;
        let (tables, condition) = (draft.tables.join(" "), draft.condition.as_deref());
        let mut items: Vec<&[u8]> = vec![tables.as_bytes()];
        items.extend([if condition.is_some() { b"where".as_slice() } else { b"all".as_slice() }]);
        items.push(condition.unwrap_or_default().as_bytes());
        items.extend(draft.keys.iter().map(|key| key.text.as_bytes()));
        Digest::of(&lp(&items))
    }

    /// This plan's release as the answer to `asked`: a plan with this one's cells, noise and price and with that
    /// one's outputs, order and limit. Both plans must follow from `manifest`.
    ///
    /// `None` when they are not of one [`Plan::family`], when an output of `asked` does not follow from what is
    /// released here, or when this release is too noisy: it must have had at least the question's limit as its own,
    /// and each block that is read must have cost at least half of what the question's own would.
    pub fn read_as(&self, manifest: &Manifest, asked: &Plan) -> Option<Plan> {
        if self.family() != asked.family() || self.rho_limit < asked.rho_limit {
            return None;
        }
        if !self.sketches.is_empty() {
            // Of bits nothing but the question itself follows.
            return (self.canonical_sql() == asked.canonical_sql()).then(|| self.clone());
        }
        let question = |plan: &Plan| parse(&plan.draft.canonical);
        let (own, other) = (question(self).ok()?, question(asked).ok()?);
        let (Understood::Rows(own), Understood::Rows(other)) =
            (understand(&own, manifest).ok()?, understand(&other, manifest).ok()?)
        else {
            return None;
        };
        let columns = reading(&other, &own, self.draft.facts.most_steps())?;
        let read = columns.iter().zip(&asked.draft.layout.columns).all(|(column, wanted)| {
            let cost = |plan: &Plan, value: &ColumnValue| match value {
                ColumnValue::Key(_) => 0,
                ColumnValue::Estimate { estimator, .. } => plan.block_of(estimator.coordinate()).cost.get(),
            };
            cost(self, &column.value).saturating_mul(CHEAPER) >= cost(asked, &wanted.value)
        });
        read.then(|| {
            let mut layout = self.draft.layout.clone();
            layout.columns = columns;
            let draft = Draft {
                canonical: asked.draft.canonical.clone(),
                layout,
                order: asked.draft.order.clone(),
                limit: asked.draft.limit,
                ..(*self.draft).clone()
            };
            Plan { draft: Arc::new(draft), ..self.clone() }
        })
    }
}
