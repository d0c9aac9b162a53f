//! Notes: the published examples, both ways between two implementations, and everything that is none.

use almoner_federation::note::{KeyKind, KeyName, MAX_NOTE_BYTES, Note, NoteError, Vkey};
use almoner_federation::{SigningKey, VerifyingKey};
use base64::prelude::{BASE64_STANDARD, Engine};
use signed_note::{Note as TheirNote, StandardSigner, StandardVerifier, VerifierList};

use crate::support::{key, name};

/// The example of golang.org/x/mod/sumdb/note and its tests.
const PETER: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const PETER_SECRET: &str = "AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
const PETER_LINE: &str = "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
/// Of the key with seed 0.
const ENOCH: &str = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop";
const ENOCH_LINE: &str = "— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n";
const TEXT: &str = "If you think cryptography is the answer to your problem,\n\
    then you don't know what your problem is.\n";

fn vkey(text: &str) -> Vkey {
    text.parse().expect("a published key")
}

fn peter() -> SigningKey {
    let typed = BASE64_STANDARD.decode(PETER_SECRET).expect("base64");
    SigningKey::from_seed(typed[1..].try_into().expect("32 bytes")).expect("a seed")
}

fn note_vkey(name: &KeyName, key: &SigningKey) -> Vkey {
    Vkey { name: name.clone(), kind: KeyKind::Note, key: key.verifying_key() }
}

fn their_verifier(key: &Vkey) -> VerifierList {
    VerifierList::new(vec![Box::new(StandardVerifier::new(&key.to_string()).expect("our key reads there"))])
}

#[test]
fn signing_gives_the_published_notes() {
    let mut note = Note::sign(TEXT, &name("PeterNeumann"), &peter()).expect("text");
    assert_eq!(note.to_string(), format!("{TEXT}\n{PETER_LINE}"));
    note.add_signature(&name("EnochRoot"), &key(0)).expect("room for two");
    assert_eq!(note.to_string(), format!("{TEXT}\n{PETER_LINE}{ENOCH_LINE}"));
    assert_eq!(note_vkey(&name("EnochRoot"), &key(0)).to_string(), ENOCH);
    let again = note.to_string();
    note.add_signature(&name("PeterNeumann"), &peter()).expect("replaces");
    assert_eq!(note.to_string(), again);
}

#[test]
fn the_published_notes_verify() {
    let (peter, enoch) = (vkey(PETER), vkey(ENOCH));
    assert_eq!((peter.key_id(), peter.to_string()), (0xc74f20a3, PETER.to_owned()));
    let note = Note::parse(&format!("{TEXT}\n{PETER_LINE}{ENOCH_LINE}")).expect("a note");
    assert_eq!(note.text(), TEXT);
    assert_eq!(note.verify(&peter.name, &peter.key), Ok(()));
    assert_eq!(note.verify(&enoch.name, &enoch.key), Ok(()));

    // The example of C2SP signed-note.
    let foo = vkey("example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k");
    let note = "This is an example message.\n\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";
    assert_eq!(Note::parse(note).expect("a note").verify(&foo.name, &foo.key), Ok(()));
}

#[test]
fn a_mangled_verifier_key_is_none() {
    for begin in 0..PETER.len() {
        for end in begin..=PETER.len() {
            let whole = (begin, end) == (0, PETER.len());
            assert_eq!(PETER[begin..end].parse::<Vkey>().is_ok(), whole, "{}", &PETER[begin..end]);
        }
    }
    for place in 0..PETER.len() {
        for bit in 0..7 {
            let mut bytes = PETER.as_bytes().to_vec();
            bytes[place] ^= 1 << bit;
            let text = String::from_utf8(bytes).expect("seven bits are ASCII");
            assert_eq!(text.parse::<Vkey>(), Err(NoteError::Vkey), "{text}");
        }
    }
    for bad in [
        // A key too long and a key of an unknown kind, each with the id that belongs to it.
        "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==",
        "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        &PETER.to_uppercase(),
        &format!("{PETER}\n"),
    ] {
        assert_eq!(bad.parse::<Vkey>(), Err(NoteError::Vkey), "{bad}");
    }
    // The kind is part of the key.
    let cosigner = Vkey { kind: KeyKind::Cosignature, ..vkey(PETER) };
    assert_ne!(cosigner.key_id(), vkey(PETER).key_id());
    assert_eq!(cosigner.to_string().parse(), Ok(cosigner));
}

/// Texts with empty lines, without letters, and in other scripts; names likewise.
const TEXTS: [&str; 5] =
    ["\n", "one\n", "empty\n\n\nlines\n\n", "— not a signature\n\n— neither\n", "παράδειγμα: 例\n"];
const NAMES: [&str; 4] = ["a", "example.org/log", "例.example/日誌", "é—ß\u{7f}"];

#[test]
fn the_other_implementation_verifies_our_notes() {
    for text in TEXTS {
        for (seed, text_name) in (1..).zip(NAMES) {
            let (name, key) = (name(text_name), key(seed));
            let mut note = Note::sign(text, &name, &key).expect("text");
            note.add_signature(&name, &self::key(99)).expect("another key of the same name");
            let their = TheirNote::from_bytes(note.to_string().as_bytes()).expect("they read it");
            assert_eq!(their.text(), text.as_bytes());
            let (verified, ignored) =
                their.verify(&their_verifier(&note_vkey(&name, &key))).expect("they verify it");
            assert_eq!((verified.len(), ignored.len()), (1, 1), "{text:?} by {text_name}");
            assert_eq!(Note::parse(&note.to_string()), Ok(note));
        }
    }
}

#[test]
fn we_verify_the_notes_of_the_other_implementation() {
    for text in TEXTS {
        for (seed, text_name) in (1..).zip(NAMES) {
            let (name, key) = (name(text_name), key(seed));
            let vkey = note_vkey(&name, &key);
            let secret = BASE64_STANDARD.encode([[1].as_slice(), &[seed; 32]].concat());
            let signer = StandardSigner::new(&format!("PRIVATE+KEY+{name}+{:08x}+{secret}", vkey.key_id()))
                .expect("they read our key");
            let mut their = TheirNote::new(text.as_bytes(), &[]).expect("text");
            their.add_sigs(&[&signer]).expect("they sign");
            let their = String::from_utf8(their.to_bytes()).expect("a note is UTF-8");
            let note = Note::parse(&their).expect("we read it");
            assert_eq!(note.verify(&name, &key.verifying_key()), Ok(()), "{text:?} by {text_name}");
            assert_eq!(note, Note::sign(text, &name, &key).expect("text"), "Ed25519 is deterministic");
        }
    }
}

#[test]
fn what_is_not_a_note_is_refused() {
    let good = format!("{TEXT}\n{PETER_LINE}");
    let line = PETER_LINE.trim_end();
    let bad = [
        String::new(),
        "\n".into(),
        "\n\n".into(),
        TEXT.into(),
        format!("{TEXT}\n"),
        format!("{TEXT}{PETER_LINE}"),
        format!("\n{PETER_LINE}"),
        format!("{TEXT}\n{line}"),
        format!("{good}\n"),
        format!("{good}Unexpected line.\n"),
        format!("{TEXT}\n\n{PETER_LINE}\n{PETER_LINE}\n"),
        good.replace('\n', "\r\n"),
        good.replace(TEXT, &TEXT.replace('\n', "\r\n")),
        good.replace("=\n", "=\r\n"),
        format!("\u{1}{good}"),
        good.replace("think", "th\tnk"),
        good.replace("think", "th\0nk"),
        good.replace('—', "-"),
        good.replace('—', "–"),
        good.replace("— ", "—"),
        good.replace("— ", "—  "),
        good.replace("— ", " — "),
        good.replace("— PeterNeumann ", "— "),
        good.replace("— PeterNeumann ", "—  "),
        good.replace("PeterNeumann", "Peter Neumann"),
        good.replace("PeterNeumann", "Peter+Neumann"),
        good.replace("PeterNeumann", "Peter\u{a0}Neumann"),
        good.replace("PeterNeumann", "Peter\u{2003}Neumann"),
        good.replace("AM=\n", "AM\n"),
        good.replace("AM=\n", "AM=\u{20}\n"),
        good.replace("AM=\n", "AN=\n"),
        good.replace("AM=\n", "AM==\n"),
        good.replace("go/Z", "go_Z"),
        format!("{TEXT}\n— PeterNeumann \n"),
        format!("{TEXT}\n— PeterNeumann x08gow==\n"),
        format!("{TEXT}\n— PeterNeumann x08g\n"),
    ];
    for note in &bad {
        assert!(matches!(Note::parse(note), Err(NoteError::Malformed(_))), "{note:?}");
        // The other implementation agrees on each of them.
        assert!(TheirNote::from_bytes(note.as_bytes()).is_err(), "{note:?}");
    }
    assert!(Note::parse(&good).is_ok());
}

#[test]
fn a_note_cut_short_or_changed_in_any_bit_is_refused() {
    let (note, peter) = (format!("{TEXT}\n{PETER_LINE}"), vkey(PETER));
    let accepted = |note: &[u8]| {
        let parsed = std::str::from_utf8(note).ok().and_then(|note| Note::parse(note).ok());
        parsed.is_some_and(|note| note.verify(&peter.name, &peter.key).is_ok())
    };
    assert!(accepted(note.as_bytes()));
    for end in 0..note.len() {
        assert!(!accepted(&note.as_bytes()[..end]), "the first {end} bytes");
        assert!(!accepted(&note.as_bytes()[end + 1..]), "without the first {} bytes", end + 1);
    }
    for bit in 0..note.len() * 8 {
        let mut changed = note.clone().into_bytes();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(!accepted(&changed), "bit {bit}");
    }
}

#[test]
fn bounds_hold_at_their_edges() {
    let with_lines = |lines: usize| format!("{TEXT}\n{}", PETER_LINE.repeat(lines));
    assert_eq!(Note::parse(&with_lines(100)).map(|note| note.signatures().len()), Ok(100));
    assert!(Note::parse(&with_lines(101)).is_err());

    let line = Note::sign("x\n", &name("a"), &key(1)).expect("text").to_string().len() - 2;
    let text_of = |bytes: usize| format!("{}\n", "x".repeat(bytes - 1));
    let longest = Note::sign(&text_of(MAX_NOTE_BYTES - line), &name("a"), &key(1)).expect("fits exactly");
    assert_eq!(longest.to_string().len(), MAX_NOTE_BYTES);
    assert_eq!(Note::parse(&longest.to_string()), Ok(longest.clone()));
    assert!(Note::parse(&format!("x{longest}")).is_err());
    assert!(Note::sign(&text_of(MAX_NOTE_BYTES - line + 1), &name("a"), &key(1)).is_err());
    let mut full = longest.clone();
    assert!(full.add_signature(&name("b"), &key(2)).is_err());
    assert_eq!(full, longest, "a refused signature leaves no trace");

    let mut crowded = Note::sign("x\n", &name("a"), &key(0)).expect("text");
    for seed in 1..100 {
        crowded.add_signature(&name("a"), &key(seed)).expect("room for a hundred");
    }
    assert!(crowded.add_signature(&name("a"), &key(100)).is_err());
    assert_eq!(crowded.signatures().len(), 100);
    assert!(Note::parse(&crowded.to_string()).is_ok());
}

#[test]
fn only_text_that_can_be_read_back_is_signed() {
    for bad in ["", "no end", "return\r\n", "\tindented\n", "nul\0\n", "cosignature/v1\ntime 1\nlog\n"] {
        assert!(Note::sign(bad, &name("a"), &key(1)).is_err(), "{bad:?}");
    }
}

#[test]
fn key_names_are_words() {
    for good in NAMES {
        assert_eq!(good.parse::<KeyName>().map(|name| name.to_string()), Ok(good.to_owned()));
        assert!(signed_note::is_key_name_valid(good));
    }
    for bad in ["", " ", "a b", "a+b", "+", "a\n", "a\tb", "a\u{a0}b", "a\u{3000}", "\u{85}", "a\u{1}", "\0"]
    {
        assert_eq!(bad.parse::<KeyName>(), Err(NoteError::Name), "{bad:?}");
    }
}

/// A key is known by name and id together; who collides with one of them signs nothing for it.
#[test]
fn lines_of_other_keys_are_ignored() {
    let peter = vkey(PETER);
    let stranger = PETER_LINE.replace("PeterNeumann", "PeterNeuman");
    let other_id = PETER_LINE.replace("x08go", "x08gp");
    for line in [&stranger, &other_id, &ENOCH_LINE.replace("EnochRoot", "PeterNeumann")] {
        let alone = Note::parse(&format!("{TEXT}\n{line}")).expect("a note");
        let unsigned = NoteError::Unsigned { name: peter.name.clone(), key_id: 0xc74f20a3 };
        assert_eq!(alone.verify(&peter.name, &peter.key), Err(unsigned), "{line}");
        let beside = Note::parse(&format!("{TEXT}\n{line}{PETER_LINE}")).expect("a note");
        assert_eq!(beside.verify(&peter.name, &peter.key), Ok(()), "{line}");
    }
    let note = Note::parse(&format!("{TEXT}\n{PETER_LINE}")).expect("a note");
    let other_key = VerifyingKey::new(*key(3).verifying_key().as_bytes());
    assert!(matches!(note.verify(&peter.name, &other_key), Err(NoteError::Unsigned { .. })));
    assert!(matches!(note.verify(&name("Peter"), &peter.key), Err(NoteError::Unsigned { .. })));
}

#[test]
fn a_known_key_never_has_a_bad_line_beside_a_good_one() {
    let peter = vkey(PETER);
    let forged = PETER_LINE.replace("JkuBS", "JkuBT");
    let short = "— PeterNeumann x08goww=\n".replace("oww=", "ow8=");
    let bad = NoteError::Signature { name: peter.name.clone(), key_id: 0xc74f20a3 };
    for lines in [
        forged.clone(),
        short.clone(),
        format!("{forged}{PETER_LINE}"),
        format!("{PETER_LINE}{forged}"),
        format!("{PETER_LINE}{short}"),
    ] {
        let note = Note::parse(&format!("{TEXT}\n{lines}")).expect("a note");
        assert_eq!(note.verify(&peter.name, &peter.key), Err(bad.clone()), "{lines}");
    }
    let twice = Note::parse(&format!("{TEXT}\n{PETER_LINE}{PETER_LINE}")).expect("a note");
    assert_eq!(twice.verify(&peter.name, &peter.key), Ok(()));
}
