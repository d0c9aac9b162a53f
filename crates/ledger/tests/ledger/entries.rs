//! One entry, one encoding; and the books refuse every history that no honest node writes.

use almoner_federation::{Digest, Name, PicoRho, QueryId};
use almoner_ledger::{BookFault, Books, Entry, PolicyEntry, Position, Refusal, RoundEntry, Step};
use proptest::prelude::*;

use crate::support::*;

fn any_name() -> impl Strategy<Value = Name> {
    "[a-z][a-z0-9-]{0,39}".prop_map(|text| text.parse().expect("the pattern is a name's"))
}

fn any_entry() -> impl Strategy<Value = Entry> {
    let amount = || any::<u64>().prop_map(PicoRho::new);
    let digest = || any::<[u8; 32]>().prop_map(Digest);
    let step = prop_oneof![
        Just(Step::Reserve),
        digest().prop_map(|context| Step::Charge { context }),
        Just(Step::Expire),
        Just(Step::Abort),
    ];
    let limits = (amount(), prop::collection::btree_map(any_name(), amount(), 0..9))
        .prop_map(|(total, planners)| almoner_ledger::Limits { total, planners });
    let policy = (any::<u64>(), digest(), limits, amount()).prop_map(|(at_s, manifest_hash, limits, sum)| {
        let policy = almoner_ledger::Policy { manifest_hash, limits };
        Entry::Policy(PolicyEntry { at_s, policy, charged_total: sum })
    });
    let round =
        (step, any::<u64>(), any::<[u8; 16]>(), any::<u32>(), digest(), any_name(), any::<[u64; 3]>())
            .prop_map(|(step, at_s, query, attempt, spec_hash, planner, [cost, total, own])| {
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
                })
            });
    prop_oneof![policy, round]
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
    let policy = policy(100, &[("tax", 60), ("health", 100)]);
    Entry::Policy(PolicyEntry { at_s: NOW, policy, charged_total: PicoRho::ZERO })
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
    let reserved = || vec![opening(), round(Step::Reserve, 1, 50, 0)];
    let charged = || [reserved(), vec![round(charge, 1, 50, 50)]].concat();
    let then = |mut entries: Vec<Entry>, last: Entry| {
        entries.push(last);
        verdict(&entries)
    };
    assert_eq!(then(vec![], round(Step::Reserve, 1, 50, 0)), Err(BookFault::NoPolicy));
    assert_eq!(then(reserved(), round(charge, 1, 50, 50)), Ok(()));
    assert_eq!(then(reserved(), round(Step::Expire, 1, 50, 0)), Ok(()));
    assert_eq!(then(reserved(), round(Step::Abort, 1, 50, 0)), Ok(()));
    // Sums.
    assert_eq!(then(reserved(), round(charge, 1, 50, 49)), Err(BookFault::Sums));
    assert_eq!(then(reserved(), round(charge, 1, 50, 51)), Err(BookFault::Sums));
    assert_eq!(then(charged(), opening()), Err(BookFault::Sums));
    assert_eq!(then(charged(), round(Step::Reserve, 2, 10, 0)), Err(BookFault::Sums));
    // A charge without its reservation, for another price, or after the end.
    assert_eq!(then(vec![opening()], round(charge, 1, 50, 50)), Err(Refusal::Unknown.into()));
    assert_eq!(then(reserved(), round(charge, 1, 49, 49)), Err(BookFault::Mismatch));
    for last in [charge, Step::Expire, Step::Abort] {
        assert_eq!(then(charged(), round(last, 1, 50, 50)), Err(BookFault::Ended("charged")));
    }
    let other = Step::Charge { context: Digest([2; 32]) };
    assert_eq!(then(charged(), round(other, 1, 50, 100)), Err(BookFault::Ended("charged")));
    let expired = [reserved(), vec![round(Step::Expire, 1, 50, 0)]].concat();
    assert_eq!(then(expired, round(charge, 1, 50, 50)), Err(BookFault::Ended("expired")));
    let aborted = [reserved(), vec![round(Step::Abort, 1, 50, 0)]].concat();
    assert_eq!(then(aborted.clone(), round(charge, 1, 50, 50)), Err(BookFault::Ended("aborted")));
    // A second life for one query id and attempt.
    assert_eq!(then(aborted, round(Step::Reserve, 1, 50, 0)), Err(Refusal::Conflict.into()));
    // Limits, with what is reserved.
    let over = then(reserved(), round(Step::Reserve, 2, 11, 0));
    assert!(matches!(over, Err(BookFault::Refused(Refusal::OverBudget { .. }))), "{over:?}");
    assert_eq!(then(reserved(), round(Step::Reserve, 2, 10, 0)), Ok(()));
}
