//! The queue with node and officer at it at once, and with somebody else writing into its file.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use almoner_federation::{Digest, QueryId};
use almoner_policy::{
    Asked, Decision, MAX_WAITING, MAX_WAITING_OF_A_PLANNER, Queue, QueueError, Reply, SignedDecision,
    Standing,
};
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

/// What the ledger says.
#[derive(Default)]
struct Ledger(RefCell<BTreeMap<(QueryId, u32), Standing>>);

impl Ledger {
    fn set(&self, query: u8, attempt: u32, standing: Standing) {
        self.0.borrow_mut().insert((QueryId([query; 16]), attempt), standing);
    }
}

/// Asks attempt 0 at a second.
fn ask_at(queue: &Queue, ledger: &Ledger, spec: &Spec, now_s: u64) -> Reply {
    let signature = signed(spec);
    let asked = Asked { spec, signature: &signature, attempt: 0, now_s, reserved_by_s: now_s + 100 };
    let standing = |query, attempt| {
        let known = ledger.0.borrow().get(&(query, attempt)).copied();
        Ok::<_, QueueError>(known.unwrap_or(Standing::Unknown))
    };
    queue.ask(&asked, &office("north"), standing).expect("the queue works")
}

fn ask(queue: &Queue, ledger: &Ledger, spec: &Spec) -> Reply {
    ask_at(queue, ledger, spec, NOW_S)
}

fn decide(queue: &Queue, question: Digest, approved: bool, now_s: u64) -> Result<Digest, QueueError> {
    let north = office("north");
    let decision = north.decide(question, approved, String::new(), now_s, 7).sign(&key(10));
    queue.decide(&question, &decision, &north, now_s).map(|()| decision.id())
}

#[test]
fn an_approval_through_another_connection_serves_one_release() {
    let (_folder, path) = folder();
    let (node, officer) = (Queue::open(&path).expect("opens"), Queue::open(&path).expect("opens"));
    let (ledger, first, again) = (Ledger::default(), spec(COUNT, 1), spec(COUNT, 2));
    assert_eq!(ask(&node, &ledger, &first), Reply::Queued);
    assert!(!node.is_approved(&first.question(), &office("north"), NOW_S).expect("reads"));

    let id = decide(&officer, first.question(), true, NOW_S).expect("decided");
    assert!(node.is_approved(&first.question(), &office("north"), NOW_S).expect("reads"));
    // The question is the same under a new random number; the same attempt gets its approval again.
    assert_eq!(ask(&node, &ledger, &again), Reply::Approved(id));
    assert_eq!(ask(&node, &ledger, &again), Reply::Approved(id));
    // Nobody else gets it while that attempt can still be charged.
    assert_eq!(ask(&node, &ledger, &first), Reply::Held);
    ledger.set(2, 0, Standing::Open);
    assert_eq!(ask_at(&node, &ledger, &first, NOW_S + 1_000), Reply::Held);
    // Charged: used up, so that the question waits for a new approval.
    ledger.set(2, 0, Standing::Charged);
    assert_eq!(ask(&node, &ledger, &first), Reply::Queued);
    assert_eq!(ask(&node, &ledger, &again), Reply::Approved(id), "the attempt that used it keeps it");
    let second = decide(&officer, first.question(), true, NOW_S + 1).expect("decided");
    assert_ne!(second, id);
    assert_eq!(ask_at(&node, &ledger, &first, NOW_S + 1), Reply::Approved(second));
}

#[test]
fn an_attempt_that_is_over_gives_its_approval_back() {
    let (_folder, path) = folder();
    let (queue, ledger) = (Queue::open(&path).expect("opens"), Ledger::default());
    let [first, second, third] = [1, 2, 3].map(|query| spec(COUNT, query));
    assert_eq!(ask(&queue, &ledger, &first), Reply::Queued);
    let id = decide(&queue, first.question(), true, NOW_S).expect("decided");
    assert_eq!(ask(&queue, &ledger, &first), Reply::Approved(id));
    // The ledger does not know it: its work may be under way for as long as was said, and no longer.
    assert_eq!(ask_at(&queue, &ledger, &second, NOW_S + 99), Reply::Held);
    assert_eq!(ask_at(&queue, &ledger, &second, NOW_S + 100), Reply::Approved(id));
    ledger.set(2, 0, Standing::Over);
    assert_eq!(ask_at(&queue, &ledger, &third, NOW_S + 101), Reply::Approved(id));
    // What is not the first's any more is not given back to it while the third may be charged.
    assert_eq!(ask_at(&queue, &ledger, &first, NOW_S + 102), Reply::Held);
}

#[test]
fn another_attempt_at_the_same_query_is_another_charge() {
    let (_folder, path) = folder();
    let (queue, ledger, spec) = (Queue::open(&path).expect("opens"), Ledger::default(), spec(COUNT, 1));
    let signature = signed(&spec);
    assert_eq!(ask(&queue, &ledger, &spec), Reply::Queued);
    decide(&queue, spec.question(), true, NOW_S).expect("decided");
    assert!(matches!(ask(&queue, &ledger, &spec), Reply::Approved(_)));
    let next =
        Asked { spec: &spec, signature: &signature, attempt: 1, now_s: NOW_S, reserved_by_s: NOW_S + 100 };
    let charged = |_, _| Ok::<_, QueueError>(Standing::Charged);
    assert_eq!(queue.ask(&next, &office("north"), charged).expect("works"), Reply::Queued);
}

#[test]
fn the_newest_decision_counts() {
    let (_folder, path) = folder();
    let (queue, ledger, spec) = (Queue::open(&path).expect("opens"), Ledger::default(), spec(COUNT, 1));
    assert_eq!(ask(&queue, &ledger, &spec), Reply::Queued);
    decide(&queue, spec.question(), false, NOW_S).expect("decided");
    assert_eq!(ask(&queue, &ledger, &spec), Reply::Denied);
    decide(&queue, spec.question(), true, NOW_S).expect("decided");
    assert_eq!(ask(&queue, &ledger, &spec), Reply::Denied, "of two in one second, the denial");
    decide(&queue, spec.question(), true, NOW_S + 1).expect("decided");
    assert!(matches!(ask_at(&queue, &ledger, &spec, NOW_S + 1), Reply::Approved(_)));
    decide(&queue, spec.question(), false, NOW_S + 2).expect("decided");
    assert_eq!(ask_at(&queue, &ledger, &spec, NOW_S + 2), Reply::Denied);
    // A denial ends too; then it waits again.
    assert_eq!(ask_at(&queue, &ledger, &spec, NOW_S + 2 + 7 * DAY_S), Reply::Queued);
}

#[test]
fn a_decision_that_is_not_this_officer_s_is_not_kept() {
    let (_folder, path) = folder();
    let (queue, ledger, spec) = (Queue::open(&path).expect("opens"), Ledger::default(), spec(COUNT, 1));
    assert_eq!(ask(&queue, &ledger, &spec), Reply::Queued);
    let (north, question) = (office("north"), spec.question());
    let sound = north.decide(question, true, String::new(), NOW_S, 7);
    for (what, decision) in [
        ("the planner's key", sound.sign(&key(1))),
        ("another officer's key", sound.sign(&key(11))),
        ("another agency", office("south").decide(question, true, String::new(), NOW_S, 7).sign(&key(11))),
        ("another question", north.decide(digest("x"), true, String::new(), NOW_S, 7).sign(&key(10))),
        ("too long", Decision { until_s: NOW_S + 31 * DAY_S, ..sound.clone() }.sign(&key(10))),
        ("expired", north.decide(question, true, String::new(), NOW_S - 8 * DAY_S, 7).sign(&key(10))),
    ] {
        let refused = queue.decide(&question, &decision, &north, NOW_S);
        assert!(matches!(refused, Err(QueueError::Decision(_))), "{what}");
        assert_eq!(ask(&queue, &ledger, &spec), Reply::Queued, "{what}");
    }
    assert!(matches!(decide(&queue, digest("never asked"), true, NOW_S), Err(QueueError::NoQuestion)));
}

/// What somebody who can write the file could put there.
fn forge(path: &Path, question: &Digest, decision: &SignedDecision) {
    let connection = Connection::open(path).expect("opens");
    connection
        .execute(
            "INSERT INTO decisions VALUES (?1, ?2, ?3, ?4, x'', x'', ?5)",
            params![
                decision.id().to_string(),
                question.to_string(),
                decision.bytes,
                decision.signature.0,
                NOW_S as i64
            ],
        )
        .expect("written");
}

#[test]
fn what_is_written_into_the_file_approves_nothing() {
    let (north, spec) = (office("north"), spec(COUNT, 1));
    let question = spec.question();
    let sound = north.decide(question, true, String::new(), NOW_S, 7);
    let earlier = north.decide(question, true, String::new(), NOW_S - 8 * DAY_S, 7);
    let later = north.decide(question, true, String::new(), NOW_S + DAY_S, 7);
    let other = north.decide(digest("other"), true, String::new(), NOW_S, 7);
    let southern = office("south").decide(question, true, String::new(), NOW_S, 7);
    for (what, decision) in [
        ("made with the planner's key", sound.sign(&key(1))),
        ("made with nobody's key", sound.sign(&key(20))),
        ("replayed from another agency", southern.sign(&key(11))),
        ("for another agency, by this officer", southern.sign(&key(10))),
        ("replayed from another question", other.sign(&key(10))),
        ("expired", earlier.sign(&key(10))),
        ("not yet taken", later.sign(&key(10))),
        ("for ever", Decision { until_s: u64::MAX, ..sound.clone() }.sign(&key(10))),
        ("no decision at all", SignedDecision { bytes: vec![1, 2], signature: key(10).sign(&[1, 2]) }),
    ] {
        let (_folder, path) = folder();
        let (queue, ledger) = (Queue::open(&path).expect("opens"), Ledger::default());
        forge(&path, &question, &decision);
        assert_eq!(ask(&queue, &ledger, &spec), Reply::Queued, "{what}");
        assert!(!queue.is_approved(&question, &north, NOW_S).expect("reads"), "{what}");
        let listing = queue.list(&manifest(), &north, NOW_S).expect("reads");
        assert_eq!((listing.waiting.len(), listing.decided.len(), listing.unproved), (1, 0, 1), "{what}");
    }
    // The officer's own, put back by hand, is as good as hers.
    let (_folder, path) = folder();
    let (queue, ledger) = (Queue::open(&path).expect("opens"), Ledger::default());
    forge(&path, &question, &sound.sign(&key(10)));
    assert!(matches!(ask(&queue, &ledger, &spec), Reply::Approved(_)));
}

#[test]
fn the_officer_is_shown_what_the_planner_signed_and_nothing_else() {
    let (_folder, path) = folder();
    let (queue, ledger) = (Queue::open(&path).expect("opens"), Ledger::default());
    let first = spec(COUNT, 1);
    let second = spec("SELECT SUM(income) FROM persons", 2);
    assert_eq!(ask_at(&queue, &ledger, &first, NOW_S), Reply::Queued);
    assert_eq!(ask_at(&queue, &ledger, &second, NOW_S + 5), Reply::Queued);
    assert_eq!(ask_at(&queue, &ledger, &spec(COUNT, 3), NOW_S + 60), Reply::Queued);
    let north = office("north");
    let listing = queue.list(&manifest(), &north, NOW_S + 60).expect("reads");
    let shown: Vec<_> =
        listing.waiting.iter().map(|one| (&one.spec, one.first_seen_s, one.last_seen_s, one.asked)).collect();
    assert_eq!(shown, [(&first, NOW_S, NOW_S + 60, 2), (&second, NOW_S + 5, NOW_S + 5, 1)]);

    // A harmless question in place of the other under its name, and one that nobody signed.
    let file = Connection::open(&path).expect("opens");
    let put = |name: &Digest, spec: &Spec, signature: &[u8]| {
        let values = params![name.to_string(), spec.encode(), signature];
        file.execute("UPDATE waiting SET spec = ?2, signature = ?3 WHERE question = ?1", values)
            .expect("written");
    };
    put(&second.question(), &first, &signed(&first).0);
    assert_eq!(queue.list(&manifest(), &north, NOW_S).expect("reads").unproved, 1);
    put(&second.question(), &second, &key(20).sign(&second.encode()).0);
    let listing = queue.list(&manifest(), &north, NOW_S).expect("reads");
    assert_eq!((listing.waiting.len(), listing.unproved), (1, 1));
}

#[test]
fn decided_questions_are_listed_with_who_has_the_approval() {
    let (_folder, path) = folder();
    let (queue, ledger, spec) = (Queue::open(&path).expect("opens"), Ledger::default(), spec(COUNT, 1));
    let north = office("north");
    assert_eq!(ask(&queue, &ledger, &spec), Reply::Queued);
    decide(&queue, spec.question(), true, NOW_S).expect("decided");
    let listing = queue.list(&manifest(), &north, NOW_S).expect("reads");
    assert_eq!((listing.waiting.len(), listing.unproved), (0, 0));
    assert_eq!(listing.decided.iter().map(|one| (&one.spec, one.used)).collect::<Vec<_>>(), [(&spec, false)]);
    assert!(matches!(ask(&queue, &ledger, &spec), Reply::Approved(_)));
    assert!(queue.list(&manifest(), &north, NOW_S).expect("reads").decided[0].used);
    // Sixty days later all is forgotten.
    assert_eq!(queue.list(&manifest(), &north, NOW_S + 60 * DAY_S + 1).expect("reads").decided, []);
}

#[test]
fn the_queue_is_bounded_and_forgets() {
    let (_folder, path) = folder();
    let (queue, ledger) = (Queue::open(&path).expect("opens"), Ledger::default());
    let question = |planner: &str, number: u64| Spec {
        planner: planner.parse().expect("a name"),
        purpose: format!("number {number}"),
        ..spec(COUNT, 1)
    };
    // Time passes, so that the test does not wait for 1,000 flushes where they are slow.
    for number in 0..MAX_WAITING_OF_A_PLANNER {
        assert_eq!(ask_at(&queue, &ledger, &question("ministry", number), NOW_S + number), Reply::Queued);
    }
    let one_more = question("ministry", MAX_WAITING_OF_A_PLANNER);
    assert_eq!(ask(&queue, &ledger, &one_more), Reply::Full);
    assert_eq!(
        ask(&queue, &ledger, &question("ministry", 0)),
        Reply::Queued,
        "what waits may be asked again"
    );
    assert_eq!(
        ask(&queue, &ledger, &question("bank", 0)),
        Reply::Queued,
        "other planners are not locked out"
    );
    // A decision makes room.
    decide(&queue, question("ministry", 0).question(), false, NOW_S).expect("decided");
    assert_eq!(ask(&queue, &ledger, &one_more), Reply::Queued);

    let fill = |planners: u64| {
        let connection = Connection::open(&path).expect("opens");
        for planner in 0..planners {
            connection
                .execute(
                    "INSERT INTO waiting SELECT question || ?1, manifest, 'p' || ?1, spec, signature, first_seen_s, \
                     last_seen_s, asked FROM waiting WHERE planner = 'ministry'",
                    [planner as i64],
                )
                .expect("written");
        }
    };
    fill(MAX_WAITING / MAX_WAITING_OF_A_PLANNER - 1);
    assert_eq!(ask(&queue, &ledger, &question("bank", 1)), Reply::Full);
    // What nobody has asked for 30 days is gone.
    let later = NOW_S + 30 * DAY_S + MAX_WAITING_OF_A_PLANNER;
    assert_eq!(ask_at(&queue, &ledger, &question("bank", 1), later), Reply::Queued);
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
            file.execute("CREATE TRIGGER t AFTER INSERT ON uses BEGIN DELETE FROM uses; END", [])
        })
        .expect("made");
    assert!(matches!(Queue::open(&path), Err(QueueError::NotOurs { .. })));
    assert!(matches!(Queue::open(Path::new("/nowhere/queue.sqlite")), Err(QueueError::Open { .. })));
}

#[test]
fn a_failing_ledger_gives_no_approval() {
    let (_folder, path) = folder();
    let (queue, ledger, spec) = (Queue::open(&path).expect("opens"), Ledger::default(), spec(COUNT, 1));
    assert_eq!(ask(&queue, &ledger, &spec), Reply::Queued);
    let id = decide(&queue, spec.question(), true, NOW_S).expect("decided");
    assert_eq!(ask(&queue, &ledger, &spec), Reply::Approved(id));
    let other = Spec { query_id: QueryId([9; 16]), ..spec.clone() };
    let signature = signed(&other);
    let asked =
        Asked { spec: &other, signature: &signature, attempt: 0, now_s: NOW_S, reserved_by_s: NOW_S + 1 };
    let failing = |_, _| Err(QueueError::Damaged);
    assert!(matches!(queue.ask(&asked, &office("north"), failing), Err(QueueError::Damaged)));
    // Nothing of it was kept.
    assert_eq!(ask(&queue, &ledger, &spec), Reply::Approved(id));
}

#[test]
fn two_threads_at_two_connections_never_share_an_approval() {
    let (_folder, path) = folder();
    let queue = Queue::open(&path).expect("opens");
    let specs: Vec<Spec> = (1..=8).map(|query| spec(COUNT, query)).collect();
    let ledger = Ledger::default();
    assert_eq!(ask(&queue, &ledger, &specs[0]), Reply::Queued);
    decide(&queue, specs[0].question(), true, NOW_S).expect("decided");
    let replies: Vec<Reply> = std::thread::scope(|scope| {
        let asking: Vec<_> = specs
            .iter()
            .map(|spec| {
                let path = &path;
                scope.spawn(move || ask(&Queue::open(path).expect("opens"), &Ledger::default(), spec))
            })
            .collect();
        asking.into_iter().map(|one| one.join().expect("no panic")).collect()
    });
    let approved = replies.iter().filter(|reply| matches!(reply, Reply::Approved(_))).count();
    let held = replies.iter().filter(|reply| **reply == Reply::Held).count();
    assert_eq!((approved, held), (1, 7), "{replies:?}");
}
