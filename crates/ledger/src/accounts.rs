//! The registry's arithmetic, without any I/O: which entry may follow which, and what was spent.

use std::collections::{BTreeMap, HashMap};

use almoner_federation::{Digest, Name, PicoRho};

use crate::error::Refusal;
use crate::registry_entry::{RegistryEntry, RegistryStep};

/// Sums and indices after some entries; begins empty.
#[derive(Debug, Default)]
pub struct Accounts {
    total: PicoRho,
    planners: BTreeMap<Name, PicoRho>,
    /// The releases of each family, dearest first and newest first among equals.
    families: HashMap<Digest, Vec<(PicoRho, u64)>>,
    published: HashMap<Digest, (u64, RegistryEntry)>,
    charged: HashMap<(Digest, u32), RegistryEntry>,
}

impl Accounts {
    pub(crate) fn in_family(&self, family: &Digest, rank: usize) -> Option<u64> {
        self.families.get(family)?.get(rank).map(|(_, number)| *number)
    }

    pub(crate) fn by_spec(&self, spec_hash: &Digest) -> Option<u64> {
        self.published.get(spec_hash).map(|(number, _)| *number)
    }

    pub(crate) fn spent(&self, planner: &Name) -> PicoRho {
        self.planners.get(planner).copied().unwrap_or_default()
    }

    pub(crate) fn spent_total(&self) -> PicoRho {
        self.total
    }

    /// The hash of every release by the number of its entry.
    pub(crate) fn releases(&self) -> impl Iterator<Item = (u64, Digest)> {
        self.published.values().filter_map(|(number, entry)| match entry.step {
            RegistryStep::Publish { release, .. } => Some((*number, release)),
            RegistryStep::Charge { .. } => None,
        })
    }

    /// The entry that records this; `None` when the very same is recorded already.
    pub fn next(
        &self,
        step: RegistryStep,
        spec_hash: Digest,
        planner: &Name,
        cost: PicoRho,
        at_s: u64,
    ) -> Result<Option<RegistryEntry>, Refusal> {
        if let Some(found) = self.find(&step, &spec_hash) {
            let same = (&found.step, &found.planner, found.cost) == (&step, planner, cost);
            return if same { Ok(None) } else { Err(Refusal::Conflict) };
        }
        // The attempt's own entry has paid for what is published.
        let added = match step {
            RegistryStep::Charge { .. } => cost,
            RegistryStep::Publish { .. } => PicoRho::ZERO,
        };
        let add = |sum: PicoRho| sum.checked_add(added).ok_or(Refusal::TooLarge("the sum of all prices"));
        let (spent_total, spent_planner) = (add(self.total)?, add(self.spent(planner))?);
        let planner = planner.clone();
        Ok(Some(RegistryEntry { step, at_s, spec_hash, planner, cost, spent_total, spent_planner }))
    }

    /// Takes `entry`, numbered `number`, as the next one, or says what is wrong with it.
    pub fn apply(&mut self, number: u64, entry: &RegistryEntry) -> Result<(), &'static str> {
        match self.next(entry.step, entry.spec_hash, &entry.planner, entry.cost, entry.at_s) {
            Ok(Some(expected)) if expected == *entry => {}
            Ok(Some(_)) | Err(Refusal::TooLarge(_)) => {
                return Err("its cumulative sums are not the sums of the entries");
            }
            Ok(None) | Err(_) => return Err("its question or attempt was recorded before"),
        }
        self.total = entry.spent_total;
        self.planners.insert(entry.planner.clone(), entry.spent_planner);
        match entry.step {
            RegistryStep::Publish { family, .. } => {
                let members = self.families.entry(family).or_default();
                let rank = members.partition_point(|(cost, _)| *cost > entry.cost);
                members.insert(rank, (entry.cost, number));
                self.published.insert(entry.spec_hash, (number, entry.clone()));
            }
            RegistryStep::Charge { attempt, .. } => {
                self.charged.insert((entry.spec_hash, attempt), entry.clone());
            }
        }
        Ok(())
    }

    fn find(&self, step: &RegistryStep, spec_hash: &Digest) -> Option<&RegistryEntry> {
        match step {
            RegistryStep::Publish { .. } => self.published.get(spec_hash).map(|(_, entry)| entry),
            RegistryStep::Charge { attempt, .. } => self.charged.get(&(*spec_hash, *attempt)),
        }
    }
}
