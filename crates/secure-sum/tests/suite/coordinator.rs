//! The coordinator's two phases, and whom it blames.

use almoner_federation::{Digest, NodeId};
use almoner_secure_sum::{
    Collecting, Context, CoordinatorFault, LocalFault, MAX_CELLS, Masked, NodeFault, Output, Question, Ready,
    Received, Refusal, Releasing, Ring, SecureSumError, Signed, Verified,
};

use crate::federation::{EXPIRY_S, Federation, IDS, NOW_S, no_signature, question, signing_key, sum};

fn blame<T>(node: NodeId, fault: NodeFault) -> Result<T, SecureSumError> {
    Err(SecureSumError::Node { node, fault })
}

fn collecting(federation: &Federation) -> Collecting {
    Collecting::new(federation.roster.clone(), question(4, 1)).expect("a bounded question")
}

fn cells(id: NodeId) -> Vec<i64> {
    (0..4).map(|k| i64::from(id.0) * 100 - k).collect()
}

/// The honest output of `id` in this attempt.
fn output(federation: &Federation, releasing: &Releasing, id: NodeId) -> (Verified<Output>, Masked) {
    let release = releasing.release_for(id).expect("a participant");
    let accepted = federation.accept(id, &question(4, 1), "", &release).expect("an honest release");
    federation.output(&cells(id), &accepted)
}

#[test]
fn an_attempt_runs_from_readies_to_the_exact_sum_with_its_evidence() {
    let federation = Federation::new();
    let mut collecting = collecting(&federation);
    for id in IDS {
        let ready = federation.signed_ready(id, &question(4, 1), "");
        assert_eq!(collecting.receive(id, ready.as_signed(), NOW_S), Ok(Received::New));
        assert_eq!(collecting.receive(id, ready.as_signed(), NOW_S), Ok(Received::Repeat));
    }
    assert_eq!(collecting.ready(NOW_S), IDS);
    collecting.exclude(IDS[4]);
    let participants = [IDS[0], IDS[1], IDS[2], IDS[3], IDS[5]];
    assert_eq!(collecting.ready(NOW_S), participants);

    let mut releasing = collecting.release(&federation.coordinator, NOW_S).expect("a quorum");
    assert_eq!(releasing.context().participants, participants);
    assert_eq!(releasing.release_for(IDS[4]), None);
    // The same release, however often it is asked for.
    assert_eq!(releasing.release_for(IDS[0]), releasing.release_for(IDS[0]));
    for (at, id) in participants.iter().enumerate() {
        assert_eq!(releasing.missing(), participants[at..]);
        assert_eq!(releasing.finish(), Err(Refusal::Incomplete(5 - at as u32).into()));
        let (output, masked) = output(&federation, &releasing, *id);
        assert_eq!(releasing.receive(*id, output.as_signed(), &masked), Ok(Received::New));
        assert_eq!(releasing.receive(*id, output.as_signed(), &masked), Ok(Received::Repeat));
    }
    let total = releasing.finish().expect("every output is in");
    let expected: Vec<i64> = (0..4).map(|k| participants.iter().map(|id| cells(*id)[k]).sum()).collect();
    assert_eq!(total.cells, expected);

    // Whoever holds the evidence and the roster checks it without the coordinator.
    let evidence = total.evidence;
    let context = evidence.context.verify(federation.roster.coordinator()).expect("signed");
    assert_eq!(context.participants, participants);
    for ((id, ready), output) in participants.iter().zip(&evidence.readies).zip(&evidence.outputs) {
        let key = federation.node(*id).signing.verifying_key();
        assert_eq!(ready.verify(&key).expect("signed").node, *id);
        assert_eq!(output.verify(&key).expect("signed").ctx_hash, Digest::of(evidence.context.bytes()));
    }
}

#[test]
fn a_ready_that_no_correct_node_sends_is_refused_and_its_sender_named() {
    let federation = Federation::new();
    let asked = question(4, 1);
    let id = IDS[0];
    let honest = || federation.ready(id, &asked, "");
    let receive = |ready: Ready| {
        let signed = Signed::sign(ready, &federation.node(id).signing);
        collecting(&federation).receive(id, signed.as_signed(), NOW_S)
    };
    let other = Digest::of(b"other");
    assert_eq!(receive(honest()), Ok(Received::New));
    assert_eq!(receive(Ready { manifest_hash: other, ..honest() }), blame(id, NodeFault::Manifest));
    assert_eq!(receive(Ready { spec_hash: other, ..honest() }), blame(id, NodeFault::Question));
    assert_eq!(receive(Ready { attempt: 0, ..honest() }), blame(id, NodeFault::Question));
    assert_eq!(receive(Ready { plan_hash: other, ..honest() }), blame(id, NodeFault::Plan));
    assert_eq!(receive(Ready { cost: Default::default(), ..honest() }), blame(id, NodeFault::Plan));
    assert_eq!(receive(Ready { ring: Ring::Gf2, ..honest() }), blame(id, NodeFault::Ring));
    assert_eq!(receive(Ready { expires_at_s: NOW_S, ..honest() }), blame(id, NodeFault::Expired));
    assert_eq!(receive(Ready { node: IDS[1], ..honest() }), blame(id, NodeFault::Sender));
}

#[test]
fn a_foreign_or_unsigned_ready_is_refused() {
    let federation = Federation::new();
    let mut collecting = collecting(&federation);
    let foreign = federation.signed_ready(IDS[1], &question(4, 1), "");
    let refused = collecting.receive(IDS[0], foreign.as_signed(), NOW_S);
    assert_eq!(refused, Err(SecureSumError::Signature("almoner/1/ready")));
    let stranger = collecting.receive(NodeId(7), foreign.as_signed(), NOW_S);
    assert_eq!(stranger, blame(NodeId(7), NodeFault::Stranger));
    let unsigned = Signed::from_parts(foreign.as_signed().bytes().to_vec(), no_signature()).expect("short");
    assert!(collecting.receive(IDS[1], &unsigned, NOW_S).is_err());
    assert!(collecting.ready(NOW_S).is_empty());
}

#[test]
fn a_second_ready_of_one_node_is_refused() {
    let federation = Federation::new();
    let mut collecting = collecting(&federation);
    for (draw, expected) in [("", Ok(Received::New)), ("again", blame(IDS[0], NodeFault::TwoReadys))] {
        let ready = federation.signed_ready(IDS[0], &question(4, 1), draw);
        assert_eq!(collecting.receive(IDS[0], ready.as_signed(), NOW_S), expected);
    }
}

#[test]
fn a_context_needs_a_quorum_of_unexpired_readies_and_the_coordinators_key() {
    let federation = Federation::new();
    let mut two = collecting(&federation);
    for id in &IDS[..2] {
        let ready = federation.signed_ready(*id, &question(4, 1), "");
        two.receive(*id, ready.as_signed(), NOW_S).expect("an honest READY");
    }
    let mut three = two.clone();
    let ready = federation.signed_ready(IDS[2], &question(4, 1), "");
    three.receive(IDS[2], ready.as_signed(), NOW_S).expect("an honest READY");

    let too_few = |found| Some(SecureSumError::Refused(Refusal::Quorum { found, quorum: 3 }));
    assert_eq!(two.release(&federation.coordinator, NOW_S).err(), too_few(2));
    assert!(three.ready(EXPIRY_S).is_empty());
    assert_eq!(three.clone().release(&federation.coordinator, EXPIRY_S).err(), too_few(0));
    let wrong_key = three.clone().release(&signing_key("someone else"), NOW_S).err();
    assert_eq!(wrong_key, Some(LocalFault::SigningKey.into()));
    assert!(three.release(&federation.coordinator, NOW_S).is_ok());
}

#[test]
fn a_question_has_cells_within_bounds() {
    let federation = Federation::new();
    let new = |cells| Collecting::new(federation.roster.clone(), question(cells, 1)).err();
    assert_eq!(new(MAX_CELLS), None);
    for cells in [0, MAX_CELLS + 1] {
        assert_eq!(new(cells), Some(LocalFault::VectorLength.into()));
    }
}

#[test]
fn an_output_that_no_correct_node_sends_changes_nothing() {
    let federation = Federation::new();
    let mut releasing = federation.releasing(question(4, 1), &IDS[..5], "");
    let id = IDS[0];
    let (honest, masked) = output(&federation, &releasing, id);
    let sign = |output: Output| Signed::sign(output, &federation.node(id).signing).as_signed().clone();
    let with = |change: fn(&mut Output)| {
        let mut output = Output::clone(&honest);
        change(&mut output);
        sign(output)
    };
    let longer = Masked::from_cells(vec![0; 5]).expect("five cells");
    let other = Masked::from_cells(vec![0; 4]).expect("four cells");

    let mut receive = |node, output: &Signed<Output>, masked| releasing.receive(node, output, masked);
    let own = honest.as_signed();
    assert_eq!(receive(IDS[1], own, &masked), Err(SecureSumError::Signature("almoner/1/out")));
    assert_eq!(receive(NodeId(7), own, &masked), blame(NodeId(7), NodeFault::Stranger));
    assert_eq!(receive(id, &with(|output| output.node = IDS[1]), &masked), blame(id, NodeFault::Sender));
    let context = with(|output| output.ctx_hash = Digest::of(b"other"));
    assert_eq!(receive(id, &context, &masked), blame(id, NodeFault::Context));
    assert_eq!(receive(id, own, &longer), blame(id, NodeFault::VectorLength));
    assert_eq!(receive(id, own, &other), blame(id, NodeFault::VectorHash));
    let absent = Output { node: IDS[5], ..Output::clone(&honest) };
    let absent = Signed::sign(absent, &federation.node(IDS[5]).signing);
    assert_eq!(receive(IDS[5], absent.as_signed(), &masked), blame(IDS[5], NodeFault::NotParticipant));
    assert_eq!(releasing.missing(), &IDS[..5]);

    // None of it is in the sum.
    for id in &IDS[..5] {
        let (output, masked) = output(&federation, &releasing, *id);
        assert_eq!(releasing.receive(*id, output.as_signed(), &masked), Ok(Received::New));
    }
    let second = Output { vector_hash: other.hash(), ..Output::clone(&honest) };
    assert_eq!(releasing.receive(id, &sign(second), &other), blame(id, NodeFault::TwoOutputs));
    let expected: Vec<i64> = (0..4).map(|k| IDS[..5].iter().map(|id| cells(*id)[k]).sum()).collect();
    assert_eq!(releasing.finish().expect("every output is in").cells, expected);
}

#[test]
fn a_restarted_coordinator_sends_the_same_releases() {
    let federation = Federation::new();
    let before = federation.releasing(question(4, 1), &IDS, "");
    let context = before.context().as_signed().clone();
    let readies: Vec<Signed<Ready>> = before.readies().iter().map(|r| r.as_signed().clone()).collect();
    let restore = |question: Question, context: &Signed<Context>, readies: &[Signed<Ready>]| {
        Releasing::restore(federation.roster.clone(), question, context, readies)
    };

    let mut after = restore(question(4, 1), &context, &readies).expect("what was persisted");
    let mut vectors = Vec::new();
    for id in IDS {
        assert_eq!(after.release_for(id), before.release_for(id));
        let (output, masked) = output(&federation, &before, id);
        after.receive(id, output.as_signed(), &masked).expect("an honest output");
        vectors.push(masked);
    }
    assert_eq!(after.finish().expect("every output is in").cells, sum(&vectors));

    let refused = |restored: Result<Releasing, SecureSumError>| restored.expect_err("not what was persisted");
    let other_attempt = restore(question(4, 2), &context, &readies);
    assert_eq!(refused(other_attempt), CoordinatorFault::Question.into());
    assert!(restore(question(4, 1), &context, &readies[1..]).is_err());
    let swapped: Vec<_> = readies.iter().rev().cloned().collect();
    assert!(restore(question(4, 1), &context, &swapped).is_err());
    let other_ring = Question { ring: Ring::Gf2, ..question(4, 1) };
    assert_eq!(refused(restore(other_ring, &context, &readies)), CoordinatorFault::Ring.into());
    let relabelled = Context { ring: Ring::Gf2, ..Context::clone(before.context()) };
    let relabelled = Signed::sign(relabelled, &federation.coordinator);
    assert_eq!(
        refused(restore(other_ring, relabelled.as_signed(), &readies)),
        SecureSumError::Node { node: IDS[0], fault: NodeFault::Ring }
    );
    let stricter = Question { quorum: 7, ..question(4, 1) };
    assert_eq!(
        refused(restore(stricter, &context, &readies)),
        Refusal::Quorum { found: 6, quorum: 7 }.into()
    );
    let mut replaced = readies.clone();
    replaced[0] = federation.signed_ready(IDS[0], &question(4, 1), "other").as_signed().clone();
    assert_eq!(refused(restore(question(4, 1), &context, &replaced)), CoordinatorFault::NotIncluded.into());
    let forged = Signed::sign(Context::clone(before.context()), &signing_key("someone else"));
    assert!(restore(question(4, 1), forged.as_signed(), &readies).is_err());
}
