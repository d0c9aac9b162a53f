//! Random operations against a model that knows only the rules. A failure prints its seed;
//! `ALMONER_TEST_SEED=N cargo test -p almoner-ledger model` runs that seed alone.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use almoner_federation::{Digest, PicoRho};
use almoner_ledger::{Charged, Entry, LedgerError, NodeLedger, Policy, Position, Reservation, StoredReady};
use almoner_secure_sum::{AcceptedContext, RoundState};

use crate::support::*;

const SEEDS: u64 = 8;
const EVENTS: u64 = 2_550;
const QUERIES: u64 = 400;
const TOTAL: u64 = 60_000;
const PLANNERS: [(&str, u64); 3] = [("tax", 35_000), ("health", 20_000), ("schools", 20_000)];

/// SplitMix64 (Steele, Lea and Flood, OOPSLA 2014): small, and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Reserved,
    Charged(u8, Position),
    Expired,
    Aborted,
}

struct Attempt {
    spec: Digest,
    planner: usize,
    cost: u64,
    deadline: u64,
    noisy: Vec<i64>,
    stored: StoredReady,
    /// Signatures are the slowest thing here, so each context is made once.
    accepted: [AcceptedContext; 2],
    fate: Fate,
}

struct World {
    us: Federation,
    random: Random,
    path: PathBuf,
    ledger: Option<NodeLedger>,
    attempts: BTreeMap<(u64, u32), Attempt>,
    now: u64,
    entries: u64,
    done: BTreeMap<&'static str, u64>,
}

fn limits() -> Policy {
    policy(TOTAL, &PLANNERS)
}

impl World {
    fn ledger(&self) -> &NodeLedger {
        self.ledger.as_ref().expect("open but while it reopens")
    }

    /// Charged and reserved of a planner, or of all.
    fn sums(&self, planner: Option<usize>) -> (u64, u64) {
        let of = |wanted: fn(&Fate) -> bool| {
            let chosen =
                self.attempts.values().filter(|a| planner.is_none_or(|p| p == a.planner) && wanted(&a.fate));
            chosen.map(|attempt| attempt.cost).sum()
        };
        (of(|fate| matches!(fate, Fate::Charged(..))), of(|fate| *fate == Fate::Reserved))
    }

    fn count(&mut self, event: &'static str) {
        *self.done.entry(event).or_default() += 1;
    }

    fn pick(&mut self) -> Option<(u64, u32)> {
        let at = self.random.below(self.attempts.len().max(1) as u64) as usize;
        self.attempts.keys().nth(at).copied()
    }

    /// Mostly an attempt that is still open.
    fn pick_open(&mut self) -> Option<(u64, u32)> {
        if self.random.below(3) == 0 {
            return self.pick();
        }
        let open: Vec<_> = self
            .attempts
            .iter()
            .filter(|(_, known)| known.fate == Fate::Reserved)
            .map(|(key, _)| *key)
            .collect();
        let at = self.random.below(open.len().max(1) as u64) as usize;
        open.get(at).copied().or_else(|| self.pick())
    }

    fn event(&mut self) {
        self.now += self.random.below(2);
        match self.random.below(1_000) {
            0..350 => self.reserve(),
            350..430 => self.repeat_reserve(),
            430..490 => self.conflict(),
            490..840 => self.charge(),
            840..880 => self.charge_across(),
            880..910 => self.expire(),
            910..960 => self.abort(),
            960..993 => self.stranger(),
            _ => self.reopen(),
        }
        let (size, entries) = (self.ledger().position().expect("position").size, self.entries);
        assert_eq!(size, entries, "one entry for each transition and none for anything else");
        let planner = self.random.below(3) as usize;
        let budget = self.ledger().budget(&name(PLANNERS[planner].0), NOW).expect("a known planner");
        let told =
            [budget.total.charged, budget.total.reserved, budget.planner.charged, budget.planner.reserved];
        let ((a, b), (c, d)) = (self.sums(None), self.sums(Some(planner)));
        assert_eq!(told.map(PicoRho::get), [a, b, c, d]);
        assert!(a + b <= TOTAL && c + d <= PLANNERS[planner].1);
    }

    fn reserve(&mut self) {
        let (number, attempt) = (self.random.below(QUERIES), self.random.below(2) as u32);
        if self.attempts.contains_key(&(number, attempt)) {
            return self.charge();
        }
        let planner = self.random.below(3) as usize;
        let (cost, life) = (self.random.below(600), self.random.below(60));
        let noisy: Vec<i64> = (0..1 + self.random.below(20)).map(|_| self.random.next() as i64).collect();
        let reservation = Reservation {
            attempt,
            expires_at_s: self.now + life,
            now_s: self.now,
            noisy: noisy.clone(),
            ..asked(number, PLANNERS[planner].0, cost)
        };
        let outcome = self.us.reserve(self.ledger(), reservation);
        let ((a, b), (c, d)) = (self.sums(None), self.sums(Some(planner)));
        if life == 0 {
            assert!(matches!(outcome, Err(LedgerError::Attempt(_))));
            return self.count("reserve: dead on arrival");
        }
        if a + b + cost > TOTAL || c + d + cost > PLANNERS[planner].1 {
            assert!(matches!(outcome, Err(LedgerError::Refused(_))));
            return self.count("reserve: over budget");
        }
        let stored = outcome.expect("fits");
        assert_eq!((stored.state, stored.spec_hash), (RoundState::Prepared, spec(number)));
        let (spec, deadline) = (spec(number), self.now + life);
        let accepted = [0, 1].map(|variant| self.us.accept(&stored.ready, variant));
        let made = Attempt { spec, planner, cost, deadline, noisy, stored, accepted, fate: Fate::Reserved };
        self.attempts.insert((number, attempt), made);
        self.entries += 1;
        self.count("reserve");
    }

    fn repeat_reserve(&mut self) {
        let Some(key) = self.pick() else { return };
        let known = &self.attempts[&key];
        let reservation = Reservation {
            attempt: key.1,
            spec_hash: known.spec,
            now_s: self.now,
            ..asked(key.0, PLANNERS[known.planner].0, known.cost)
        };
        let found = self.ledger().reserve(reservation, |_| panic!("a repeat makes no READY")).expect("known");
        assert_eq!(found, StoredReady { state: self.state(key), ..known.stored.clone() });
        self.count("reserve: repeat");
    }

    fn conflict(&mut self) {
        let Some(key) = self.pick() else { return };
        let other = Reservation {
            attempt: key.1,
            spec_hash: Digest::of(&self.random.next().to_be_bytes()),
            ..asked(key.0, "tax", 0)
        };
        let refused = self.us.reserve(self.ledger(), other);
        assert!(matches!(refused, Err(LedgerError::Refused(almoner_ledger::Refusal::Conflict))));
        self.count("reserve: conflict");
    }

    fn charge(&mut self) {
        let Some(key) = self.pick_open() else { return };
        // Mostly the same context, so that repeats are common; sometimes another.
        let variant = u8::from(self.random.below(4) == 0);
        let known = &self.attempts[&key];
        let accepted = &known.accepted[usize::from(variant)];
        let outcome = self.ledger().charge(query(key.0), key.1, accepted, self.now);
        let same = |charged: &Charged, position: Position| {
            assert_eq!((charged.noisy(), charged.position()), (&known.noisy[..], position));
        };
        let event = match known.fate {
            Fate::Reserved if self.now < known.deadline => {
                let charged = outcome.expect("reserved and in time");
                let position = self.ledger().position().expect("position");
                same(&charged, position);
                self.attempts.get_mut(&key).expect("known").fate = Fate::Charged(variant, position);
                self.entries += 1;
                "charge"
            }
            Fate::Charged(first, position) if first == variant => {
                same(&outcome.expect("a repeat"), position);
                "charge: repeat"
            }
            Fate::Charged(..) => refused(outcome, "charge: other context"),
            Fate::Reserved => refused(outcome, "charge: too late"),
            Fate::Expired | Fate::Aborted => refused(outcome, "charge: ended"),
        };
        self.count(event);
    }

    /// With a token that was made for another attempt, or for an attempt nobody reserved.
    fn charge_across(&mut self) {
        let (Some(one), Some(other)) = (self.pick(), self.pick()) else { return };
        let accepted = &self.attempts[&one].accepted[0];
        if one != other {
            let outcome = self.ledger().charge(query(other.0), other.1, accepted, self.now);
            refused(outcome, "");
        }
        let outcome = self.ledger().charge(query(QUERIES + 1), 0, accepted, self.now);
        let event = refused(outcome, "charge: another attempt's context");
        self.count(event);
    }

    fn expire(&mut self) {
        let due: Vec<_> = self
            .attempts
            .iter_mut()
            .filter(|(_, attempt)| attempt.fate == Fate::Reserved && attempt.deadline <= self.now)
            .map(|(_, attempt)| attempt.fate = Fate::Expired)
            .collect();
        assert_eq!(self.ledger().expire(self.now).expect("expire"), due.len());
        self.entries += due.len() as u64;
        self.count(if due.is_empty() { "expire: none" } else { "expire" });
    }

    fn abort(&mut self) {
        let Some(key) = self.pick_open() else { return };
        let outcome = self.ledger().abort(query(key.0), key.1, self.now);
        let known = self.attempts.get_mut(&key).expect("known");
        let event = match known.fate {
            Fate::Reserved => {
                outcome.expect("reserved");
                known.fate = Fate::Aborted;
                self.entries += 1;
                "abort"
            }
            Fate::Charged(..) => refused(outcome, "abort: charged"),
            Fate::Expired | Fate::Aborted => {
                outcome.expect("nothing is left to do");
                "abort: ended"
            }
        };
        self.count(event);
    }

    fn stranger(&mut self) {
        let number = QUERIES + self.random.below(QUERIES);
        let refused = self.us.reserve(self.ledger(), asked(number, "stranger", 0));
        assert!(matches!(refused, Err(LedgerError::Refused(almoner_ledger::Refusal::UnknownPlanner(_)))));
        assert_eq!(self.ledger().find(query(number), 0).expect("find"), None);
        self.count("stranger");
    }

    /// After a clean end, or from what a power cut would leave.
    fn reopen(&mut self) {
        let before = self.ledger().position().expect("position");
        let event = if self.random.below(2) == 0 {
            self.ledger = None;
            "reopen"
        } else {
            let copy = beside(&self.path, "x");
            snapshot(&self.path, &copy);
            self.ledger = None;
            self.path = copy;
            "reopen: crash"
        };
        self.ledger = Some(open(&self.path, limits()).expect("reopens"));
        assert_eq!(self.ledger().position().expect("position"), before);
        for (key, known) in &self.attempts {
            let found = self.ledger().find(query(key.0), key.1).expect("find").expect("kept");
            assert_eq!(found, StoredReady { state: self.state(*key), ..known.stored.clone() });
        }
        self.count(event);
    }

    fn state(&self, key: (u64, u32)) -> RoundState {
        let known = &self.attempts[&key];
        match known.fate {
            Fate::Reserved => RoundState::Prepared,
            Fate::Charged(variant, _) => {
                RoundState::Charged { context: known.accepted[usize::from(variant)].hash() }
            }
            Fate::Expired => RoundState::Expired,
            Fate::Aborted => RoundState::Aborted,
        }
    }
}

fn refused<T>(outcome: Result<T, LedgerError>, event: &'static str) -> &'static str {
    assert!(matches!(outcome, Err(LedgerError::Refused(_) | LedgerError::Attempt(_))), "{event}");
    event
}

fn live(seed: u64, folder: &Path) -> BTreeMap<&'static str, u64> {
    let path = folder.join(format!("{seed}.db"));
    let ledger = open(&path, limits()).expect("a new ledger");
    let mut world = World {
        us: Federation::new(),
        random: Random(seed),
        path,
        ledger: Some(ledger),
        attempts: BTreeMap::new(),
        now: NOW,
        entries: 1,
        done: BTreeMap::new(),
    };
    for _ in 0..EVENTS {
        world.event();
    }
    world.reopen();
    let entries = world.ledger().entries(0, usize::MAX).expect("entries");
    assert!(entries.iter().all(|bytes| Entry::decode(bytes).is_ok()));
    world.done
}

#[test]
fn random_lives_agree_with_the_rules() {
    let seeds: Vec<u64> = match std::env::var("ALMONER_TEST_SEED") {
        Ok(seed) => vec![seed.parse().expect("ALMONER_TEST_SEED is a number")],
        Err(_) => (1..=SEEDS).collect(),
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut done: BTreeMap<&str, u64> = BTreeMap::new();
    for pair in seeds.chunks(2) {
        std::thread::scope(|scope| {
            let folder = folder.path();
            let lives: Vec<_> =
                pair.iter().map(|seed| (seed, scope.spawn(move || live(*seed, folder)))).collect();
            for (seed, life) in lives {
                let counts = life.join().unwrap_or_else(|_| panic!("failed with ALMONER_TEST_SEED={seed}"));
                counts.into_iter().for_each(|(event, count)| *done.entry(event).or_default() += count);
            }
        });
    }
    println!("{done:#?}");
    if seeds.len() as u64 == SEEDS {
        assert!(done.values().sum::<u64>() >= 20_000);
        assert_eq!(done.len(), 19, "every kind of event happened");
        assert!(done.values().all(|count| *count >= 20), "and not by accident");
    }
}
