//! What is found does not depend on how many threads look, nor on what waits in a file between releases and ledgers.

use std::num::NonZeroUsize;

use almoner_audit::{Code, audit_on};

use crate::support::{Lie, Round, SQL, World};

/// More than an agency's uses that stay in memory.
const ROUNDS: u64 = 70;

#[test]
fn many_releases_with_faults_are_reported_alike_on_any_number_of_threads() {
    let mut world = World::new(3, Some(Lie::Receipt), None);
    for number in 0..ROUNDS {
        let planner = if number % 3 == 0 { "city" } else { "ministry" };
        world.round(&Round {
            planner,
            lost: u32::from(number == 5),
            ..Round::of(SQL[number as usize % 2 * 2])
        });
    }
    for (round, kind) in [(3, 0), (20, 1), (21, 2), (66, 0), (69, 1)] {
        let place = world.published[&round];
        match kind {
            0 => assert_eq!(world.republish(round, |evidence| evidence.masked[0].values[0] ^= 1), place),
            1 => assert!(world.releases.remove(&place).is_some(), "published"),
            _ => world.rewrite_registry(place, |entry| entry.cost = almoner_federation::PicoRho::new(1)),
        }
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mirror = world.write(folder.path());
    let report = |threads| {
        let threads = NonZeroUsize::new(threads).expect("some");
        audit_on(threads, &mirror, &[]).expect("readable")
    };
    let alone = report(1);
    let codes: Vec<Code> = alone.findings.iter().map(|finding| finding.code).collect();
    for (code, times) in [(Code::Sum, 2), (Code::Evidence, 3), (Code::Order, 1)] {
        assert_eq!(codes.iter().filter(|found| **found == code).count(), times, "{code}: {alone}");
    }
    assert_eq!(alone.releases.len() as u64, ROUNDS - 5, "{alone}");
    assert!(alone.releases.is_sorted_by_key(|release| release.number));
    let alone = serde_json::to_string(&alone).expect("plain data");
    for threads in [2, 7] {
        assert_eq!(serde_json::to_string(&report(threads)).expect("plain data"), alone, "{threads} threads");
    }
}
