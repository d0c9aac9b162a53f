//! Attempts: reserved, then charged, expired or aborted, with the sums that follow.

use almoner_federation::{Digest, Name, PicoRho, QueryId};

use super::spent::{Spent, Sums, add};
use super::{Books, CHARGED, fits, territories};
use crate::entry::{Entry, Limits, Policy, RoundEntry, Step, Touched};
use crate::error::{BookFault, Refusal, Scope};
use crate::node_types::Position;

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

impl Books {
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

    pub(super) fn with_sums(
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

    pub(super) fn check_round(&self, entry: &RoundEntry) -> Result<(), BookFault> {
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
    pub(super) fn chargeable(&self, limits: &Limits, round: &Round) -> Result<(), Refusal> {
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

    /// Only after [`Books::check_round`], which has shown that no sum goes below zero.
    pub(super) fn apply_round(&mut self, entry: &RoundEntry, after: Position) {
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
