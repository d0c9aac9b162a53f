//! The arithmetic of a node's ledger, without any I/O: which entry may follow which. The node asks it
//! before it writes, the node asks it again when it reads its file back, and an auditor asks it about a
//! node's exported entries.

use std::collections::{BTreeMap, HashMap};

use almoner_federation::{Digest, Name, PicoRho, QueryId};

use crate::entry::{Entry, Limits, Policy, PolicyEntry, RoundEntry, Step};
use crate::error::{BookFault, Refusal, Scope};
use crate::node_types::Position;

/// Limits and sums as they stand. `charged + reserved` never passes the limit it was accepted under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// The limit over all planners.
    pub total_limit: PicoRho,
    /// Charged over all planners.
    pub total_charged: PicoRho,
    /// Reserved over all planners.
    pub total_reserved: PicoRho,
    /// This planner's limit.
    pub planner_limit: PicoRho,
    /// Charged to this planner.
    pub planner_charged: PicoRho,
    /// Reserved for this planner.
    pub planner_reserved: PicoRho,
}

/// How an attempt stands, as far as entries tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoundPhase {
    /// Budget is set aside.
    Reserved,
    /// Budget is spent.
    Charged {
        /// The one context it was spent for.
        context: Digest,
        /// The ledger right after the CHARGE entry.
        position: Position,
    },
    /// The time passed before a charge.
    Expired,
    /// Given up before a charge.
    Aborted,
}

/// One attempt, as far as entries tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Round {
    /// What was asked, hashed.
    pub spec_hash: Digest,
    /// Who asked.
    pub planner: Name,
    /// The price.
    pub cost: PicoRho,
    /// The number of its RESERVE entry, counted from 0.
    pub reserved_by: u64,
    /// How it stands.
    pub phase: RoundPhase,
}

#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    charged: PicoRho,
    reserved: PicoRho,
}

/// All sums and attempts after some entries; begins empty.
#[derive(Debug, Clone, Default)]
pub struct Books {
    policy: Option<Policy>,
    total: Sums,
    planners: BTreeMap<Name, Sums>,
    rounds: HashMap<(QueryId, u32), Round>,
}

impl Books {
    /// Books without entries.
    pub fn new() -> Self {
        Self::default()
    }

    /// The policy in force: the last POLICY entry's.
    pub fn policy(&self) -> Option<&Policy> {
        self.policy.as_ref()
    }

    /// The attempt, if it was ever reserved.
    pub fn round(&self, query: QueryId, attempt: u32) -> Option<&Round> {
        self.rounds.get(&(query, attempt))
    }

    /// Every attempt, in no order.
    pub fn rounds(&self) -> impl Iterator<Item = (&(QueryId, u32), &Round)> {
        self.rounds.iter()
    }

    /// Limits and sums for `planner`; refused when the policy in force does not name it.
    pub fn budget(&self, planner: &Name) -> Result<Budget, Refusal> {
        let unknown = || Refusal::UnknownPlanner(planner.clone());
        let limits = &self.policy.as_ref().ok_or_else(unknown)?.limits;
        let planner_limit = *limits.planners.get(planner).ok_or_else(unknown)?;
        let sums = self.sums(planner);
        Ok(Budget {
            total_limit: limits.total,
            total_charged: self.total.charged,
            total_reserved: self.total.reserved,
            planner_limit,
            planner_charged: sums.charged,
            planner_reserved: sums.reserved,
        })
    }

    /// Whether `cost` more could be reserved: `charged + reserved + cost <= limit`, for the total and for
    /// the planner (PROTOCOL E.1; a sum filter is valid under full adaptivity).
    pub fn affordable(&self, planner: &Name, cost: PicoRho) -> Result<(), Refusal> {
        let budget = self.budget(planner)?;
        let committed = |charged: PicoRho, reserved| charged.checked_add(reserved);
        fits(Scope::Total, budget.total_limit, committed(budget.total_charged, budget.total_reserved), cost)?;
        fits(
            Scope::Planner(planner.clone()),
            budget.planner_limit,
            committed(budget.planner_charged, budget.planner_reserved),
            cost,
        )
    }

    /// The POLICY entry that would put `policy` in force.
    pub(crate) fn policy_entry(&self, policy: Policy, at_s: u64) -> Entry {
        Entry::Policy(PolicyEntry { at_s, policy, charged_total: self.total.charged })
    }

    /// The entry of `step` for an attempt, with the sums it will lead to; refused when they pass 64 bits.
    pub(crate) fn round_entry(
        &self,
        step: Step,
        at_s: u64,
        (query, attempt): (QueryId, u32),
        (spec_hash, planner, cost): (Digest, Name, PicoRho),
    ) -> Result<Entry, Refusal> {
        let spent = match step {
            Step::Charge { .. } => cost,
            Step::Reserve | Step::Expire | Step::Abort => PicoRho::ZERO,
        };
        let add = |sum: PicoRho| sum.checked_add(spent).ok_or(Refusal::TooLarge("the sum of all charges"));
        let (charged_total, charged_planner) = (add(self.total.charged)?, add(self.sums(&planner).charged)?);
        Ok(Entry::Round(RoundEntry {
            step,
            at_s,
            query,
            attempt,
            spec_hash,
            planner,
            cost,
            charged_total,
            charged_planner,
        }))
    }

    /// Whether `entry` may come next. Changes nothing.
    pub fn check(&self, entry: &Entry) -> Result<(), BookFault> {
        match entry {
            Entry::Policy(entry) if entry.charged_total == self.total.charged => Ok(()),
            Entry::Policy(_) => Err(BookFault::Sums),
            Entry::Round(entry) => self.check_round(entry),
        }
    }

    /// Takes `entry` as the next one; `after` is the tree that ends with it.
    ///
    /// # Errors
    /// Those of [`Books::check`], and then nothing was changed.
    pub fn apply(&mut self, entry: &Entry, after: Position) -> Result<(), BookFault> {
        self.check(entry)?;
        match entry {
            Entry::Policy(entry) => self.policy = Some(entry.policy.clone()),
            Entry::Round(entry) => self.apply_round(entry, after),
        }
        Ok(())
    }

    fn sums(&self, planner: &Name) -> Sums {
        self.planners.get(planner).copied().unwrap_or_default()
    }

    fn check_round(&self, entry: &RoundEntry) -> Result<(), BookFault> {
        let Some(Policy { limits, .. }) = &self.policy else { return Err(BookFault::NoPolicy) };
        let round = self.rounds.get(&(entry.query, entry.attempt));
        if let Step::Reserve = entry.step {
            if round.is_some() {
                return Err(Refusal::Conflict.into());
            }
            self.affordable(&entry.planner, entry.cost)?;
        } else {
            let round = round.ok_or(Refusal::Unknown)?;
            if (round.spec_hash, &round.planner, round.cost) != (entry.spec_hash, &entry.planner, entry.cost)
            {
                return Err(BookFault::Mismatch);
            }
            match round.phase {
                RoundPhase::Reserved => {}
                RoundPhase::Charged { .. } => return Err(BookFault::Ended("charged")),
                RoundPhase::Expired => return Err(BookFault::Ended("expired")),
                RoundPhase::Aborted => return Err(BookFault::Ended("aborted")),
            }
        }
        if let Step::Charge { .. } = entry.step {
            self.chargeable(limits, &entry.planner, entry.cost)?;
        }
        match self.round_entry(
            entry.step,
            entry.at_s,
            (entry.query, entry.attempt),
            (entry.spec_hash, entry.planner.clone(), entry.cost),
        )? {
            Entry::Round(expected) if expected == *entry => Ok(()),
            _ => Err(BookFault::Sums),
        }
    }

    /// A limit that was lowered after the reservation governs the charge.
    fn chargeable(&self, limits: &Limits, planner: &Name, cost: PicoRho) -> Result<(), Refusal> {
        let limit = limits.planners.get(planner).ok_or_else(|| Refusal::UnknownPlanner(planner.clone()))?;
        fits(Scope::Total, limits.total, Some(self.total.charged), cost)?;
        fits(Scope::Planner(planner.clone()), *limit, Some(self.sums(planner).charged), cost)
    }

    /// Only after [`Books::check_round`], which has shown that no sum overflows and none goes below zero.
    fn apply_round(&mut self, entry: &RoundEntry, after: Position) {
        let key = (entry.query, entry.attempt);
        let (total, planner) = (&mut self.total, self.planners.entry(entry.planner.clone()).or_default());
        for sums in [total, planner] {
            match entry.step {
                Step::Reserve => {
                    sums.reserved =
                        sums.reserved.checked_add(entry.cost).expect("affordable() added the same")
                }
                Step::Charge { .. } | Step::Expire | Step::Abort => {
                    sums.reserved = sums.reserved.saturating_sub(entry.cost)
                }
            }
            if let Step::Charge { .. } = entry.step {
                sums.charged = sums.charged.checked_add(entry.cost).expect("chargeable() added the same");
            }
        }
        let phase = match entry.step {
            Step::Reserve => RoundPhase::Reserved,
            Step::Charge { context } => RoundPhase::Charged { context, position: after },
            Step::Expire => RoundPhase::Expired,
            Step::Abort => RoundPhase::Aborted,
        };
        self.rounds.entry(key).and_modify(|round| round.phase = phase).or_insert_with(|| Round {
            spec_hash: entry.spec_hash,
            planner: entry.planner.clone(),
            cost: entry.cost,
            reserved_by: after.size - 1,
            phase,
        });
    }
}

/// `committed + asked <= limit`; an overflow is beyond every limit.
fn fits(scope: Scope, limit: PicoRho, committed: Option<PicoRho>, asked: PicoRho) -> Result<(), Refusal> {
    let committed = committed.unwrap_or(PicoRho::new(u64::MAX));
    match committed.checked_add(asked) {
        Some(sum) if sum <= limit => Ok(()),
        _ => Err(Refusal::OverBudget { scope, limit, committed, asked }),
    }
}
