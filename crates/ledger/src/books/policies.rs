//! Policies: who may put one in force, and what of the sums changes with it.

use super::{Books, RoundPhase, territories};
use crate::entry::{Entry, Policy, PolicyEntry, SignedPolicy, Touched, check_bounds};
use crate::error::BookFault;

impl Books {
    /// The POLICY or GRANT entry that would put `signed` in force.
    pub fn policy_entry(&self, signed: SignedPolicy, at_s: u64) -> Entry {
        let grant = self.policy.as_ref().is_some_and(|before| signed.policy.limits.raises(&before.limits));
        Entry::Policy(Box::new(PolicyEntry { at_s, grant, signed, charged_total: self.charged_total() }))
    }

    pub(super) fn check_policy(&self, entry: &PolicyEntry) -> Result<(), BookFault> {
        let SignedPolicy { policy, officer, auditor } = &entry.signed;
        check_bounds(policy)?;
        if entry.charged_total != self.charged_total() {
            return Err(BookFault::Sums);
        }
        let statement = policy.statement(self.position);
        // The first policy names its own officer; an auditor compares the key with the manifest's.
        let before = self.policy.as_ref().unwrap_or(policy);
        before.officer.verify(&statement, officer).map_err(|_| BookFault::Unsigned("the data officer"))?;
        let raises = self.policy.as_ref().is_some_and(|before| policy.limits.raises(&before.limits));
        if before.origin != policy.origin {
            return Err(BookFault::Origin);
        }
        if entry.grant != raises {
            return Err(BookFault::Grant);
        }
        let unsigned = BookFault::Unsigned("an auditor");
        match (self.policy.as_ref().map(|before| &before.auditors), auditor) {
            (None, Some(_)) => Err(unsigned),
            (None, None) => Ok(()),
            (Some(auditors), None) if auditors.is_empty() => Ok(()),
            (Some(auditors), Some((key, signature))) if auditors.contains(key) => {
                key.verify(&statement, signature).map_err(|_| unsigned)
            }
            _ => Err(unsigned),
        }
    }

    /// What territories mean may change with a policy: what was spent on some of them then counts for all. An officer
    /// who follows another cannot tell what that one approved, so what is not used yet has ended.
    pub(super) fn put_in_force(&mut self, policy: &Policy) {
        let partition =
            |policy: &Policy| policy.limits.territory.map(|t| (t.partition, t.count, t.placements));
        let before = self.policy.as_ref();
        let succeeded = before.is_some_and(|before| before.officer != policy.officer);
        if before.map(partition) != Some(partition(policy)) {
            self.fold(territories(policy));
        }
        if succeeded {
            self.approvals.values_mut().for_each(|approved| approved.until_s = 0);
        }
        self.policy = Some(policy.clone());
    }

    /// Begins to count `count` territories anew.
    pub(super) fn fold(&mut self, count: u32) {
        let placements = self.placements();
        let rounds = &self.rounds;
        let reserved = |month: Option<u32>| -> u128 {
            let open = rounds.values().filter(|round| round.phase == RoundPhase::Reserved);
            let these = open.filter(|round| month.is_none_or(|month| round.month == month));
            these.map(|round| u128::from(round.cost.get())).sum()
        };
        for (month, spent) in &mut self.months {
            spent.fold(placements, reserved(Some(*month)), count);
        }
        self.total.fold(placements, reserved(None), count);
        self.rounds.values_mut().for_each(|round| round.touched = Touched::All);
    }
}
