//! Random policies, signed as they must be, and as they must not.

use std::collections::BTreeMap;

use almoner_federation::{Digest, PeriodLength, PeriodLimit, PicoRho, SigningKey};
use almoner_ledger::{Limits, Policy, Position, SignedPolicy, TerritoryLimit};

use super::random::Random;
use super::rules::{Model, Of, Parts, Rules, Spending};
use crate::support::*;

pub const PLANNERS: [&str; 4] = ["tax", "health", "schools", "roads"];

pub fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32]).expect("a seed of 32 bytes")
}

/// Who must sign: the seeds of their keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signers {
    pub officer: u8,
    pub auditors: Vec<u8>,
}

pub fn first_rules() -> Rules {
    let planners = (0..3).map(|planner| (planner, 20_000)).collect();
    Rules { total: 40_000, planners, period: None, territory: None }
}

pub fn policy_of(rules: &Rules, signers: &Signers) -> Policy {
    let planners: BTreeMap<_, _> =
        rules.planners.iter().map(|(planner, rho)| (name(PLANNERS[*planner]), PicoRho::new(*rho))).collect();
    let period = rules.period.map(|(months, rho)| PeriodLimit {
        length: match months {
            1 => PeriodLength::Month,
            3 => PeriodLength::Quarter,
            _ => PeriodLength::Year,
        },
        rho: PicoRho::new(rho),
    });
    let territory = rules.territory.map(|parts| TerritoryLimit {
        partition: Digest::of(&parts.partition.to_be_bytes()),
        count: parts.count,
        placements: parts.placements,
        rho: PicoRho::new(parts.rho),
    });
    Policy {
        limits: Limits { total: PicoRho::new(rules.total), planners, period, territory },
        officer: key(signers.officer).verifying_key(),
        auditors: signers.auditors.iter().map(|seed| key(*seed).verifying_key()).collect(),
        ..policy(0, &[])
    }
}

/// Signs `policy` as those `before` must.
pub fn signed(policy: Policy, before: &Signers, after: Position) -> SignedPolicy {
    let mut signed = policy.sign(after, &key(before.officer));
    if let Some(auditor) = before.auditors.last() {
        signed.countersign(after, &key(*auditor));
    }
    signed
}

/// Other rules, mostly with some room in them, sometimes below what is spent.
pub fn other_rules(random: &mut Random, model: &Model, month: u32) -> Rules {
    let mut rules = model.rules.clone();
    let [total, period, territory] = model.sums(month).map(|(charged, reserved)| charged + reserved);
    let near = |random: &mut Random, spent: u64| match random.once_in(8) {
        true => spent.saturating_sub(random.below(3_000)),
        false => spent + random.below(60_000),
    };
    for _ in 0..1 + random.below(2) {
        match random.below(16) {
            0..5 => rules.total = near(random, total) + random.below(30_000),
            5..8 => {
                let planner = random.below(4) as usize;
                let own = model.planners.get(&planner).map_or(0, |(charged, reserved)| charged + reserved);
                rules.planners.insert(planner, near(random, own));
            }
            8 if rules.planners.len() > 2 => {
                rules.planners.remove(&(random.below(4) as usize));
            }
            9 => rules.period = None,
            10..13 => rules.period = Some((random.of(&[1, 1, 3, 12]), near(random, period))),
            13 => rules.territory = None,
            14 => {
                let (partition, count) = (random.next(), 1 + random.below(5) as u32);
                let placements = 1 + random.below(3) as u32;
                rules.territory = Some(Parts { partition, count, placements, rho: near(random, territory) });
            }
            _ => {
                let rho = near(random, territory);
                let placements = 1 + random.below(3) as u32;
                let again = random.once_in(4);
                if let Some(parts) = &mut rules.territory {
                    parts.rho = rho;
                    parts.placements = if again { placements } else { parts.placements };
                }
            }
        }
    }
    rules
}

/// Whether `now` lets anyone ask anything dearer than `before` did, after some random questions: at once, or in a year,
/// when every period is over.
pub fn allows_more(random: &mut Random, before: &Rules, now: &Rules) -> bool {
    const MONTH: u32 = 600;
    let mut then = Model::new(before.clone());
    for _ in 0..random.below(12) {
        let planner = random.of(&[0, 1, 2, 3]);
        let count = before.territory.map_or(0, |parts| parts.count);
        let touch = (count > 0 && random.once_in(2)).then(|| 1 << random.below(count.into()));
        let (cost, month) = (random.below(6_000), MONTH - random.below(5) as u32);
        let spending = Spending { planner, cost, month, touch, asked: (touch, 0) };
        then.reserve(&spending);
        then.end(&spending, true);
    }
    let mut after = then.clone();
    after.change(now.clone(), &mut []);
    let count = now.territory.map_or(0, |parts| parts.count);
    let mut touches = std::iter::once(None).chain((0..count).map(|number| Some(1 << number)));
    touches.any(|touch| {
        (0..PLANNERS.len()).any(|planner| {
            [MONTH, MONTH + 12].into_iter().any(|month| {
                let room = |model: &Model| model.room(planner, touch, month, Of::Commitments);
                room(&after) > room(&then)
            })
        })
    })
}
