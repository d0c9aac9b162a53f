//! Random sequences of events at one node against a model that knows only this: an attempt is open, or
//! dead, or spent on one context. A failing sequence is printed by proptest and can be replayed.

use std::sync::LazyLock;

use almoner_federation::Digest;
use almoner_secure_sum::{
    AcceptedContext, Context, Masked, NodeRound, Question, Release, Ring, RoundState, SecureSumError, Signed,
    Step, mask,
};
use proptest::prelude::*;

use crate::federation::{EXPIRY_S, Federation, IDS, RINGS, question, rules};

/// One thing that happens to the node's one attempt.
#[derive(Debug, Clone, Copy)]
enum Event {
    /// A release arrives and, when accepted, is charged and answered. The context is one of
    /// [`World::releases`].
    Release(usize),
    /// As before, but the node loses power after the check and before the charge is durable; the check
    /// is remembered by the coordinator's concurrent request, which charges later.
    Accept(usize),
    /// An earlier accepted context is charged.
    Charge,
    /// The node looks for expired attempts.
    Expire,
    /// The operator gives the attempt up.
    Abort,
    /// Time passes, or the clock is set back.
    Clock(u64),
    /// The node restarts: all that is left is what was persisted.
    Restart,
}

fn event() -> impl Strategy<Value = Event> {
    let release = 0..WORLDS[0].releases.len();
    prop_oneof![
        6 => release.clone().prop_map(Event::Release),
        3 => release.prop_map(Event::Accept),
        3 => Just(Event::Charge),
        2 => Just(Event::Expire),
        1 => Just(Event::Abort),
        2 => prop_oneof![0..EXPIRY_S, EXPIRY_S - 1..EXPIRY_S + 2, Just(u64::MAX)].prop_map(Event::Clock),
        1 => Just(Event::Restart),
    ]
}

/// The releases that a coordinator, honest or not, may send for the attempt.
struct World {
    ring: Ring,
    federation: Federation,
    /// Each with whether it keeps all rules.
    releases: Vec<(Release, bool)>,
}

/// One world for each ring, with the same number of releases.
static WORLDS: LazyLock<[World; 2]> = LazyLock::new(|| RINGS.map(world));

fn world(ring: Ring) -> World {
    let federation = Federation::new();
    let asked = Question { ring, ..question(3, 1) };
    let honest = |participants: &[_]| {
        let releasing = federation.releasing(asked, participants, "");
        (Context::clone(releasing.context()), releasing.release_for(IDS[0]).expect("a participant"))
    };
    let (context, all) = honest(&IDS);
    let (_, five) = honest(&IDS[..5]);
    let (_, four) = honest(&IDS[..4]);
    let lie = |change: fn(&mut Context)| {
        let mut context = context.clone();
        change(&mut context);
        let context = Signed::sign(context, &federation.coordinator).as_signed().clone();
        Release { context, proof: all.proof.clone() }
    };
    let lies = [
        lie(|context| context.attempt = 2),
        lie(|context| context.spec_hash = Digest::of(b"other")),
        lie(|context| context.manifest_hash = Digest::of(b"other")),
        lie(|context| context.ready_root = Digest::of(b"other")),
        lie(|context| context.graph_degree = 2),
        lie(|context| context.ring = other(context.ring)),
        lie(|context| _ = context.participants.pop()),
        lie(|context| _ = context.participants.remove(0)),
        lie(|context| context.participants.truncate(2)),
        Release { proof: five.proof.clone(), ..all.clone() },
        Release { proof: Vec::new(), ..all.clone() },
    ];
    let keeping = [all, five, four].map(|release| (release, true));
    let releases = keeping.into_iter().chain(lies.map(|release| (release, false))).collect();
    World { ring, federation, releases }
}

fn other(ring: Ring) -> Ring {
    match ring {
        Ring::Z64 => Ring::Gf2,
        Ring::Gf2 => Ring::Z64,
    }
}

/// The model.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Model {
    Open,
    Dead,
    Spent(Digest),
}

/// One node: what is durable, what is not, and everything that ever left it.
struct Run {
    world: &'static World,
    durable: RoundState,
    pending: Option<AcceptedContext>,
    now_s: u64,
    model: Model,
    sent: Vec<(Digest, Masked)>,
}

impl Run {
    fn new(world: &'static World) -> Self {
        Run {
            world,
            durable: RoundState::Prepared,
            pending: None,
            now_s: 0,
            model: Model::Open,
            sent: Vec::new(),
        }
    }

    fn round(&self) -> NodeRound {
        let asked = Question { ring: self.world.ring, ..question(3, 1) };
        let ready = self.world.federation.signed_ready(IDS[0], &asked, "");
        NodeRound::restore(ready.as_signed().bytes(), self.durable).expect("a persisted READY")
    }

    fn persist(&mut self, step: Step) {
        self.durable = self.round().after(step).state();
    }

    fn accept(&self, at: usize) -> Result<AcceptedContext, SecureSumError> {
        let (release, keeping) = &self.world.releases[at];
        let accepted = self.round().accept(release, &self.world.federation.roster, &rules(), self.now_s);
        let hash = Digest::of(release.context.bytes());
        assert_eq!(accepted.is_ok(), *keeping && self.may_release(hash));
        accepted
    }

    /// What the model says of a release under the context of that hash.
    fn may_release(&self, context: Digest) -> bool {
        match self.model {
            Model::Open => self.now_s < EXPIRY_S,
            Model::Dead => false,
            Model::Spent(spent) => spent == context,
        }
    }

    fn charge_and_send(&mut self, accepted: &AcceptedContext) {
        let charged = self.round().charge(accepted, self.now_s);
        assert_eq!(charged.is_ok(), self.may_release(accepted.hash()));
        let Ok(step) = charged else { return };
        self.persist(step);
        self.model = Model::Spent(accepted.hash());
        let roots = self.world.federation.roots(IDS[0]);
        self.sent.push((accepted.hash(), mask(&[1, -2, 3], accepted, roots).expect("its own roots")));
    }

    fn happens(&mut self, event: Event) {
        match event {
            Event::Release(at) => {
                if let Ok(accepted) = self.accept(at) {
                    self.charge_and_send(&accepted);
                }
            }
            Event::Accept(at) => self.pending = self.accept(at).ok().or(self.pending.take()),
            Event::Charge => {
                if let Some(accepted) = self.pending.clone() {
                    self.charge_and_send(&accepted);
                }
            }
            Event::Expire => {
                let expired = self.round().expire(self.now_s);
                let due = match self.model {
                    Model::Open => self.now_s >= EXPIRY_S,
                    Model::Dead => true,
                    Model::Spent(_) => false,
                };
                assert_eq!(expired.is_ok(), due);
                self.dies(expired);
            }
            Event::Abort => {
                let aborted = self.round().abort();
                assert_eq!(aborted.is_ok(), !matches!(self.model, Model::Spent(_)));
                self.dies(aborted);
            }
            Event::Clock(now_s) => self.now_s = now_s,
            Event::Restart => self.pending = None,
        }
        self.check();
    }

    fn dies(&mut self, step: Result<Step, SecureSumError>) {
        if let Ok(step) = step {
            self.persist(step);
            self.model = Model::Dead;
        }
    }

    /// What must hold after every event.
    fn check(&self) {
        let same = match (self.model, self.durable) {
            (Model::Open, RoundState::Prepared) => true,
            (Model::Dead, RoundState::Expired | RoundState::Aborted) => true,
            (Model::Spent(spent), RoundState::Charged { context }) => spent == context,
            _ => false,
        };
        assert!(same, "{:?} beside {:?}", self.model, self.durable);
        assert!(self.sent.windows(2).all(|pair| pair[0] == pair[1]), "two outputs for one attempt");
        let certified = self.round().certificate().is_ok();
        assert!(!certified || self.sent.is_empty(), "a certificate and an output for one attempt");
        assert_eq!(certified, self.model == Model::Dead);
        if self.model == Model::Dead {
            assert!(self.sent.is_empty(), "an output of a dead attempt");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_sequence_of_events_gives_two_contexts_or_an_output_of_a_dead_attempt(
        ring in 0..2usize,
        events in prop::collection::vec(event(), 1..40),
    ) {
        let mut run = Run::new(&WORLDS[ring]);
        events.into_iter().for_each(|event| run.happens(event));
    }
}
