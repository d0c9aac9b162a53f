//! One entry, one encoding; and the books refuse every history that no honest node writes.

use almoner_federation::{
    Digest, Name, NodeId, PeriodLength, PeriodLimit, PicoRho, QueryId, Signature, VerifyingKey,
};
use almoner_ledger::{
    ApprovalEntry, BookFault, Books, Entry, Limits, Policy, PolicyEntry, Position, Refusal, ReleaseLimits,
    RoundEntry, SignedPolicy, Step, TerritoryLimit, Touched,
};
use proptest::prelude::*;

use crate::support::*;

fn any_name() -> impl Strategy<Value = Name> {
    "[a-z][a-z0-9-]{0,39}".prop_map(|text| text.parse().expect("the pattern is a name's"))
}

fn any_policy() -> impl Strategy<Value = Policy> {
    let amount = || any::<u64>().prop_map(PicoRho::new);
    let key = || any::<[u8; 32]>().prop_map(VerifyingKey::new);
    let length =
        prop_oneof![Just(PeriodLength::Month), Just(PeriodLength::Quarter), Just(PeriodLength::Year)];
    let period = (length, amount()).prop_map(|(length, rho)| PeriodLimit { length, rho });
    let territory = (any::<[u8; 32]>(), 1..=4_096u32, 1..9u32, amount()).prop_map(
        |(partition, count, placements, rho)| TerritoryLimit {
            partition: Digest(partition),
            count,
            placements,
            rho,
        },
    );
    let limits = (
        amount(),
        prop::collection::btree_map(any_name(), amount(), 0..9),
        prop::option::of(period),
        prop::option::of(territory),
    )
        .prop_map(|(total, planners, period, territory)| Limits { total, planners, period, territory });
    (
        "[a-z.]{1,60}",
        any::<[u8; 32]>(),
        limits,
        "\\PC{0,99}",
        key(),
        prop::collection::vec(key(), 0..4),
        prop::collection::btree_set(any::<u32>(), 0..5),
    )
        .prop_map(|(origin, manifest, limits, rules, officer, auditors, anchors)| Policy {
            origin: origin.parse().expect("a key's name"),
            manifest_hash: Digest(manifest),
            limits,
            release: ReleaseLimits {
                query: PicoRho::new(anchors.len() as u64),
                quorum: 3,
                min_anchors: anchors.len() as u32,
                anchors: anchors.into_iter().map(NodeId).collect(),
            },
            rules,
            officer,
            auditors,
        })
}

fn any_signature() -> impl Strategy<Value = Signature> {
    any::<[[u8; 32]; 2]>().prop_map(|halves| Signature(halves.concat().try_into().expect("64 bytes")))
}

fn any_entry() -> impl Strategy<Value = Entry> {
    let amount = || any::<u64>().prop_map(PicoRho::new);
    let digest = || any::<[u8; 32]>().prop_map(Digest);
    let touched = prop_oneof![
        Just(Touched::All),
        prop::collection::btree_set(any::<u16>(), 1..9)
            .prop_map(|set| Touched::Some(set.into_iter().collect())),
    ];
    let step = prop_oneof![
        (touched, prop::option::of(digest()))
            .prop_map(|(touched, approval)| Step::Reserve { touched, approval }),
        digest().prop_map(|context| Step::Charge { context }),
        Just(Step::Expire),
        Just(Step::Abort),
    ];
    let auditor = prop::option::of((any::<[u8; 32]>().prop_map(VerifyingKey::new), any_signature()));
    let policy = (any::<u64>(), any::<bool>(), any_policy(), any_signature(), auditor, amount()).prop_map(
        |(at_s, grant, policy, officer, auditor, charged_total)| {
            let signed = SignedPolicy { policy, officer, auditor };
            Entry::Policy(Box::new(PolicyEntry { at_s, grant, signed, charged_total }))
        },
    );
    let approval = (any::<[u64; 3]>(), digest(), any_signature()).prop_map(|(times, question, officer)| {
        let [at_s, decided_at_s, until_s] = times;
        Entry::Approval(ApprovalEntry { at_s, question, decided_at_s, until_s, officer })
    });
    let sums = (any::<[u64; 4]>(), prop::collection::vec(amount(), 0..5));
    let round = (step, any::<u64>(), any::<[u8; 16]>(), any::<u32>(), digest(), any_name(), sums).prop_map(
        |(step, at_s, query, attempt, spec_hash, planner, ([cost, total, own, period], territories))| {
            Entry::Round(RoundEntry {
                step,
                at_s,
                query: QueryId(query),
                attempt,
                spec_hash,
                planner,
                cost: PicoRho::new(cost),
                charged_total: PicoRho::new(total),
                charged_planner: PicoRho::new(own),
                charged_period: PicoRho::new(period),
                charged_territories: territories,
            })
        },
    );
    prop_oneof![policy, approval, round]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn an_entry_reads_back_from_its_bytes(entry in any_entry()) {
        prop_assert_eq!(Entry::decode(&entry.encode()), Ok(entry));
    }

    #[test]
    fn bytes_that_decode_are_the_bytes_that_encode(entry in any_entry(), at in any::<prop::sample::Index>(), bit in 0..8u8) {
        let mut bytes = entry.encode();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        if let Ok(other) = Entry::decode(&bytes) {
            prop_assert_ne!(&other, &entry);
            prop_assert_eq!(other.encode(), bytes);
        }
    }

    #[test]
    fn a_prefix_or_a_suffix_too_many_is_no_entry(entry in any_entry(), cut in any::<prop::sample::Index>()) {
        let mut bytes = entry.encode();
        prop_assert!(Entry::decode(&bytes[..cut.index(bytes.len())]).is_err());
        bytes.push(0);
        prop_assert!(Entry::decode(&bytes).is_err());
    }
}

fn opening() -> Entry {
    let signed = policy(100, &[("tax", 60), ("health", 100)]).sign(nothing(), &officer());
    Entry::Policy(Box::new(PolicyEntry { at_s: NOW, grant: false, signed, charged_total: PicoRho::ZERO }))
}

fn reserve() -> Step {
    Step::Reserve { touched: Touched::All, approval: None }
}

/// `step` of question `number` by tax, with the sums as claimed.
fn round(step: Step, number: u64, cost: u64, sums: u64) -> Entry {
    Entry::Round(RoundEntry {
        step,
        at_s: NOW,
        query: query(number),
        attempt: 0,
        spec_hash: spec(number),
        planner: name("tax"),
        cost: PicoRho::new(cost),
        charged_total: PicoRho::new(sums),
        charged_planner: PicoRho::new(sums),
        charged_period: PicoRho::new(sums),
        charged_territories: Vec::new(),
    })
}

/// What the books say to the last of `entries`, the others being in order.
fn verdict(entries: &[Entry]) -> Result<(), BookFault> {
    let (last, before) = entries.split_last().expect("at least one entry");
    let mut books = Books::new();
    let at = |size| Position { size, root: Digest([0; 32]) };
    for (size, entry) in (1..).zip(before) {
        books.apply(entry, at(size)).expect("an honest history");
    }
    let verdict = books.check(last);
    assert_eq!(books.apply(last, at(entries.len() as u64)), verdict);
    verdict
}

#[test]
fn the_books_refuse_every_history_that_no_honest_node_writes() {
    let charge = Step::Charge { context: Digest([1; 32]) };
    let reserved = || vec![opening(), round(reserve(), 1, 50, 0)];
    let charged = || [reserved(), vec![round(charge.clone(), 1, 50, 50)]].concat();
    let then = |mut entries: Vec<Entry>, last: Entry| {
        entries.push(last);
        verdict(&entries)
    };
    assert_eq!(then(vec![], round(reserve(), 1, 50, 0)), Err(BookFault::NoPolicy));
    assert_eq!(then(reserved(), round(charge.clone(), 1, 50, 50)), Ok(()));
    assert_eq!(then(reserved(), round(Step::Expire, 1, 50, 0)), Ok(()));
    assert_eq!(then(reserved(), round(Step::Abort, 1, 50, 0)), Ok(()));
    // Sums.
    assert_eq!(then(reserved(), round(charge.clone(), 1, 50, 49)), Err(BookFault::Sums));
    assert_eq!(then(reserved(), round(charge.clone(), 1, 50, 51)), Err(BookFault::Sums));
    assert_eq!(then(charged(), opening()), Err(BookFault::Sums));
    assert_eq!(then(charged(), round(reserve(), 2, 10, 0)), Err(BookFault::Sums));
    // A charge without its reservation, for another price, or after the end.
    assert_eq!(then(vec![opening()], round(charge.clone(), 1, 50, 50)), Err(Refusal::Unknown.into()));
    assert_eq!(then(reserved(), round(charge.clone(), 1, 49, 49)), Err(BookFault::Mismatch));
    for last in [charge.clone(), Step::Expire, Step::Abort] {
        assert_eq!(then(charged(), round(last, 1, 50, 50)), Err(BookFault::Ended("charged")));
    }
    let other = Step::Charge { context: Digest([2; 32]) };
    assert_eq!(then(charged(), round(other, 1, 50, 100)), Err(BookFault::Ended("charged")));
    let expired = [reserved(), vec![round(Step::Expire, 1, 50, 0)]].concat();
    assert_eq!(then(expired, round(charge.clone(), 1, 50, 50)), Err(BookFault::Ended("expired")));
    let aborted = [reserved(), vec![round(Step::Abort, 1, 50, 0)]].concat();
    assert_eq!(then(aborted.clone(), round(charge.clone(), 1, 50, 50)), Err(BookFault::Ended("aborted")));
    // A second life for one query id and attempt.
    assert_eq!(then(aborted, round(reserve(), 1, 50, 0)), Err(Refusal::Conflict.into()));
    // Limits, with what is reserved.
    let over = then(reserved(), round(reserve(), 2, 11, 0));
    assert!(matches!(over, Err(BookFault::Refused(Refusal::OverBudget { .. }))), "{over:?}");
    assert_eq!(then(reserved(), round(reserve(), 2, 10, 0)), Ok(()));
}
