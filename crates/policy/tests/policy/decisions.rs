//! Decisions: whose they are, about what, and for how long.

use almoner_federation::Digest;
use almoner_ledger::{Approval, SignedApproval};
use almoner_policy::{DecisionFault, holds};

use super::{DAY_S, NOW_S, digest, key, office};

fn approval() -> Approval {
    office("north").decide(digest("question"), true, NOW_S, 7)
}

#[test]
fn only_the_officer_s_own_word_on_this_very_question_counts() {
    let (north, question) = (office("north"), digest("question"));
    let signed = approval().sign(&key(10));
    assert_eq!(north.verify(&signed, &question), Ok(()));
    for other in [1, 11, 20] {
        let forged = approval().sign(&key(other));
        assert_eq!(north.verify(&forged, &question), Err(DecisionFault::Signature), "key {other}");
    }
    // Replayed for another question or another agency, even by its own officer.
    assert_eq!(north.verify(&signed, &digest("other")), Err(DecisionFault::Other));
    assert_eq!(office("south").verify(&signed, &question), Err(DecisionFault::Signature));
    let southern = office("south").decide(question, true, NOW_S, 7).sign(&key(10));
    assert_eq!(north.verify(&southern, &question), Err(DecisionFault::Other));
    // Every field is signed.
    let changes: [fn(&mut Approval); 5] = [
        |one| one.origin = "x".parse().expect("a key's name"),
        |one| one.question = Digest([0; 32]),
        |one| one.approved = false,
        |one| one.decided_at_s += 1,
        |one| one.until_s += 1,
    ];
    for change in changes {
        let mut changed = approval();
        change(&mut changed);
        let changed = SignedApproval { approval: changed, officer: signed.officer };
        assert_eq!(north.verify(&changed, &question), Err(DecisionFault::Signature), "{changed:?}");
    }
}

#[test]
fn a_decision_holds_for_its_days() {
    let decision = approval();
    for (now_s, expected) in [
        (NOW_S, true),
        (NOW_S - 300, true),
        (NOW_S - 301, false),
        (NOW_S + 7 * DAY_S - 1, true),
        (NOW_S + 7 * DAY_S, false),
        (0, false),
        (u64::MAX, false),
    ] {
        assert_eq!(holds(&decision, now_s).is_ok(), expected, "{now_s}");
    }
    // No signature makes a decision that holds for longer than any may, or for ever.
    for until_s in [NOW_S + 30 * DAY_S + 1, u64::MAX] {
        let endless = Approval { until_s, ..approval() };
        assert_eq!(holds(&endless, NOW_S), Err(DecisionFault::Time));
    }
    assert_eq!(holds(&Approval { until_s: NOW_S + 30 * DAY_S, ..approval() }, NOW_S), Ok(()));
}
