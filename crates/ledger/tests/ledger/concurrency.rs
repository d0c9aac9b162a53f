//! Many callers at once: the cap holds to the last pico-rho.

use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};

use almoner_federation::PicoRho;
use almoner_ledger::{LedgerError, Refusal};

use crate::support::*;

/// 1,000 reservations from 16 threads compete for room for 571 of them.
#[test]
fn a_thousand_concurrent_reservations_fill_the_cap_and_never_pass_it() {
    const COST: u64 = 7;
    const CAP: u64 = 571 * COST + 3;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("ledger.db");
    let us = Federation::new();
    let limits = policy(CAP, &[("tax", CAP), ("health", CAP)]);
    let ledger = open(&path, limits.clone()).expect("a new ledger");
    let (accepted, refused, start) = (AtomicU64::new(0), AtomicU64::new(0), Barrier::new(16));
    std::thread::scope(|scope| {
        for thread in 0..16 {
            let (us, ledger, accepted, refused, start) = (&us, &ledger, &accepted, &refused, &start);
            scope.spawn(move || {
                start.wait();
                for number in (thread..1_000).step_by(16) {
                    let planner = if number % 2 == 0 { "tax" } else { "health" };
                    match us.reserve(ledger, asked(number, planner, COST)) {
                        Ok(_) => accepted.fetch_add(1, Ordering::Relaxed),
                        Err(LedgerError::Refused(Refusal::OverBudget { .. })) => {
                            refused.fetch_add(1, Ordering::Relaxed)
                        }
                        Err(error) => panic!("{error}"),
                    };
                    let budget = ledger.budget(&name(planner), NOW).expect("a known planner");
                    let sum = budget.total.charged.get() + budget.total.reserved.get();
                    assert!(sum <= CAP, "{sum} of {CAP}");
                    // Charging moves budget; it must never make room.
                    if number % 5 == 0 && ledger.find(query(number), 0).expect("find").is_some() {
                        us.charge(ledger, number, 0).expect("reserved by this thread");
                    }
                }
            });
        }
    });
    assert_eq!((accepted.into_inner(), refused.into_inner()), (CAP / COST, 1_000 - CAP / COST));
    let used = |ledger: &almoner_ledger::NodeLedger| {
        let budget = ledger.budget(&name("tax"), NOW).expect("a known planner");
        budget.total.charged.checked_add(budget.total.reserved)
    };
    assert_eq!(used(&ledger), Some(PicoRho::new(571 * COST)));
    drop(ledger);
    let ledger = open(&path, limits).expect("reopens");
    assert_eq!(used(&ledger), Some(PicoRho::new(571 * COST)));
}

/// Sixteen threads release one attempt: one charge, one vector, one position.
#[test]
fn a_race_to_charge_one_attempt_charges_it_once() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let us = Federation::new();
    let ledger = open(&folder.path().join("ledger.db"), policy(100, &[("tax", 100)])).expect("a new ledger");
    let stored = us.reserve(&ledger, asked(1, "tax", 10)).expect("fits");
    let start = Barrier::new(16);
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let racers: Vec<_> = (0..16u8)
            .map(|thread| {
                let (ledger, start, accepted) = (&ledger, &start, us.accept(&stored.ready, thread % 2));
                scope.spawn(move || {
                    start.wait();
                    let charged = ledger.charge(query(1), 0, &accepted, NOW);
                    charged.ok().map(|charged| (thread % 2, charged.noisy().to_vec(), charged.position()))
                })
            })
            .collect();
        racers.into_iter().filter_map(|racer| racer.join().expect("no panic")).collect()
    });
    assert_eq!(outcomes.len(), 8, "one of the two contexts won, for all who asked for it");
    assert!(outcomes.iter().all(|outcome| *outcome == outcomes[0]));
    assert_eq!(ledger.position().expect("position").size, 3);
    assert_eq!(ledger.budget(&name("tax"), NOW).expect("known").total.charged, PicoRho::new(10));
}
