//! An honest federation: nothing is found, and everything was looked at.

use almoner_audit::{Code, Mirror, audit};

use crate::support::{Round, SQL, World, federation};

#[test]
fn an_honest_federation_with_real_ledgers_has_no_finding() {
    let files = tempfile::tempdir().expect("a temporary folder");
    let world = federation(4, None, Some(files.path()));
    world.assert_real();
    let report = world.audit();
    assert!(report.is_clean(), "{report}");
    assert_eq!(report.releases.len(), 4);
    assert_eq!(report.nodes.len(), 4);
    for node in &report.nodes {
        assert_eq!((node.charges, node.lost, node.policies.len()), (6, 2, 2), "{}", node.agency);
        assert!(node.policies[1].grant && node.policies[1].countersigned);
        assert_eq!(node.log.cosigners.len(), 3);
    }
    let counts: Vec<u64> = report.checked.iter().map(|(_, times)| *times).collect();
    assert!(counts.iter().all(|times| *times > 0), "{report}");
    assert!(report.is_complete() && report.to_string().ends_with("\nNothing was found wrong.\n"), "{report}");
}

#[test]
fn an_audit_of_less_than_everything_does_not_say_that_all_is_well() {
    let incomplete = |mirror: &Mirror, lacks: &str| {
        let report = audit(mirror, &[]).expect("readable");
        assert!(report.is_clean() && !report.is_complete(), "{report}");
        assert!(report.unverified.iter().any(|text| text.contains(lacks)), "{report}");
        let verdict = "\nNothing was found wrong in what could be looked at.\n";
        assert!(report.to_string().ends_with(verdict), "{report}");
    };
    let empty = tempfile::tempdir().expect("a temporary folder");
    incomplete(&Mirror::new(empty.path()), "there is no manifest");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mirror = World::new(3, None, None).write(folder.path());
    std::fs::remove_dir_all(folder.path().join("registry")).expect("it was written");
    incomplete(&mirror, "there is no registry");
    std::fs::remove_dir_all(folder.path().join("nodes")).expect("it was written");
    incomplete(&mirror, "the ledger of north");
}

#[test]
fn a_ledger_that_nobody_fetched_is_said_to_be_unverified() {
    let world = World::new(3, None, None);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mirror = world.write(folder.path());
    std::fs::remove_dir_all(folder.path().join("nodes/tax")).expect("it was written");
    let report = audit(&mirror, &[]).expect("readable");
    assert!(report.is_clean(), "{report}");
    assert!(report.unverified.iter().any(|text| text.contains("tax")), "{report}");
}

#[test]
fn questions_that_are_not_here_leave_prices_unverified_and_say_so() {
    let mut world = World::new(3, None, None);
    world.round(&Round { published: false, ..Round::of(SQL[0]) });
    world.nodes.iter_mut().for_each(|node| node.questions.clear());
    let report = world.audit();
    assert!(report.is_clean(), "{report}");
    assert_eq!(
        report.unverified.iter().filter(|text| text.contains("1 reservations")).count(),
        3,
        "{report}"
    );
}

#[test]
fn two_trees_shown_to_two_auditors_are_found_by_comparing() {
    let world = federation(3, None, None);
    let mut other = federation(3, None, None);
    // The other auditor is shown a ledger that ends otherwise.
    let last = other.nodes[1].log.entries.len() - 1;
    other.nodes[1].log.entries[last][60] ^= 1;
    let (one, two) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let (one, two) = (world.write(one.path()), other.write(two.path()));
    assert!(audit(&one, &[]).expect("readable").is_clean());
    let report = audit(&one, &[two]).expect("readable");
    assert_eq!(report.findings.len(), 1, "{report}");
    let finding = &report.findings[0];
    assert_eq!((finding.code, finding.log.as_str()), (Code::Fork, "south"));
    assert!(finding.entry.is_some_and(|entry| entry <= last as u64), "{report}");
}
