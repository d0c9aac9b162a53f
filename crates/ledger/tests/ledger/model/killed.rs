//! A life in a process of its own, killed at any point: the file holds the same life up to some event, and all that
//! was said to be done.

use almoner_ledger::NodeLedger;

use super::life::Life;
use super::random::Random;
use crate::crashes::{child, kill, lines, parents_ledger};
use crate::support::*;

const EVENTS: usize = 1_000;
const SEED: u64 = 77;

/// In a child: lives, and says after every event how long the ledger is.
#[test]
fn child_lives() {
    let Some(path) = parents_ledger() else { return };
    let mut life = Life::without_restarts(SEED, &path);
    for _ in 0..EVENTS {
        life.event();
        println!("said {}", life.log.len());
    }
}

#[test]
fn a_life_that_is_killed_anywhere_is_the_same_life_up_to_there() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut whole = Life::without_restarts(SEED, &folder.path().join("whole.db"));
    (0..EVENTS).for_each(|_| whole.event());
    let told = whole.ledger().entries(0, usize::MAX).expect("entries");
    assert!(told.len() > 150, "{}", told.len());
    let mut random = Random(SEED);
    for round in 0..12 {
        let path = folder.path().join(format!("{round}.db"));
        let mut worker = child("model::killed::child_lives", &path).spawn().expect("starts");
        let events = 1 + random.below(EVENTS as u64 - 10) as usize;
        let said = lines(&mut worker).take(events).last().expect("it lives");
        kill(worker);
        let ledger = NodeLedger::open(&path, &KEY).expect("no damage");
        let found = ledger.entries(0, usize::MAX).expect("entries");
        let said: usize = said.parse().expect("a number");
        assert!((said..=told.len()).contains(&found.len()), "{said} of {}", found.len());
        assert_eq!(found, told[..found.len()], "killed after event {events}");
    }
}
