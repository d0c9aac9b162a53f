//! One random life: what happens, and what the ledger must say to it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use almoner_federation::{Digest, PicoRho};
use almoner_ledger::{
    Account, BookFault, Charged, Entry, LedgerError, LedgerReader, NodeLedger, Position, Refusal,
    Reservation, SignedPolicy, Step, StoredReady, Touched,
};
use almoner_secure_sum::{AcceptedContext, RoundState};

use super::approvals::{Approvals, Outcome, QUESTIONS};
use super::policies::{PLANNERS, Signers, allows_more, first_rules, key, other_rules, policy_of, signed};
use super::random::Random;
use super::rules::{Model, Of, Spending, Touch};
use crate::support::*;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Reserved,
    Charged(u8, Position),
    Expired,
    Aborted,
}

pub struct Attempt {
    pub number: u64,
    pub attempt: u32,
    pub spending: Spending,
    deadline: u64,
    noisy: Vec<i64>,
    pub stored: StoredReady,
    /// Signatures are the slowest thing here, so each context is made once.
    accepted: [Option<AcceptedContext>; 2],
    /// The approval that it was reserved with: the question, and when it was decided.
    approval: Option<(u64, u64)>,
    pub fate: Fate,
}

pub struct Life {
    us: Federation,
    pub random: Random,
    pub path: PathBuf,
    pub ledger: Option<NodeLedger>,
    model: Model,
    signers: Signers,
    /// The last that was accepted: to be replayed.
    last_policy: Option<SignedPolicy>,
    /// The files in use.
    loaded: Option<u64>,
    approvals: Approvals,
    /// Approvals that were charged for.
    served: BTreeSet<(u64, u64)>,
    pub attempts: Vec<Attempt>,
    known: HashMap<(u64, u32), usize>,
    open: BTreeSet<usize>,
    pub now: u64,
    /// What the file must hold: a word and whose it is, for every entry.
    pub log: Vec<(&'static str, u64, u32)>,
    /// A copy from an earlier time.
    pub backup: Option<(PathBuf, Position)>,
    /// Whether it may stop and start.
    restarts: bool,
    done: BTreeMap<&'static str, u64>,
}

impl Life {
    pub fn begin(seed: u64, path: &Path) -> Self {
        Self::with(seed, path, true)
    }

    /// A life in one piece.
    pub fn without_restarts(seed: u64, path: &Path) -> Self {
        Self::with(seed, path, false)
    }

    fn with(seed: u64, path: &Path, restarts: bool) -> Self {
        let signers = Signers { officer: 50, auditors: Vec::new() };
        let first = signed(policy_of(&first_rules(), &signers), &signers, nothing());
        Life {
            us: Federation::new(),
            random: Random(seed),
            path: path.to_owned(),
            ledger: Some(NodeLedger::begin(path, &KEY, first, NOW).expect("a new ledger")),
            model: Model::new(first_rules()),
            signers,
            last_policy: None,
            loaded: None,
            approvals: Approvals::default(),
            served: BTreeSet::new(),
            attempts: Vec::new(),
            known: HashMap::new(),
            open: BTreeSet::new(),
            now: NOW,
            log: vec![("policy", 0, 0)],
            backup: None,
            restarts,
            done: BTreeMap::new(),
        }
    }

    pub fn ledger(&self) -> &NodeLedger {
        self.ledger.as_ref().expect("open but while it reopens")
    }

    pub fn count(&mut self, event: &'static str) {
        *self.done.entry(event).or_default() += 1;
    }

    fn pick(&mut self) -> Option<usize> {
        let recent = self.attempts.len().saturating_sub(200) as u64;
        let from = if self.random.once_in(3) { 0 } else { recent };
        let range = self.attempts.len() as u64 - from;
        (range > 0).then(|| (from + self.random.below(range)) as usize)
    }

    /// Mostly an attempt that is still open.
    fn pick_open(&mut self) -> Option<usize> {
        if self.open.is_empty() || self.random.once_in(3) {
            return self.pick();
        }
        let at = self.random.below(self.open.len() as u64) as usize;
        self.open.iter().nth(at).copied()
    }

    pub fn event(&mut self) {
        self.tick();
        match self.random.below(1_000) {
            0..340 => self.reserve(),
            340..400 => self.repeat_reserve(),
            400..440 => self.conflict(),
            440..790 => self.charge(),
            790..820 => self.charge_across(),
            820..850 => self.expire(),
            850..900 => self.abort(),
            900..920 => self.stranger(),
            920..950 => self.change_policy(),
            950..955 => self.load(),
            955..985 => self.bad_policy(),
            985..990 => self.malformed(),
            number if self.restarts => self.restart(number - 990),
            _ => {}
        }
        self.compare();
    }

    fn restart(&mut self, number: u64) {
        match number {
            0 => self.back_up(),
            1 => self.restore(),
            2 if self.random.once_in(2) => self.reopen(false),
            3 if self.random.once_in(2) => self.reopen(true),
            _ => {}
        }
    }

    /// Mostly seconds; sometimes a month or more, and sometimes a clock that is set back.
    fn tick(&mut self) {
        self.now += self.random.below(3);
        let event = match self.random.below(1_500) {
            0..3 => {
                self.now += self.random.below(45 * 86_400);
                "clock: weeks later"
            }
            3 | 4 => {
                self.now -= self.random.below(80 * 86_400).min(self.now - NOW / 2);
                "clock: set back"
            }
            5..25 => {
                self.now += self.random.below(7_200);
                "clock: hours later"
            }
            _ => return,
        };
        self.count(event);
    }

    /// What can be asked of the ledger after every event.
    fn compare(&mut self) {
        let size = self.ledger().position().expect("position").size;
        assert_eq!(size, self.log.len() as u64, "one entry for each transition and none for anything else");
        let planner = self.random.below(4) as usize;
        let month = self.model.month_at(self.now);
        let told = self.ledger().budget(&name(PLANNERS[planner]), self.now);
        if let Some(limit) = self.model.rules.planners.get(&planner) {
            let told = told.expect("a known planner");
            let account = |limit: u64, (charged, reserved): (u64, u64)| {
                let [limit, charged, reserved] = [limit, charged, reserved].map(PicoRho::new);
                Account { limit, charged, reserved }
            };
            let rules = &self.model.rules;
            let [total, period, territory] = self.model.sums(month);
            let own = self.model.planners.get(&planner).copied().unwrap_or_default();
            assert_eq!((told.total, told.planner), (account(rules.total, total), account(*limit, own)));
            assert_eq!(told.period, rules.period.map(|(_, limit)| account(limit, period)));
            assert_eq!(told.territory, rules.territory.map(|parts| account(parts.rho, territory)));
        } else {
            assert!(matches!(told, Err(LedgerError::Refused(Refusal::UnknownPlanner(_)))));
        }
        let touch = self.any_touch();
        let affords = |cost| {
            let asked = PicoRho::new(cost);
            self.ledger().affordable(&name(PLANNERS[planner]), asked, &touched(touch), self.now).is_ok()
        };
        let room = self.model.room(planner, touch, month, Of::Commitments);
        assert!(room.is_none_or(affords), "{room:?} for {touch:?}");
        assert!(!affords(room.map_or(0, |room| room + 1)), "{room:?} for {touch:?}");
    }

    /// All, or some of the territories that there are.
    fn any_touch(&mut self) -> Touch {
        let count = self.model.rules.territory.map_or(0, |parts| parts.count);
        if count == 0 || self.random.once_in(3) {
            return None;
        }
        let one = 1 << self.random.below(count.into());
        let more = if self.random.once_in(3) { self.random.below(1 << count) as u32 } else { 0 };
        Some(one | more)
    }

    fn reserve(&mut self) {
        let repeated = self.random.once_in(4).then(|| self.pick()).flatten();
        let next = (self.attempts.len() as u64, 0);
        let (number, attempt) =
            repeated.map_or(next, |at| (self.attempts[at].number, self.attempts[at].attempt + 1));
        if self.known.contains_key(&(number, attempt)) {
            return self.charge();
        }
        let (planner, touch) = (self.random.below(4) as usize, self.any_touch());
        let month = self.model.month_at(self.now);
        let room = self.model.room(planner, touch, month, Of::Commitments);
        let cost = match self.random.below(20) {
            0 => room.unwrap_or(0),
            1 => room.map_or(0, |room| room + 1),
            _ => self.random.below(600),
        };
        let life = self.random.below(120);
        let noisy: Vec<i64> = (0..1 + self.random.below(6)).map(|_| self.random.next() as i64).collect();
        let question = self.random.once_in(6).then(|| self.random.below(QUESTIONS));
        let (now, officer) = (self.now, self.signers.officer);
        let decided = question
            .map(|question| (question, self.approvals.decide(&mut self.random, question, now, officer)));
        let reservation = Reservation {
            attempt,
            expires_at_s: now + life,
            now_s: now,
            noisy: noisy.clone(),
            touched: touched(touch),
            approval: decided.as_ref().map(|(_, (signed, _))| signed.clone()),
            ..asked(number, PLANNERS[planner], cost)
        };
        let outcome = self.us.reserve(self.ledger(), reservation);
        if life == 0 {
            assert!(matches!(outcome, Err(LedgerError::Attempt(_))));
            return self.count("reserve: dead on arrival");
        }
        if let Some((question, (signed, event))) = decided {
            self.count(event);
            let judged = self.approvals.judge(question, &signed, now, officer, |at| self.attempts[at].fate);
            match judged {
                Outcome::Refused => {
                    assert!(matches!(
                        outcome,
                        Err(LedgerError::Entry(BookFault::Approval(_) | BookFault::Unsigned(_)))
                    ));
                    return self.count("reserve: not approved");
                }
                Outcome::New => {
                    self.log.push(("approval", 0, 0));
                    self.approvals.record(question, signed);
                }
                Outcome::Known => {}
            }
        }
        if room.is_none_or(|room| cost > room) {
            assert!(matches!(outcome, Err(LedgerError::Refused(_))), "{room:?} {cost} {outcome:?}");
            return self.count("reserve: over budget");
        }
        let stored = outcome.expect("fits");
        assert_eq!((stored.state, stored.spec_hash), (RoundState::Prepared, spec(number)));
        let at = self.attempts.len();
        let approval = question.map(|question| (question, self.approvals.reserved(question, at)));
        let spending = Spending { planner, cost, month, touch, asked: (touch, self.model.epoch()) };
        self.model.reserve(&spending);
        let (deadline, fate) = (now + life, Fate::Reserved);
        let accepted = [None, None];
        self.attempts.push(Attempt {
            number,
            attempt,
            spending,
            deadline,
            noisy,
            stored,
            accepted,
            approval,
            fate,
        });
        self.known.insert((number, attempt), at);
        self.open.insert(at);
        self.log.push(("reserve", number, attempt));
        self.count(if approval.is_some() { "reserve: approved" } else { "reserve" });
    }

    fn repeat_reserve(&mut self) {
        let Some(at) = self.pick() else { return };
        let known = &self.attempts[at];
        let spec_hash = known.stored.spec_hash;
        let reservation = Reservation {
            attempt: known.attempt,
            spec_hash,
            now_s: self.now,
            ..asked(known.number, PLANNERS[known.spending.planner], known.spending.cost)
        };
        let found = self.ledger().reserve(reservation, |_| panic!("a repeat makes no READY")).expect("known");
        assert_eq!(found, StoredReady { state: self.state(at), ..known.stored.clone() });
        self.count("reserve: repeat");
    }

    fn conflict(&mut self) {
        let Some(at) = self.pick() else { return };
        let other = Reservation {
            attempt: self.attempts[at].attempt,
            spec_hash: Digest::of(&self.random.next().to_be_bytes()),
            ..asked(self.attempts[at].number, "tax", 0)
        };
        let refused = self.us.reserve(self.ledger(), other);
        assert!(matches!(refused, Err(LedgerError::Refused(Refusal::Conflict))));
        self.count("reserve: conflict");
    }

    fn accepted(&mut self, at: usize, variant: u8) -> AcceptedContext {
        let Attempt { stored, accepted, .. } = &mut self.attempts[at];
        let made =
            accepted[usize::from(variant)].get_or_insert_with(|| self.us.accept(&stored.ready, variant));
        made.clone()
    }

    fn charge(&mut self) {
        let Some(at) = self.pick_open() else { return };
        // Mostly the same context, so that repeats are common; sometimes another.
        let variant = u8::from(self.random.once_in(4));
        let accepted = self.accepted(at, variant);
        let known = &self.attempts[at];
        let spending = known.spending.clone();
        let outcome = self.ledger().charge(query(known.number), known.attempt, &accepted, self.now);
        let same = |charged: &Charged, position: Position| {
            assert_eq!((charged.noisy(), charged.position()), (&known.noisy[..], position));
        };
        let room = self.model.room(spending.planner, spending.touch, spending.month, Of::Charges);
        let event = match known.fate {
            Fate::Reserved if self.now >= known.deadline => refused(outcome, "charge: too late"),
            Fate::Reserved if room.is_none_or(|room| spending.cost > room) => {
                refused(outcome, "charge: a lowered limit")
            }
            Fate::Reserved => {
                let charged = outcome.expect("reserved and in time");
                let position = self.ledger().position().expect("position");
                if at % 8 == 0 {
                    self.is_in_the_file(position, known, &accepted);
                }
                same(&charged, position);
                let (key, approval) = ((known.number, known.attempt), known.approval);
                self.log.push(("charge", key.0, key.1));
                self.attempts[at].fate = Fate::Charged(variant, position);
                self.open.remove(&at);
                self.model.end(&spending, true);
                self.model.nobody_lost_too_much(&spending);
                let once = approval.is_none_or(|approval| self.served.insert(approval));
                assert!(once, "an approval served two answers");
                "charge"
            }
            Fate::Charged(first, position) if first == variant => {
                same(&outcome.expect("a repeat"), position);
                "charge: repeat"
            }
            Fate::Charged(..) => refused(outcome, "charge: other context"),
            Fate::Expired | Fate::Aborted => refused(outcome, "charge: ended"),
        };
        self.count(event);
    }

    /// Whoever reads the file beside the writer finds the charge there by the time that the vector is given out.
    fn is_in_the_file(&self, position: Position, known: &Attempt, accepted: &AcceptedContext) {
        let reader = LedgerReader::open(&self.path).expect("a reader");
        assert_eq!(reader.position().expect("a head"), position);
        let last = reader.entries(position.size - 1, 1).expect("entries");
        let Ok(Entry::Round(round)) = Entry::decode(&last[0]) else { panic!("the last entry is a charge") };
        assert_eq!((round.query, round.attempt), (query(known.number), known.attempt));
        assert_eq!(round.step, Step::Charge { context: accepted.hash() });
    }

    /// With a token that was made for another attempt, or for an attempt nobody reserved.
    fn charge_across(&mut self) {
        let (Some(one), Some(other)) = (self.pick(), self.pick()) else { return };
        let accepted = self.accepted(one, 0);
        if one != other {
            let Attempt { number, attempt, .. } = self.attempts[other];
            refused(self.ledger().charge(query(number), attempt, &accepted, self.now), "");
        }
        let outcome = self.ledger().charge(query(u64::MAX), 0, &accepted, self.now);
        let event = refused(outcome, "charge: another attempt's context");
        self.count(event);
    }

    fn finish(&mut self, at: usize, fate: Fate) {
        self.attempts[at].fate = fate;
        self.open.remove(&at);
        self.model.end(&self.attempts[at].spending, false);
    }

    fn expire(&mut self) {
        let due: BTreeSet<_> = self
            .open
            .iter()
            .map(|at| {
                (self.attempts[*at].deadline, self.attempts[*at].number, self.attempts[*at].attempt, *at)
            })
            .filter(|(deadline, ..)| *deadline <= self.now)
            .collect();
        assert_eq!(self.ledger().expire(self.now).expect("expire"), due.len());
        for (_, number, attempt, at) in &due {
            self.finish(*at, Fate::Expired);
            self.log.push(("expire", *number, *attempt));
        }
        self.count(if due.is_empty() { "expire: none" } else { "expire" });
    }

    fn abort(&mut self) {
        let Some(at) = self.pick_open() else { return };
        let Attempt { number, attempt, fate, .. } = self.attempts[at];
        let outcome = self.ledger().abort(query(number), attempt, self.now);
        let event = match fate {
            Fate::Reserved => {
                outcome.expect("reserved");
                self.finish(at, Fate::Aborted);
                self.log.push(("abort", number, attempt));
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
        let number = u64::MAX - self.random.below(1_000);
        let asked =
            Reservation { now_s: self.now, expires_at_s: self.now + 9, ..asked(number, "stranger", 0) };
        let refused = self.us.reserve(self.ledger(), asked);
        assert!(matches!(refused, Err(LedgerError::Refused(Refusal::UnknownPlanner(_)))));
        assert_eq!(self.ledger().find(query(number), 0).expect("find"), None);
        self.count("stranger");
    }

    /// What the ledger could not read back must not get into it.
    fn malformed(&mut self) {
        let number = u64::MAX - 5_000;
        let count = self.model.rules.territory.map_or(0, |parts| parts.count as u16);
        for territories in [vec![], vec![count], vec![1, 0], vec![0, 0], vec![u16::MAX]] {
            let reservation = Reservation {
                touched: Touched::Some(territories),
                now_s: self.now,
                expires_at_s: self.now + 9,
                ..asked(number, PLANNERS[*self.model.rules.planners.keys().next().expect("some")], 0)
            };
            let refused = self.us.reserve(self.ledger(), reservation);
            assert!(matches!(refused, Err(LedgerError::Refused(Refusal::NoTerritory))), "{refused:?}");
        }
        self.count("reserve: no territories");
    }

    /// Officer and auditor put other rules in force, or others in their own place.
    fn change_policy(&mut self) {
        let month = self.model.month_at(self.now);
        let rules = match self.random.once_in(8) {
            true => self.model.rules.clone(),
            false => other_rules(&mut self.random, &self.model, month),
        };
        let mut signers = self.signers.clone();
        if self.random.once_in(6) {
            signers.officer = self.random.of(&[50, 51]);
        }
        if self.random.once_in(4) {
            signers.auditors = self.random.of(&[&[][..], &[60], &[60, 61]]).to_vec();
        }
        let position = self.ledger().position().expect("position");
        let signed = signed(policy_of(&rules, &signers), &self.signers, position);
        self.ledger().change_policy(signed.clone(), self.now).expect("signed by all who must");
        self.log.push(("policy", 0, 0));

        let (before, epoch) = (self.model.rules.clone(), self.model.epoch());
        self.model.change(rules, &mut open_of(&mut self.attempts, &self.open));
        if signers.officer != self.signers.officer {
            self.approvals.succeed();
        }
        self.signers = signers;
        self.last_policy = Some(signed);
        let last = self.ledger().entries(position.size, 1).expect("entries");
        let Ok(Entry::Policy(entry)) = Entry::decode(&last[0]) else { panic!("the last entry is a policy") };
        if !entry.grant {
            let more = allows_more(&mut self.random, &before, &self.model.rules);
            assert!(!more, "a policy that allows more is a grant: {before:?} {:?}", self.model.rules);
        }
        assert!(!(entry.grant && before == self.model.rules), "a grant that grants nothing");
        if epoch != self.model.epoch() {
            self.count("policy: other territories");
        }
        if before.period.map(|(months, _)| months) != self.model.rules.period.map(|(months, _)| months) {
            self.count("policy: other periods");
        }
        self.count(if entry.grant { "policy: a grant" } else { "policy" });
    }

    /// The agency's files change, or are loaded again as they were.
    fn load(&mut self) {
        let loaded = self.random.below(3);
        self.ledger().load(spec(loaded), self.now).expect("loads");
        let event = match self.loaded.replace(loaded) {
            Some(before) if before == loaded => "load: the same",
            Some(_) => {
                self.model.place_anew(&mut open_of(&mut self.attempts, &self.open));
                self.log.push(("load", 0, 0));
                "load"
            }
            None => {
                self.log.push(("load", 0, 0));
                "load"
            }
        };
        self.count(event);
    }

    /// A policy that someone who must sign did not sign for this place.
    fn bad_policy(&mut self) {
        let month = self.model.month_at(self.now);
        let rules = other_rules(&mut self.random, &self.model, month);
        let position = self.ledger().position().expect("position");
        let policy = policy_of(&rules, &self.signers);
        let sound = signed(policy.clone(), &self.signers, position);
        let (bad, event) = match self.random.below(6) {
            0 => {
                let mut bad = policy.sign(position, &key(99));
                bad.auditor = sound.auditor;
                (bad, "policy: not the officer's")
            }
            1 => {
                let mut bad = sound;
                bad.auditor = match bad.auditor {
                    Some(_) => None,
                    None => {
                        bad.countersign(position, &key(60));
                        bad.auditor
                    }
                };
                (bad, "policy: an auditor too few or too many")
            }
            2 => {
                let mut bad = sound;
                bad.countersign(position, &key(99));
                (bad, "policy: a stranger's countersignature")
            }
            3 => {
                let stale = Position { size: position.size - 1, ..position };
                (signed(policy, &self.signers, stale), "policy: for another place")
            }
            4 => {
                let mut other = policy;
                other.origin = "south.agency.tests".parse().expect("a key's name");
                (signed(other, &self.signers, position), "policy: of another ledger")
            }
            _ => match &self.last_policy {
                Some(last) => (last.clone(), "policy: replayed"),
                None => return,
            },
        };
        let refused = self.ledger().change_policy(bad, self.now);
        assert!(matches!(refused, Err(LedgerError::Entry(_))), "{event}: {refused:?}");
        self.count(event);
    }

    pub fn state(&self, at: usize) -> RoundState {
        let known = &self.attempts[at];
        match known.fate {
            Fate::Reserved => RoundState::Prepared,
            Fate::Charged(variant, _) => {
                let accepted = known.accepted[usize::from(variant)].as_ref();
                RoundState::Charged { context: accepted.expect("charged for it").hash() }
            }
            Fate::Expired => RoundState::Expired,
            Fate::Aborted => RoundState::Aborted,
        }
    }

    /// Adds everything up again, question by question.
    pub fn look_back(&mut self) {
        let charged = self.attempts.iter().filter(|known| matches!(known.fate, Fate::Charged(..)));
        assert!(self.model.lost_by(charged.map(|known| known.spending.clone())));
        for planner in 0..PLANNERS.len() {
            let own = self.attempts.iter().filter(|known| known.spending.planner == planner);
            let of = |wanted: fn(&Fate) -> bool| {
                own.clone().filter(|known| wanted(&known.fate)).map(|known| known.spending.cost).sum()
            };
            let sums: (u64, u64) =
                (of(|fate| matches!(fate, Fate::Charged(..))), of(|fate| *fate == Fate::Reserved));
            assert_eq!(self.model.planners.get(&planner).copied().unwrap_or_default(), sums);
        }
    }

    /// Ends what is open, and tells how often what happened.
    pub fn end(mut self) -> BTreeMap<&'static str, u64> {
        // A clock that was set back keeps reservations that were made by the other time.
        let last = self.open.iter().map(|at| self.attempts[*at].deadline).max();
        self.now = self.now.max(last.unwrap_or(0));
        self.expire();
        assert!(self.open.is_empty());
        self.compare();
        self.look_back();
        let reserved = self.model.sums(self.model.month_at(self.now)).map(|(_, reserved)| reserved);
        assert_eq!(reserved, [0; 3], "what is reserved is given back once, and wholly");
        self.reopen(true);
        self.done
    }
}

/// The reservations' budgets.
fn open_of<'a>(attempts: &'a mut [Attempt], open: &BTreeSet<usize>) -> Vec<&'a mut Spending> {
    let open = attempts.iter_mut().enumerate().filter(|(at, _)| open.contains(at));
    open.map(|(_, known)| &mut known.spending).collect()
}

fn touched(touch: Touch) -> Touched {
    let Some(touch) = touch else { return Touched::All };
    Touched::Some((0..32).filter(|number| touch >> number & 1 == 1).collect())
}

fn refused<T>(outcome: Result<T, LedgerError>, event: &'static str) -> &'static str {
    assert!(matches!(outcome, Err(LedgerError::Refused(_) | LedgerError::Attempt(_))), "{event}");
    event
}
