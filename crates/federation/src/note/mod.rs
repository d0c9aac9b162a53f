//! Text signed by named keys: C2SP signed-note (<https://c2sp.org/signed-note>), Ed25519 only.
//!
//! A note's text must be ignored until a key that is trusted for it has been verified. Neither a note nor
//! a cosigned message has bytes below 0x20 except newlines, while canonical bytes ([`crate::lp`]) begin
//! with the byte 0: no signature of one kind is one of the other, even by the same key.

mod key;

use std::fmt;
use std::str::FromStr;

use base64::prelude::{BASE64_STANDARD, Engine};
use thiserror::Error;

use crate::{Signature, SigningKey, VerifyingKey};

pub use key::{KeyKind, KeyName, Vkey};

/// Longest note, with its signatures, in bytes.
pub const MAX_NOTE_BYTES: usize = 1 << 20;

/// Most signature lines of a note.
pub const MAX_SIGNATURES: usize = 100;

/// How a cosigned message begins (C2SP tlog-cosignature); no text for an ordinary signature does.
pub(crate) const COSIGNATURE_HEADER: &str = "cosignature/v1\n";

/// Why a note, a key or a signature was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NoteError {
    /// Not a note, or more of one than is read.
    #[error("not a signed note: {0}; fetch it again from its origin")]
    Malformed(&'static str),
    /// Not the name of a key.
    #[error(
        "not a key name: use one or more characters without spaces, control characters and '+', such as example.org/log"
    )]
    Name,
    /// Not a verifier key.
    #[error(
        "not a verifier key: expected <name>+<key id>+<base64> of an Ed25519 key, as its owner published it"
    )]
    Vkey,
    /// The trusted key has not signed.
    #[error("the note is not signed by {name}+{key_id:08x}: ask for one that is, or check the key")]
    Unsigned {
        /// The key's name.
        name: KeyName,
        /// Its id.
        key_id: u32,
    },
    /// A line in the name of a trusted key does not verify: the note is a forgery or damaged.
    #[error("the signature of {name}+{key_id:08x} does not verify: do not use this note")]
    Signature {
        /// The key's name.
        name: KeyName,
        /// Its id.
        key_id: u32,
    },
}

/// One signature line: `— <name> <base64(key id || signature)>`. Nothing about it is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteSignature {
    name: KeyName,
    key_id: u32,
    bytes: Vec<u8>,
}

impl NoteSignature {
    /// The line with these parts; `bytes` are what the key's kind makes of the note's text.
    pub(crate) fn new(name: KeyName, key_id: u32, bytes: Vec<u8>) -> Self {
        NoteSignature { name, key_id, bytes }
    }

    /// Whose key it says made it.
    pub fn name(&self) -> &KeyName {
        &self.name
    }

    /// Which of the name's keys; a hint, that anybody can collide with.
    pub fn key_id(&self) -> u32 {
        self.key_id
    }

    /// The signature, at least one byte, in the form of its key's kind.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// The line without its newline.
impl fmt::Display for NoteSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [&self.key_id.to_be_bytes(), self.bytes.as_slice()].concat();
        write!(f, "\u{2014} {} {}", self.name, BASE64_STANDARD.encode(bytes))
    }
}

/// Reads a line without its newline.
impl FromStr for NoteSignature {
    type Err = NoteError;

    fn from_str(line: &str) -> Result<Self, NoteError> {
        const BAD: NoteError = NoteError::Malformed("a signature line is not '\u{2014} <name> <base64>'");
        let (name, base64) =
            line.strip_prefix("\u{2014} ").and_then(|rest| rest.split_once(' ')).ok_or(BAD)?;
        let bytes = BASE64_STANDARD.decode(base64).map_err(|_| BAD)?;
        match bytes.split_first_chunk() {
            Some((key_id, bytes)) if !bytes.is_empty() => Ok(NoteSignature {
                name: name.parse().map_err(|_| BAD)?,
                key_id: u32::from_be_bytes(*key_id),
                bytes: bytes.to_vec(),
            }),
            _ => Err(BAD),
        }
    }
}

/// A text and at least one signature line. Holding one says nothing about who signed it:
/// [`Note::verify`] does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<NoteSignature>,
}

impl Note {
    /// Signs `text`, which ends with a newline and has no other control character, as `name`.
    pub fn sign(text: &str, name: &KeyName, key: &SigningKey) -> Result<Self, NoteError> {
        if !text.ends_with('\n') {
            return Err(NoteError::Malformed("the text does not end with a newline"));
        }
        no_controls(text)?;
        let mut note = Note { text: text.to_owned(), signatures: Vec::new() };
        note.add_signature(name, key)?;
        Ok(note)
    }

    /// Signs the same text also as `name`. Signing again with the same key changes nothing.
    ///
    /// Verify the note, or know its text, before you put your name under it.
    pub fn add_signature(&mut self, name: &KeyName, key: &SigningKey) -> Result<(), NoteError> {
        if self.text.starts_with(COSIGNATURE_HEADER) {
            return Err(NoteError::Malformed("the text would pass for a cosigned checkpoint"));
        }
        let key_id = KeyKind::Note.key_id(name, &key.verifying_key());
        let Signature(bytes) = key.sign(self.text.as_bytes());
        self.add(NoteSignature::new(name.clone(), key_id, bytes.to_vec()))
    }

    /// Puts `line` in the place of all lines of the same name and key id, or else after the others.
    pub(crate) fn add(&mut self, line: NoteSignature) -> Result<(), NoteError> {
        let same = |other: &NoteSignature| (&other.name, other.key_id) == (&line.name, line.key_id);
        let place = self.signatures.iter().position(same).unwrap_or(self.signatures.len());
        let mut signatures = self.signatures.clone();
        signatures.retain(|other| !same(other));
        signatures.insert(place, line);
        let note = Note { text: self.text.clone(), signatures };
        if note.signatures.len() > MAX_SIGNATURES {
            return Err(NoteError::Malformed("it has more than 100 signatures"));
        }
        if note.to_string().len() > MAX_NOTE_BYTES {
            return Err(NoteError::Malformed("it is longer than 1 MiB"));
        }
        *self = note;
        Ok(())
    }

    /// The same text with the first line of this key alone.
    pub(crate) fn alone(&self, name: &KeyName, key_id: u32) -> Result<Self, NoteError> {
        let line = self.lines_of(name, key_id).next();
        let line = line.ok_or_else(|| NoteError::Unsigned { name: name.clone(), key_id })?;
        Ok(Note { text: self.text.clone(), signatures: vec![line.clone()] })
    }

    /// Reads a note strictly: at most 1 MiB, a text that ends with a newline, an empty line, 1 to 100
    /// signature lines.
    pub fn parse(note: &str) -> Result<Self, NoteError> {
        if note.len() > MAX_NOTE_BYTES {
            return Err(NoteError::Malformed("it is longer than 1 MiB"));
        }
        no_controls(note)?;
        // The last empty line ends the text: the text may have others.
        let empty_line =
            note.rfind("\n\n").ok_or(NoteError::Malformed("no empty line before the signatures"))? + 1;
        let (text, lines) = (&note[..empty_line], &note[empty_line + 1..]);
        let lines = lines.strip_suffix('\n').ok_or(NoteError::Malformed("the last line has no end"))?;
        if lines.split('\n').count() > MAX_SIGNATURES {
            return Err(NoteError::Malformed("it has more than 100 signatures"));
        }
        let signatures = lines.split('\n').map(str::parse).collect::<Result<_, _>>()?;
        Ok(Note { text: text.to_owned(), signatures })
    }

    /// The text, up to and with its last newline: not to be believed before [`Note::verify`].
    pub fn text(&self) -> &str {
        &self.text
    }

    /// All signature lines, in order.
    pub fn signatures(&self) -> &[NoteSignature] {
        &self.signatures
    }

    /// Succeeds when `key`, under this name, signed the text. Fails too when only one of several lines
    /// in the name of this key does not verify. Lines of other keys are ignored.
    pub fn verify(&self, name: &KeyName, key: &VerifyingKey) -> Result<(), NoteError> {
        let key_id = KeyKind::Note.key_id(name, key);
        let mut signed = false;
        for line in self.lines_of(name, key_id) {
            Signature::try_from(line.bytes())
                .and_then(|signature| key.verify(self.text.as_bytes(), &signature))
                .map_err(|_| NoteError::Signature { name: name.clone(), key_id })?;
            signed = true;
        }
        if signed { Ok(()) } else { Err(NoteError::Unsigned { name: name.clone(), key_id }) }
    }

    /// The lines that say they were made by this key.
    pub(crate) fn lines_of(&self, name: &KeyName, key_id: u32) -> impl Iterator<Item = &NoteSignature> {
        self.signatures.iter().filter(move |line| line.key_id == key_id && line.name == *name)
    }
}

/// The note as it is published.
impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

/// A note has no control character but the newline.
fn no_controls(text: &str) -> Result<(), NoteError> {
    if text.bytes().any(|byte| byte < 0x20 && byte != b'\n') {
        return Err(NoteError::Malformed("it has control characters, such as carriage returns"));
    }
    Ok(())
}
