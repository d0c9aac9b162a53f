//! What planners who want more than their limits try, alone and together.

use almoner_federation::{Digest, PicoRho};
use almoner_ledger::{LedgerError, NodeLedger, Policy, Refusal, Reservation, Scope, TerritoryLimit, Touched};
use tempfile::TempDir;

use crate::support::*;

fn begun(policy: Policy) -> (TempDir, Federation, NodeLedger) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let ledger = open(&folder.path().join("ledger.db"), policy).expect("a new ledger");
    (folder, Federation::new(), ledger)
}

fn with_territories(mut policy: Policy, placements: u32, rho: u64) -> Policy {
    let (partition, rho) = (Digest::of(b"four regions"), PicoRho::new(rho));
    policy.limits.territory = Some(TerritoryLimit { partition, count: 4, placements, rho });
    policy
}

/// Asks and is answered, or not even the reservation is taken.
fn ask(
    us: &Federation,
    ledger: &NodeLedger,
    number: u64,
    (planner, cost): (&str, u64),
    touched: Touched,
) -> Result<(), Refusal> {
    match us.reserve(ledger, Reservation { touched, ..asked(number, planner, cost) }) {
        Ok(_) => {}
        Err(LedgerError::Refused(refusal)) => return Err(refusal),
        Err(error) => panic!("{error}"),
    }
    us.charge(ledger, number, 0).expect("what is reserved can be charged");
    Ok(())
}

fn only(territory: u16) -> Touched {
    Touched::Some(vec![territory])
}

fn over<T: std::fmt::Debug>(outcome: &Result<T, Refusal>) -> Option<&Scope> {
    match outcome {
        Err(Refusal::OverBudget { scope, .. }) => Some(scope),
        _ => None,
    }
}

fn total(ledger: &NodeLedger) -> u64 {
    ledger.budget(&name("tax"), NOW).expect("known").total.charged.get()
}

#[test]
fn planners_who_collude_stop_at_the_total_together_and_at_their_own_limits_alone() {
    let (_folder, us, ledger) = begun(policy(100, &[("tax", 70), ("health", 70)]));
    let mut spent = [0, 0];
    for number in 0..200 {
        let who = (number % 2) as usize;
        let (planner, cost) = (["tax", "health"][who], 1 + number % 7);
        match ask(&us, &ledger, number, (planner, cost), Touched::All) {
            Ok(()) => spent[who] += cost,
            Err(refusal) => assert!(matches!(refusal, Refusal::OverBudget { .. })),
        }
        assert!(spent[0] + spent[1] <= 100 && spent.iter().all(|own| *own <= 70));
    }
    assert_eq!((spent[0] + spent[1], total(&ledger)), (100, 100), "all of it was used, by both");
    assert!(spent.iter().all(|own| *own > 0));

    let (_folder, us, ledger) = begun(policy(100, &[("tax", 70), ("health", 70)]));
    let alone =
        ask(&us, &ledger, 1, ("tax", 70), Touched::All).and(ask(&us, &ledger, 2, ("tax", 1), Touched::All));
    assert_eq!(over(&alone), Some(&Scope::Planner(name("tax"))));
    let together = ask(&us, &ledger, 3, ("health", 31), Touched::All);
    assert_eq!(over(&together), Some(&Scope::Total));
}

/// One question is worth 1,000,001 pico-rho and the limit is that. In a thousand parts it is worth a thousandth each,
/// and prices are whole numbers, rounded up.
#[test]
fn a_question_in_a_thousand_parts_costs_no_less_than_whole() {
    const WORTH: u64 = 1_000_001;
    let price = WORTH.div_ceil(1_000);
    let (_folder, us, ledger) = begun(policy(WORTH, &[("tax", WORTH)]));
    let mut answered = 0;
    for number in 0..1_000 {
        match ask(&us, &ledger, number, ("tax", price), Touched::All) {
            Ok(()) => answered += 1,
            Err(refusal) => assert_eq!(over::<()>(&Err(refusal)), Some(&Scope::Total)),
        }
    }
    let charged = total(&ledger);
    assert_eq!((answered, charged), (WORTH / price, WORTH / price * price));
    assert!(answered < 1_000 && charged <= WORTH, "the last part is never answered");
    assert!(answered * WORTH <= charged * 1_000, "what was answered was paid for in full");
}

#[test]
fn the_same_question_again_gives_the_same_bytes_for_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (path, limits) = (folder.path().join("ledger.db"), policy(100, &[("tax", 100)]));
    let us = Federation::new();
    let mut seen = None;
    for round in 0..4 {
        let ledger = open(&path, limits.clone()).expect("opens");
        for _ in 0..25 {
            // Each time the node has counted again, with other noise.
            let again = Reservation { noisy: vec![round; 5], now_s: NOW, ..asked(1, "tax", 60) };
            let stored = us.reserve(&ledger, again).expect("the same question");
            let charged = us.charge(&ledger, 1, 0).expect("the same context");
            let told = (stored.ready, stored.signature, charged.noisy().to_vec(), charged.position());
            assert_eq!(*seen.get_or_insert_with(|| told.clone()), told);
        }
        assert_eq!((total(&ledger), ledger.position().expect("position").size), (60, 3));
        assert!(us.charge(&ledger, 1, 1).is_err(), "and for no other context");
    }
}

#[test]
fn a_paraphrase_is_another_question_and_is_charged() {
    let (_folder, us, ledger) = begun(policy(100, &[("tax", 100)]));
    for number in 0..10 {
        // Also under the very same hash: what is asked under another number is noised anew.
        let again = Reservation { spec_hash: spec(0), ..asked(number, "tax", 10) };
        us.reserve(&ledger, again).expect("fits");
        us.charge(&ledger, number, 0).expect("reserved");
        assert_eq!(total(&ledger), 10 * (number + 1));
    }
    let one_more = us.reserve(&ledger, Reservation { spec_hash: spec(0), ..asked(10, "tax", 1) });
    assert!(matches!(one_more, Err(LedgerError::Refused(Refusal::OverBudget { .. }))));
    let another_try = us.reserve(&ledger, Reservation { attempt: 1, ..asked(0, "tax", 1) });
    assert!(matches!(another_try, Err(LedgerError::Refused(Refusal::OverBudget { .. }))));
}

#[test]
fn each_territory_in_turn_costs_a_unit_that_is_in_one_only_its_own() {
    let (_folder, us, ledger) = begun(with_territories(policy(100, &[("tax", 1_000)]), 1, 60));
    for territory in 0..4 {
        ask(&us, &ledger, territory.into(), ("tax", 60), only(territory)).expect("its own limit");
        assert_eq!(total(&ledger), 60, "nobody is in two");
        let more = ask(&us, &ledger, 100 + u64::from(territory), ("tax", 1), only(territory));
        assert_eq!(over(&more), Some(&Scope::Territory(Some(territory))));
    }
    let everyone = ask(&us, &ledger, 200, ("tax", 1), Touched::All);
    assert_eq!(over(&everyone), Some(&Scope::Territory(None)), "who is in any of them has nothing left");
    let own = ledger.budget(&name("tax"), NOW).expect("known").planner;
    assert_eq!(own.charged, PicoRho::new(240), "a planner pays for each");
}

/// Two agencies may have placed a unit in the territory that lost most, or in two that lost as much.
#[test]
fn a_unit_that_two_agencies_place_loses_twice_the_largest() {
    let (_folder, us, ledger) = begun(with_territories(policy(100, &[("tax", 1_000)]), 2, 60));
    assert_eq!(over(&ask(&us, &ledger, 0, ("tax", 51), only(0))), Some(&Scope::Total));
    for territory in 0..4 {
        let number = 1 + u64::from(territory);
        ask(&us, &ledger, number, ("tax", 50), only(territory)).expect("100 for who is in any two of them");
        assert_eq!(total(&ledger), 100);
    }
    for territory in 0..4 {
        let more = ask(&us, &ledger, 10 + u64::from(territory), ("tax", 1), only(territory));
        assert_eq!(over(&more), Some(&Scope::Total), "{territory}");
    }
    // Both at once counts for both, though such a unit loses it once: the sum errs on the side of the unit.
    let (_folder, us, ledger) = begun(with_territories(policy(100, &[("tax", 1_000)]), 2, 60));
    ask(&us, &ledger, 0, ("tax", 50), Touched::Some(vec![0, 1])).expect("fits");
    assert_eq!(total(&ledger), 100);
}

/// What one planner sets aside, the others lack, but no longer than it says, and no more than its own limit.
#[test]
fn reservations_keep_others_out_no_longer_than_to_their_deadline() {
    let (_folder, us, ledger) = begun(policy(100, &[("tax", 60), ("health", 100)]));
    for number in 0..60 {
        us.reserve(&ledger, asked(number, "tax", 1)).expect("fits");
    }
    assert!(matches!(us.reserve(&ledger, asked(99, "tax", 1)), Err(LedgerError::Refused(_))));
    ask(&us, &ledger, 100, ("health", 40), Touched::All)
        .expect("what is beyond the other's limit stays free");
    let kept_out = ask(&us, &ledger, 101, ("health", 1), Touched::All);
    assert_eq!(over(&kept_out), Some(&Scope::Total));
    assert_eq!(ledger.expire(DEADLINE - 1).expect("expires"), 0);
    assert_eq!(ledger.expire(DEADLINE).expect("expires"), 60);
    let all = Reservation { now_s: DEADLINE, expires_at_s: DEADLINE + 60, ..asked(102, "health", 60) };
    us.reserve(&ledger, all).expect("all of it is free again");
}

/// Two agencies hold one citizen; north places her in territory 0, south in territory 1. A question costs her its price
/// if it reads her rows anywhere, so what she loses over both blocks of data is the sum of the prices of the questions
/// that touch 0 or 1 or all. Every participant charges every question, so each ledger alone bounds it: the
/// sums of her two territories are at most twice the largest. With `placements = 1` one sum would bound two.
#[test]
fn a_unit_that_two_agencies_place_differently_loses_no_more_than_either_ledger_promises() {
    let questions: Vec<(u64, Touched, u64)> = (0..60)
        .map(|number| {
            let touched = match number % 6 {
                0 => Touched::All,
                5 => Touched::Some(vec![1, 2]),
                other => only(other as u16 - 1),
            };
            (number, touched, 1 + number * 7 % 5)
        })
        .collect();
    let hers = |touched: &Touched| match touched {
        Touched::All => true,
        Touched::Some(numbers) => numbers.contains(&0) || numbers.contains(&1),
    };
    let live = |placements: u32| {
        let (_north, us, north) = begun(with_territories(policy(50, &[("tax", 1_000)]), placements, 50));
        let (_south, _, south) = begun(with_territories(policy(60, &[("tax", 1_000)]), placements, 60));
        let mut lost = 0;
        for (number, touched, cost) in &questions {
            let agrees = |ledger: &NodeLedger| {
                let asked = Reservation { touched: touched.clone(), ..asked(*number, "tax", *cost) };
                us.reserve(ledger, asked).is_ok()
            };
            // Without one of them there is no answer, and the other gives up.
            if agrees(&north) && agrees(&south) {
                for ledger in [&north, &south] {
                    us.charge(ledger, *number, 0).expect("reserved");
                }
                lost += if hers(touched) { *cost } else { 0 };
            } else {
                for ledger in [&north, &south] {
                    let known = ledger.find(query(*number), 0).expect("find").is_some();
                    assert_eq!(known, ledger.abort(query(*number), 0, NOW).is_ok());
                }
            }
            if placements == 2 {
                assert!(lost <= total(&north) && lost <= total(&south));
            }
        }
        (lost, total(&north), total(&south))
    };
    let (lost, north, south) = live(2);
    assert!(lost <= north && north <= 50 && lost <= south && south <= 60, "{lost} {north} {south}");
    let (lost, north, _) = live(1);
    assert!(lost > 50 && north <= 50, "one placement would promise 50 and let her lose {lost}");
}
