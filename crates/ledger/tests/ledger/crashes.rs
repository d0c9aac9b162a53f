//! Whatever instant the process or the machine dies at: a consistent ledger, no free answer, nothing lost.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};

use almoner_federation::PicoRho;
use almoner_ledger::{LedgerError, NodeLedger, Policy, Position};
use almoner_secure_sum::RoundState;

use crate::support::*;

fn limits() -> Policy {
    policy(1_000_000, &[("tax", 1_000_000)])
}

type Action = Box<dyn Fn(&Federation, &NodeLedger)>;

/// A life of several attempts; one transition each.
fn script() -> Vec<Action> {
    let reserve = |number| -> Action {
        Box::new(move |us: &Federation, ledger: &NodeLedger| {
            us.reserve(ledger, asked(number, "tax", 10 + number)).expect("fits");
        })
    };
    let charge = |number| -> Action {
        Box::new(move |us: &Federation, ledger: &NodeLedger| {
            us.charge(ledger, number, 0).expect("reserved");
        })
    };
    vec![
        reserve(1),
        charge(1),
        reserve(2),
        reserve(3),
        Box::new(|_, ledger| ledger.abort(query(3), 0, NOW).expect("reserved")),
        reserve(4),
        charge(2),
        Box::new(|_, ledger| assert_eq!(ledger.expire(DEADLINE).expect("expire"), 1)),
    ]
}

/// Everything a ledger tells.
fn told(us: &Federation, ledger: &NodeLedger) -> (Position, Vec<Vec<u8>>, String, Vec<Option<RoundState>>) {
    let states: Vec<_> = (1..5)
        .map(|number| ledger.find(query(number), 0).expect("find").map(|stored| stored.state))
        .collect();
    for (number, state) in (1..5).zip(&states) {
        if let Some(RoundState::Charged { .. }) = state {
            let repeat = us.charge(ledger, number, 0).expect("the charged context again");
            assert_eq!(repeat.noisy(), vector(number));
        }
    }
    let budget = format!("{:?}", ledger.budget(&name("tax"), NOW).expect("known"));
    (ledger.position().expect("position"), ledger.entries(0, 100).expect("entries"), budget, states)
}

#[test]
fn a_copy_taken_after_any_step_reopens_to_exactly_that_step() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("ledger.db");
    let us = Federation::new();
    let ledger = open(&path, limits()).expect("a new ledger");
    let mut expected = vec![];
    for (step, action) in script().iter().enumerate() {
        action(&us, &ledger);
        expected.push(told(&us, &ledger));
        snapshot(&path, &folder.path().join(format!("{step}.db")));
    }
    for (step, expected) in expected.iter().enumerate() {
        let copy = open(&folder.path().join(format!("{step}.db")), limits()).expect("reopens");
        assert_eq!(told(&us, &copy), *expected, "after step {step}");
        // The rest of the story can be told from here.
        for action in &script()[step + 1..] {
            action(&us, &copy);
        }
        assert_eq!(copy.budget(&name("tax"), NOW).expect("known").total.charged, PicoRho::new(11 + 12));
        assert_eq!(copy.budget(&name("tax"), NOW).expect("known").total.reserved, PicoRho::ZERO);
    }
}

/// A power cut may keep any part of what was written after the last fsync. Each cut of the log must open
/// to the ledger after some step, and to none before the last step that had returned.
#[test]
fn a_log_torn_at_any_byte_reopens_to_a_whole_number_of_steps() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (path, copy) = (folder.path().join("ledger.db"), folder.path().join("copy.db"));
    let us = Federation::new();
    let ledger = open(&path, limits()).expect("a new ledger");
    let log_bytes = || std::fs::metadata(beside(&path, "-wal")).expect("the log").len();
    let mut steps = vec![(log_bytes(), told(&us, &ledger))];
    for action in script() {
        action(&us, &ledger);
        steps.push((log_bytes(), told(&us, &ledger)));
    }
    snapshot(&path, &copy);
    let (main, log) =
        (std::fs::read(&copy).expect("the file"), std::fs::read(beside(&copy, "-wal")).expect("its log"));
    let returned: Vec<usize> = steps.iter().map(|(bytes, _)| *bytes as usize).collect();
    assert!(returned.is_sorted_by(|a, b| a < b), "no checkpoint disturbs this test");
    assert_eq!(log.len(), *returned.last().expect("steps"));

    let around = returned.iter().flat_map(|bytes| [bytes - 1, *bytes, (*bytes + 1).min(log.len())]);
    for cut in around.chain((0..log.len()).step_by(1_531)) {
        std::fs::write(&copy, &main).expect("the file");
        std::fs::write(beside(&copy, "-wal"), &log[..cut]).expect("its log");
        let reopened = open(&copy, limits()).expect("a torn log is no damage");
        let found = told(&us, &reopened);
        let at_least = returned.iter().rposition(|bytes| *bytes <= cut).unwrap_or(0);
        let at = steps.iter().position(|(_, step)| *step == found);
        assert_eq!(at, Some(at_least), "cut at {cut}");
    }
}

/// Runs one of the tests below in a process of its own, on the ledger at `path`.
pub fn child(test: &str, path: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this test"));
    command
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env("ALMONER_TEST_LEDGER", path)
        .stdout(Stdio::piped());
    command
}

/// Where the parent's ledger is; none when the test runs by itself and has nothing to do.
pub fn parents_ledger() -> Option<std::path::PathBuf> {
    std::env::var_os("ALMONER_TEST_LEDGER").map(Into::into)
}

/// The words after `said` on each line of the child's output.
pub fn lines(child: &mut Child) -> impl Iterator<Item = String> + use<> {
    let output = child.stdout.take().expect("piped");
    BufReader::new(output)
        .lines()
        .map_while(Result::ok)
        .filter_map(|line| line.split_once("said ").map(|(_, words)| words.to_owned()))
}

pub fn kill(mut child: Child) {
    child.kill().expect("the child runs");
    child.wait().expect("the child is ours");
}

/// In a child: reserves and charges for ever, and says each step once the call has returned.
#[test]
fn child_works() {
    let Some(path) = parents_ledger() else { return };
    let us = Federation::new();
    let ledger = open(&path, limits()).expect("opens");
    let next = (1..).find(|number| ledger.find(query(*number), 0).expect("find").is_none()).expect("endless");
    for number in next.. {
        us.reserve(&ledger, asked(number, "tax", 10)).expect("fits");
        println!("said reserved {number}");
        us.charge(&ledger, number, 0).expect("reserved");
        println!("said charged {number}");
    }
}

#[test]
fn nothing_that_returned_is_lost_to_kill_9() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("ledger.db");
    let us = Federation::new();
    let mut reserved = 0;
    for round in 1..=12 {
        let mut worker = child("crashes::child_works", &path).spawn().expect("starts");
        let mut last = String::new();
        // Odd rounds die after a charge, even ones between a reservation and its charge.
        for words in lines(&mut worker).take(2 * round + round % 2) {
            last = words;
        }
        kill(worker);
        let ledger = open(&path, limits()).expect("no stale lock, no damage");
        let (step, number) = last.split_once(' ').expect("two words");
        let number: u64 = number.parse().expect("a number");
        let state = ledger.find(query(number), 0).expect("find").expect("it returned, so it is there").state;
        if step == "charged" {
            assert!(matches!(state, RoundState::Charged { .. }), "{last}");
        }
        // What may stand beyond the last word is what was under way: at most three steps, each whole.
        for number in 1..=number + 3 {
            let Some(stored) = ledger.find(query(number), 0).expect("find") else { continue };
            reserved = reserved.max(number);
            let before = ledger.position().expect("position");
            let charged = us.charge(&ledger, number, 0).expect("reserved or charged in this context");
            assert_eq!(charged.noisy(), vector(number));
            let wrote = ledger.position().expect("position").size - before.size;
            assert_eq!(wrote, u64::from(stored.state == RoundState::Prepared), "one charge each, never two");
        }
        let budget = ledger.budget(&name("tax"), NOW).expect("known");
        assert_eq!(
            (budget.total.charged, budget.total.reserved),
            (PicoRho::new(10 * reserved), PicoRho::ZERO)
        );
    }
}

/// In a child: reserves, says so, and waits to be killed.
#[test]
fn child_reserves_and_waits() {
    let Some(path) = parents_ledger() else { return };
    let us = Federation::new();
    let ledger = open(&path, limits()).expect("opens");
    us.reserve(&ledger, asked(1, "tax", 10)).expect("fits");
    println!("said reserved");
    std::thread::sleep(std::time::Duration::from_secs(300));
}

#[test]
fn a_death_between_reserve_and_charge_answers_nothing_and_keeps_the_reservation() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("ledger.db");
    let mut worker = child("crashes::child_reserves_and_waits", &path).spawn().expect("starts");
    assert_eq!(lines(&mut worker).next().as_deref(), Some("reserved"));

    let second = open(&path, limits()).err().expect("one ledger, one process");
    assert!(matches!(&second, LedgerError::InUse(found) if *found == path), "{second}");
    assert!(second.to_string().contains("in use by another process"), "{second}");

    kill(worker);
    let us = Federation::new();
    let ledger = open(&path, limits()).expect("the kernel dropped the lock");
    let stored = ledger.find(query(1), 0).expect("find").expect("reserved");
    assert_eq!(stored.state, RoundState::Prepared);
    let budget = ledger.budget(&name("tax"), NOW).expect("known");
    assert_eq!((budget.total.charged, budget.total.reserved), (PicoRho::ZERO, PicoRho::new(10)));
    assert_eq!(us.charge(&ledger, 1, 0).expect("reserved").noisy(), vector(1));
    assert!(matches!(open(&path, limits()), Err(LedgerError::InUse(_))), "nor twice in one process");
    us.charge(&ledger, 1, 0).expect("the failed opening took nothing away");
}

/// In a child: 64 threads reserve for ever; says what was written within a batch, and what the ledger said was
/// done; dies in the middle of a batch, at the call that the parent names.
#[test]
fn child_works_from_many_threads_and_aborts() {
    let Some(path) = parents_ledger() else { return };
    let dies_at: u64 = std::env::var("ALMONER_TEST_DIES_AT").expect("a number").parse().expect("a number");
    let us = Federation::new();
    let ledger = open(&path, limits()).expect("opens");
    let (written, start) = (AtomicU64::new(0), Barrier::new(64));
    std::thread::scope(|scope| {
        for thread in 0..64 {
            let (us, ledger, written, start) = (&us, &ledger, &written, &start);
            scope.spawn(move || {
                start.wait();
                for number in (thread..).step_by(64) {
                    let asked = asked(number, "tax", 10);
                    let ready = us.ready(&asked);
                    let stored = ledger.reserve(asked, |position| {
                        if written.fetch_add(1, Ordering::SeqCst) == dies_at {
                            std::process::abort();
                        }
                        println!("said wrote {} {number}", position.size);
                        ready(position)
                    });
                    stored.expect("fits");
                    println!("said reserved 0 {number}");
                }
            });
        }
    });
}

#[test]
fn a_death_within_a_batch_leaves_none_of_it_and_loses_nothing_that_returned() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for dies_at in [0, 1, 63, 64, 65, 100, 200, 333] {
        let path = folder.path().join(format!("{dies_at}.db"));
        let mut command = child("crashes::child_works_from_many_threads_and_aborts", &path);
        let mut worker = command
            .env("ALMONER_TEST_DIES_AT", dies_at.to_string())
            .stderr(Stdio::null())
            .spawn()
            .expect("starts");
        let (mut wrote, mut reserved) = (vec![], vec![]);
        for line in lines(&mut worker) {
            let words: Vec<&str> = line.split(' ').collect();
            let [word, size, number] = words[..] else { panic!("three words: {line}") };
            let (size, number): (u64, u64) =
                (size.parse().expect("a size"), number.parse().expect("a number"));
            match word {
                "wrote" => wrote.push((size, number)),
                _ => reserved.push(number),
            }
        }
        assert!(!worker.wait().expect("the child is ours").success(), "it aborted");
        // Calls are made one after another, each at the next position, and all but the last are said.
        let expected: Vec<u64> = (2..2 + dies_at).collect();
        assert_eq!(wrote.iter().map(|(size, _)| *size).collect::<Vec<_>>(), expected);

        let ledger = open(&path, limits()).expect("no stale lock, no damage");
        let size = ledger.position().expect("position").size;
        let budget = ledger.budget(&name("tax"), NOW).expect("known");
        assert_eq!(budget.total.reserved.get(), 10 * (size - 1));
        // The file holds whole batches: what was written up to some call, and nothing of the calls after it.
        for (at, number) in wrote {
            let found = ledger.find(query(number), 0).expect("find");
            assert_eq!(found.is_some(), at <= size, "{number}, written as entry {at} of {size}");
            assert!(at <= size || !reserved.contains(&number), "{number} was said to be reserved");
        }
        assert!((reserved.len() as u64) < size);
    }
}

/// In a child whose files may not grow: 64 threads work until the disk is full.
#[test]
fn child_fills_the_disk_from_many_threads() {
    let Some(path) = parents_ledger() else { return };
    let us = Federation::new();
    let ledger = open(&path, limits()).expect("opens");
    let causes = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for thread in 0..64 {
            let (us, ledger, causes) = (&us, &ledger, &causes);
            scope.spawn(move || {
                for number in (thread..).step_by(64) {
                    match us.reserve(ledger, asked(number, "tax", 10)) {
                        Ok(_) => println!("said reserved {number}"),
                        Err(LedgerError::Stopped) => return,
                        Err(LedgerError::Store(_)) => {
                            causes.fetch_add(1, Ordering::SeqCst);
                            return;
                        }
                        Err(error) => panic!("{error}"),
                    }
                }
            });
        }
    });
    assert_eq!(causes.into_inner(), 1, "one caller met the failure, the others learnt of it");
    println!("said full");
}

/// In a child whose files may not grow: works until the disk is full.
#[test]
fn child_fills_the_disk() {
    let Some(path) = parents_ledger() else { return };
    let us = Federation::new();
    let ledger = open(&path, limits()).expect("opens");
    for number in 1.. {
        let Err(error) = us.reserve(&ledger, asked(number, "tax", 10)) else {
            println!("said reserved {number}");
            continue;
        };
        assert!(matches!(error, LedgerError::Store(_)), "{error}");
        let later = us.reserve(&ledger, asked(1, "tax", 10));
        assert!(matches!(later, Err(LedgerError::Stopped)), "not even a repeat after a failed write");
        assert!(matches!(ledger.expire(DEADLINE), Err(LedgerError::Stopped)));
        println!("said full");
        return;
    }
}

/// Runs a test in a child whose files may not grow beyond 200 KiB; returns what it said.
#[cfg(unix)]
fn on_a_small_disk(test: &str, path: &Path) -> Vec<String> {
    let plain = child(test, path);
    let mut limited = Command::new("sh");
    // Ignoring the signal turns a write beyond the limit into an error, as on a full disk.
    limited
        .args(["-c", "trap '' XFSZ; ulimit -f 400; exec \"$@\"", "sh"])
        .arg(plain.get_program())
        .args(plain.get_args())
        .env("ALMONER_TEST_LEDGER", path)
        .stdout(Stdio::piped());
    let mut worker = limited.spawn().expect("sh runs");
    let words: Vec<String> = lines(&mut worker).collect();
    assert!(worker.wait().expect("the child is ours").success());
    assert_eq!(words.last().map(String::as_str), Some("full"));
    words
}

#[cfg(unix)]
#[test]
fn a_full_disk_stops_the_ledger_and_loses_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for test in ["crashes::child_fills_the_disk", "crashes::child_fills_the_disk_from_many_threads"] {
        let path = folder.path().join(format!("{}.db", test.len()));
        let words = on_a_small_disk(test, &path);
        let returned = words.len() as u64 - 1;
        assert!(returned > 3, "the disk held a few");
        let ledger = open(&path, limits()).expect("reopens once there is room");
        for word in &words[..words.len() - 1] {
            let number = word.strip_prefix("reserved ").expect("a reservation").parse().expect("a number");
            assert!(ledger.find(query(number), 0).expect("find").is_some(), "{number} of {returned}");
        }
        let budget = ledger.budget(&name("tax"), NOW).expect("known");
        assert!(budget.total.reserved.get() >= 10 * returned);
    }
}

#[test]
fn a_panic_of_the_caller_stops_the_ledger_and_leaves_nothing_half_done() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("ledger.db");
    let ledger = open(&path, limits()).expect("a new ledger");
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        ledger.reserve(asked(1, "tax", 10), |_| panic!("the caller's own fault"))
    }));
    assert!(panicked.is_err());
    assert!(matches!(ledger.find(query(1), 0), Err(LedgerError::Stopped)));
    drop(ledger);
    let ledger = open(&path, limits()).expect("reopens");
    assert_eq!(ledger.find(query(1), 0).expect("find"), None);
    assert_eq!(ledger.position().expect("position").size, 1);
}

/// What this crate does *not* promise: a restored older copy is a valid ledger, in which a later charge
/// never happened. Only someone who remembers the later position can tell.
#[test]
fn an_older_copy_opens_and_only_its_position_gives_it_away() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (path, backup) = (folder.path().join("ledger.db"), folder.path().join("backup.db"));
    let us = Federation::new();
    let ledger = open(&path, limits()).expect("a new ledger");
    us.reserve(&ledger, asked(1, "tax", 10)).expect("fits");
    snapshot(&path, &backup);
    let later = us.charge(&ledger, 1, 0).expect("reserved").position();
    drop(ledger);
    let restored = open(&backup, limits()).expect("a valid ledger");
    assert_eq!(restored.budget(&name("tax"), NOW).expect("known").total.charged, PicoRho::ZERO);
    assert!(restored.position().expect("position").size < later.size);
}
