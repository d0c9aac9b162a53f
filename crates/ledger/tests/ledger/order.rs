//! Many callers with everything a ledger can be asked, policies among it: there was one order, and the entries are it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Barrier, Mutex, RwLock};

use almoner_federation::merkle::{Frontier, leaf_hash};
use almoner_federation::{Digest, PeriodLength, PeriodLimit, PicoRho};
use almoner_ledger::{
    Approval, Books, Entry, LedgerError, NodeLedger, Policy, Position, Reservation, Step, TerritoryLimit,
    Touched,
};

use crate::support::*;

const THREADS: u64 = 32;
const EACH: u64 = 40;
const PLANNERS: [&str; 2] = ["tax", "health"];

/// Policies that differ in every limit.
fn variant(number: u64) -> Policy {
    let mut policy = policy(6_000 + number % 3 * 1_000, &[("tax", 5_000 + number * 10), ("health", 4_000)]);
    let rho = PicoRho::new(4_000 + number % 2 * 500);
    let length = [PeriodLength::Month, PeriodLength::Quarter][(number / 2 % 2) as usize];
    policy.limits.period = (!number.is_multiple_of(4)).then_some(PeriodLimit { length, rho });
    policy.limits.territory = Some(TerritoryLimit {
        partition: Digest::of(&[(number / 4 % 2) as u8]),
        count: 4,
        placements: 1 + (number / 3 % 2) as u32,
        rho: PicoRho::new(3_500),
    });
    policy
}

/// One life of one attempt; returns the entries that it must have written: a word and its number, and the position
/// where the ledger told one.
fn work(us: &Federation, ledger: &NodeLedger, number: u64) -> Vec<(&'static str, u64, Option<Position>)> {
    let refused = |error: LedgerError| match error {
        LedgerError::Refused(_) | LedgerError::Attempt(_) | LedgerError::Entry(_) => {}
        other => panic!("{other}"),
    };
    let touched = match number % 3 {
        0 => Touched::All,
        _ => Touched::Some(vec![(number / 3 % 4) as u16]),
    };
    // Some time passes, over the end of a month.
    let now_s = NOW + number * 2_000;
    let mut wrote = Vec::new();
    let approval = number.is_multiple_of(5).then(|| {
        let approval = Approval {
            origin: ORIGIN.parse().expect("a key's name"),
            question: spec(number / 10 * 10),
            approved: true,
            decided_at_s: NOW,
            until_s: u64::MAX,
        };
        approval.sign(&officer())
    });
    let approved = approval.is_some();
    let about = asked(number, PLANNERS[(number % 2) as usize], 1 + number % 20);
    let reservation = Reservation { touched, approval, now_s, expires_at_s: now_s + 60, ..about };
    match us.reserve(ledger, reservation) {
        Ok(_) => wrote.push((if approved { "reserve approved" } else { "reserve" }, number, None)),
        Err(error) => {
            refused(error);
            return wrote;
        }
    }
    let stored = ledger.find(query(number), 0).expect("find").expect("reserved");
    match number % 7 {
        0 => {
            // Another thread may have expired it: then nothing is left to abort.
            ledger.abort(query(number), 0, now_s).expect("not charged");
            wrote.push(("ended", number, None));
        }
        1 => {
            ledger.expire(now_s + 60).expect("expires");
            wrote.push(("ended", number, None));
        }
        _ => {
            let accepted = us.accept(&stored.ready, 0);
            match ledger.charge(query(number), 0, &accepted, now_s) {
                Ok(charged) => {
                    assert_eq!(charged.noisy(), vector(number));
                    wrote.push(("charge", number, Some(charged.position())));
                }
                Err(error) => refused(error),
            }
        }
    }
    wrote
}

#[test]
fn thirty_two_threads_and_policies_between_them_leave_one_order() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("ledger.db");
    let us = Federation::new();
    let ledger = NodeLedger::begin(&path, &KEY, variant(0).sign(nothing(), &officer()), NOW).expect("begins");
    let (start, quiet, told) = (Barrier::new(THREADS as usize), RwLock::new(()), Mutex::new(Vec::new()));
    let policies = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (us, ledger, start, quiet, told, policies) = (&us, &ledger, &start, &quiet, &told, &policies);
            scope.spawn(move || {
                start.wait();
                for turn in 0..EACH {
                    let number = turn * THREADS + thread;
                    if thread < 2 {
                        // Every other change competes with all; the rest find the position that they were signed for.
                        let _alone = (turn % 2 == 0).then(|| quiet.write().expect("no panic"));
                        let after = ledger.position().expect("position");
                        match ledger.change_policy(variant(number).sign(after, &officer()), NOW) {
                            Ok(_) => policies.fetch_add(1, Ordering::SeqCst),
                            Err(LedgerError::Entry(_)) => continue,
                            Err(error) => panic!("{error}"),
                        };
                        continue;
                    }
                    let wrote = {
                        let _with_others = quiet.read().expect("no panic");
                        work(us, ledger, number)
                    };
                    let budget = ledger.budget(&name("tax"), NOW).expect("known");
                    assert!(budget.planner.charged <= PicoRho::new(5_000 + THREADS * EACH * 10));
                    told.lock().expect("no panic").extend(wrote);
                }
            });
        }
    });
    let policies = policies.into_inner();
    assert!(policies >= EACH, "{policies} policies were put in force");
    let position = ledger.position().expect("position");
    let budgets = |at_s| PLANNERS.map(|planner| ledger.budget(&name(planner), at_s).expect("known"));
    let last = NOW + THREADS * EACH * 2_000;

    let (mut books, mut tree) = (Books::new(), Frontier::new());
    let mut found: BTreeMap<(&str, u64), Position> = BTreeMap::new();
    let mut in_force = 0;
    for bytes in ledger.entries(0, usize::MAX).expect("entries") {
        tree.push(leaf_hash(&bytes));
        let after = Position { size: tree.size(), root: tree.root() };
        let entry = Entry::decode(&bytes).expect("the ledger's own");
        books.apply(&entry, after).expect("each entry follows those before it");
        let key = match entry {
            Entry::Policy(_) => {
                in_force += 1;
                continue;
            }
            Entry::Approval(_) | Entry::Load(_) => continue,
            Entry::Round(round) => {
                let number = u64::from_be_bytes(round.query.0[8..].try_into().expect("eight bytes"));
                let word = match round.step {
                    Step::Reserve { approval: Some(_), .. } => "reserve approved",
                    Step::Reserve { .. } => "reserve",
                    Step::Charge { .. } => "charge",
                    Step::Expire | Step::Abort => "ended",
                };
                (word, number)
            }
        };
        assert_eq!(found.insert(key, after), None, "{key:?} happened twice");
    }
    assert_eq!((books.position(), in_force), (position, policies + 1));
    for at_s in [NOW, last] {
        let again = PLANNERS.map(|planner| books.budget(&name(planner), at_s).expect("known"));
        assert_eq!(again, budgets(at_s));
    }
    let told = told.into_inner().expect("no panic");
    assert!(told.iter().filter(|(word, ..)| *word == "charge").count() > 100);
    for (word, number, position) in &told {
        let entry = found.get(&(*word, *number));
        assert!(entry.is_some(), "{word} {number} was said and is not written");
        assert!(position.is_none_or(|position| entry == Some(&position)));
    }
    // What nobody said: attempts that another thread expired while they were being charged.
    let said = |word: &str| told.iter().filter(|(said, ..)| *said == word).count();
    for word in ["reserve", "reserve approved", "charge"] {
        assert_eq!(found.keys().filter(|(written, _)| *written == word).count(), said(word));
    }
    drop(ledger);
    assert_eq!(NodeLedger::open(&path, &KEY).expect("reads back").position().expect("position"), position);
}
