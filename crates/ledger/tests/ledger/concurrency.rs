//! Many callers at once: the cap holds to the last pico-rho.

use std::sync::Barrier;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use almoner_federation::PicoRho;
use almoner_ledger::{Entry, LedgerError, Position, Refusal, Registry, Reservation, Step};
use almoner_secure_sum::RoundState;

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

/// 64 threads, each with the whole life of 24 attempts, and refusals of every kind between them. What was
/// accepted is in the file, one entry each; what was refused is not; and every position that was given out
/// is that of its own entry.
#[test]
fn of_sixty_four_threads_everything_accepted_is_written_once_and_nothing_refused() {
    const THREADS: u64 = 64;
    const EACH: u64 = 24;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("ledger.db");
    let us = Federation::new();
    let limits = policy(1_000_000, &[("tax", 1_000_000), ("poor", 5)]);
    let ledger = open(&path, limits.clone()).expect("a new ledger");
    let charges: Mutex<Vec<(u64, Position)>> = Mutex::default();
    let start = Barrier::new(THREADS as usize);
    let live = |number: u64| {
        let refused = |outcome: Result<_, LedgerError>| {
            assert!(matches!(outcome, Err(LedgerError::Refused(_) | LedgerError::Attempt(_))));
        };
        let stranger = |planner| us.reserve(&ledger, asked(1_000_000 + number, planner, 6)).map(|_| ());
        refused(stranger("nobody"));
        refused(stranger("poor"));
        let stored = us.reserve(&ledger, asked(number, "tax", 1)).expect("fits");
        refused(
            us.reserve(&ledger, Reservation { spec_hash: spec(u64::MAX), ..asked(number, "tax", 1) })
                .map(|_| ()),
        );
        let wrong = us.ready(&asked(number, "tax", 2));
        let wrong = ledger.reserve(asked(2_000_000 + number, "tax", 1), wrong);
        assert!(matches!(wrong, Err(LedgerError::Ready(_))));
        match number % 3 {
            0 => {
                let accepted = us.accept(&stored.ready, 0);
                let charged = ledger.charge(query(number), 0, &accepted, NOW).expect("reserved");
                assert_eq!(charged.noisy(), vector(number));
                charges.lock().expect("no panic").push((number, charged.position()));
                refused(ledger.charge(query(number), 0, &us.accept(&stored.ready, 1), NOW).map(|_| ()));
                refused(ledger.abort(query(number), 0, NOW));
            }
            1 => {
                ledger.abort(query(number), 0, NOW).expect("reserved");
                refused(ledger.charge(query(number), 0, &us.accept(&stored.ready, 0), NOW).map(|_| ()));
            }
            _ => {}
        }
    };
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (live, start) = (&live, &start);
            scope.spawn(move || {
                start.wait();
                (thread * EACH..(thread + 1) * EACH).for_each(live);
            });
        }
    });
    let attempts = THREADS * EACH;
    assert_eq!(ledger.position().expect("position").size, 1 + attempts + 2 * attempts / 3);
    // Two at once: what one ends the other finds ended.
    let ended: usize = std::thread::scope(|scope| {
        let two = [(); 2].map(|()| scope.spawn(|| ledger.expire(DEADLINE).expect("expire")));
        two.into_iter().map(|one| one.join().expect("no panic")).sum()
    });
    assert_eq!(ended as u64, attempts / 3, "in more than one transaction");
    let position = ledger.position().expect("position");
    assert_eq!(position.size, 1 + 2 * attempts);
    drop(ledger);

    let ledger = open(&path, limits).expect("reads back whole");
    assert_eq!(ledger.position().expect("position"), position);
    let entries = ledger.entries(0, usize::MAX).expect("entries");
    let mut tree = almoner_federation::merkle::Frontier::new();
    let mut found = vec![];
    for bytes in &entries {
        tree.push(almoner_federation::merkle::leaf_hash(bytes));
        let Ok(Entry::Round(round)) = Entry::decode(bytes) else { continue };
        if let Step::Charge { .. } = round.step {
            let number = u64::from_be_bytes(round.query.0[8..].try_into().expect("eight bytes"));
            found.push((number, Position { size: tree.size(), root: tree.root() }));
        }
    }
    let mut told = charges.into_inner().expect("no panic");
    told.sort_unstable_by_key(|(number, _)| *number);
    found.sort_unstable_by_key(|(number, _)| *number);
    assert_eq!(told, found, "each charge was told the tree right after its own entry");
    for number in 0..attempts {
        let state = ledger.find(query(number), 0).expect("find").expect("it was accepted").state;
        match number % 3 {
            0 => assert!(matches!(state, RoundState::Charged { .. })),
            1 => assert_eq!(state, RoundState::Aborted),
            _ => assert_eq!(state, RoundState::Expired),
        }
        for refused in [1_000_000, 2_000_000] {
            assert_eq!(ledger.find(query(refused + number), 0).expect("find"), None);
        }
    }
    let budget = ledger.budget(&name("tax"), NOW).expect("known");
    assert_eq!((budget.total.charged.get(), budget.total.reserved.get()), (attempts / 3, 0));
}

/// The same attempts recorded and the same questions published by all threads at once: once each.
#[test]
fn a_registry_records_what_many_say_at_once_only_once() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("registry.db");
    let registry = Registry::open(&path).expect("a new registry");
    let (start, cost) = (Barrier::new(16), PicoRho::new(3));
    std::thread::scope(|scope| {
        for thread in 0..16u64 {
            let (registry, start) = (&registry, &start);
            scope.spawn(move || {
                start.wait();
                for number in 0..40 {
                    let (shared, text) = (spec(number), format!("answer {number}"));
                    registry
                        .charge(shared, (0, spec(100)), &name("tax"), cost, NOW, b"round")
                        .expect("recorded");
                    let other = registry.charge(shared, (0, spec(100)), &name("health"), cost, NOW, b"round");
                    assert!(matches!(other, Err(LedgerError::Refused(Refusal::Conflict))));
                    let own = almoner_federation::Digest::of(&(1_000 + thread * 100 + number).to_be_bytes());
                    registry
                        .charge(own, (0, spec(100)), &name("tax"), cost, NOW, b"round")
                        .expect("recorded");
                    registry
                        .publish(shared, shared, &name("tax"), cost, NOW, text.as_bytes())
                        .expect("published");
                    let found = registry.by_spec(&shared).expect("read").expect("published");
                    assert_eq!(found, text.as_bytes());
                }
            });
        }
    });
    let check = |registry: &Registry| {
        assert_eq!(registry.position().expect("position").size, 40 + 16 * 40 + 40);
        assert_eq!(registry.spent_total().expect("read").get(), 3 * (40 + 16 * 40));
    };
    check(&registry);
    drop(registry);
    check(&Registry::open(&path).expect("reopens"));
}
