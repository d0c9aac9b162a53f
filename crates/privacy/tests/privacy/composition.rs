//! What a ledger says was lost is never less than what composition says, by OpenDP's own arithmetic.

use almoner_federation::note::KeyName;
use almoner_federation::{Digest, PeriodLength, PeriodLimit, PicoRho, QueryId, SigningKey};
use almoner_ledger::{About, Books, Limits, Policy, Position, Step, TerritoryLimit, Touched};
use almoner_privacy::epsilon;
use opendp::combinators::{CompositionMeasure, ConcentratedMeasure};
use opendp::measures::ZeroConcentratedDivergence;
use proptest::prelude::*;

const TERRITORIES: u16 = 4;
const NOW: u64 = 1_800_000_000;
const MONTH: u64 = 31 * 86_400;

/// A question: its price, whether the second planner asks, the territories as bits (all or none: all of them), how many
/// months after the one before, and whether it is charged or expires.
#[derive(Debug, Clone)]
struct Asked {
    cost: u64,
    second: bool,
    touched: u8,
    months: u64,
    charged: bool,
}

fn asked() -> impl Strategy<Value = Asked> {
    let cost = prop_oneof![1u64..1_000, 1u64..50_000_000_000, Just(1_000_000_000_000)];
    (cost, any::<bool>(), 0u8..16, 0u64..3, prop::bool::weighted(0.8))
        .prop_map(|(cost, second, touched, months, charged)| Asked { cost, second, touched, months, charged })
}

fn books(placements: u32) -> Books {
    let officer = SigningKey::from_seed(&[7; 32]).expect("a seed of 32 bytes");
    let far = PicoRho::new(1 << 60);
    let origin: KeyName = "north.agency.tests".parse().expect("a key's name");
    let policy = Policy {
        origin,
        manifest_hash: Digest([1; 32]),
        limits: Limits {
            total: far,
            planners: ["city", "ministry"].map(|p| (p.parse().expect("a name"), far)).into(),
            period: Some(PeriodLimit { length: PeriodLength::Month, rho: far }),
            territory: Some(TerritoryLimit {
                partition: Digest([2; 32]),
                count: TERRITORIES.into(),
                placements,
                rho: far,
            }),
        },
        release: almoner_ledger::ReleaseLimits::default(),
        rules: String::new(),
        officer: officer.verifying_key(),
        auditors: Vec::new(),
    };
    let mut books = Books::new();
    let first = books.policy_entry(policy.sign(books.position(), &officer), NOW);
    books.apply(&first, Position { size: 1, root: Digest([0; 32]) }).expect("signed");
    books
}

/// zCDP's composition as OpenDP adds it, rounded up.
fn composed(charges: impl Iterator<Item = u64>) -> f64 {
    let each: Vec<f64> = charges.map(|pico| (pico as f64 / 1e12).next_up()).collect();
    let measure = ZeroConcentratedDivergence;
    if each.is_empty() { 0.0 } else { measure.compose(each).expect("a sum of numbers") }
}

proptest! {
    #[test]
    fn a_ledger_never_reports_less_than_what_composes(
        questions in prop::collection::vec(asked(), 0..40),
        placements in 1u32..=4,
    ) {
        let mut books = books(placements);
        let (mut now, mut size, mut charges) = (NOW, 1, Vec::new());
        for (number, asked) in questions.iter().enumerate() {
            now += asked.months * MONTH;
            let mut query = [0; 16];
            query[..8].copy_from_slice(&(number as u64).to_be_bytes());
            let planner = if asked.second { "city" } else { "ministry" };
            let about = || About {
                spec_hash: Digest::of(&query),
                planner: planner.parse().expect("a name"),
                cost: PicoRho::new(asked.cost),
            };
            let numbers: Vec<u16> = (0..TERRITORIES).filter(|n| asked.touched >> n & 1 == 1).collect();
            let all = numbers.is_empty() || numbers.len() == usize::from(TERRITORIES);
            let touched = if all { Touched::All } else { Touched::Some(numbers.clone()) };
            let end = if asked.charged { Step::Charge { context: Digest([3; 32]) } } else { Step::Expire };
            for step in [Step::Reserve { touched, approval: None }, end] {
                let entry = books.round_entry(step, now, (QueryId(query), 0), about()).expect("known");
                size += 1;
                books.apply(&entry, Position { size, root: Digest([0; 32]) }).expect("fits");
            }
            if asked.charged {
                charges.push((if all { (0..TERRITORIES).collect() } else { numbers }, asked, now));
            }
        }
        // Every unit, wherever its agencies place it: it loses what touches any of its territories.
        let reported = books.charged_total();
        let mut worst = 0u64;
        for unit in 1u8..16 {
            if unit.count_ones() > placements {
                continue;
            }
            let lost = |charge: &&(Vec<u16>, &Asked, u64)| charge.0.iter().any(|n| unit >> n & 1 == 1);
            let sum: u64 = charges.iter().filter(lost).map(|(_, asked, _)| asked.cost).sum();
            prop_assert!(sum <= reported.get(), "a unit in {unit:04b} lost {sum}, reported was {reported}");
            worst = worst.max(sum);
            // OpenDP's floating point sum, rounded up in each term, may pass the exact one by its rounding alone.
            let oracle = composed(charges.iter().filter(lost).map(|(_, asked, _)| asked.cost));
            prop_assert!(oracle <= reported.as_f64() * (1.0 + 1e-13) + 1e-24);
            for delta in [1e-6, 1e-9] {
                if sum == 0 {
                    continue;
                }
                let (ours, theirs) = (epsilon(reported, delta), theirs(sum, delta));
                prop_assert!(ours >= theirs * (1.0 - 1e-9), "epsilon {ours} reported, OpenDP says {theirs}");
            }
        }
        // One placement: no unit is in two territories, and the bound is exactly the worst unit's loss.
        if placements == 1 {
            prop_assert_eq!(worst, reported.get());
        }
        // A planner's account and the present period are never less than their own charges.
        for (planner, charged) in books.charged_planners() {
            let own = charges.iter().filter(|(_, asked, _)| (planner.as_str() == "city") == asked.second);
            prop_assert_eq!(own.map(|(_, asked, _)| asked.cost).sum::<u64>(), charged.get());
        }
        let period = books.budget(&"city".parse().expect("a name"), now).expect("is named").period;
        let month = |at: u64| PeriodLength::Month.number(at);
        let present = charges.iter().filter(|(touched, _, at)| month(*at) == month(now) && touched.contains(&0));
        prop_assert!(present.map(|(_, asked, _)| asked.cost).sum::<u64>() <= period.expect("limited").charged.get());
    }
}

/// Epsilon of `rho` pico-rho as OpenDP converts it.
fn theirs(rho: u64, delta: f64) -> f64 {
    let profile = ZeroConcentratedDivergence::convert(rho as f64 / 1e12).expect("a rho above 0");
    profile.epsilon(delta).expect("a delta between 0 and 1")
}
