//! The coordinator's registry: what was published stays, is found, and costs once.

use std::path::Path;

use almoner_federation::{Digest, PicoRho, merkle};
use almoner_ledger::{LedgerError, Refusal, Registry, RegistryEntry, RegistryStep};

use crate::support::*;

fn pico(amount: u64) -> PicoRho {
    PicoRho::new(amount)
}

fn family(number: u64) -> Digest {
    Digest::of(format!("family {number}").as_bytes())
}

/// Questions 1 and 2, charged and then published in one family; question 2 lost an attempt before.
fn filled(path: &Path) -> Registry {
    let registry = Registry::open(path).expect("a new registry");
    registry.charge(spec(1), (0, spec(100)), &name("tax"), pico(10), NOW, b"round one").expect("recorded");
    registry.publish(family(1), spec(1), &name("tax"), pico(10), NOW, b"first answer").expect("published");
    registry.charge(spec(2), (0, spec(100)), &name("health"), pico(5), NOW, b"lost").expect("recorded");
    registry.charge(spec(2), (1, spec(101)), &name("health"), pico(5), NOW, b"round two").expect("recorded");
    registry
        .publish(family(1), spec(2), &name("health"), pico(5), NOW + 1, b"second answer")
        .expect("published");
    registry
}

#[test]
fn a_publication_is_found_by_its_family_and_its_question_and_costs_once() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("registry.db");
    let registry = filled(&path);
    let check = |registry: &Registry| {
        assert_eq!(
            registry.in_family(&family(1), 0).expect("read").as_deref(),
            Some(&b"first answer"[..]),
            "the dearest"
        );
        assert_eq!(registry.in_family(&family(1), 1).expect("read").as_deref(), Some(&b"second answer"[..]));
        assert_eq!(registry.in_family(&family(1), 2).expect("read"), None);
        assert_eq!(registry.in_family(&family(2), 0).expect("read"), None);
        assert_eq!(registry.by_spec(&spec(1)).expect("read").as_deref(), Some(&b"first answer"[..]));
        assert_eq!(registry.by_spec(&spec(3)).expect("read"), None);
        assert_eq!(registry.spent(&name("tax")).expect("read"), pico(10));
        assert_eq!(registry.spent(&name("health")).expect("read"), pico(10));
        assert_eq!(registry.spent(&name("nobody")).expect("read"), PicoRho::ZERO);
        assert_eq!(registry.spent_total().expect("read"), pico(20));
        assert_eq!(registry.position().expect("position").size, 5);
    };
    check(&registry);
    // Said again after a crash of the coordinator, nothing changes.
    registry.publish(family(1), spec(1), &name("tax"), pico(10), NOW + 9, b"first answer").expect("the same");
    registry
        .charge(spec(2), (1, spec(101)), &name("health"), pico(5), NOW + 9, b"round two")
        .expect("the same");
    check(&registry);
    for other in [
        registry.publish(family(1), spec(1), &name("tax"), pico(10), NOW, b"another answer"),
        registry.publish(family(2), spec(1), &name("tax"), pico(10), NOW, b"first answer"),
        registry.publish(family(1), spec(1), &name("health"), pico(10), NOW, b"first answer"),
        registry.publish(family(1), spec(1), &name("tax"), pico(11), NOW, b"first answer"),
        registry.charge(spec(2), (0, spec(100)), &name("health"), pico(6), NOW, b""),
        registry.charge(spec(2), (0, spec(100)), &name("tax"), pico(5), NOW, b""),
        registry.charge(spec(2), (0, spec(7)), &name("health"), pico(5), NOW, b""),
    ] {
        assert!(matches!(other, Err(LedgerError::Refused(Refusal::Conflict))));
    }
    check(&registry);
    let huge = registry.charge(spec(9), (0, spec(100)), &name("tax"), pico(u64::MAX), NOW, b"");
    assert!(matches!(huge, Err(LedgerError::Refused(Refusal::TooLarge(_)))));
    assert!(matches!(Registry::open(&path), Err(LedgerError::InUse(_))));
    drop(registry);
    let registry = Registry::open(&path).expect("reopens");
    check(&registry);
    registry
        .charge(spec(2), (2, spec(102)), &name("health"), pico(5), NOW, b"")
        .expect("another attempt costs again");
    assert_eq!(registry.spent_total().expect("read"), pico(25));
    // Of two that cost the same, the newer serves.
    registry.publish(family(1), spec(7), &name("tax"), pico(10), NOW, b"third answer").expect("published");
    assert_eq!(registry.in_family(&family(1), 0).expect("read").as_deref(), Some(&b"third answer"[..]));
}

#[test]
fn the_entries_are_the_leaves_of_the_tree() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let registry = filled(&folder.path().join("registry.db"));
    let entries = registry.entries(0, usize::MAX).expect("entries");
    let leaves: Vec<Digest> = entries.iter().map(|entry| merkle::leaf_hash(entry)).collect();
    let position = registry.position().expect("position");
    assert_eq!((leaves.len() as u64, merkle::root(&leaves)), (position.size, position.root));
    let listed = registry.list(0, usize::MAX).expect("list");
    assert_eq!(listed.iter().map(RegistryEntry::encode).collect::<Vec<_>>(), entries);
    let release = Digest::of(b"first answer");
    assert_eq!(listed[0].step, RegistryStep::Charge { attempt: 0, context: spec(100) });
    assert_eq!(listed[1].step, RegistryStep::Publish { family: family(1), release });
    assert_eq!((listed[1].at_s, listed[1].spec_hash, &listed[1].planner), (NOW, spec(1), &name("tax")));
    assert_eq!((listed[1].cost, listed[1].spent_total), (pico(10), pico(10)), "shown, not charged again");
    assert_eq!((listed[4].spent_total, listed[4].spent_planner), (pico(20), pico(10)));
    assert_eq!(registry.list(1, 1).expect("list"), listed[1..2]);
    for entry in &entries {
        for cut in 0..entry.len() {
            assert!(RegistryEntry::decode(&entry[..cut]).is_err());
        }
        assert!(RegistryEntry::decode(&[entry.as_slice(), &[0]].concat()).is_err());
    }
}

#[test]
fn a_round_that_was_charged_is_kept_until_its_question_is_published() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (path, copy) = (folder.path().join("registry.db"), folder.path().join("copy.db"));
    let registry = filled(&path);
    assert_eq!(registry.pending(&spec(1)).expect("read"), None, "the publication ended it");
    registry.charge(spec(3), (0, spec(100)), &name("tax"), pico(1), NOW, b"first attempt").expect("recorded");
    registry
        .charge(spec(3), (1, spec(101)), &name("tax"), pico(1), NOW, b"second attempt")
        .expect("recorded");
    snapshot(&path, &copy);
    drop(registry);

    let registry = Registry::open(&copy).expect("reopens after a crash");
    assert_eq!(registry.pending(&spec(3)).expect("read").as_deref(), Some(&b"second attempt"[..]));
    assert_eq!(registry.pending(&spec(4)).expect("read"), None);
    registry.publish(family(3), spec(3), &name("tax"), pico(1), NOW, b"answer").expect("published");
    assert_eq!(registry.pending(&spec(3)).expect("read"), None);
    assert_eq!(registry.spent(&name("tax")).expect("read"), pico(12), "both attempts were charged");
}

#[test]
fn an_edited_registry_is_refused_by_the_place_that_was_edited() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (path, copy) = (folder.path().join("registry.db"), folder.path().join("copy.db"));
    drop(filled(&path));
    for (sql, place) in [
        ("UPDATE releases SET bytes = zeroblob(12) WHERE entry = 1", "the release of entry 1"),
        ("DELETE FROM releases WHERE entry = 4", "the release of entry 4"),
        ("INSERT INTO releases VALUES (2, x'00')", "the release of entry 2"),
        ("UPDATE entries SET bytes = zeroblob(12) WHERE number = 1", "entry 1"),
        ("DELETE FROM entries WHERE number = 0", "entry 0"),
        ("UPDATE head SET root = zeroblob(32)", "the head"),
        ("CREATE TRIGGER t AFTER INSERT ON entries BEGIN DELETE FROM releases; END", "the schema"),
    ] {
        std::fs::copy(&path, &copy).expect("the file is closed");
        rusqlite::Connection::open(&copy).and_then(|db| db.execute_batch(sql)).expect(sql);
        let error = Registry::open(&copy).err().expect("the edit must be found");
        assert!(error.to_string().starts_with(&format!("{place} is damaged")), "{sql}: {error}");
    }
    Registry::open(&path).expect("the original still opens");
}
