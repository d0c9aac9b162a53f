//! Every check of PROTOCOL A.4 that a node makes before it accepts a context, each broken alone.

use std::collections::BTreeSet;

use almoner_federation::{Digest, NodeId, merkle};
use almoner_secure_sum::{
    AcceptedContext, Context, CoordinatorFault, LocalFault, Message, NodeRound, Question, Refusal, Release,
    ReleaseRules, Ring, RoundState, SecureSumError, Signed, Step, graph_degree,
};

use crate::federation::{EXPIRY_S, Federation, IDS, NOW_S, no_signature, question, rules, signing_key};

/// What node 0 says to the release that `change` makes of an honest context and its proof.
fn verdict(change: impl FnOnce(&mut Context, &mut Vec<Digest>)) -> Result<AcceptedContext, SecureSumError> {
    let federation = Federation::new();
    let question = question(1, 1);
    let honest = federation.releasing(question, &IDS, "");
    let mut proof = honest.release_for(IDS[0]).expect("a participant").proof;
    let mut context = Context::clone(honest.context());
    change(&mut context, &mut proof);
    let context = Signed::sign(context, &federation.coordinator).as_signed().clone();
    federation.accept(IDS[0], &question, "", &Release { context, proof })
}

fn fault(fault: CoordinatorFault) -> Result<AcceptedContext, SecureSumError> {
    Err(SecureSumError::Coordinator(fault))
}

#[test]
fn an_honest_release_is_accepted() {
    let accepted = verdict(|_, _| {}).expect("honest");
    assert_eq!(accepted.node(), IDS[0]);
    assert_eq!(accepted.context().participants, IDS);
    assert_eq!(accepted.hash(), accepted.context().hash());
}

#[test]
fn another_question_attempt_or_manifest_is_refused() {
    let other = Digest::of(b"other");
    assert_eq!(verdict(|context, _| context.spec_hash = other), fault(CoordinatorFault::Question));
    assert_eq!(verdict(|context, _| context.attempt = 2), fault(CoordinatorFault::Question));
    assert_eq!(verdict(|context, _| context.manifest_hash = other), fault(CoordinatorFault::Manifest));
}

#[test]
fn vectors_that_were_noised_for_one_ring_are_not_released_in_the_other() {
    assert_eq!(verdict(|context, _| context.ring = Ring::Gf2), fault(CoordinatorFault::Ring));
    // A coordinator that takes the question for one about bits, though every READY says numbers.
    let federation = Federation::new();
    for (noised, asked) in [(Ring::Z64, Ring::Gf2), (Ring::Gf2, Ring::Z64)] {
        let honest = Question { ring: noised, ..question(1, 1) };
        let releasing = federation.releasing(honest, &IDS, "");
        let context = Context { ring: asked, ..Context::clone(releasing.context()) };
        let context = Signed::sign(context, &federation.coordinator).as_signed().clone();
        for id in IDS {
            let release = releasing.release_for(id).expect("a participant");
            let lie = Release { context: context.clone(), ..release.clone() };
            assert_eq!(federation.accept(id, &honest, "", &lie), fault(CoordinatorFault::Ring));
            assert!(federation.accept(id, &honest, "", &release).is_ok());
        }
    }
}

#[test]
fn participants_must_be_members_and_this_node_one_of_them() {
    let stranger = NodeId(7);
    let swapped = verdict(|context, _| context.participants[3] = stranger);
    assert_eq!(swapped, fault(CoordinatorFault::Stranger(stranger)));
    let absent = verdict(|context, _| {
        context.participants.remove(0);
        context.graph_degree = 4;
    });
    assert_eq!(absent, fault(CoordinatorFault::NotParticipant));
}

#[test]
fn a_thinner_mask_graph_is_refused() {
    for found in [0, 2, 4, 6, u32::MAX] {
        let thinner = verdict(|context, _| context.graph_degree = found);
        assert_eq!(thinner, fault(CoordinatorFault::GraphDegree { found, expected: 5 }));
    }
    // The degree follows from the node's own number of colluders, not the coordinator's.
    assert!(graph_degree(300, 150) > graph_degree(300, 100));
}

#[test]
fn a_forged_inclusion_proof_is_refused() {
    let refused = fault(CoordinatorFault::NotIncluded);
    assert_eq!(verdict(|_, proof| proof[0] = Digest::of(b"forged")), refused);
    assert_eq!(verdict(|_, proof| proof.reverse()), refused);
    assert_eq!(verdict(|_, proof| proof.truncate(2)), refused);
    assert_eq!(verdict(|_, proof| proof.push(Digest::of(b"more"))), refused);
    assert_eq!(verdict(|_, proof| *proof = vec![Digest::of(b""); 100_000]), refused);
    assert_eq!(verdict(|context, _| context.ready_root = Digest::of(b"root")), refused);
}

#[test]
fn another_ready_in_this_nodes_place_is_refused() {
    let (federation, asked) = (Federation::new(), question(1, 1));
    let leaf = |id: NodeId, attempt: u32, draw: &str| {
        let question = Question { attempt, ..asked };
        merkle::leaf_hash(federation.signed_ready(id, &question, draw).as_signed().bytes())
    };
    for (why, replacement) in [
        ("another node's READY", leaf(IDS[1], 1, "")),
        ("a replayed READY of an earlier attempt", leaf(IDS[0], 0, "")),
        ("a READY from before the node's backup was restored", leaf(IDS[0], 1, "rolled back")),
    ] {
        let mut leaves = IDS.map(|id| leaf(id, 1, ""));
        leaves[0] = replacement;
        let refused = verdict(|context, proof| {
            context.ready_root = merkle::root(&leaves);
            *proof = merkle::inclusion_proof(&leaves, 0).expect("six leaves");
        });
        assert_eq!(refused, fault(CoordinatorFault::NotIncluded), "{why}");
    }
}

#[test]
fn this_nodes_ready_in_another_place_is_refused() {
    let (federation, question) = (Federation::new(), question(1, 1));
    let mut leaves: Vec<Digest> = IDS
        .map(|id| merkle::leaf_hash(federation.signed_ready(id, &question, "").as_signed().bytes()))
        .into();
    leaves.swap(0, 1);
    for place in [0, 1] {
        let refused = verdict(|context, proof| {
            context.ready_root = merkle::root(&leaves);
            *proof = merkle::inclusion_proof(&leaves, place).expect("six leaves");
        });
        assert_eq!(refused, fault(CoordinatorFault::NotIncluded));
    }
}

#[test]
fn only_the_coordinators_signature_counts() {
    let federation = Federation::new();
    let question = question(1, 1);
    let honest = federation.releasing(question, &IDS, "");
    let proof = honest.release_for(IDS[0]).expect("a participant").proof;
    let unsigned = Signed::from_parts(honest.context().as_signed().bytes().to_vec(), no_signature());
    let by_another = Signed::sign(Context::clone(honest.context()), &signing_key("someone else"));
    for context in [unsigned.expect("short"), by_another.as_signed().clone()] {
        let release = Release { context, proof: proof.clone() };
        let refused = federation.accept(IDS[0], &question, "", &release);
        assert_eq!(refused, Err(SecureSumError::Signature("almoner/1/ctx")));
    }
}

#[test]
fn a_ready_under_another_manifest_is_not_released_under_the_pinned_one() {
    let (old, new) = (Federation::under("old manifest"), Federation::new());
    let question = question(1, 1);
    let round = NodeRound::prepared(old.ready(IDS[0], &question, ""));
    for federation in [&old, &new] {
        let release = federation.releasing(question, &IDS, "").release_for(IDS[0]).expect("a participant");
        let refused = round.accept(&release, &new.roster, &rules(), NOW_S);
        assert_eq!(refused, fault(CoordinatorFault::Manifest));
    }
}

#[test]
fn each_rule_of_the_node_is_enforced() {
    let federation = Federation::new();
    let question = question(1, 1);
    let release = federation.releasing(question, &IDS, "").release_for(IDS[0]).expect("a participant");
    let round = NodeRound::prepared(federation.ready(IDS[0], &question, ""));
    let under = |rules: ReleaseRules| round.accept(&release, &federation.roster, &rules, NOW_S).map(|_| ());
    let refused = |refusal: Refusal| Err(SecureSumError::Refused(refusal));

    assert_eq!(under(rules()), Ok(()));
    assert_eq!(under(ReleaseRules { quorum: 6, ..rules() }), Ok(()));
    assert_eq!(
        under(ReleaseRules { quorum: 7, ..rules() }),
        refused(Refusal::Quorum { found: 6, quorum: 7 })
    );
    let everyone = ReleaseRules { anchors: BTreeSet::from(IDS), min_anchors: 7, ..rules() };
    assert_eq!(under(everyone), refused(Refusal::Anchors { found: 6, wanted: 7 }));
    let strict = ReleaseRules { min_honest: 3, ..rules() };
    assert_eq!(under(strict), refused(Refusal::Honest { honest: 2, wanted: 3 }));
    // One honest share is never enough, whatever the rules say.
    let lax = ReleaseRules { quorum: 3, colluders: 2, honest: 1, min_honest: 0, ..rules() };
    assert_eq!(under(lax), refused(Refusal::Honest { honest: 1, wanted: 2 }));
    // Noise for more honest shares than a quorum is sure to hold is no noise for that quorum.
    let thin = ReleaseRules { honest: 4, ..rules() };
    assert_eq!(under(thin), refused(Refusal::Honest { honest: 2, wanted: 4 }));
    let impossible = ReleaseRules { colluders: 9, ..rules() };
    assert_eq!(under(impossible), refused(Refusal::Honest { honest: 0, wanted: 2 }));
}

#[test]
fn an_expired_ready_is_never_released_and_a_charged_one_always_again() {
    let federation = Federation::new();
    let question = question(1, 1);
    let release = federation.releasing(question, &IDS, "").release_for(IDS[0]).expect("a participant");
    let round = NodeRound::prepared(federation.ready(IDS[0], &question, ""));
    let accept = |round: &NodeRound, now_s| round.accept(&release, &federation.roster, &rules(), now_s);
    let expired = Err(SecureSumError::Refused(Refusal::Expired));

    let accepted = accept(&round, EXPIRY_S - 1).expect("in time");
    assert_eq!(accept(&round, EXPIRY_S), expired.clone());
    // Accepted in time, but the charge came too late.
    assert_eq!(round.charge(&accepted, EXPIRY_S), Err(SecureSumError::Refused(Refusal::Expired)));
    // The clock went back after the expiry was made durable.
    let step = round.expire(EXPIRY_S).expect("it is time");
    assert_eq!(accept(&round.clone().after(step), NOW_S), expired);

    let step = round.charge(&accepted, EXPIRY_S - 1).expect("in time");
    let charged = round.after(step);
    assert_eq!(charged.state(), RoundState::Charged { context: accepted.hash() });
    assert_eq!(accept(&charged, u64::MAX).as_ref(), Ok(&accepted));
    assert_eq!(charged.charge(&accepted, u64::MAX), Ok(Step::Stay));
    assert_eq!(charged.expire(u64::MAX), Err(SecureSumError::Refused(Refusal::Charged)));
    assert_eq!(charged.abort(), Err(SecureSumError::Refused(Refusal::Charged)));
    assert_eq!(charged.certificate(), Err(SecureSumError::Refused(Refusal::Charged)));
}

#[test]
fn an_aborted_attempt_is_certified_and_never_released() {
    let federation = Federation::new();
    let question = question(1, 1);
    let release = federation.releasing(question, &IDS, "").release_for(IDS[0]).expect("a participant");
    let round = NodeRound::prepared(federation.ready(IDS[0], &question, ""));
    let accepted = round.accept(&release, &federation.roster, &rules(), NOW_S).expect("honest");
    assert_eq!(round.certificate(), Err(SecureSumError::Refused(Refusal::Open)));

    let step = round.abort().expect("not charged");
    let aborted = round.after(step);
    assert_eq!(aborted.abort(), Ok(Step::Stay));
    let refused = Err(SecureSumError::Refused(Refusal::Aborted));
    assert_eq!(aborted.accept(&release, &federation.roster, &rules(), NOW_S), refused);
    assert_eq!(aborted.charge(&accepted, NOW_S), Err(SecureSumError::Refused(Refusal::Aborted)));
    let certificate = aborted.certificate().expect("it is sure");
    assert_eq!((certificate.node, certificate.attempt), (IDS[0], 1));
}

#[test]
fn a_token_charges_the_attempt_it_was_made_for() {
    let federation = Federation::new();
    let asked = question(1, 1);
    let release = federation.releasing(asked, &IDS, "").release_for(IDS[0]).expect("a participant");
    let accepted = federation.accept(IDS[0], &asked, "", &release).expect("honest");
    for (id, attempt, draw) in [(IDS[1], 1, ""), (IDS[0], 2, ""), (IDS[0], 1, "rolled back")] {
        let question = Question { attempt, ..asked };
        let other = NodeRound::prepared(federation.ready(id, &question, draw));
        assert_eq!(other.charge(&accepted, NOW_S), Err(LocalFault::OtherAttempt.into()));
    }
}

#[test]
fn a_persisted_round_is_the_same_round() {
    let federation = Federation::new();
    let ready = federation.ready(IDS[0], &question(1, 1), "");
    let restored = NodeRound::restore(&ready.encode(), RoundState::Prepared);
    assert_eq!(restored, Ok(NodeRound::prepared(ready)));
    assert!(NodeRound::restore(b"not a READY", RoundState::Prepared).is_err());
}
