//! What was signed is on the disk before it is seen, and never followed by less.

use almoner_federation::Digest;

use super::*;

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32]).expect("any 32 bytes are a seed")
}

fn log() -> KeyName {
    "example.org/log".parse().expect("a name")
}

fn at(size: u64) -> Position {
    Position { size, root: Digest([size as u8; 32]) }
}

fn open(path: &Path, seed: u8) -> Shown {
    Shown::open(path.to_owned(), log(), &key(seed).verifying_key()).expect("opened")
}

fn on_disk(path: &Path) -> ShownNote {
    ShownNote::read(path).expect("readable").expect("there")
}

#[test]
fn what_is_shown_is_on_the_disk_and_stays_after_a_restart() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("log.checkpoint");
    let mut shown = open(&path, 1);
    assert_eq!((shown.found(), ShownNote::read(&path).expect("readable")), (None, None));
    let first = shown.show(at(3), &key(1)).expect("signed");
    assert_eq!(on_disk(&path).note, first.to_string());
    // Whoever read the log earlier and comes later is shown no less.
    assert_eq!(shown.show(at(2), &key(1)).expect("shown"), first);
    let witness: KeyName = "example.org/witness".parse().expect("a name");
    let line = first.cosign(&witness, &key(2), 9).expect("a time");
    assert!(shown.take(first.checkpoint(), &line, &key(2).verifying_key()).expect("sound"));
    assert_eq!(on_disk(&path).note, first.to_string(), "not yet");
    shown.keep().expect("written");
    let cosigned = on_disk(&path).note;
    assert!(cosigned.starts_with(&first.to_string()) && cosigned.contains("example.org/witness"));

    let mut again = open(&path, 1);
    assert_eq!(again.found(), Some(at(3)));
    assert_eq!(again.show(at(3), &key(1)).expect("shown").to_string(), cosigned, "with its cosignature");
    let other = key(3);
    let wrong = again.show(at(3), &key(1)).expect("shown").cosign(&witness, &other, 9).expect("a time");
    assert!(again.take(first.checkpoint(), &wrong, &key(2).verifying_key()).is_err());
    assert_eq!(again.show(at(4), &key(1)).expect("signed").checkpoint().size, 4);
    assert!(!again.take(first.checkpoint(), &line, &key(2).verifying_key()).expect("sound"), "too late");
    assert_eq!(on_disk(&path).position(), at(4));
}

#[test]
fn nothing_is_shown_that_cannot_be_kept() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("log.checkpoint");
    let mut shown = open(&path, 1);
    let first = shown.show(at(1), &key(1)).expect("signed");
    // A folder is where the new file should go.
    std::fs::create_dir(folder.path().join("log.checkpoint.partial")).expect("made");
    assert!(matches!(shown.show(at(2), &key(1)), Err(LedgerError::Io { .. })));
    assert_eq!(on_disk(&path).position(), at(1));
    assert_eq!(shown.show(at(1), &key(1)).expect("still"), first);
}

#[test]
fn a_new_key_signs_anew_and_forgets_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("log.checkpoint");
    open(&path, 1).show(at(5), &key(1)).expect("signed");
    let mut renewed = open(&path, 2);
    assert_eq!(renewed.found(), Some(at(5)));
    let signed = renewed.show(at(5), &key(2)).expect("signed").to_string();
    assert_eq!(on_disk(&path).note, signed);
    assert!(open(&path, 2).show(at(5), &key(2)).expect("shown").to_string() == signed);
}

#[test]
fn a_file_that_holds_something_else_is_refused_and_kept() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("log.checkpoint");
    let other: KeyName = "example.org/other".parse().expect("a name");
    let foreign = Checkpoint { origin: other, size: 1, root: Digest([1; 32]) }.sign(&key(1));
    for text in ["", "rubbish", &foreign.expect("a short note").to_string(), &"x".repeat((1 << 20) + 1)] {
        std::fs::write(&path, text).expect("written");
        let refused = Shown::open(path.clone(), log(), &key(1).verifying_key()).err().expect("refused");
        assert!(matches!(refused, LedgerError::Io { .. }), "{refused}");
        assert_eq!(std::fs::read_to_string(&path).expect("there"), text);
    }
}
