//! One approval serves one charge, whatever becomes of the attempts between.

use almoner_federation::{Digest, SigningKey};
use almoner_ledger::{
    Approval, ApprovalUse, BookFault, LedgerError, NodeLedger, Reservation, SignedApproval, StoredReady,
};
use tempfile::TempDir;

use crate::support::*;

fn decided(at_s: u64, until_s: u64) -> Approval {
    Approval {
        origin: ORIGIN.parse().expect("a key's name"),
        question: Digest::of(b"question"),
        approved: true,
        decided_at_s: at_s,
        until_s,
    }
}

fn ledger() -> (TempDir, Federation, NodeLedger) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let ledger = open(&folder.path().join("ledger.db"), policy(100, &[("tax", 100)])).expect("a new ledger");
    (folder, Federation::new(), ledger)
}

fn reserve(
    us: &Federation,
    ledger: &NodeLedger,
    number: u64,
    approval: SignedApproval,
    now_s: u64,
) -> Result<StoredReady, LedgerError> {
    let about = asked(number, "tax", 1);
    us.reserve(ledger, Reservation { approval: Some(approval), now_s, expires_at_s: now_s + 60, ..about })
}

#[test]
fn an_approval_is_free_then_held_then_spent() {
    let (_folder, us, ledger) = ledger();
    let approval = decided(NOW - 10, NOW + 1_000);
    let of = |approval: &Approval| ledger.approval_use(approval).expect("reads");
    assert_eq!(of(&approval), ApprovalUse::Free);
    reserve(&us, &ledger, 1, approval.clone().sign(&officer()), NOW).expect("approved");
    assert_eq!(of(&approval), ApprovalUse::Held);
    let second = reserve(&us, &ledger, 2, approval.clone().sign(&officer()), NOW);
    assert!(matches!(second, Err(LedgerError::Entry(BookFault::Approval(_)))), "{second:?}");
    us.charge(&ledger, 1, 0).expect("charges");
    assert_eq!(of(&approval), ApprovalUse::Spent);
    let second = reserve(&us, &ledger, 2, approval.clone().sign(&officer()), NOW);
    assert!(matches!(second, Err(LedgerError::Entry(BookFault::Approval(_)))), "{second:?}");

    // A later decision is another approval, also when it ends earlier than the one before.
    let later = decided(NOW - 9, NOW + 500);
    assert_eq!((of(&approval), of(&later)), (ApprovalUse::Spent, ApprovalUse::Free));
    reserve(&us, &ledger, 2, later.clone().sign(&officer()), NOW).expect("approved anew");
    assert_eq!(of(&later), ApprovalUse::Held);
    // The first is not free again because of it, whatever becomes of the second.
    assert_eq!(of(&approval), ApprovalUse::Spent);
    ledger.abort(query(2), 0, NOW).expect("aborts");
    assert_eq!((of(&approval), of(&later)), (ApprovalUse::Spent, ApprovalUse::Free));
}

#[test]
fn an_attempt_that_ends_uncharged_gives_its_approval_back() {
    let (_folder, us, ledger) = ledger();
    let approval = decided(NOW, NOW + 1_000);
    for (number, now_s) in [(1, NOW), (2, NOW + 100)] {
        reserve(&us, &ledger, number, approval.clone().sign(&officer()), now_s).expect("approved");
        assert_eq!(ledger.expire(now_s + 60).expect("expires"), 1);
        assert_eq!(ledger.approval_use(&approval).expect("reads"), ApprovalUse::Free);
    }
    reserve(&us, &ledger, 3, approval.clone().sign(&officer()), NOW + 200).expect("approved");
    ledger.abort(query(3), 0, NOW + 201).expect("aborts");
    // Recorded, never used, and over: it is in the way of no later one.
    let over = reserve(&us, &ledger, 4, approval.sign(&officer()), NOW + 1_000);
    assert!(matches!(over, Err(LedgerError::Entry(BookFault::Approval(_)))), "{over:?}");
    let later = decided(NOW + 999, NOW + 2_000);
    reserve(&us, &ledger, 4, later.sign(&officer()), NOW + 1_000).expect("approved anew");
}

#[test]
fn what_the_officer_did_not_sign_for_this_ledger_reserves_nothing() {
    let (_folder, us, ledger) = ledger();
    let sound = decided(NOW, NOW + 1_000);
    let nobody = SigningKey::from_seed(&[78; 32]).expect("a seed of 32 bytes");
    for (what, approval) in [
        ("nobody's key", sound.clone().sign(&nobody)),
        ("a denial", Approval { approved: false, ..sound.clone() }.sign(&officer())),
        (
            "another ledger",
            Approval { origin: "south.agency.tests".parse().expect("a key's name"), ..sound.clone() }
                .sign(&officer()),
        ),
        ("over", decided(NOW - 10, NOW).sign(&officer())),
        ("a stretched end", {
            let mut stretched = sound.clone().sign(&officer());
            stretched.approval.until_s += 1;
            stretched
        }),
    ] {
        let before = ledger.position().expect("reads");
        let refused = reserve(&us, &ledger, 1, approval, NOW);
        assert!(matches!(refused, Err(LedgerError::Entry(_))), "{what}: {refused:?}");
        assert_eq!(ledger.position().expect("reads"), before, "{what}");
    }
}

/// The first approval's attempt is charged while the second's is under way.
#[test]
fn a_charge_uses_the_approval_it_was_reserved_with_and_no_later_one() {
    let (_folder, us, ledger) = ledger();
    let (first, second) = (decided(NOW, NOW + 1_000), decided(NOW + 1, NOW + 1_000));
    reserve(&us, &ledger, 1, first.clone().sign(&officer()), NOW).expect("approved");
    reserve(&us, &ledger, 2, second.clone().sign(&officer()), NOW).expect("approved anew");
    us.charge(&ledger, 1, 0).expect("charges");
    ledger.abort(query(2), 0, NOW).expect("aborts");
    let of = |approval: &Approval| ledger.approval_use(approval).expect("reads");
    assert_eq!((of(&first), of(&second)), (ApprovalUse::Spent, ApprovalUse::Free));
    reserve(&us, &ledger, 3, second.sign(&officer()), NOW).expect("given back");
}

#[test]
fn what_an_officer_approved_and_nobody_used_ends_with_her() {
    let (_folder, us, ledger) = ledger();
    let approval = decided(NOW, NOW + 1_000).sign(&officer());
    reserve(&us, &ledger, 1, approval.clone(), NOW).expect("approved");
    ledger.abort(query(1), 0, NOW).expect("aborts");
    let mut successor = policy(100, &[("tax", 100)]);
    successor.officer = SigningKey::from_seed(&[79; 32]).expect("a seed of 32 bytes").verifying_key();
    let after = ledger.position().expect("reads");
    ledger.change_policy(successor.sign(after, &officer()), NOW).expect("signed by the officer in force");
    let late = reserve(&us, &ledger, 2, approval, NOW);
    assert!(matches!(late, Err(LedgerError::Entry(_))), "{late:?}");
}
