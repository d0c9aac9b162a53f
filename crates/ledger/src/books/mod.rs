//! The arithmetic of a node's ledger, without any I/O: which entry may follow which. The node asks it
//! before it writes, the node asks it again when it reads its file back, and an auditor asks it about a
//! node's exported entries.

mod approvals;
mod budget;
mod policies;
mod rounds;
mod spent;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use almoner_federation::{Digest, Name, PeriodLength, PicoRho, QueryId};

use crate::entry::{Entry, Limits, Policy, Touched};
use crate::error::{BookFault, Refusal, Scope};
use crate::node_types::Position;
use approvals::Approved;
use spent::{Spent, Sums, add};

pub use approvals::ApprovalUse;
pub use budget::{Account, Budget};
pub use rounds::{About, Round, RoundPhase};

/// All sums and attempts after some entries; begins empty. Takes about 250 bytes an attempt.
#[derive(Debug, Clone)]
pub struct Books {
    policy: Option<Policy>,
    /// The data in use.
    snapshot: Option<Digest>,
    position: Position,
    /// For ever.
    total: Spent,
    /// In each month in which something was reserved: periods of every length are whole months, so that a policy may
    /// count in others without forgetting or moving anything.
    months: BTreeMap<u32, Spent>,
    planners: BTreeMap<Name, Sums>,
    rounds: HashMap<(QueryId, u32), Round>,
    approvals: HashMap<Digest, Approved>,
}

impl Default for Books {
    fn default() -> Self {
        Books {
            policy: None,
            snapshot: None,
            position: Position { size: 0, root: Digest::of(&[]) },
            total: Spent::default(),
            months: BTreeMap::new(),
            planners: BTreeMap::new(),
            rounds: HashMap::new(),
            approvals: HashMap::new(),
        }
    }
}

const CHARGED: fn(&Sums) -> PicoRho = |sums| sums.charged;
const COMMITTED: fn(&Sums) -> PicoRho = Sums::committed;

impl Books {
    /// Books without entries.
    pub fn new() -> Self {
        Self::default()
    }

    /// The policy in force: the last POLICY or GRANT entry's.
    pub fn policy(&self) -> Option<&Policy> {
        self.policy.as_ref()
    }

    /// The data in use: the last LOAD entry's.
    pub fn snapshot(&self) -> Option<Digest> {
        self.snapshot
    }

    /// The tree over the entries so far.
    pub fn position(&self) -> Position {
        self.position
    }

    /// The attempt, if it was ever reserved.
    pub fn round(&self, query: QueryId, attempt: u32) -> Option<&Round> {
        self.rounds.get(&(query, attempt))
    }

    /// Every attempt, in no order.
    pub fn rounds(&self) -> impl Iterator<Item = (&(QueryId, u32), &Round)> {
        self.rounds.iter()
    }

    /// What any unit has lost so far, at most.
    pub fn charged_total(&self) -> PicoRho {
        self.total.worst(self.placements(), CHARGED)
    }

    /// What each planner was charged, by name.
    pub fn charged_planners(&self) -> impl Iterator<Item = (&Name, PicoRho)> {
        self.planners.iter().map(|(name, sums)| (name, sums.charged))
    }

    /// Limits and sums for `planner` at the second `now_s`; refused when the policy in force does not name it.
    pub fn budget(&self, planner: &Name, now_s: u64) -> Result<Budget, Refusal> {
        let (limits, planner_limit) = self.limits(planner)?;
        let account = |limit, charged, committed: PicoRho| Account {
            limit,
            charged,
            reserved: committed.saturating_sub(charged),
        };
        let placements = self.placements();
        let period = self.period_of(self.month_at(now_s));
        let own = self.sums(planner);
        let worst = |spent: &Spent, limit| {
            account(limit, spent.worst(placements, CHARGED), spent.worst(placements, COMMITTED))
        };
        let territory = |rho| account(rho, period.largest(CHARGED), period.largest(COMMITTED));
        Ok(Budget {
            total: worst(&self.total, limits.total),
            planner: account(planner_limit, own.charged, own.committed()),
            period: limits.period.map(|limit| worst(&period, limit.rho)),
            territory: limits.territory.map(|limit| territory(limit.rho)),
        })
    }

    /// Whether `cost` more could be reserved at the second `now_s` for what is `touched`: what is charged, reserved and
    /// asked together stays within every limit (PROTOCOL E.1; a sum filter is valid under full adaptivity).
    pub fn affordable(
        &self,
        planner: &Name,
        cost: PicoRho,
        touched: &Touched,
        now_s: u64,
    ) -> Result<(), Refusal> {
        let (limits, planner_limit) = self.limits(planner)?;
        self.check_touched(limits, touched)?;
        let (placements, month) = (self.placements(), self.month_at(now_s));
        let period = self.period_of(month);
        let within = |spent: &Spent, scope, limit| {
            let after = spent.worst_with(placements, COMMITTED, Some((touched, cost)));
            fits(scope, limit, after, spent.worst(placements, COMMITTED), cost)
        };
        within(&self.total, Scope::Total, limits.total)?;
        let own = self.sums(planner).committed();
        fits(Scope::Planner(planner.clone()), planner_limit, add(own, cost), own, cost)?;
        if let Some(limit) = limits.period {
            within(&period, Scope::Period(limit.length.show(month / limit.length.months())), limit.rho)?;
        }
        if let Some(limit) = limits.territory {
            let one = |territory: Option<u16>, committed: PicoRho| {
                fits(Scope::Territory(territory), limit.rho, add(committed, cost), committed, cost)
            };
            match touched {
                // The one that has least left speaks for all.
                Touched::All => one(None, period.largest(COMMITTED))?,
                Touched::Some(numbers) => {
                    numbers.iter().try_for_each(|n| one(Some(*n), period.of(*n, COMMITTED)))?
                }
            }
        }
        Ok(())
    }

    /// Whether `entry` may come next. Changes nothing.
    pub fn check(&self, entry: &Entry) -> Result<(), BookFault> {
        match entry {
            Entry::Policy(entry) => self.check_policy(entry),
            Entry::Approval(entry) => {
                let policy = self.policy.as_ref().ok_or(BookFault::NoPolicy)?;
                self.may_approve(&entry.signed(&policy.origin), entry.at_s)
            }
            Entry::Load(entry) => match &self.policy {
                None => Err(BookFault::NoPolicy),
                Some(_) if self.snapshot == Some(entry.snapshot) => Err(BookFault::Load),
                Some(_) => Ok(()),
            },
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
            Entry::Policy(entry) => self.put_in_force(&entry.signed.policy),
            Entry::Approval(entry) => {
                let (decided_at_s, until_s) = (entry.decided_at_s, entry.until_s);
                let approved = Approved { decided_at_s, until_s, used_by: None };
                self.approvals.insert(entry.question, approved);
            }
            Entry::Load(entry) => {
                // In other files units may be placed elsewhere: what was spent on some territories counts for all.
                if self.snapshot.replace(entry.snapshot).is_some() {
                    self.fold(self.territories());
                }
            }
            Entry::Round(entry) => self.apply_round(entry, after),
        }
        self.position = after;
        Ok(())
    }

    fn limits(&self, planner: &Name) -> Result<(&Limits, PicoRho), Refusal> {
        let unknown = || Refusal::UnknownPlanner(planner.clone());
        let limits = &self.policy.as_ref().ok_or_else(unknown)?.limits;
        Ok((limits, *limits.planners.get(planner).ok_or_else(unknown)?))
    }

    fn sums(&self, planner: &Name) -> Sums {
        self.planners.get(planner).copied().unwrap_or_default()
    }

    fn placements(&self) -> u32 {
        let limit = self.policy.as_ref().and_then(|policy| policy.limits.territory);
        limit.map_or(1, |territory| territory.placements)
    }

    fn territories(&self) -> u32 {
        self.policy.as_ref().map_or(0, territories)
    }

    /// The month that a reservation at `at_s` counts in: never an earlier one than those before it, so that a clock
    /// that was set back opens no period again.
    fn month_at(&self, at_s: u64) -> u32 {
        let latest = self.months.last_key_value().map_or(0, |(month, _)| *month);
        PeriodLength::Month.number(at_s).max(latest)
    }

    /// What was spent in the period that holds the month; without periods for ever.
    fn period_of(&self, month: u32) -> Cow<'_, Spent> {
        let Some(limit) = self.policy.as_ref().and_then(|policy| policy.limits.period) else {
            return Cow::Borrowed(&self.total);
        };
        let months = limit.length.months();
        let first = month / months * months;
        let mut spent = self.months.range(first..first + months).map(|(_, spent)| spent);
        match (spent.next(), spent.next()) {
            (None, _) => Cow::Owned(Spent::new(self.territories())),
            (Some(one), None) => Cow::Borrowed(one),
            (Some(one), Some(two)) => {
                let mut sum = one.clone();
                std::iter::once(two).chain(spent).for_each(|more| sum.merge(more));
                Cow::Owned(sum)
            }
        }
    }

    fn check_touched(&self, limits: &Limits, touched: &Touched) -> Result<(), Refusal> {
        let count = limits.territory.map_or(0, |territory| territory.count);
        match touched {
            Touched::Some(numbers)
                if numbers.is_empty()
                    || !numbers.is_sorted_by(|a, b| a < b)
                    || numbers.iter().any(|n| u32::from(*n) >= count) =>
            {
                Err(Refusal::NoTerritory)
            }
            _ => Ok(()),
        }
    }
}

fn territories(policy: &Policy) -> u32 {
    policy.limits.territory.map_or(0, |territory| territory.count)
}

/// `after <= limit`; a sum that reached the end of 64 bits is beyond every limit.
fn fits(
    scope: Scope,
    limit: PicoRho,
    after: PicoRho,
    committed: PicoRho,
    asked: PicoRho,
) -> Result<(), Refusal> {
    if after <= limit && after.get() < u64::MAX {
        Ok(())
    } else {
        Err(Refusal::OverBudget { scope, limit, committed, asked })
    }
}
