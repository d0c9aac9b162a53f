//! The rules of a witness, and what its folder holds after a power failure at any moment.

use almoner_federation::merkle::{Tree, leaf_hash};
use almoner_federation::{FederationId, Identity};

use super::*;

const NOW: u64 = 1_700_000_000;

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32]).expect("any 32 bytes are a seed")
}

fn origin(agency: &str) -> KeyName {
    let federation: FederationId = "test".parse().expect("a name");
    Identity { federation, role: Role::Agency, name: agency.parse().expect("a name") }.key_name()
}

fn tree(size: u64, history: u8) -> Tree {
    let mut tree = Tree::new();
    // Histories differ from entry 4 on.
    (0..size).for_each(|index| tree.push(leaf_hash(&[index as u8, if index < 4 { 0 } else { history }])));
    tree
}

fn note(agency: &str, signer: u8, size: u64, history: u8) -> String {
    let checkpoint = Checkpoint { origin: origin(agency), size, root: tree(size, history).root() };
    checkpoint.sign(&key(signer)).expect("a short note").to_string()
}

/// The witness "south" of "north", whose key has seed 1, and "middle", whose key has seed 2.
fn open(folder: &Path) -> Memory {
    let ledgers = [("north", 1), ("middle", 2)].map(|(agency, seed)| {
        let agency: Name = agency.parse().expect("a name");
        let origin = origin(agency.as_str());
        let last = Mutex::new(read(&folder.join(file_of(&agency)), &origin).expect("readable"));
        (origin, Ledger { agency, key: key(seed).verifying_key(), last })
    });
    Memory { folder: folder.to_owned(), ledgers: ledgers.into() }
}

fn ask(memory: &Memory, note: &str, old: u64, new: u64, history: u8) -> Result<Answer, Fault> {
    let proof = tree(new, history).consistency_proof(old, new).unwrap_or_default();
    memory.cosign(&origin("north"), note, (old, &proof), (&origin("south"), &key(9)), NOW + new)
}

fn cosigned(answer: Result<Answer, Fault>) -> String {
    match answer {
        Ok(Answer::Cosigned { note, .. }) => note,
        other => panic!("expected a cosignature, found {other:?}"),
    }
}

#[test]
fn a_growing_ledger_is_cosigned_and_what_was_answered_is_on_the_disk() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let memory = open(folder.path());
    assert_eq!(memory.remembered(&origin("north")).expect("known"), "");
    let mut old = 0;
    for size in [1, 2, 3, 7, 8, 20] {
        let note = cosigned(ask(&memory, &note("north", 1, size, 0), old, size, 0));
        let read = UnverifiedCheckpoint::parse(&note).expect("a note");
        let read = read.verify(&origin("north"), &key(1).verifying_key()).expect("the log's signature");
        let known = [(origin("south"), key(9).verifying_key())];
        assert_eq!(read.cosigners(&known), Ok(vec![(origin("south"), NOW + size)]));
        // As after a power failure right here.
        assert_eq!(open(folder.path()).remembered(&origin("north")).expect("known"), note);
        assert_eq!(memory.remembered(&origin("north")).expect("known"), note);
        old = size;
    }
    assert_eq!(memory.remembered(&origin("middle")).expect("known"), "", "each ledger by itself");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let about = std::fs::metadata(folder.path().join("north.checkpoint")).expect("the file");
        assert_eq!(about.permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn an_answer_that_was_lost_between_the_disk_and_the_asker_is_given_again_to_the_letter() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let asked = note("north", 1, 5, 0);
    let first = cosigned(ask(&open(folder.path()), &asked, 0, 5, 0));
    let memory = open(folder.path());
    // The asker still believes that nothing is remembered.
    assert_eq!(cosigned(ask(&memory, &asked, 0, 5, 0)), first);
    assert_eq!(cosigned(ask(&memory, &asked, 5, 5, 0)), first);
    // For a newer one it learns where to begin.
    let newer = note("north", 1, 9, 0);
    assert!(matches!(ask(&memory, &newer, 0, 9, 0), Ok(Answer::Remembered(5))));
    assert_ne!(cosigned(ask(&memory, &newer, 5, 9, 0)), first);
}

#[test]
fn a_crash_before_the_rename_leaves_the_older_memory_which_contradicts_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let first = cosigned(ask(&open(folder.path()), &note("north", 1, 5, 0), 0, 5, 0));
    // The next one got as far as half a file beside it: nobody was answered.
    std::fs::write(folder.path().join("north.checkpoint.partial"), "north.agency.te").expect("half a file");
    let memory = open(folder.path());
    assert_eq!(memory.remembered(&origin("north")).expect("known"), first);
    cosigned(ask(&memory, &note("north", 1, 9, 0), 5, 9, 0));
}

#[test]
fn nothing_is_cosigned_that_cannot_be_kept() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let memory = open(folder.path());
    std::fs::create_dir(folder.path().join("north.checkpoint")).expect("in the file's way");
    assert!(matches!(ask(&memory, &note("north", 1, 5, 0), 0, 5, 0), Err(Fault::Disk(_))));
    assert_eq!(memory.remembered(&origin("north")).expect("known"), "");
    std::fs::remove_dir(folder.path().join("north.checkpoint")).expect("out of the way");
    cosigned(ask(&memory, &note("north", 1, 5, 0), 0, 5, 0));
}

#[test]
fn a_smaller_ledger_is_never_cosigned() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let memory = open(folder.path());
    let last = cosigned(ask(&memory, &note("north", 1, 9, 0), 0, 9, 0));
    for (size, history) in [(0, 0), (1, 0), (8, 0), (8, 1)] {
        for old in [0, 1, size, 9, u64::MAX] {
            let answer = ask(&memory, &note("north", 1, size, history), old, size, history);
            assert!(matches!(answer, Ok(Answer::Remembered(9))), "{size} from {old}");
        }
    }
    assert_eq!(open(folder.path()).remembered(&origin("north")).expect("known"), last);
}

#[test]
fn a_fork_is_refused_and_both_sides_of_the_first_are_kept() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let memory = open(folder.path());
    let last = cosigned(ask(&memory, &note("north", 1, 9, 0), 0, 9, 0));
    let evidence = folder.path().join("north.fork");
    assert!(!evidence.exists());
    let other = note("north", 1, 9, 1);
    assert!(matches!(ask(&memory, &other, 9, 9, 1), Err(Fault::Fork)), "another root at the same size");
    assert!(matches!(ask(&memory, &other, 0, 9, 1), Err(Fault::Fork)), "whatever the asker says");
    assert!(matches!(ask(&memory, &note("north", 1, 12, 1), 9, 12, 1), Err(Fault::Fork)), "a longer one");
    let kept = std::fs::read_to_string(&evidence).expect("the evidence");
    assert_eq!(kept, format!("{last}\n{other}"));
    for part in [last.as_str(), &other] {
        let part = UnverifiedCheckpoint::parse(part).expect("a note");
        part.verify(&origin("north"), &key(1).verifying_key()).expect("signed by the log itself");
    }
    assert_eq!(memory.remembered(&origin("north")).expect("known"), last, "nothing else changed");
    cosigned(ask(&memory, &note("north", 1, 12, 0), 9, 12, 0));
}

#[test]
fn only_the_ledgers_own_name_and_key_count() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let memory = open(folder.path());
    let proof = |size| tree(size, 0).consistency_proof(0, size).expect("from nothing");
    let cosign = |who: &str, note: &str| {
        memory.cosign(&origin(who), note, (0, &proof(3)), (&origin("south"), &key(9)), NOW)
    };
    // In another's name, with another's key, for this agency itself, for nobody.
    assert!(matches!(cosign("middle", &note("north", 1, 3, 0)), Err(Fault::Checkpoint(_))));
    assert!(matches!(cosign("north", &note("north", 2, 3, 0)), Err(Fault::Checkpoint(_))));
    assert!(matches!(cosign("south", &note("south", 9, 3, 0)), Err(Fault::Unknown)));
    assert!(matches!(memory.remembered(&origin("south")), Err(Fault::Unknown)));
    assert!(matches!(memory.remembered(&origin("nobody")), Err(Fault::Unknown)));
    let long = format!("{}{}", note("north", 1, 3, 0), "x".repeat(MAX_NOTE_BYTES));
    assert!(matches!(cosign("north", &long), Err(Fault::Checkpoint(_))));
    // A proof where there is nothing to prove, and a wrong empty tree.
    let answer = memory.cosign(
        &origin("north"),
        &note("north", 1, 3, 0),
        (0, &[Digest([0; 32])]),
        (&origin("south"), &key(9)),
        NOW,
    );
    assert!(matches!(answer, Err(Fault::Checkpoint(_))));
    let files = std::fs::read_dir(folder.path()).expect("the folder").count();
    assert_eq!(files, 0, "nothing of all that was kept");
}

#[test]
fn lines_of_others_under_a_note_are_not_kept() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let memory = open(folder.path());
    let mut given = UnverifiedCheckpoint::parse(&note("north", 1, 3, 0)).expect("a note");
    let mut signed = given.verify(&origin("north"), &key(1).verifying_key()).expect("signed");
    let other = signed.cosign(&origin("middle"), &key(2), NOW).expect("a cosignature");
    signed.add(&other, &key(2).verifying_key()).expect("room");
    let note = cosigned(ask(&memory, &signed.to_string(), 0, 3, 0));
    given = UnverifiedCheckpoint::parse(&note).expect("a note");
    let read = given.verify(&origin("north"), &key(1).verifying_key()).expect("signed");
    let names: Vec<_> = read.cosignatures().map(|line| line.name().clone()).collect();
    assert_eq!(names, [origin("south")]);
}

#[test]
fn new_keys_do_not_make_a_witness_forget() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    cosigned(ask(&open(folder.path()), &note("north", 1, 9, 0), 0, 9, 0));
    // A new manifest gave north the key with seed 7.
    let mut memory = open(folder.path());
    memory.ledgers.get_mut(&origin("north")).expect("known").key = key(7).verifying_key();
    assert!(matches!(ask(&memory, &note("north", 7, 4, 0), 0, 4, 0), Ok(Answer::Remembered(9))));
    let again = cosigned(ask(&memory, &note("north", 7, 9, 0), 9, 9, 0));
    let read = UnverifiedCheckpoint::parse(&again).expect("a note");
    read.verify(&origin("north"), &key(7).verifying_key()).expect("cosigned anew under the new key");
    assert!(matches!(ask(&memory, &note("north", 7, 12, 1), 9, 12, 1), Err(Fault::Fork)));
}

#[test]
fn a_file_that_holds_something_else_stops_the_node_and_is_not_overwritten() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("north.checkpoint");
    for text in ["", "rubbish", &note("middle", 2, 3, 0)] {
        std::fs::write(&path, text).expect("a file");
        assert!(read(&path, &origin("north")).is_err(), "{text:?}");
    }
}
