//! Random lives of a ledger against a model that knows only the rules. A failure prints its seed:
//! `ALMONER_TEST_SEED=N cargo test -p almoner-ledger model` lives that one alone, and `ALMONER_TEST_EVENTS=N` makes every
//! life so long.

mod approvals;
mod killed;
mod life;
mod policies;
mod random;
mod restarts;
mod rules;

use std::collections::BTreeMap;

use life::Life;

const SEEDS: u64 = 8;
const EVENTS: u64 = 6_000;

fn number(variable: &str) -> Option<u64> {
    let value = std::env::var(variable).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{variable} is not a number")))
}

fn live(seed: u64, events: u64, folder: &std::path::Path) -> BTreeMap<&'static str, u64> {
    let mut life = Life::begin(seed, &folder.join(format!("{seed}.db")));
    for event in 1..=events {
        life.event();
        if event % 500 == 0 {
            life.look_back();
        }
    }
    life.end()
}

#[test]
fn random_lives_agree_with_the_rules() {
    let seeds: Vec<u64> = number("ALMONER_TEST_SEED").map_or((1..=SEEDS).collect(), |seed| vec![seed]);
    let events = number("ALMONER_TEST_EVENTS").unwrap_or(EVENTS);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut done: BTreeMap<&str, u64> = BTreeMap::new();
    for pair in seeds.chunks(2) {
        std::thread::scope(|scope| {
            let folder = folder.path();
            let lives: Vec<_> =
                pair.iter().map(|seed| (seed, scope.spawn(move || live(*seed, events, folder)))).collect();
            for (seed, life) in lives {
                let counts = life.join().unwrap_or_else(|_| panic!("failed with ALMONER_TEST_SEED={seed}"));
                counts.into_iter().for_each(|(event, count)| *done.entry(event).or_default() += count);
            }
        });
    }
    println!("{} lives of {events} events: {done:#?}", seeds.len());
    if seeds.len() as u64 * events >= SEEDS * EVENTS {
        assert_eq!(done.len(), KINDS, "every kind of event happened");
        assert!(done.values().all(|count| *count >= 8), "and not by accident");
    }
}

const KINDS: usize = 46;
