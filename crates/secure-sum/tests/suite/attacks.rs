//! What a coordinator gains by lying: uniform bytes. T1 to T8b are the attacks that a reference model of
//! the protocol demonstrates; here the crate itself is attacked.

use almoner_federation::{Digest, NodeId};
use almoner_secure_sum::{
    AcceptedContext, Masked, NodeRound, Question, Refusal, SecureSumError, Signed, Step, mask,
};

use crate::federation::{Federation, IDS, NOW_S, question, rules, sum};

const CELLS: usize = 50;

/// The true cells of a node: small non-negative numbers.
fn truth(id: NodeId, k: usize) -> i64 {
    i64::from(Digest::of(format!("cell {id} {k}").as_bytes()).0[0]) * 4
}

/// One noise share, a centred binomial of 64 coins: variance 16, bounded by 32.
fn noise(id: NodeId, k: usize, draw: &str) -> i64 {
    let digest = Digest::of(format!("noise {id} {k} {draw}").as_bytes()).0;
    digest[..8].iter().map(|byte| i64::from(byte.count_ones())).sum::<i64>() - 32
}

fn noisy(cells: usize, draw: &str) -> impl Fn(NodeId) -> Vec<i64> {
    move |id| (0..cells).map(|k| truth(id, k) + noise(id, k, draw)).collect()
}

/// Whether any cell could be one of a sum over this federation, which stays below 2^20. A uniform cell
/// is that with a probability of 2^-43; no test asks about more than 2^12 cells and there are fewer
/// than 2^4 of them, so that the false-alarm rate of all together is below 2^-27 < 1e-8.
fn plausible(cells: &[i64]) -> bool {
    cells.iter().any(|cell| cell.unsigned_abs() <= 1 << 20)
}

fn expected(participants: &[NodeId], draw: &str) -> Vec<i64> {
    (0..CELLS).map(|k| participants.iter().map(|id| truth(*id, k) + noise(*id, k, draw)).sum()).collect()
}

fn accepted(
    federation: &Federation,
    question: Question,
    participants: &[NodeId],
    id: NodeId,
) -> AcceptedContext {
    let release = federation.releasing(question, participants, "").release_for(id).expect("a participant");
    federation.accept(id, &question, "", &release).expect("an honest release")
}

#[test]
fn t1_the_sum_of_all_masked_vectors_is_exactly_the_sum_of_the_noisy_ones() {
    let federation = Federation::new();
    let masked = federation.masked(question(CELLS, 1), &IDS, "", noisy(CELLS, "a"));
    assert_eq!(sum(&masked), expected(&IDS, "a"));
}

#[test]
fn t1_sums_wrap_around_and_nothing_is_lost() {
    let federation = Federation::new();
    let extreme = |id: NodeId| vec![if id == IDS[5] { i64::MIN + 17 } else { i64::MAX }; 3];
    let masked = federation.masked(question(3, 1), &IDS, "", extreme);
    let total = IDS.iter().fold(0i64, |sum, id| sum.wrapping_add(extreme(*id)[0]));
    assert_eq!(sum(&masked), vec![total; 3]);
}

#[test]
fn t2_a_lie_about_a_dropout_gives_uniform_cells() {
    let federation = Federation::new();
    let masked = federation.masked(question(CELLS, 1), &IDS, "", noisy(CELLS, "a"));
    // Whichever part of the outputs is added up, as long as one is missing.
    for subset in 1..(1u32 << IDS.len()) - 1 {
        let part = masked.iter().enumerate().filter(|(at, _)| subset >> at & 1 == 1).map(|(_, y)| y);
        assert!(!plausible(&sum(part)), "subset {subset:06b}");
    }
}

/// One output alone is uniform: every one of its 64 bit positions is set in half of 4,096 cells. Six
/// nodes and 64 positions make 384 counts; by Hoeffding's inequality one leaves 2048 +- 220 with a
/// probability of at most 2 exp(-2 * 220^2 / 4096) < 1.1e-10, so a false alarm has less than 5e-8.
#[test]
fn t2b_a_single_output_is_uniform() {
    let federation = Federation::new();
    for masked in federation.masked(question(4_096, 1), &IDS, "", noisy(4_096, "a")) {
        for bit in 0..64 {
            let ones = masked.cells().iter().filter(|cell| **cell >> bit & 1 == 1).count();
            assert!(ones.abs_diff(2_048) < 220, "bit {bit}: {ones}");
        }
    }
}

#[test]
fn t3_a_node_that_was_shown_other_participants_spoils_the_sum_and_no_more() {
    let federation = Federation::new();
    let question = question(CELLS, 1);
    let mut masked = federation.masked(question, &IDS, "", noisy(CELLS, "a"));
    // The last node is still there, only node 0 was told that it is not.
    let shown = accepted(&federation, question, &IDS[..5], IDS[0]);
    masked[0] = federation.output(&noisy(CELLS, "a")(IDS[0]), &shown).1;
    assert!(!plausible(&sum(&masked)));
    assert!(!plausible(&sum(&masked[..5])));
}

#[test]
fn t4_a_node_that_was_asked_another_question_spoils_the_sum_and_no_more() {
    let federation = Federation::new();
    let asked = question(CELLS, 1);
    let mut masked = federation.masked(asked, &IDS, "", noisy(CELLS, "a"));
    let other = Question { spec_hash: Digest::of(b"another spec"), ..asked };
    let shown = accepted(&federation, other, &IDS, IDS[2]);
    masked[2] = federation.output(&noisy(CELLS, "a")(IDS[2]), &shown).1;
    assert!(!plausible(&sum(&masked)));
}

#[test]
fn t4_any_difference_in_any_field_of_the_context_spoils_the_sum() {
    let federation = Federation::new();
    let asked = question(CELLS, 1);
    let honest = federation.masked(asked, &IDS, "", noisy(CELLS, "a"));
    // One other READY in the set changes the root; another attempt, the number.
    let mut collecting =
        almoner_secure_sum::Collecting::new(federation.roster.clone(), asked).expect("a bounded question");
    for id in IDS {
        let draw = if id == IDS[5] { "rolled back" } else { "" };
        let ready = federation.signed_ready(id, &asked, draw);
        collecting.receive(id, ready.as_signed(), NOW_S).expect("an honest READY");
    }
    let other_nonce = collecting.release(&federation.coordinator, NOW_S).expect("a quorum");
    let release = other_nonce.release_for(IDS[0]).expect("a participant");
    let shown = [
        federation.accept(IDS[0], &asked, "", &release).expect("its own READY is included"),
        accepted(&federation, question(CELLS, 2), &IDS, IDS[0]),
    ];
    for shown in shown {
        let mut masked = honest.clone();
        masked[0] = federation.output(&noisy(CELLS, "a")(IDS[0]), &shown).1;
        assert!(!plausible(&sum(&masked)));
    }
}

#[test]
fn t5_a_second_context_for_one_attempt_is_refused() {
    let federation = Federation::new();
    let question = question(CELLS, 1);
    let round = NodeRound::prepared(federation.ready(IDS[0], &question, ""));
    let (first, second) = (
        federation.releasing(question, &IDS, "").release_for(IDS[0]).expect("a participant"),
        federation.releasing(question, &IDS[..5], "").release_for(IDS[0]).expect("a participant"),
    );
    let accept = |round: &NodeRound, release| round.accept(release, &federation.roster, &rules(), NOW_S);
    // Both are accepted before the charge, as two concurrent requests may be; only one is charged.
    let (a, b) = (accept(&round, &first).expect("honest"), accept(&round, &second).expect("honest"));
    let step = round.charge(&a, NOW_S).expect("the attempt is open");
    let round = round.after(step);
    assert_eq!(round.charge(&b, NOW_S), Err(SecureSumError::Refused(Refusal::OtherContext)));
    assert_eq!(accept(&round, &second), Err(SecureSumError::Refused(Refusal::OtherContext)));
    assert_eq!(accept(&round, &first).as_ref(), Ok(&a));
    assert_eq!(round.charge(&a, NOW_S), Ok(Step::Stay));
}

#[test]
fn t6_a_retransmission_is_byte_identical() {
    let federation = Federation::new();
    let question = question(CELLS, 1);
    let cells = noisy(CELLS, "a")(IDS[3]);
    let once = federation.output(&cells, &accepted(&federation, question, &IDS, IDS[3]));
    let twice = federation.output(&cells, &accepted(&federation, question, &IDS, IDS[3]));
    assert_eq!(once.1.to_le_bytes(), twice.1.to_le_bytes());
    assert_eq!(once.0.as_signed(), twice.0.as_signed());
}

#[test]
fn t7_too_few_participants_or_anchors_are_refused() {
    let federation = Federation::new();
    let accept = |asked: Question, participants: &[NodeId], id: NodeId| {
        let release = federation.releasing(asked, participants, "").release_for(id).expect("a participant");
        federation.accept(id, &asked, "", &release).expect_err("against the rules")
    };
    // A coordinator that lowers the quorum in its own books.
    let asked = Question { quorum: 2, ..question(CELLS, 1) };
    let refused = accept(asked, &IDS[..2], IDS[0]);
    assert_eq!(refused, Refusal::Quorum { found: 2, quorum: 3 }.into());
    // Enough participants, but all except one of them unknown to this agency.
    let refused = accept(question(CELLS, 1), &[IDS[0], IDS[3], IDS[4], IDS[5]], IDS[0]);
    assert_eq!(refused, Refusal::Anchors { found: 1, wanted: 2 }.into());
}

/// The masked totals of an attempt by all six and of a retry without the last, under these noises.
fn difference(cells: usize, first: &str, retry: &str) -> Vec<i64> {
    let federation = Federation::new();
    let all = federation.masked(question(cells, 1), &IDS, "", noisy(cells, first));
    let fewer = federation.masked(question(cells, 2), &IDS[..5], "", noisy(cells, retry));
    sum(&all).iter().zip(sum(&fewer)).map(|(a, b)| a - b).collect()
}

#[test]
fn t8_reused_noise_would_reveal_what_the_absent_node_had() {
    let revealed: Vec<i64> = (0..CELLS).map(|k| truth(IDS[5], k) + noise(IDS[5], k, "a")).collect();
    assert_eq!(difference(CELLS, "a", "a"), revealed);
}

/// With fresh noise the difference carries all eleven shares: variance 11 * 16 a cell. Each is a sum of
/// 704 independent signs of one half, so by the bound of Laurent and Massart (Annals of Statistics
/// 2000, lemma 1, for a Gaussian of the same variance, which such sums approach and do not exceed) the
/// mean square of 4,096 leaves 176 +- 13 % with a probability below 2 exp(-14.6) < 1e-6.
#[test]
fn t8b_fresh_noise_hides_it_behind_every_share() {
    let cells = 4_096;
    let difference = difference(cells, "a", "b");
    let square: i64 = difference.iter().enumerate().map(|(k, d)| (d - truth(IDS[5], k)).pow(2)).sum();
    let mean = square as f64 / cells as f64;
    assert!((mean / 176.0 - 1.0).abs() < 0.13, "mean square {mean}");
}

#[test]
fn masks_of_another_epoch_or_federation_do_not_cancel() {
    let (ours, theirs) = (Federation::new(), Federation::under("another manifest"));
    let question = question(CELLS, 1);
    let mut masked = ours.masked(question, &IDS, "", noisy(CELLS, "a"));
    let other = accepted(&theirs, question, &IDS, IDS[1]);
    masked[1] = theirs.output(&noisy(CELLS, "a")(IDS[1]), &other).1;
    assert!(!plausible(&sum(&masked)));
    // And the wrong roots are not even used.
    assert!(mask(&[1], &other, ours.roots(IDS[1])).is_err());
}

#[test]
fn an_output_of_one_attempt_is_no_output_of_another() {
    let federation = Federation::new();
    let (first, second) = (question(CELLS, 1), question(CELLS, 2));
    let old = accepted(&federation, first, &IDS, IDS[0]);
    let (output, masked): (_, Masked) = federation.output(&noisy(CELLS, "a")(IDS[0]), &old);
    let mut releasing = federation.releasing(second, &IDS, "");
    let replayed = Signed::clone(output.as_signed());
    assert!(releasing.receive(IDS[0], &replayed, &masked).is_err());
    assert_eq!(releasing.missing(), IDS);
}
