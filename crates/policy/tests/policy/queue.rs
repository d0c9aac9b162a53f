//! The queue with node and officer at it at once, and with somebody else writing into its file.

use std::path::{Path, PathBuf};

use almoner_federation::Digest;
use almoner_ledger::{Approval, ApprovalUse, SignedApproval};
use almoner_policy::{Asked, MAX_WAITING, MAX_WAITING_OF_A_PLANNER, Queue, QueueError, Reply};
use almoner_query::Spec;
use rusqlite::{Connection, params};
use tempfile::TempDir;

use super::{DAY_S, NOW_S, digest, key, manifest, office, signed, spec};

const COUNT: &str = "SELECT COUNT(*) FROM persons";

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("queue.sqlite");
    (folder, path)
}

/// Asks at a second, when the ledger says this of an approval.
fn ask_with(queue: &Queue, spec: &Spec, now_s: u64, used: ApprovalUse) -> Reply {
    let signature = signed(spec);
    let asked = Asked { spec, signature: &signature };
    queue.ask(&asked, &office("north"), now_s, |_| Ok::<_, QueueError>(used)).expect("the queue works")
}

fn ask_at(queue: &Queue, spec: &Spec, now_s: u64) -> Reply {
    ask_with(queue, spec, now_s, ApprovalUse::Free)
}

fn ask(queue: &Queue, spec: &Spec) -> Reply {
    ask_at(queue, spec, NOW_S)
}

fn decide(queue: &Queue, question: Digest, approved: bool, now_s: u64) -> Result<SignedApproval, QueueError> {
    let north = office("north");
    let decided = north.decide(question, approved, now_s, 7).sign(&key(10));
    queue.decide(&decided, "as agreed", &north, now_s).map(|()| decided)
}

#[test]
fn an_approval_comes_through_another_connection() {
    let (_folder, path) = folder();
    let (node, officer) = (Queue::open(&path).expect("opens"), Queue::open(&path).expect("opens"));
    let (first, again, north) = (spec(COUNT, 1), spec(COUNT, 2), office("north"));
    assert_eq!(ask(&node, &first), Reply::Queued);
    assert!(!node.is_approved(&first.question(), &north, NOW_S).expect("reads"));

    let approval = decide(&officer, first.question(), true, NOW_S).expect("decided");
    assert!(node.is_approved(&first.question(), &north, NOW_S).expect("reads"));
    // The question is the same under a new random number and at another time.
    let later = Spec { issued_at_s: NOW_S + 9, ..again };
    assert_eq!(ask(&node, &later), Reply::Approved(approval.clone()));
    assert_eq!(ask_with(&node, &first, NOW_S, ApprovalUse::Held), Reply::Held);
    // Charged for: it waits for another approval.
    assert_eq!(ask_with(&node, &first, NOW_S, ApprovalUse::Spent), Reply::Queued);
    let second = decide(&officer, first.question(), true, NOW_S + 1).expect("decided");
    assert_ne!(second, approval);
    assert_eq!(ask_at(&node, &first, NOW_S + 1), Reply::Approved(second));
}

#[test]
fn what_differs_in_anything_but_number_and_time_is_another_question() {
    let (_folder, path) = folder();
    let (queue, asked) = (Queue::open(&path).expect("opens"), spec(COUNT, 1));
    assert_eq!(ask(&queue, &asked), Reply::Queued);
    decide(&queue, asked.question(), true, NOW_S).expect("decided");
    for other in [
        Spec { purpose: "Something else".into(), ..asked.clone() },
        Spec { planner: "bank".parse().expect("a name"), ..asked.clone() },
        Spec { rho: almoner_federation::PicoRho::new(asked.rho.get() + 1), ..asked.clone() },
        spec("SELECT COUNT(*) FROM persons WHERE poor", 1),
    ] {
        assert_eq!(ask(&queue, &other), Reply::Queued, "{other:?}");
    }
}

#[test]
fn the_ledger_is_asked_about_the_very_decision_and_its_failure_approves_nothing() {
    let (_folder, path) = folder();
    let (queue, spec) = (Queue::open(&path).expect("opens"), spec(COUNT, 1));
    let signature = signed(&spec);
    let asked = Asked { spec: &spec, signature: &signature };
    let unasked = |_: &Approval| -> Result<ApprovalUse, QueueError> { panic!("there is no decision") };
    assert_eq!(queue.ask(&asked, &office("north"), NOW_S, unasked).expect("works"), Reply::Queued);
    let approval = decide(&queue, spec.question(), true, NOW_S).expect("decided");
    let failing = |about: &Approval| {
        assert_eq!(*about, approval.approval);
        Err(QueueError::Stopped)
    };
    assert!(matches!(queue.ask(&asked, &office("north"), NOW_S, failing), Err(QueueError::Stopped)));
    let listing = queue.list(&manifest(), &office("north"), NOW_S).expect("reads");
    assert!(!listing.decided[0].given, "nothing of it was kept");
}

#[test]
fn decided_questions_are_listed_with_whether_they_were_given() {
    let (_folder, path) = folder();
    let (queue, spec, north) = (Queue::open(&path).expect("opens"), spec(COUNT, 1), office("north"));
    assert_eq!(ask(&queue, &spec), Reply::Queued);
    let decided = decide(&queue, spec.question(), true, NOW_S).expect("decided");
    let shown = |now_s| {
        let listing = queue.list(&manifest(), &north, now_s).expect("reads");
        assert_eq!((listing.waiting.len(), listing.unproved), (0, 0));
        listing.decided
    };
    let [one] = shown(NOW_S).try_into().expect("one decision");
    assert_eq!(
        (&one.spec, &one.decision, one.reason.as_str(), one.given),
        (&spec, &decided.approval, "as agreed", false)
    );
    assert!(matches!(ask(&queue, &spec), Reply::Approved(_)));
    assert!(shown(NOW_S)[0].given);
    // Sixty days later all is forgotten.
    assert_eq!(shown(NOW_S + 60 * DAY_S).len(), 1);
    assert_eq!(shown(NOW_S + 60 * DAY_S + 1), []);
}

#[test]
fn node_and_officer_write_at_once_and_nothing_is_lost() {
    let (_folder, path) = folder();
    let questions: Vec<Spec> =
        (0..12).map(|number| Spec { purpose: format!("number {number}"), ..spec(COUNT, 1) }).collect();
    let queue = Queue::open(&path).expect("opens");
    questions.iter().for_each(|one| assert_eq!(ask(&queue, one), Reply::Queued));
    std::thread::scope(|scope| {
        for part in questions.chunks(4) {
            let path = &path;
            scope.spawn(move || {
                let officer = Queue::open(path).expect("opens");
                part.iter()
                    .for_each(|one| drop(decide(&officer, one.question(), true, NOW_S).expect("decided")));
            });
            scope.spawn(move || {
                let node = Queue::open(path).expect("opens");
                part.iter().for_each(|one| drop(ask(&node, one)));
            });
        }
    });
    questions
        .iter()
        .for_each(|one| assert!(matches!(ask(&queue, one), Reply::Approved(_)), "{}", one.purpose));
}

#[test]
fn the_newest_decision_counts() {
    let (_folder, path) = folder();
    let (queue, spec) = (Queue::open(&path).expect("opens"), spec(COUNT, 1));
    assert_eq!(ask(&queue, &spec), Reply::Queued);
    decide(&queue, spec.question(), false, NOW_S).expect("decided");
    assert_eq!(ask(&queue, &spec), Reply::Denied);
    decide(&queue, spec.question(), true, NOW_S).expect("decided");
    assert_eq!(ask(&queue, &spec), Reply::Denied, "of two in one second, the denial");
    decide(&queue, spec.question(), true, NOW_S + 1).expect("decided");
    assert!(matches!(ask_at(&queue, &spec, NOW_S + 1), Reply::Approved(_)));
    decide(&queue, spec.question(), false, NOW_S + 2).expect("decided");
    assert_eq!(ask_at(&queue, &spec, NOW_S + 2), Reply::Denied);
    // A denial ends too; then it waits again.
    assert_eq!(ask_at(&queue, &spec, NOW_S + 2 + 7 * DAY_S), Reply::Queued);
}

#[test]
fn a_decision_that_is_not_this_officer_s_is_not_kept() {
    let (_folder, path) = folder();
    let (queue, spec) = (Queue::open(&path).expect("opens"), spec(COUNT, 1));
    assert_eq!(ask(&queue, &spec), Reply::Queued);
    let (north, question) = (office("north"), spec.question());
    let sound = north.decide(question, true, NOW_S, 7);
    for (what, decision) in [
        ("the planner's key", sound.clone().sign(&key(1))),
        ("another officer's key", sound.clone().sign(&key(11))),
        ("another agency", office("south").decide(question, true, NOW_S, 7).sign(&key(11))),
        ("too long", Approval { until_s: NOW_S + 31 * DAY_S, ..sound.clone() }.sign(&key(10))),
        ("expired", north.decide(question, true, NOW_S - 8 * DAY_S, 7).sign(&key(10))),
    ] {
        let refused = queue.decide(&decision, "", &north, NOW_S);
        assert!(matches!(refused, Err(QueueError::Decision(_))), "{what}");
        assert_eq!(ask(&queue, &spec), Reply::Queued, "{what}");
    }
    assert!(matches!(decide(&queue, digest("never asked"), true, NOW_S), Err(QueueError::NoQuestion)));
    let long = queue.decide(&sound.sign(&key(10)), &"x".repeat(501), &north, NOW_S);
    assert!(matches!(long, Err(QueueError::Reason)));
}

/// What somebody who can write the file could put there.
fn forge(path: &Path, question: &Digest, decided: &SignedApproval) {
    let connection = Connection::open(path).expect("opens");
    let Approval { approved, decided_at_s, until_s, .. } = decided.approval;
    connection
        .execute(
            "INSERT INTO decisions VALUES (?1, ?2, ?3, ?4, ?5, '', 0, x'', x'')",
            params![question.to_string(), decided_at_s as i64, approved, until_s as i64, decided.officer.0],
        )
        .expect("written");
}

#[test]
fn what_is_written_into_the_file_approves_nothing() {
    let (north, spec) = (office("north"), spec(COUNT, 1));
    let question = spec.question();
    let sound = north.decide(question, true, NOW_S, 7);
    let denial = north.decide(question, false, NOW_S, 7).sign(&key(10));
    let southern = office("south").decide(question, true, NOW_S, 7);
    let stretched = Approval { until_s: NOW_S + 8 * DAY_S, ..sound.clone() };
    for (what, decided) in [
        ("made with the planner's key", sound.clone().sign(&key(1))),
        ("made with nobody's key", sound.clone().sign(&key(20))),
        ("replayed from another agency", southern.clone().sign(&key(11))),
        ("for another agency, by this officer", southern.sign(&key(10))),
        ("replayed from another question", north.decide(digest("other"), true, NOW_S, 7).sign(&key(10))),
        ("expired", north.decide(question, true, NOW_S - 8 * DAY_S, 7).sign(&key(10))),
        ("not yet taken", north.decide(question, true, NOW_S + DAY_S, 7).sign(&key(10))),
        ("for ever", Approval { until_s: i64::MAX as u64, ..sound.clone() }.sign(&key(10))),
        ("a denial turned round", SignedApproval { approval: sound.clone(), officer: denial.officer }),
        (
            "a longer end",
            SignedApproval { approval: stretched, officer: sound.clone().sign(&key(10)).officer },
        ),
    ] {
        let (_folder, path) = folder();
        let queue = Queue::open(&path).expect("opens");
        forge(&path, &question, &decided);
        assert_eq!(ask(&queue, &spec), Reply::Queued, "{what}");
        assert!(!queue.is_approved(&question, &north, NOW_S).expect("reads"), "{what}");
        let listing = queue.list(&manifest(), &north, NOW_S).expect("reads");
        assert_eq!((listing.waiting.len(), listing.decided.len(), listing.unproved), (1, 0, 1), "{what}");
    }
    // A forged one in front does not hide the officer's own, nor does one behind undo her denial.
    let (_folder, path) = folder();
    let queue = Queue::open(&path).expect("opens");
    forge(&path, &question, &north.decide(question, false, NOW_S + 60, 7).sign(&key(20)));
    forge(&path, &question, &sound.clone().sign(&key(10)));
    assert_eq!(ask_at(&queue, &spec, NOW_S + 60), Reply::Approved(sound.sign(&key(10))));
    forge(&path, &question, &denial);
    assert_eq!(ask_at(&queue, &spec, NOW_S + 60), Reply::Denied);
}

#[test]
fn the_officer_is_shown_what_the_planner_signed_and_nothing_else() {
    let (_folder, path) = folder();
    let queue = Queue::open(&path).expect("opens");
    let first = spec(COUNT, 1);
    let second = spec("SELECT SUM(income) FROM persons", 2);
    assert_eq!(ask_at(&queue, &first, NOW_S), Reply::Queued);
    assert_eq!(ask_at(&queue, &second, NOW_S + 5), Reply::Queued);
    assert_eq!(ask_at(&queue, &spec(COUNT, 3), NOW_S + 60), Reply::Queued);
    let north = office("north");
    let listing = queue.list(&manifest(), &north, NOW_S + 60).expect("reads");
    let shown: Vec<_> =
        listing.waiting.iter().map(|one| (&one.spec, one.first_seen_s, one.last_seen_s, one.asked)).collect();
    assert_eq!(shown, [(&first, NOW_S, NOW_S + 60, 2), (&second, NOW_S + 5, NOW_S + 5, 1)]);

    // A harmless question in place of the other under its name, and one that nobody signed.
    let file = Connection::open(&path).expect("opens");
    let put = |name: &Digest, spec: &Spec, signature: &[u8]| {
        let values = params![name.to_string(), spec.encode(), signature];
        file.execute("UPDATE waiting SET spec = ?2, spec_signature = ?3 WHERE question = ?1", values)
            .expect("written");
    };
    put(&second.question(), &first, &signed(&first).0);
    assert_eq!(queue.list(&manifest(), &north, NOW_S).expect("reads").unproved, 1);
    put(&second.question(), &second, &key(20).sign(&second.encode()).0);
    let listing = queue.list(&manifest(), &north, NOW_S).expect("reads");
    assert_eq!((listing.waiting.len(), listing.unproved), (1, 1));
}

#[test]
fn the_queue_is_bounded_and_forgets() {
    let (_folder, path) = folder();
    let queue = Queue::open(&path).expect("opens");
    let question = |planner: &str, number: u64| Spec {
        planner: planner.parse().expect("a name"),
        purpose: format!("number {number}"),
        ..spec(COUNT, 1)
    };
    // Time passes, so that the test does not wait for 1,000 flushes where they are slow.
    for number in 0..MAX_WAITING_OF_A_PLANNER {
        assert_eq!(ask_at(&queue, &question("ministry", number), NOW_S + number), Reply::Queued);
    }
    let one_more = question("ministry", MAX_WAITING_OF_A_PLANNER);
    assert_eq!(ask(&queue, &one_more), Reply::Full);
    assert_eq!(ask(&queue, &question("ministry", 0)), Reply::Queued, "what waits may be asked again");
    assert_eq!(ask(&queue, &question("bank", 0)), Reply::Queued, "other planners are not locked out");
    // A decision makes room.
    decide(&queue, question("ministry", 0).question(), false, NOW_S).expect("decided");
    assert_eq!(ask(&queue, &one_more), Reply::Queued);

    let fill = |planners: u64| {
        let connection = Connection::open(&path).expect("opens");
        for planner in 0..planners {
            connection
                .execute(
                    "INSERT INTO waiting SELECT question || ?1, manifest, 'p' || ?1, spec, spec_signature, first_seen_s, \
                     last_seen_s, asked FROM waiting WHERE planner = 'ministry'",
                    [planner as i64],
                )
                .expect("written");
        }
    };
    fill(MAX_WAITING / MAX_WAITING_OF_A_PLANNER - 1);
    assert_eq!(ask(&queue, &question("bank", 1)), Reply::Full);
    // What nobody has asked for 30 days is gone.
    let later = NOW_S + 30 * DAY_S + MAX_WAITING_OF_A_PLANNER;
    assert_eq!(ask_at(&queue, &question("bank", 1), later), Reply::Queued);
    assert_eq!(queue.list(&manifest(), &office("north"), later).expect("reads").waiting.len(), 1);
}

#[test]
fn another_program_s_file_is_left_alone() {
    let (_folder, path) = folder();
    std::fs::write(&path, "a text that is no database, and long enough to be read as one by nobody at all")
        .expect("written");
    assert!(matches!(Queue::open(&path), Err(QueueError::NotOurs { .. })));
    let (_folder, path) = folder();
    Connection::open(&path).and_then(|file| file.execute("CREATE TABLE a (b)", [])).expect("made");
    assert!(matches!(Queue::open(&path), Err(QueueError::NotOurs { .. })));
    // A trigger that would decide by itself.
    let (_folder, path) = folder();
    drop(Queue::open(&path).expect("opens"));
    Connection::open(&path)
        .and_then(|file| {
            file.execute("CREATE TRIGGER t AFTER INSERT ON waiting BEGIN DELETE FROM decisions; END", [])
        })
        .expect("made");
    assert!(matches!(Queue::open(&path), Err(QueueError::NotOurs { .. })));
    assert!(matches!(Queue::open(Path::new("/nowhere/queue.sqlite")), Err(QueueError::Open { .. })));
}
