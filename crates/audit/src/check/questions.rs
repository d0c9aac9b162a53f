//! Every question that an audit came across, checked once.

use std::collections::{BTreeMap, HashMap};

use almoner_federation::{Digest, Manifest, Name, QueryId, Signature};
use almoner_policy::gives_purpose;
use almoner_query::Spec;

use super::plans::{Planned, Plans};
use crate::VerifiedRelease;

/// What is known of a question that its planner signed. Takes about 300 bytes.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) query: QueryId,
    pub(crate) planner: Name,
    pub(crate) manifest_hash: Digest,
    /// Whether it says what it is for.
    pub(crate) has_purpose: bool,
    /// What an officer would approve.
    pub(crate) question: Digest,
    /// The auditor's own plan; `None` when there is none under the manifest that it names.
    pub(crate) planned: Option<Planned>,
}

impl Known {
    fn of(spec: &Spec, planned: Option<Planned>) -> Self {
        Known {
            query: spec.query_id,
            planner: spec.planner.clone(),
            manifest_hash: spec.manifest_hash,
            has_purpose: gives_purpose(&spec.purpose),
            question: spec.question(),
            planned,
        }
    }
}

/// Questions by the hash of their bytes.
pub(crate) struct Questions<'a> {
    manifests: &'a BTreeMap<Digest, Manifest>,
    plans: Plans<'a>,
    known: HashMap<Digest, Known>,
}

impl<'a> Questions<'a> {
    pub(crate) fn new(manifests: &'a BTreeMap<Digest, Manifest>) -> Self {
        Questions { manifests, plans: Plans::new(manifests), known: HashMap::new() }
    }

    pub(crate) fn get(&self, spec_hash: &Digest) -> Option<&Known> {
        self.known.get(spec_hash)
    }

    /// How many are known.
    pub(crate) fn len(&self) -> usize {
        self.known.len()
    }

    /// Takes a question, if it is one that a planner of its manifest signed.
    pub(crate) fn add(&mut self, body: &[u8], signature: &Signature) -> Result<(), &'static str> {
        let spec_hash = Digest::of(body);
        if self.known.contains_key(&spec_hash) {
            return Ok(());
        }
        let spec = Spec::decode(body).map_err(|_| "it is no question")?;
        let manifest = self.manifests.get(&spec.manifest_hash).ok_or("its manifest is not here")?;
        let planner = manifest.planner(&spec.planner).ok_or("its planner is not in the manifest")?;
        planner.signing_key.verify(body, signature).map_err(|_| "its planner did not sign it")?;
        let planned = self.plans.of(&spec).filter(|planned| planned.hash == spec.plan_hash);
        self.known.insert(spec_hash, Known::of(&spec, planned));
        Ok(())
    }

    /// Takes the question of a release that was verified with it, and so with this plan.
    pub(crate) fn add_verified(&mut self, release: &VerifiedRelease) {
        if self.known.contains_key(&release.spec_hash) {
            return;
        }
        let planned = self.plans.planned(&release.plan);
        self.known.insert(release.spec_hash, Known::of(&release.spec, Some(planned)));
    }
}
