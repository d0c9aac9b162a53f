//! Checkpoints: the specification's example, the other implementation, and strictness.

use almoner_federation::Digest;
use almoner_federation::checkpoint::{
    Checkpoint, CheckpointError, Cosignature, SignedCheckpoint, UnverifiedCheckpoint,
};
use almoner_federation::note::{KeyKind, NoteError, Vkey};
use signed_note::{Note as TheirNote, StandardVerifier, VerifierList};
use tlog_tiles::checkpoint::Checkpoint as TheirCheckpoint;

use crate::support::{key, name, tree};

/// The example of C2SP tlog-cosignature; its public keys are not published.
const EXAMPLE: &str = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\
    — example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n\
    — witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n";

fn checkpoint(size: u64) -> Checkpoint {
    Checkpoint { origin: name("example.org/log"), size, root: tree(size).root() }
}

fn signed(size: u64) -> SignedCheckpoint {
    checkpoint(size).sign(&key(1)).expect("a short note")
}

#[test]
fn the_published_checkpoint_reads_and_writes() {
    let read = UnverifiedCheckpoint::parse(EXAMPLE).expect("the example");
    let claimed = read.claimed();
    assert_eq!((claimed.origin.as_str(), claimed.size), ("example.com/behind-the-sofa", 20852163));
    assert!(EXAMPLE.starts_with(&format!("{claimed}\n")));
    let lines: Vec<&str> = EXAMPLE.lines().collect();
    let line = lines[5].parse().expect("a signature line");
    let cosignature = Cosignature::try_from(&line).expect("a cosignature");
    assert_eq!((cosignature.time_s(), line.key_id()), (1679315147, 0x8d66cf3f));
    assert_eq!(cosignature.line().to_string(), lines[5]);
    let log = lines[4].parse().expect("a signature line");
    assert_eq!(Cosignature::try_from(&log), Err(CheckpointError::Cosignature), "the log's has no time");
}

#[test]
fn the_other_implementation_reads_and_verifies_ours() {
    let vkey = Vkey { name: name("example.org/log"), kind: KeyKind::Note, key: key(1).verifying_key() };
    let verifier = StandardVerifier::new(&vkey.to_string()).expect("our key reads there");
    let verifiers = VerifierList::new(vec![Box::new(verifier)]);
    for size in 0..70 {
        let text = signed(size).to_string();
        let note = TheirNote::from_bytes(text.as_bytes()).expect("they read it");
        assert_eq!(note.verify(&verifiers).expect("they verify it").0.len(), 1);
        let read = TheirCheckpoint::from_bytes(note.text()).expect("they read the body");
        assert_eq!((read.origin(), read.size()), ("example.org/log", size));
        assert_eq!(Digest(read.hash().0), tree(size).root());
        let ours = UnverifiedCheckpoint::parse(&text).expect("we read it");
        assert_eq!(ours.verify(&vkey.name, &vkey.key), Ok(signed(size)));
    }
}

#[test]
fn we_read_what_the_other_implementation_writes() {
    for size in [0, 1, 9, 10, 20852163, u64::MAX] {
        let root = Digest::of(&size.to_be_bytes());
        let their =
            TheirCheckpoint::new("例.example/log", size, tlog_tiles::Hash(root.0), "").expect("valid");
        let body = String::from_utf8(their.to_bytes()).expect("UTF-8");
        let ours = Checkpoint { origin: name("例.example/log"), size, root };
        assert_eq!((body.parse().as_ref(), body), (Ok(&ours), ours.to_string()));
    }
}

#[test]
fn a_body_of_any_other_form_is_refused() {
    let good = checkpoint(10).to_string();
    let root = good.lines().nth(2).expect("three lines");
    let bad = [
        String::new(),
        "\n\n\n".into(),
        good.trim_end().into(),
        format!("{good}\n"),
        format!("\n{good}"),
        good.replace("\n10\n", "\n\n10\n"),
        good.replace("\n10\n", "\n"),
        good.replace("example.org/log", ""),
        good.replace("\n10\n", "\n010\n"),
        good.replace("\n10\n", "\n00\n"),
        good.replace("\n10\n", "\n+10\n"),
        good.replace("\n10\n", "\n-0\n"),
        good.replace("\n10\n", "\n 10\n"),
        good.replace("\n10\n", "\n10 \n"),
        good.replace("\n10\n", "\n0x10\n"),
        good.replace("\n10\n", "\n1_0\n"),
        good.replace("\n10\n", "\n١٠\n"),
        good.replace("\n10\n", "\n18446744073709551616\n"),
        good.replace("\n10\n", "\n\n"),
        good.replace('\n', "\r\n"),
        good.replace(root, ""),
        good.replace(root, &root[..43]),
        good.replace(root, &format!("{root}=")),
        good.replace(root, &format!(" {root}")),
        good.replace(root, &root.replace('=', " ")),
        good.replace(root, "AAAA"),
        good.replace(root, &"A".repeat(44)),
        good.replace(root, &"ab".repeat(32)),
    ];
    for body in bad {
        assert!(body.parse::<Checkpoint>().is_err(), "{body:?}");
        assert!(TheirCheckpoint::from_bytes(body.as_bytes()).is_err(), "{body:?}");
    }
    // Where this log is stricter than the specification.
    for body in
        [format!("{good}extension\n"), good.replace("org/log", "org log"), good.replace("org/log", "+")]
    {
        assert!(body.parse::<Checkpoint>().is_err(), "{body:?}");
    }
    assert_eq!(good.parse(), Ok(checkpoint(10)));
}

#[test]
fn a_checkpoint_is_one_logs_by_one_key() {
    let (log, text) = (name("example.org/log"), signed(10).to_string());
    let parse = |text: &str| UnverifiedCheckpoint::parse(text).expect("a checkpoint");
    assert_eq!(parse(&text).verify(&log, &key(1).verifying_key()), Ok(signed(10)));
    let stranger = parse(&text).verify(&log, &key(2).verifying_key());
    assert!(matches!(stranger, Err(CheckpointError::Note(NoteError::Unsigned { .. }))));
    let other = parse(&text).verify(&name("example.org/other"), &key(1).verifying_key());
    assert!(matches!(other, Err(CheckpointError::Origin { .. })));

    // The signature of one size under the body of another, and of one log under the name of another.
    for (from, to) in [("\n10\n", "\n11\n"), ("example.org/log\n10", "example.org/lag\n10")] {
        let forged = parse(&text.replace(from, to));
        let origin = forged.claimed().origin.clone();
        assert!(forged.verify(&origin, &key(1).verifying_key()).is_err(), "{to}");
    }
    let moved = parse(&text.replace("org/log", "org/lag"));
    assert!(moved.verify(&name("example.org/lag"), &key(1).verifying_key()).is_err());
}

#[test]
fn a_checkpoint_changed_in_any_bit_is_refused() {
    let (log, text) = (name("example.org/log"), signed(10).to_string().into_bytes());
    let accepted = |text: &[u8]| {
        let parsed = std::str::from_utf8(text).ok().and_then(|text| UnverifiedCheckpoint::parse(text).ok());
        parsed.is_some_and(|checkpoint| checkpoint.verify(&log, &key(1).verifying_key()).is_ok())
    };
    assert!(accepted(&text));
    for bit in 0..text.len() * 8 {
        let mut changed = text.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(!accepted(&changed), "bit {bit}");
    }
    assert!((0..text.len()).all(|end| !accepted(&text[..end])));
}
