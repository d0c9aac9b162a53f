//! The auditor's own plan of every question, made once for each text and price.

use std::collections::{BTreeMap, HashMap};

use almoner_federation::{Digest, Manifest, PicoRho};
use almoner_ledger::Touched;
use almoner_query::{Spec, plan};

/// Most plans that are kept at a time.
const MAX_PLANS: usize = 10_000;

/// What of a plan a ledger states.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Planned {
    pub(crate) hash: Digest,
    pub(crate) price: PicoRho,
    pub(crate) touched: Touched,
}

/// Plans under one of several manifests.
pub(crate) struct Plans<'a> {
    manifests: &'a BTreeMap<Digest, Manifest>,
    known: HashMap<(Digest, String, PicoRho), Option<Planned>>,
}

impl<'a> Plans<'a> {
    pub(crate) fn new(manifests: &'a BTreeMap<Digest, Manifest>) -> Self {
        Plans { manifests, known: HashMap::new() }
    }

    /// The plan of a question; `None` when its manifest is unknown or it cannot be planned under it.
    pub(crate) fn of(&mut self, spec: &Spec) -> Option<Planned> {
        let key = (spec.manifest_hash, spec.sql.clone(), spec.rho);
        if let Some(known) = self.known.get(&key) {
            return known.clone();
        }
        if self.known.len() >= MAX_PLANS {
            self.known.clear();
        }
        let manifest = self.manifests.get(&spec.manifest_hash);
        let planned = manifest.and_then(|manifest| plan(manifest, &spec.sql, spec.rho).ok()).map(|plan| {
            Planned { hash: plan.hash(), price: plan.price(), touched: Touched::of(plan.territories()) }
        });
        self.known.insert(key, planned.clone());
        planned
    }
}
