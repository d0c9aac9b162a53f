//! Each rule of the ledger once, in the order of an attempt's life.

use almoner_federation::{Digest, PicoRho, merkle};
use almoner_ledger::{Entry, LedgerError, NodeLedger, Refusal, Reservation, Scope, Step, Touched};
use almoner_secure_sum::{RoundState, SecureSumError};

use crate::support::*;

fn pico(amount: u64) -> PicoRho {
    PicoRho::new(amount)
}

fn attempt_refusal<T: std::fmt::Debug>(outcome: Result<T, LedgerError>) -> SecureSumError {
    match outcome {
        Err(LedgerError::Attempt(error)) => error,
        other => panic!("expected the attempt to refuse, found {other:?}"),
    }
}

fn refusal<T: std::fmt::Debug>(outcome: Result<T, LedgerError>) -> Refusal {
    match outcome {
        Err(LedgerError::Refused(refusal)) => refusal,
        other => panic!("expected a refusal, found {other:?}"),
    }
}

#[test]
fn an_attempt_is_reserved_charged_and_repeated_byte_for_byte() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("ledger.db");
    let us = Federation::new();
    let ledger = open(&path, policy(100, &[("tax", 100)])).expect("a new ledger");
    assert_eq!(ledger.position().expect("position").size, 1, "the opening POLICY");

    let stored = us.reserve(&ledger, asked(1, "tax", 40)).expect("fits");
    assert_eq!(stored.state, RoundState::Prepared);
    us.node_key().verifying_key().verify(&stored.ready, &stored.signature).expect("the node's signature");

    let again = Reservation { noisy: vec![99; 5], ..asked(1, "tax", 40) };
    let again = ledger.reserve(again, |_| panic!("a repeat makes no READY")).expect("the same question");
    assert_eq!(again, stored);
    assert_eq!(ledger.find(query(1), 0).expect("find"), Some(stored.clone()));
    assert_eq!(ledger.find(query(1), 1).expect("find"), None);

    let charged = us.charge(&ledger, 1, 0).expect("accepted");
    assert_eq!(charged.noisy(), vector(1), "the first vector, not the repeat's");
    assert_eq!(charged.position(), ledger.position().expect("position"));
    assert_eq!(charged.position().size, 3);

    us.reserve(&ledger, asked(2, "tax", 60)).expect("exactly what is left");
    let repeat = us.charge(&ledger, 1, 0).expect("the same context");
    assert_eq!((repeat.noisy(), repeat.position()), (charged.noisy(), charged.position()));
    let late = us.accept(&stored.ready, 0);
    let late = ledger.charge(query(1), 0, &late, DEADLINE + 1_000_000).expect("a repeat has no deadline");
    assert_eq!(late.position(), charged.position());
    assert_eq!(
        attempt_refusal(us.charge(&ledger, 1, 1)).to_string(),
        "the attempt was charged for another context"
    );
    assert_eq!(attempt_refusal(ledger.abort(query(1), 0, NOW)).to_string(), "the attempt was charged");
    assert_eq!(ledger.position().expect("position").size, 4, "no repeat and no refusal wrote an entry");

    drop(ledger);
    let ledger = open(&path, policy(100, &[("tax", 100)])).expect("reopens");
    assert_eq!(ledger.position().expect("position").size, 4, "an unchanged policy writes nothing");
    let repeat = us.charge(&ledger, 1, 0).expect("the same context after a restart");
    assert_eq!((repeat.noisy(), repeat.position()), (charged.noisy(), charged.position()));
    let found = ledger.find(query(1), 0).expect("find").expect("stored");
    assert_eq!((found.ready, found.signature), (stored.ready, stored.signature));
    assert_eq!(found.state, RoundState::Charged { context: us.accept(&again.ready, 0).hash() });
}

#[test]
fn a_query_id_and_attempt_belong_to_one_question() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let us = Federation::new();
    let ledger = open(&folder.path().join("ledger.db"), policy(100, &[("tax", 100)])).expect("a new ledger");
    let first = us.reserve(&ledger, asked(1, "tax", 10)).expect("fits");

    let other = Reservation { spec_hash: spec(2), ..asked(1, "tax", 10) };
    assert_eq!(refusal(us.reserve(&ledger, other)), Refusal::Conflict);
    let next = Reservation { attempt: 1, ..asked(1, "tax", 10) };
    let second = us.reserve(&ledger, next).expect("a new attempt is a reservation of its own");

    // A context that was accepted for one attempt cannot charge another.
    let accepted = us.accept(&second.ready, 0);
    assert_eq!(
        attempt_refusal(ledger.charge(query(1), 0, &accepted, NOW)).to_string(),
        "the accepted context belongs to another attempt"
    );
    assert_eq!(refusal(ledger.charge(query(9), 0, &us.accept(&first.ready, 0), NOW)), Refusal::Unknown);
    assert_eq!(refusal(ledger.abort(query(9), 0, NOW)), Refusal::Unknown);
    assert_eq!(ledger.budget(&name("tax"), NOW).expect("known").total.charged, PicoRho::ZERO);
}

#[test]
fn no_sum_passes_its_limit_by_one_pico() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let us = Federation::new();
    let limits = policy(100, &[("tax", 60), ("health", 60), ("none", 0)]);
    let ledger = open(&folder.path().join("ledger.db"), limits).expect("a new ledger");

    assert_eq!(refusal(us.reserve(&ledger, asked(1, "nobody", 1))), Refusal::UnknownPlanner(name("nobody")));
    assert_eq!(
        refusal(ledger.affordable(&name("nobody"), pico(0), &Touched::All, NOW)),
        Refusal::UnknownPlanner(name("nobody"))
    );
    assert_eq!(refusal(ledger.budget(&name("nobody"), NOW)), Refusal::UnknownPlanner(name("nobody")));
    ledger.affordable(&name("none"), pico(0), &Touched::All, NOW).expect("a limit of zero holds zero");
    let over = |scope, limit, committed, asked| Refusal::OverBudget {
        scope,
        limit: pico(limit),
        committed: pico(committed),
        asked: pico(asked),
    };
    let tax = Scope::Planner(name("tax"));
    assert_eq!(refusal(us.reserve(&ledger, asked(1, "tax", 61))), over(tax.clone(), 60, 0, 61));
    us.reserve(&ledger, asked(1, "tax", 30)).expect("fits");
    us.charge(&ledger, 1, 0).expect("accepted");
    us.reserve(&ledger, asked(2, "tax", 29)).expect("fits");
    assert_eq!(refusal(us.reserve(&ledger, asked(3, "tax", 2))), over(tax, 60, 59, 2));
    assert_eq!(refusal(us.reserve(&ledger, asked(3, "health", 42))), over(Scope::Total, 100, 59, 42));
    us.reserve(&ledger, asked(3, "health", 41)).expect("exactly the total");
    assert_eq!(
        refusal(ledger.affordable(&name("tax"), pico(1), &Touched::All, NOW)),
        over(Scope::Total, 100, 100, 1)
    );

    let budget = ledger.budget(&name("tax"), NOW).expect("known");
    assert_eq!(
        (budget.total.limit, budget.total.charged, budget.total.reserved),
        (pico(100), pico(30), pico(70))
    );
    assert_eq!(
        (budget.planner.limit, budget.planner.charged, budget.planner.reserved),
        (pico(60), pico(30), pico(29))
    );
}

#[test]
fn sums_near_the_end_of_64_bits_refuse_instead_of_wrapping() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let us = Federation::new();
    let limits = policy(u64::MAX, &[("tax", u64::MAX)]);
    let ledger = open(&folder.path().join("ledger.db"), limits).expect("a new ledger");
    us.reserve(&ledger, asked(1, "tax", i64::MAX as u64)).expect("2^63 - 1");
    us.charge(&ledger, 1, 0).expect("accepted");
    us.reserve(&ledger, asked(2, "tax", i64::MAX as u64)).expect("2^64 - 2");
    assert!(matches!(refusal(us.reserve(&ledger, asked(3, "tax", 2))), Refusal::OverBudget { .. }));
    assert!(matches!(refusal(us.reserve(&ledger, asked(4, "tax", 1))), Refusal::OverBudget { .. }));
    us.charge(&ledger, 2, 0).expect("what was reserved fits");
    assert!(matches!(refusal(us.reserve(&ledger, asked(5, "tax", 1 << 63))), Refusal::TooLarge(_)));
}

#[test]
fn expiry_frees_the_budget_and_ends_the_attempt() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let us = Federation::new();
    let ledger = open(&folder.path().join("ledger.db"), policy(100, &[("tax", 100)])).expect("a new ledger");
    let stored = us.reserve(&ledger, asked(1, "tax", 100)).expect("fits");
    us.reserve(&ledger, Reservation { expires_at_s: DEADLINE + 1, ..asked(2, "tax", 0) }).expect("fits");

    assert_eq!(ledger.expire(DEADLINE - 1).expect("expire"), 0);
    let accepted = us.accept(&stored.ready, 0);
    let late = ledger.charge(query(1), 0, &accepted, DEADLINE);
    assert_eq!(attempt_refusal(late).to_string(), "the READY has expired");
    assert_eq!(ledger.expire(DEADLINE).expect("expire"), 1);
    assert_eq!(ledger.expire(DEADLINE).expect("expire"), 0);
    // Even when the clock is set back.
    assert_eq!(
        attempt_refusal(ledger.charge(query(1), 0, &accepted, NOW)).to_string(),
        "the READY has expired"
    );
    ledger.abort(query(1), 0, NOW).expect("nothing is left to abort");
    let again = us.reserve(&ledger, asked(1, "tax", 100)).expect("the stored READY, whatever its state");
    assert_eq!((again.state, again.ready), (RoundState::Expired, stored.ready));
    us.reserve(&ledger, Reservation { attempt: 1, ..asked(1, "tax", 100) })
        .expect("the budget is free again");

    let dead_on_arrival = Reservation { attempt: 2, expires_at_s: NOW, ..asked(1, "tax", 0) };
    assert_eq!(attempt_refusal(us.reserve(&ledger, dead_on_arrival)).to_string(), "the READY has expired");
}

#[test]
fn an_abort_frees_the_budget_and_ends_the_attempt() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let us = Federation::new();
    let ledger = open(&folder.path().join("ledger.db"), policy(100, &[("tax", 100)])).expect("a new ledger");
    let stored = us.reserve(&ledger, asked(1, "tax", 100)).expect("fits");
    ledger.abort(query(1), 0, NOW).expect("reserved");
    let size = ledger.position().expect("position").size;
    ledger.abort(query(1), 0, NOW).expect("aborted already");
    assert_eq!(ledger.expire(DEADLINE).expect("expire"), 0);
    assert_eq!(ledger.position().expect("position").size, size, "an attempt ends once");
    let accepted = us.accept(&stored.ready, 0);
    assert_eq!(
        attempt_refusal(ledger.charge(query(1), 0, &accepted, NOW)).to_string(),
        "the attempt was aborted"
    );
    assert_eq!(ledger.find(query(1), 0).expect("find").map(|stored| stored.state), Some(RoundState::Aborted));
    us.reserve(&ledger, asked(2, "tax", 100)).expect("the budget is free again");
}

#[test]
fn a_new_policy_is_an_entry_and_a_lowered_limit_governs_what_was_reserved_before() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("ledger.db");
    let us = Federation::new();
    let ledger = open(&path, policy(100, &[("tax", 100), ("health", 100)])).expect("a new ledger");
    us.reserve(&ledger, asked(1, "tax", 30)).expect("fits");
    us.charge(&ledger, 1, 0).expect("accepted");
    us.reserve(&ledger, asked(2, "tax", 30)).expect("fits");
    us.reserve(&ledger, asked(3, "health", 20)).expect("fits");
    drop(ledger);

    let ledger = open(&path, policy(50, &[("tax", 100)])).expect("reopens under other limits");
    assert_eq!(ledger.position().expect("position").size, 6);
    assert!(matches!(refusal(us.charge(&ledger, 2, 0)), Refusal::OverBudget { scope: Scope::Total, .. }));
    assert_eq!(refusal(us.charge(&ledger, 3, 0)), Refusal::UnknownPlanner(name("health")));
    us.charge(&ledger, 1, 0).expect("what is charged is answered again");
    let budget = ledger.budget(&name("tax"), NOW).expect("known");
    assert_eq!((budget.total.charged, budget.total.reserved), (pico(30), pico(50)));
    drop(ledger);

    let ledger = open(&path, policy(200, &[("tax", 100), ("health", 100)])).expect("and under higher ones");
    us.charge(&ledger, 2, 0).expect("fits again");
    us.charge(&ledger, 3, 0).expect("fits again");
    let last = ledger.entries(6, 1).expect("entries");
    let Ok(Entry::Policy(entry)) = Entry::decode(&last[0]) else { panic!("the seventh entry is a GRANT") };
    assert_eq!(entry.signed.policy, policy(200, &[("tax", 100), ("health", 100)]));
    assert!(entry.grant);
}

#[test]
fn a_ready_must_state_what_is_reserved() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let us = Federation::new();
    let ledger = open(&folder.path().join("ledger.db"), policy(100, &[("tax", 100)])).expect("a new ledger");
    let before = ledger.position().expect("position");
    let cheaper = us.ready(&asked(1, "tax", 9));
    let stale = us.ready(&asked(1, "tax", 10));
    for make in [
        Box::new(cheaper) as Box<dyn FnOnce(_) -> _>,
        Box::new(move |_| stale(before)),
        Box::new(|_| (b"no READY".to_vec(), almoner_federation::Signature([0; 64]))),
    ] {
        assert!(matches!(ledger.reserve(asked(1, "tax", 10), make), Err(LedgerError::Ready(_))));
    }
    assert_eq!(ledger.position().expect("position"), before);
    assert_eq!(ledger.budget(&name("tax"), NOW).expect("known").total.reserved, PicoRho::ZERO);
    us.reserve(&ledger, asked(1, "tax", 10)).expect("nothing was left behind");
    for noisy in [Vec::new(), vec![0; almoner_secure_sum::MAX_CELLS + 1]] {
        attempt_refusal(us.reserve(&ledger, Reservation { noisy, ..asked(2, "tax", 1) }));
    }
}

#[test]
fn the_entries_are_the_leaves_of_the_tree_and_tell_the_whole_story() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let us = Federation::new();
    let ledger = open(&folder.path().join("ledger.db"), policy(100, &[("tax", 100)])).expect("a new ledger");
    us.reserve(&ledger, asked(1, "tax", 10)).expect("fits");
    us.reserve(&ledger, asked(2, "tax", 20)).expect("fits");
    us.reserve(&ledger, asked(3, "tax", 30)).expect("fits");
    us.charge(&ledger, 1, 0).expect("accepted");
    ledger.abort(query(2), 0, NOW).expect("reserved");
    ledger.expire(DEADLINE).expect("expire");

    let entries = ledger.entries(0, usize::MAX).expect("entries");
    let leaves: Vec<Digest> = entries.iter().map(|entry| merkle::leaf_hash(entry)).collect();
    let position = ledger.position().expect("position");
    assert_eq!((leaves.len() as u64, merkle::root(&leaves)), (position.size, position.root));
    let told: Vec<_> = entries
        .iter()
        .filter_map(|bytes| match Entry::decode(bytes).expect("the ledger's own entry") {
            Entry::Policy(_) | Entry::Approval(_) | Entry::Load(_) => None,
            Entry::Round(round) => {
                let number = u64::from_be_bytes(round.query.0[8..].try_into().expect("eight bytes"));
                let step = match round.step {
                    Step::Reserve { .. } => "reserve",
                    Step::Charge { .. } => "charge",
                    Step::Expire => "expire",
                    Step::Abort => "abort",
                };
                Some((step, number, round.at_s, round.charged_total.get(), round.charged_planner.get()))
            }
        })
        .collect();
    let expected = [
        ("reserve", 1, NOW, 0, 0),
        ("reserve", 2, NOW, 0, 0),
        ("reserve", 3, NOW, 0, 0),
        ("charge", 1, NOW, 10, 10),
        ("abort", 2, NOW, 10, 10),
        ("expire", 3, DEADLINE, 10, 10),
    ];
    assert_eq!(told, expected);
    assert_eq!(ledger.entries(5, 1).expect("entries"), entries[5..6]);
    assert_eq!(ledger.entries(u64::MAX, 5).expect("entries"), Vec::<Vec<u8>>::new());
}

#[test]
fn a_sealed_vector_is_not_readable_in_the_file_and_gone_when_the_attempt_ends() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("ledger.db");
    let us = Federation::new();
    let ledger = open(&path, policy(100, &[("tax", 100)])).expect("a new ledger");
    let noisy: Vec<i64> = (0..2_000).map(|cell| 0x1234_5678_9abc_0000 + cell).collect();
    let plain: Vec<u8> = noisy.iter().flat_map(|cell| cell.to_le_bytes()).collect();
    us.reserve(&ledger, Reservation { noisy: noisy.clone(), ..asked(1, "tax", 1) }).expect("fits");
    us.reserve(&ledger, Reservation { noisy: noisy.clone(), ..asked(2, "tax", 1) }).expect("fits");
    us.charge(&ledger, 1, 0).expect("accepted");
    let file = |ending| std::fs::read(beside(&path, ending)).unwrap_or_default();

    let copy = folder.path().join("copy.db");
    snapshot(&path, &copy);
    let on_disk =
        [std::fs::read(&copy).expect("the file"), std::fs::read(beside(&copy, "-wal")).expect("its log")];
    assert!(on_disk.concat().len() > 2 * plain.len(), "both vectors are there, sealed");
    for window in plain.chunks_exact(16).step_by(97).chain([&plain[8..24]]) {
        for bytes in &on_disk {
            assert!(!bytes.windows(16).any(|found| found == window), "two plain cells stand in the file");
        }
    }
    for bytes in &on_disk {
        assert!(!bytes.windows(32).any(|found| found == KEY), "the sealing key stands in the file");
    }

    ledger.abort(query(2), 0, NOW).expect("reserved");
    drop(ledger);
    let db = rusqlite_rows(&path, "SELECT count(*) FROM vectors");
    assert_eq!(db, 1, "the charged vector stays for repetition, the aborted one is gone");
    assert!(!file("").is_empty() && file("-wal").is_empty(), "a clean end leaves one file");
}

fn rusqlite_rows(path: &std::path::Path, sql: &str) -> i64 {
    let connection = rusqlite::Connection::open(path).expect("the file is free");
    connection.query_row(sql, [], |row| row.get(0)).expect("a count")
}

#[cfg(unix)]
#[test]
fn only_the_owner_can_read_the_files() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("ledger.db");
    let us = Federation::new();
    let mode = |path: &std::path::Path| {
        std::fs::metadata(path).expect("the file exists").permissions().mode() & 0o777
    };
    let ledger = open(&path, policy(100, &[("tax", 100)])).expect("a new ledger");
    us.reserve(&ledger, asked(1, "tax", 1)).expect("fits");
    assert_eq!((mode(&path), mode(&beside(&path, "-wal"))), (0o600, 0o600));
    drop(ledger);
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).expect("our own file");
    let _ledger = open(&path, policy(100, &[("tax", 100)])).expect("reopens");
    assert_eq!(mode(&path), 0o600);
}

#[test]
fn another_key_or_another_kind_of_file_does_not_open() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("ledger.db");
    drop(open(&path, policy(100, &[("tax", 100)])).expect("a new ledger"));
    let other = NodeLedger::open(&path, &[8; 32]);
    assert!(matches!(other, Err(LedgerError::ForeignSeal { last: 0 })));

    assert!(matches!(almoner_ledger::Registry::open(&path), Err(LedgerError::NotOurs { .. })));
    let text = folder.path().join("notes.txt");
    std::fs::write(
        &text,
        "not a database, but long enough to have had a header of one hundred bytes ".repeat(9),
    )
    .expect("a temporary file");
    assert!(matches!(open(&text, policy(1, &[])), Err(LedgerError::NotOurs { .. })));
    let missing = folder.path().join("no-such-folder").join("ledger.db");
    assert!(matches!(open(&missing, policy(1, &[])), Err(LedgerError::Io { .. })));
}

#[test]
fn a_ledger_proves_that_it_begins_with_each_of_its_former_selves_and_keeps_the_questions() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("ledger.db");
    let us = Federation::new();
    let ledger = open(&path, policy(100, &[("tax", 100)])).expect("a new ledger");
    let mut before = vec![ledger.position().expect("position")];
    let first = asked(1, "tax", 40);
    let (spec_hash, question) = (first.spec_hash, first.asked.clone());
    us.reserve(&ledger, first).expect("fits");
    before.push(ledger.position().expect("position"));
    // What is refused leaves no trace in the tree.
    refusal(us.reserve(&ledger, asked(2, "tax", 61)));
    us.charge(&ledger, 1, 0).expect("accepted");
    before.push(ledger.position().expect("position"));
    refusal(us.reserve(&ledger, asked(3, "tax", 61)));
    drop(ledger);

    let ledger = NodeLedger::open(&path, &KEY).expect("whole");
    for (place, old) in before.iter().enumerate() {
        assert_eq!(ledger.root_at(old.size).expect("root"), Some(old.root));
        for new in &before[place..] {
            let proof = ledger.consistency_proof(old.size, new.size).expect("proof").expect("so many");
            assert!(merkle::verify_consistency(old.size, old.root, new.size, new.root, &proof));
        }
    }
    assert_eq!(ledger.root_at(4).expect("root"), None);
    assert_eq!(ledger.consistency_proof(1, 4).expect("proof"), None);
    assert_eq!(ledger.consistency_proof(2, 1).expect("proof"), None);
    assert_eq!(ledger.question(&spec_hash).expect("question"), Some(question));
    assert_eq!(ledger.question(&Digest([9; 32])).expect("question"), None);
}
