//! The auditor's own plan of every question, made once for each text and price.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use almoner_federation::{Digest, Manifest, PicoRho};
use almoner_ledger::Touched;
use almoner_query::{Plan, Spec, Uses, plan};

/// Most plans that are kept at a time.
const MAX_PLANS: usize = 10_000;

/// What of a plan a ledger states, and an agency's rules look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Planned {
    pub(crate) hash: Digest,
    pub(crate) price: PicoRho,
    pub(crate) touched: Touched,
    pub(crate) subject: Arc<Subject>,
}

/// What is asked about: the same for most questions.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Subject {
    pub(crate) tables: Vec<String>,
    pub(crate) uses: Uses,
}

/// Plans under one of several manifests.
pub(crate) struct Plans<'a> {
    manifests: &'a BTreeMap<Digest, Manifest>,
    known: HashMap<(Digest, String, PicoRho), Option<Planned>>,
    /// Each once, for questions are many. They take no more than the texts of the questions do.
    subjects: HashSet<Arc<Subject>>,
}

impl<'a> Plans<'a> {
    pub(crate) fn new(manifests: &'a BTreeMap<Digest, Manifest>) -> Self {
        Plans { manifests, known: HashMap::new(), subjects: HashSet::new() }
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
        let plan = manifest.and_then(|manifest| plan(manifest, &spec.sql, spec.rho).ok());
        let planned = plan.map(|plan| self.planned(&plan));
        self.known.insert(key, planned.clone());
        planned
    }

    /// What is kept of a plan.
    pub(crate) fn planned(&mut self, plan: &Plan) -> Planned {
        Planned {
            hash: plan.hash(),
            price: plan.price(),
            touched: Touched::of(plan.territories()),
            subject: self.subject(plan),
        }
    }

    fn subject(&mut self, plan: &Plan) -> Arc<Subject> {
        let subject = Subject { tables: plan.tables().to_vec(), uses: plan.uses().clone() };
        if let Some(known) = self.subjects.get(&subject) {
            return known.clone();
        }
        let subject = Arc::new(subject);
        self.subjects.insert(subject.clone());
        subject
    }
}
