//! What a log shows of itself, and whose cosignatures come under it.

use almoner_federation::checkpoint::{Board, Checkpoint, CheckpointError, SignedCheckpoint};
use almoner_federation::note::{KeyName, MAX_SIGNATURES, NoteError};
use almoner_federation::{Digest, SigningKey, VerifyingKey};

use crate::support::{key, name, tree};

fn shown(board: &mut Board, size: u64) -> SignedCheckpoint {
    board.show(size, tree(size).root(), &key(1)).expect("signed")
}

fn given(checkpoint: &SignedCheckpoint, who: &KeyName, signer: &SigningKey) -> String {
    let mut checkpoint = checkpoint.clone();
    let line = checkpoint.cosign(who, signer, 1_700_000_000).expect("a time");
    checkpoint.add(&line, &signer.verifying_key()).expect("room");
    checkpoint.to_string()
}

fn cosigners(checkpoint: &SignedCheckpoint, who: &KeyName, key: &VerifyingKey) -> usize {
    checkpoint.cosigners(&[(who.clone(), *key)]).expect("sound").len()
}

#[test]
fn a_cosignature_stays_until_the_log_has_grown() {
    let (mut board, auditor, secret) = (Board::new(name("example.org/log")), name("court"), key(2));
    let (log, public) = (key(1).verifying_key(), secret.verifying_key());
    let first = shown(&mut board, 5);
    let note = given(&first, &auditor, &secret);
    assert_eq!(board.add(&note, &log, (&auditor, &public)), Ok(true));
    assert_eq!(board.add(&note, &log, (&auditor, &public)), Ok(true), "again is once");
    assert_eq!(cosigners(&shown(&mut board, 5), &auditor, &public), 1);
    let later = shown(&mut board, 4);
    assert_eq!(
        (later.checkpoint().size, cosigners(&later, &auditor, &public)),
        (5, 1),
        "nobody is shown less"
    );
    assert_eq!(Board::holding(later.clone()).shown(), Some(&later));
    assert_eq!(cosigners(&shown(&mut board, 6), &auditor, &public), 0);
    assert_eq!(board.add(&note, &log, (&auditor, &public)), Ok(false), "too late");
    assert_eq!(cosigners(&shown(&mut board, 6), &auditor, &public), 0);
}

#[test]
fn only_the_callers_own_line_comes_under_the_logs_own_checkpoint() {
    let (mut board, auditor, secret) = (Board::new(name("example.org/log")), name("court"), key(2));
    let (log, public) = (key(1).verifying_key(), secret.verifying_key());
    let first = shown(&mut board, 5);
    let mut add = |note: &str| board.add(note, &log, (&auditor, &public));
    assert_eq!(add(&first.to_string()), Err(CheckpointError::Cosignature), "no line at all");
    assert_eq!(add(&given(&first, &name("other"), &secret)), Err(CheckpointError::Cosignature));
    let forged = add(&given(&first, &auditor, &key(3)));
    assert!(matches!(forged, Err(CheckpointError::Note(NoteError::Signature { .. }))), "{forged:?}");
    let body = Checkpoint { origin: name("example.org/log"), size: 5, root: Digest([7; 32]) };
    let other = body.clone().sign(&key(3)).expect("a short note");
    assert!(add(&given(&other, &auditor, &secret)).is_err(), "not signed by the log");
    let other = body.sign(&key(1)).expect("a short note");
    assert_eq!(add(&given(&other, &auditor, &secret)), Ok(false), "another history");
    assert!(add("rubbish").is_err());
    // Many others' lines beside the own one do not come along.
    let mut crowded = first.clone();
    for number in 2..MAX_SIGNATURES as u8 {
        let signer = key(number);
        let line = crowded.cosign(&name(&format!("w{number}")), &signer, 1).expect("a time");
        crowded.add(&line, &signer.verifying_key()).expect("room");
    }
    assert_eq!(add(&given(&crowded, &auditor, &secret)), Ok(true));
    assert_eq!(shown(&mut board, 5).cosignatures().count(), 1);
    let bare = crowded.bare(&log).expect("signed by the log");
    assert_eq!((bare.cosignatures().count(), bare.to_string()), (0, first.to_string()));
}
