//! Calendar periods under clocks that go wrong and policies that count otherwise.

use almoner_federation::{Digest, PeriodLength, PeriodLimit, PicoRho};
use almoner_ledger::{
    Entry, LedgerError, NodeLedger, Policy, Refusal, Reservation, Scope, TerritoryLimit, Touched,
};
use tempfile::TempDir;

use crate::support::*;

/// 2027-01-15 08:00, 2027-02-15, 2027-03-15 and 2027-04-15.
const MONTHS: [u64; 4] = [NOW, NOW + 31 * DAY, NOW + 59 * DAY, NOW + 90 * DAY];
const DAY: u64 = 86_400;

fn limits(length: Option<PeriodLength>, rho: u64) -> Policy {
    let mut policy = policy(1_000, &[("tax", 1_000)]);
    policy.limits.period = length.map(|length| PeriodLimit { length, rho: PicoRho::new(rho) });
    policy
}

fn begun(policy: Policy) -> (TempDir, Federation, NodeLedger) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("ledger.db");
    let ledger = NodeLedger::begin(&path, &KEY, policy.sign(nothing(), &officer()), NOW).expect("begins");
    (folder, Federation::new(), ledger)
}

fn change(ledger: &NodeLedger, policy: Policy, now: u64) {
    let after = ledger.position().expect("position");
    ledger.change_policy(policy.sign(after, &officer()), now).expect("signed");
}

fn reserve(us: &Federation, ledger: &NodeLedger, number: u64, cost: u64, now: u64) -> Result<(), Scope> {
    let reservation = Reservation { now_s: now, expires_at_s: now + 60, ..asked(number, "tax", cost) };
    match us.reserve(ledger, reservation) {
        Ok(_) => Ok(()),
        Err(LedgerError::Refused(Refusal::OverBudget { scope, .. })) => Err(scope),
        Err(error) => panic!("{error}"),
    }
}

fn charge(us: &Federation, ledger: &NodeLedger, number: u64, now: u64) {
    let stored = ledger.find(query(number), 0).expect("find").expect("reserved before");
    ledger.charge(query(number), 0, &us.accept(&stored.ready, 0), now).expect("charges");
}

fn spend(us: &Federation, ledger: &NodeLedger, number: u64, cost: u64, now: u64) -> Result<(), Scope> {
    reserve(us, ledger, number, cost, now)?;
    charge(us, ledger, number, now);
    Ok(())
}

/// Charged and reserved in the present period.
fn period(ledger: &NodeLedger, now: u64) -> (u64, u64) {
    let period = ledger.budget(&name("tax"), now).expect("known").period.expect("it has periods");
    (period.charged.get(), period.reserved.get())
}

fn scope(name: &str) -> Result<(), Scope> {
    Err(Scope::Period(name.into()))
}

#[test]
fn a_clock_that_is_set_back_opens_no_period_again() {
    let (_folder, us, ledger) = begun(limits(Some(PeriodLength::Month), 100));
    spend(&us, &ledger, 1, 100, MONTHS[0]).expect("January's");
    assert_eq!(spend(&us, &ledger, 2, 1, MONTHS[0]), scope("2027-01"));
    spend(&us, &ledger, 3, 100, MONTHS[2]).expect("March's");
    // February was never begun, and begins no more.
    for back in [MONTHS[1], MONTHS[0], 0] {
        assert_eq!(spend(&us, &ledger, 4, 1, back), scope("2027-03"));
        assert_eq!(period(&ledger, back), (100, 0));
    }
    spend(&us, &ledger, 5, 100, u64::MAX / 4).expect("the end of the year 9999");
    for any in [MONTHS[3], u64::MAX / 4, u64::MAX / 3] {
        assert_eq!(
            spend(&us, &ledger, 6, 1, any),
            scope("9999-12"),
            "a clock gone wild costs time, not privacy"
        );
    }
    assert_eq!(ledger.budget(&name("tax"), NOW).expect("known").total.charged, PicoRho::new(300));
}

#[test]
fn a_longer_period_holds_all_that_was_spent_in_it() {
    let (_folder, us, ledger) = begun(limits(Some(PeriodLength::Month), 90));
    spend(&us, &ledger, 1, 90, MONTHS[0]).expect("January's");
    spend(&us, &ledger, 2, 50, MONTHS[1]).expect("February's");
    change(&ledger, limits(Some(PeriodLength::Quarter), 150), MONTHS[1]);
    assert_eq!(period(&ledger, MONTHS[1]), (140, 0));
    assert_eq!(spend(&us, &ledger, 3, 11, MONTHS[2]), scope("2027 Q1"));
    spend(&us, &ledger, 4, 10, MONTHS[2]).expect("the rest of the quarter's");
    spend(&us, &ledger, 5, 150, MONTHS[3]).expect("the next quarter's");
    change(&ledger, limits(Some(PeriodLength::Year), 301), MONTHS[3]);
    assert_eq!((period(&ledger, MONTHS[3]), spend(&us, &ledger, 6, 2, MONTHS[3])), ((300, 0), scope("2027")));
    change(&ledger, limits(Some(PeriodLength::Month), 200), MONTHS[3]);
    assert_eq!(
        (period(&ledger, MONTHS[3]), spend(&us, &ledger, 7, 51, MONTHS[3])),
        ((150, 0), scope("2027-04"))
    );
}

#[test]
fn a_policy_that_is_put_in_force_by_a_clock_set_back_opens_no_period_again() {
    let (_folder, us, ledger) = begun(limits(Some(PeriodLength::Month), 100));
    spend(&us, &ledger, 1, 100, MONTHS[3]).expect("April's");
    change(&ledger, limits(Some(PeriodLength::Quarter), 100), MONTHS[0]);
    assert_eq!(spend(&us, &ledger, 2, 1, MONTHS[0]), scope("2027 Q2"));
    assert_eq!(spend(&us, &ledger, 3, 1, MONTHS[3]), scope("2027 Q2"));
}

/// Reserved in January and in February, then counted by the quarter: each is given back once, and only its own.
#[test]
fn reservations_of_several_months_are_given_back_once_when_they_become_one_period() {
    let (_folder, us, ledger) = begun(limits(Some(PeriodLength::Month), 100));
    reserve(&us, &ledger, 1, 60, MONTHS[0]).expect("January's");
    reserve(&us, &ledger, 2, 60, MONTHS[1]).expect("February's");
    change(&ledger, limits(Some(PeriodLength::Quarter), 130), MONTHS[1]);
    assert_eq!(period(&ledger, MONTHS[1]), (0, 120));
    assert_eq!(ledger.expire(MONTHS[0] + 60).expect("expires"), 1);
    assert_eq!(period(&ledger, MONTHS[1]), (0, 60), "what February set aside is still there");
    assert_eq!(reserve(&us, &ledger, 3, 71, MONTHS[1]), scope("2027 Q1"));
    reserve(&us, &ledger, 4, 70, MONTHS[1]).expect("the rest");
    charge(&us, &ledger, 2, MONTHS[1]);
    charge(&us, &ledger, 4, MONTHS[1]);
    assert_eq!(period(&ledger, MONTHS[1]), (130, 0));
}

#[test]
fn a_territorys_limit_for_ever_that_becomes_one_a_period_is_a_grant() {
    let territory =
        TerritoryLimit { partition: Digest::of(b"parts"), count: 2, placements: 1, rho: PicoRho::new(10) };
    let with = |mut policy: Policy| {
        policy.limits.territory = Some(territory);
        policy
    };
    let (_folder, us, ledger) = begun(with(limits(None, 0)));
    let ask = |number, now| {
        let touched = Touched::Some(vec![1]);
        let about = asked(number, "tax", 10);
        us.reserve(&ledger, Reservation { touched, now_s: now, expires_at_s: now + 60, ..about })
    };
    ask(1, MONTHS[0]).expect("fits");
    assert!(ask(2, MONTHS[1]).is_err(), "for ever");
    change(&ledger, with(limits(Some(PeriodLength::Month), 1_000)), MONTHS[1]);
    ask(2, MONTHS[1]).expect("a new month");
    let entries = ledger.entries(2, 1).expect("entries");
    assert!(matches!(Entry::decode(&entries[0]), Ok(Entry::Policy(entry)) if entry.grant));
}

/// What it could not read back the ledger does not take.
#[test]
fn no_policy_places_a_unit_in_no_territory() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut none = limits(None, 0);
    none.limits.territory =
        Some(TerritoryLimit { partition: Digest::of(b""), count: 1, placements: 0, rho: PicoRho::ZERO });
    let signed = none.sign(nothing(), &officer());
    let refused = NodeLedger::begin(&folder.path().join("ledger.db"), &KEY, signed, NOW).err();
    assert!(refused.is_some_and(|error| matches!(error, LedgerError::Entry(_))));
}

/// Three territories that each hold almost 2^63 hold 3 times that together, and give it back in the same parts.
#[test]
fn sums_beyond_64_bits_are_given_back_in_the_parts_they_were_set_aside_in() {
    let huge = i64::MAX as u64;
    let territory = TerritoryLimit {
        partition: Digest::of(b"parts"),
        count: 3,
        placements: 1,
        rho: PicoRho::new(u64::MAX),
    };
    let mut first = policy(u64::MAX, &[("tax", u64::MAX), ("health", u64::MAX), ("schools", u64::MAX)]);
    first.limits.territory = Some(territory);
    let (_folder, us, ledger) = begun(first.clone());
    for (number, planner) in [(0, "tax"), (1, "health"), (2, "schools")] {
        let touched = Touched::Some(vec![number as u16]);
        us.reserve(&ledger, Reservation { touched, ..asked(number, planner, huge) })
            .expect("its own territory");
    }
    first.limits.territory = None;
    change(&ledger, first, NOW);
    ledger.abort(query(0), 0, NOW).expect("reserved");
    ledger.abort(query(1), 0, NOW).expect("reserved");
    let total = ledger.budget(&name("tax"), NOW).expect("known").total;
    assert_eq!(total.reserved, PicoRho::new(huge));
}
