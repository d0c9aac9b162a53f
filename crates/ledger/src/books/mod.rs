//! The arithmetic of a node's ledger, without any I/O: which entry may follow which. The node asks it
//! before it writes, the node asks it again when it reads its file back, and an auditor asks it about a
//! node's exported entries.

mod budget;
mod spent;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use almoner_federation::{Digest, Name, PeriodLength, PicoRho, QueryId};

use crate::entry::{
    Approval, ApprovalEntry, Entry, Limits, Policy, PolicyEntry, RoundEntry, SignedApproval, SignedPolicy,
    Step, Touched, check_bounds,
};
use crate::error::{BookFault, Refusal, Scope};
use crate::node_types::Position;
use spent::{Spent, Sums, add};

pub use budget::{Account, Budget};

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
    /// The data that it was answered from; `None` before the first LOAD entry.
    pub snapshot: Option<Digest>,
    /// Who asked.
    pub planner: Name,
    /// The price.
    pub cost: PicoRho,
    /// Whose budget.
    pub touched: Touched,
    /// The question, where the data officer approved it.
    pub approval: Option<Digest>,
    /// The number of the month it counts in, and so of any longer period.
    pub month: u32,
    /// The number of its RESERVE entry, counted from 0.
    pub reserved_by: u64,
    /// How it stands.
    pub phase: RoundPhase,
}

/// What a reservation is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// What was asked, hashed.
    pub spec_hash: Digest,
    /// Who asked.
    pub planner: Name,
    /// The price.
    pub cost: PicoRho,
}

/// How far an approval has been used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApprovalUse {
    /// Not at all: an attempt may be reserved with it.
    Free,
    /// A reserved attempt has it, and gives it back should it expire or be aborted.
    Held,
    /// It was charged for.
    Spent,
}

/// An approval and the attempt that uses it.
#[derive(Debug, Clone, Copy)]
struct Approved {
    decided_at_s: u64,
    until_s: u64,
    used_by: Option<(QueryId, u32)>,
}

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

    /// Whether the approval of `question` may be used by another attempt at the second `now_s`.
    pub fn is_approved(&self, question: &Digest, now_s: u64) -> bool {
        self.approvals.get(question).is_some_and(|found| found.used_by.is_none() && now_s < found.until_s)
    }

    /// Whether `decided` can be recorded now: the officer's, for this ledger, in time, and not recorded before.
    pub fn may_approve(&self, decided: &SignedApproval, now_s: u64) -> Result<(), BookFault> {
        let policy = self.policy.as_ref().ok_or(BookFault::NoPolicy)?;
        let approval = &decided.approval;
        let ours = approval.origin == policy.origin && approval.approved;
        if !ours || decided.verify(&policy.officer).is_err() {
            return Err(BookFault::Unsigned("the data officer"));
        }
        if approval.until_s <= now_s {
            return Err(BookFault::Approval("has ended"));
        }
        // An approval is used once; only a later decision makes a new one.
        match self.approvals.get(&approval.question) {
            Some(known) if known.decided_at_s >= approval.decided_at_s => {
                Err(BookFault::Approval("was recorded before"))
            }
            Some(known) if known.used_by.is_none() && now_s < known.until_s => {
                Err(BookFault::Approval("follows one that is not used yet"))
            }
            _ => Ok(()),
        }
    }

    /// How far a decision has been used: one that was never recorded not at all, and one that a later approval has
    /// followed as far as can be.
    pub fn approval_use(&self, decided: &Approval) -> ApprovalUse {
        let known = match self.approvals.get(&decided.question) {
            Some(known) if known.decided_at_s > decided.decided_at_s => return ApprovalUse::Spent,
            Some(known) if known.decided_at_s == decided.decided_at_s => known,
            _ => return ApprovalUse::Free,
        };
        match known.used_by.and_then(|user| self.rounds.get(&user)).map(|round| &round.phase) {
            None | Some(RoundPhase::Expired | RoundPhase::Aborted) => ApprovalUse::Free,
            Some(RoundPhase::Reserved) => ApprovalUse::Held,
            Some(RoundPhase::Charged { .. }) => ApprovalUse::Spent,
        }
    }

    /// The POLICY or GRANT entry that would put `signed` in force.
    pub fn policy_entry(&self, signed: SignedPolicy, at_s: u64) -> Entry {
        let grant = self.policy.as_ref().is_some_and(|before| signed.policy.limits.raises(&before.limits));
        Entry::Policy(Box::new(PolicyEntry { at_s, grant, signed, charged_total: self.charged_total() }))
    }

    /// The APPROVE entry of a decision.
    pub fn approval_entry(&self, decided: &SignedApproval, at_s: u64) -> Entry {
        let SignedApproval { approval, officer } = decided;
        Entry::Approval(ApprovalEntry {
            at_s,
            question: approval.question,
            decided_at_s: approval.decided_at_s,
            until_s: approval.until_s,
            officer: *officer,
        })
    }

    /// The entry of `step` for an attempt, with the sums it will lead to. Whether it may come next, [`Books::check`] says.
    ///
    /// # Errors
    /// [`Refusal::Unknown`] for another step than a reservation of an attempt that was never reserved;
    /// [`Refusal::NoTerritory`].
    pub fn round_entry(
        &self,
        step: Step,
        at_s: u64,
        (query, attempt): (QueryId, u32),
        about: About,
    ) -> Result<Entry, Refusal> {
        self.with_sums(step, at_s, (query, attempt), about).map(Entry::Round)
    }

    fn with_sums(
        &self,
        step: Step,
        at_s: u64,
        (query, attempt): (QueryId, u32),
        About { spec_hash, planner, cost }: About,
    ) -> Result<RoundEntry, Refusal> {
        let known = self.rounds.get(&(query, attempt));
        let (touched, month) = match (&step, known) {
            (Step::Reserve { touched, .. }, _) => (touched, self.month_at(at_s)),
            (_, Some(round)) => (&round.touched, round.month),
            (_, None) => return Err(Refusal::Unknown),
        };
        if let Some(policy) = &self.policy {
            self.check_touched(&policy.limits, touched)?;
        }
        let spent = if let Step::Charge { .. } = step { cost } else { PicoRho::ZERO };
        let period = self.period_of(month);
        let worst = |of: &Spent| of.worst_with(self.placements(), CHARGED, Some((touched, spent)));
        Ok(RoundEntry {
            at_s,
            query,
            attempt,
            spec_hash,
            cost,
            charged_total: worst(&self.total),
            charged_planner: add(self.sums(&planner).charged, spent),
            charged_period: worst(&period),
            charged_territories: match touched {
                Touched::All => Vec::new(),
                Touched::Some(numbers) => {
                    numbers.iter().map(|n| add(period.of(*n, CHARGED), spent)).collect()
                }
            },
            planner,
            step,
        })
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

    fn check_policy(&self, entry: &PolicyEntry) -> Result<(), BookFault> {
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

    fn check_round(&self, entry: &RoundEntry) -> Result<(), BookFault> {
        let Some(Policy { limits, .. }) = &self.policy else { return Err(BookFault::NoPolicy) };
        let key = (entry.query, entry.attempt);
        let round = self.rounds.get(&key);
        match &entry.step {
            Step::Reserve { touched, approval } => {
                if round.is_some() {
                    return Err(Refusal::Conflict.into());
                }
                if let Some(question) = approval
                    && !self.is_approved(question, entry.at_s)
                {
                    return Err(BookFault::Approval("is missing, used or over"));
                }
                self.affordable(&entry.planner, entry.cost, touched, entry.at_s)?;
            }
            Step::Charge { .. } | Step::Expire | Step::Abort => {
                let round = round.ok_or(Refusal::Unknown)?;
                let same = (round.spec_hash, &round.planner, round.cost);
                if same != (entry.spec_hash, &entry.planner, entry.cost) {
                    return Err(BookFault::Mismatch);
                }
                match round.phase {
                    RoundPhase::Reserved => {}
                    RoundPhase::Charged { .. } => return Err(BookFault::Ended("charged")),
                    RoundPhase::Expired => return Err(BookFault::Ended("expired")),
                    RoundPhase::Aborted => return Err(BookFault::Ended("aborted")),
                }
                if let Step::Charge { .. } = entry.step {
                    self.chargeable(limits, round)?;
                }
            }
        }
        let about = About { spec_hash: entry.spec_hash, planner: entry.planner.clone(), cost: entry.cost };
        let expected = self.with_sums(entry.step.clone(), entry.at_s, key, about)?;
        if expected == *entry { Ok(()) } else { Err(BookFault::Sums) }
    }

    /// A limit that was lowered after the reservation governs the charge.
    fn chargeable(&self, limits: &Limits, round: &Round) -> Result<(), Refusal> {
        let Round { planner, cost, touched, month, .. } = round;
        let limit = limits.planners.get(planner).ok_or_else(|| Refusal::UnknownPlanner(planner.clone()))?;
        let placements = self.placements();
        let period = self.period_of(*month);
        let within = |spent: &Spent, scope, limit| {
            let after = spent.worst_with(placements, CHARGED, Some((touched, *cost)));
            fits(scope, limit, after, spent.worst(placements, CHARGED), *cost)
        };
        within(&self.total, Scope::Total, limits.total)?;
        let own = self.sums(planner).charged;
        fits(Scope::Planner(planner.clone()), *limit, add(own, *cost), own, *cost)?;
        if let Some(limit) = limits.period {
            within(&period, Scope::Period(limit.length.show(month / limit.length.months())), limit.rho)?;
        }
        if let Some(limit) = limits.territory {
            let charged = match touched {
                Touched::All => period.largest(CHARGED),
                Touched::Some(numbers) => {
                    numbers.iter().map(|n| period.of(*n, CHARGED)).max().unwrap_or_default()
                }
            };
            fits(Scope::Territory(None), limit.rho, add(charged, *cost), charged, *cost)?;
        }
        Ok(())
    }

    /// What territories mean may change with a policy: what was spent on some of them then counts for all. An officer
    /// who follows another cannot tell what that one approved, so what is not used yet has ended.
    fn put_in_force(&mut self, policy: &Policy) {
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
    fn fold(&mut self, count: u32) {
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

    /// Only after [`Books::check_round`], which has shown that no sum goes below zero.
    fn apply_round(&mut self, entry: &RoundEntry, after: Position) {
        let key = (entry.query, entry.attempt);
        let phase = match entry.step {
            Step::Reserve { .. } => RoundPhase::Reserved,
            Step::Charge { context } => RoundPhase::Charged { context, position: after },
            Step::Expire => RoundPhase::Expired,
            Step::Abort => RoundPhase::Aborted,
        };
        let (month, snapshot) = (self.month_at(entry.at_s), self.snapshot);
        let round = self.rounds.entry(key).and_modify(|round| round.phase = phase).or_insert_with(|| Round {
            spec_hash: entry.spec_hash,
            snapshot,
            planner: entry.planner.clone(),
            cost: entry.cost,
            touched: match &entry.step {
                Step::Reserve { touched, .. } => touched.clone(),
                Step::Charge { .. } | Step::Expire | Step::Abort => Touched::All,
            },
            approval: match entry.step {
                Step::Reserve { approval, .. } => approval,
                Step::Charge { .. } | Step::Expire | Step::Abort => None,
            },
            month,
            reserved_by: after.size - 1,
            phase,
        });
        if let Some(approved) = round.approval.and_then(|question| self.approvals.get_mut(&question)) {
            approved.used_by = match phase {
                RoundPhase::Reserved => Some(key),
                // Its user since the reservation; a later approval of the question is another's.
                RoundPhase::Charged { .. } => approved.used_by,
                // What was never answered was never used.
                RoundPhase::Expired | RoundPhase::Aborted => approved.used_by.filter(|user| *user != key),
            };
        }
        let (cost, touched, month) = (round.cost, &round.touched, round.month);
        let count = self.policy.as_ref().map_or(0, territories);
        let change = |sums: &mut Sums| match phase {
            RoundPhase::Reserved => sums.reserve(cost),
            RoundPhase::Charged { .. } => sums.end(cost, true),
            RoundPhase::Expired | RoundPhase::Aborted => sums.end(cost, false),
        };
        self.total.change(touched, change);
        self.months.entry(month).or_insert_with(|| Spent::new(count)).change(touched, change);
        change(self.planners.entry(entry.planner.clone()).or_default());
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
