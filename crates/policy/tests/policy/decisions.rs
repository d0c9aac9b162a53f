//! Decisions: whose they are, about what, and for how long.

use almoner_federation::Digest;
use almoner_policy::{Decision, DecisionFault, SignedDecision};

use super::{DAY_S, NOW_S, digest, key, office};

fn approval() -> Decision {
    office("north").decide(digest("question"), true, "as agreed".into(), NOW_S, 7)
}

#[test]
fn a_decision_reads_back_and_nothing_else_does() {
    let bytes = approval().encode();
    assert_eq!(Decision::decode(&bytes), Ok(approval()));
    for cut in 0..bytes.len() {
        assert!(Decision::decode(&bytes[..cut]).is_err(), "{cut} bytes");
    }
    assert!(Decision::decode(&[bytes.as_slice(), &[0]].concat()).is_err());
    let denial = Decision { approved: false, ..approval() };
    assert_eq!(Decision::decode(&denial.encode()), Ok(denial.clone()));
    assert_ne!(denial.encode(), approval().encode());
    let long = Decision { reason: "x".repeat(501), ..approval() };
    assert!(Decision::decode(&long.encode()).is_err());
}

#[test]
fn only_the_officer_s_own_word_on_this_very_question_counts() {
    let (north, question) = (office("north"), digest("question"));
    let signed = approval().sign(&key(10));
    assert_eq!(signed.verify(&north, &question), Ok(approval()));

    for other in [1, 11, 20] {
        let forged = approval().sign(&key(other));
        assert_eq!(forged.verify(&north, &question), Err(DecisionFault::Signature), "key {other}");
    }
    // Replayed for another question, another agency, another federation, even by its own officer.
    assert_eq!(signed.verify(&north, &digest("other")), Err(DecisionFault::Other));
    assert_eq!(signed.verify(&office("south"), &question), Err(DecisionFault::Signature));
    for other in [
        Decision { agency: "south".parse().expect("a name"), ..approval() },
        Decision { federation: "other".parse().expect("a name"), ..approval() },
    ] {
        assert_eq!(other.sign(&key(10)).verify(&north, &question), Err(DecisionFault::Other));
    }
    // Every changed bit.
    for index in 0..signed.bytes.len() {
        let mut changed = signed.clone();
        changed.bytes[index] ^= 1;
        assert_eq!(changed.verify(&north, &question), Err(DecisionFault::Signature), "byte {index}");
    }
    // What the officer signed for another purpose.
    let bytes = almoner_federation::lp(&[b"almoner/1/grant", question.as_bytes()]);
    let grant = SignedDecision { signature: key(10).sign(&bytes), bytes };
    assert_eq!(grant.verify(&north, &question), Err(DecisionFault::Malformed));
}

#[test]
fn a_decision_holds_for_its_days() {
    let decision = approval();
    for (now_s, holds) in [
        (NOW_S, true),
        (NOW_S - 300, true),
        (NOW_S - 301, false),
        (NOW_S + 7 * DAY_S - 1, true),
        (NOW_S + 7 * DAY_S, false),
        (0, false),
        (u64::MAX, false),
    ] {
        assert_eq!(decision.holds(now_s).is_ok(), holds, "{now_s}");
    }
    // No signature makes a decision that holds for longer than any may, or for ever.
    for until_s in [NOW_S + 30 * DAY_S + 1, u64::MAX] {
        let endless = Decision { until_s, ..approval() };
        assert_eq!(endless.holds(NOW_S), Err(DecisionFault::Time));
    }
    assert_eq!(Decision { until_s: NOW_S + 30 * DAY_S, ..approval() }.holds(NOW_S), Ok(()));
}

#[test]
fn an_approval_is_named_by_all_its_bytes() {
    let id = |decision: Decision| decision.sign(&key(10)).id();
    let other = [
        Decision { approved: false, ..approval() },
        Decision { decided_at_s: NOW_S + 1, ..approval() },
        Decision { until_s: NOW_S + 1, ..approval() },
        Decision { question: Digest([0; 32]), ..approval() },
    ];
    for decision in other {
        assert_ne!(id(decision), id(approval()));
    }
}
