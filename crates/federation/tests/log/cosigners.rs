//! Cosignatures: who stands behind a checkpoint, and who only seems to.

use almoner_federation::checkpoint::{
    Checkpoint, CheckpointError, Cosignature, SignedCheckpoint, UnverifiedCheckpoint,
};
use almoner_federation::note::{KeyKind, KeyName, Note, NoteError, NoteSignature, Vkey};
use almoner_federation::{Digest, Signature, VerifyingKey};
use signed_note::{StandardVerifier, Verifier};

use crate::support::{key, name};

const NOW_S: u64 = 1_790_000_000;

fn signed(size: u64) -> SignedCheckpoint {
    let root = Digest::of(&size.to_be_bytes());
    Checkpoint { origin: name("example.org/log"), size, root }.sign(&key(1)).expect("a short note")
}

/// Witness number `seed`: name and key.
fn witness(seed: u8) -> (KeyName, VerifyingKey) {
    (name(&format!("w{seed}.example")), key(seed).verifying_key())
}

fn cosignature(checkpoint: &SignedCheckpoint, seed: u8, time_s: u64) -> Cosignature {
    checkpoint.cosign(&witness(seed).0, &key(seed), time_s).expect("a time of this age")
}

/// `checkpoint` as a stranger passes it on, with `lines` under it.
fn with_lines(checkpoint: &SignedCheckpoint, lines: &[NoteSignature]) -> SignedCheckpoint {
    let lines: String = lines.iter().map(|line| format!("{line}\n")).collect();
    UnverifiedCheckpoint::parse(&format!("{checkpoint}{lines}"))
        .expect("a checkpoint")
        .verify(&name("example.org/log"), &key(1).verifying_key())
        .expect("the log signed it")
}

#[test]
fn another_ed25519_verifies_the_message_of_the_specification() {
    let checkpoint = signed(42);
    let line = cosignature(&checkpoint, 2, NOW_S).line();
    let (witness_name, witness_key) = witness(2);
    let vkey = |kind| Vkey { name: witness_name.clone(), kind, key: witness_key };
    assert_eq!(line.key_id(), vkey(KeyKind::Cosignature).key_id());
    let (time, signature) = line.bytes().split_at(8);
    assert_eq!((time, signature.len()), (NOW_S.to_be_bytes().as_slice(), 64));
    let message = format!("cosignature/v1\ntime 1790000000\n{}", checkpoint.checkpoint());
    let theirs = StandardVerifier::new(&vkey(KeyKind::Note).to_string()).expect("a key");
    assert!(theirs.verify(message.as_bytes(), signature));
}

#[test]
fn cosigners_count_once_and_strangers_never() {
    let mut checkpoint = signed(42);
    let known = [witness(2), witness(3), witness(4)];
    assert_eq!(checkpoint.cosigners(&known), Ok(vec![]));
    for (seed, time_s) in [(9, 1), (3, NOW_S), (2, NOW_S + 5), (3, NOW_S + 7)] {
        let cosignature = cosignature(&checkpoint, seed, time_s);
        checkpoint.add(&cosignature, &witness(seed).1).expect("it verifies");
    }
    let found = vec![(witness(2).0, NOW_S + 5), (witness(3).0, NOW_S + 7)];
    assert_eq!(checkpoint.cosigners(&known), Ok(found.clone()));
    assert_eq!(checkpoint.cosignatures().count(), 3, "the newer line of w3 took the older one's place");
    assert_eq!(with_lines(&checkpoint, &[]), checkpoint, "survives its text");

    // The same lines again, and older ones, change nothing; not even under two keys of one name.
    let more: Vec<_> = [(2, 0), (3, NOW_S), (3, NOW_S + 7)]
        .map(|(seed, time_s)| cosignature(&checkpoint, seed, time_s).line())
        .into();
    assert_eq!(with_lines(&checkpoint, &more).cosigners(&known), Ok(found.clone()));
    let rotated = checkpoint.cosign(&witness(2).0, &key(7), NOW_S + 4).expect("a time of this age");
    let both = [known.as_slice(), &[(witness(2).0, key(7).verifying_key())]].concat();
    assert_eq!(with_lines(&checkpoint, &[rotated.line()]).cosigners(&both), Ok(found));
}

#[test]
fn a_cosignature_changed_in_any_bit_does_not_count() {
    let checkpoint = signed(42);
    let good = cosignature(&checkpoint, 2, NOW_S).line();
    let key_id = KeyKind::Cosignature.key_id(&witness(2).0, &witness(2).1);
    let bad = CheckpointError::Note(NoteError::Signature { name: witness(2).0, key_id });
    for bit in 0..good.bytes().len() * 8 {
        let mut bytes = [key_id.to_be_bytes().as_slice(), good.bytes()].concat();
        bytes[4 + bit / 8] ^= 1 << (bit % 8);
        let encoded = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, bytes);
        let line: NoteSignature = format!("— {} {encoded}", witness(2).0).parse().expect("a line");
        let forged = with_lines(&checkpoint, std::slice::from_ref(&line));
        assert_eq!(forged.cosigners(&[witness(2)]), Err(bad.clone()), "bit {bit}");
        assert_eq!(forged.cosigners(&[witness(3)]), Ok(vec![]), "w3 has nothing to do with it");
        // Nor does a good line beside it help: this is not what w2 saw.
        let beside = with_lines(&checkpoint, &[good.clone(), line.clone()]);
        assert_eq!(beside.cosigners(&[witness(2)]), Err(bad.clone()), "bit {bit}");
        if let Ok(cosignature) = Cosignature::try_from(&line) {
            let mut honest = checkpoint.clone();
            assert!(honest.add(&cosignature, &witness(2).1).is_err(), "bit {bit}");
            assert_eq!(honest, checkpoint);
        }
    }
}

#[test]
fn a_cosignature_is_for_one_checkpoint_one_name_and_one_key() {
    let (checkpoint, other) = (signed(42), signed(43));
    let line = cosignature(&checkpoint, 2, NOW_S).line();
    assert!(with_lines(&other, std::slice::from_ref(&line)).cosigners(&[witness(2)]).is_err());
    let cosignature = Cosignature::try_from(&line).expect("a cosignature");
    assert_eq!(cosignature.verify(checkpoint.checkpoint(), &witness(2).1), Ok(()));
    assert!(cosignature.verify(other.checkpoint(), &witness(2).1).is_err());
    assert!(cosignature.verify(checkpoint.checkpoint(), &witness(3).1).is_err());

    // Under another name the key id is another: an unknown line, which a verifier ignores.
    let renamed: NoteSignature = line.to_string().replace("w2.", "w3.").parse().expect("a line");
    let renamed = with_lines(&checkpoint, &[renamed]);
    assert_eq!(renamed.cosigners(&[witness(2), witness(3)]), Ok(vec![]));
}

/// The message does not name the witness: its signature could be passed on under the second name.
#[test]
fn one_key_is_never_two_cosigners() {
    let mut checkpoint = signed(42);
    let alias = (name("alias.example"), witness(2).1);
    let under_alias = checkpoint.cosign(&alias.0, &key(2), NOW_S).expect("a time of this age");
    let under_own = cosignature(&checkpoint, 2, NOW_S);
    for cosignature in [under_own, under_alias] {
        checkpoint.add(&cosignature, &witness(2).1).expect("it verifies");
    }
    let shared = CheckpointError::SharedKey(witness(2).0, alias.0.clone());
    assert_eq!(checkpoint.cosigners(&[witness(2), witness(3), alias]), Err(shared));
    let twice = [witness(2), witness(2)];
    assert_eq!(checkpoint.cosigners(&twice), Ok(vec![(witness(2).0, NOW_S)]));
}

#[test]
fn an_ordinary_signature_is_no_cosignature() {
    let checkpoint = signed(42);
    let body = checkpoint.checkpoint().to_string();
    let note = Note::sign(&body, &witness(2).0, &key(2)).expect("text");
    let signature = &note.signatures()[0];
    assert_eq!(Cosignature::try_from(signature), Err(CheckpointError::Cosignature));
    let noted = with_lines(&checkpoint, std::slice::from_ref(signature));
    assert_eq!(noted.cosigners(&[witness(2)]), Ok(vec![]));
    assert_eq!(checkpoint.cosigners(&[(name("example.org/log"), key(1).verifying_key())]), Ok(vec![]));
    // And a cosigner's word is no signature of the log.
    let by_log = checkpoint.cosign(&name("example.org/log"), &key(1), NOW_S).expect("a time of this age");
    let only = UnverifiedCheckpoint::parse(&format!("{body}\n{}\n", by_log.line())).expect("a checkpoint");
    assert!(only.verify(&name("example.org/log"), &key(1).verifying_key()).is_err());
}

#[test]
fn time_ends_before_two_to_the_63() {
    let checkpoint = signed(42);
    let last = i64::MAX as u64;
    let line = cosignature(&checkpoint, 2, last).line();
    let found = with_lines(&checkpoint, &[line]).cosigners(&[witness(2)]);
    assert_eq!(found, Ok(vec![(witness(2).0, last)]));
    for late in [last + 1, u64::MAX] {
        let refused = checkpoint.cosign(&witness(2).0, &key(2), late);
        assert_eq!(refused, Err(CheckpointError::Cosignature));

        // Nor does such a time count that a known key really signed.
        let message = format!("cosignature/v1\ntime {late}\n{}", checkpoint.checkpoint());
        let key_id = KeyKind::Cosignature.key_id(&witness(2).0, &witness(2).1);
        let Signature(signature) = key(2).sign(message.as_bytes());
        let bytes = [key_id.to_be_bytes().as_slice(), &late.to_be_bytes(), &signature].concat();
        let encoded = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, bytes);
        let line: NoteSignature = format!("— {} {encoded}", witness(2).0).parse().expect("a line");
        assert_eq!(Cosignature::try_from(&line), Err(CheckpointError::Cosignature));
        assert!(with_lines(&checkpoint, &[line]).cosigners(&[witness(2)]).is_err());
    }
}
