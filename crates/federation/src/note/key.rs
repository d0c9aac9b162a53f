//! Who signs notes: names, kinds and ids of keys, and the text in which a key is handed out.

use std::fmt;
use std::str::FromStr;

use base64::prelude::{BASE64_STANDARD, Engine};
use serde::{Deserialize, Serialize};

use super::NoteError;
use crate::{Digest, VerifyingKey};

/// The name of a key: not empty, without Unicode spaces, control characters below U+0020 and `+`.
/// By custom a URL without its scheme, such as `example.org/log`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyName(String);

impl KeyName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for KeyName {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        let refused = |c: char| c.is_whitespace() || c < ' ' || c == '+';
        if text.is_empty() || text.contains(refused) {
            return Err(NoteError::Name);
        }
        Ok(KeyName(text.to_owned()))
    }
}

impl TryFrom<String> for KeyName {
    type Error = NoteError;
    fn try_from(text: String) -> Result<Self, NoteError> {
        text.parse()
    }
}

impl From<KeyName> for String {
    fn from(name: KeyName) -> String {
        name.0
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// What an Ed25519 key signs: the kind is part of its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyKind {
    /// The text of notes (0x01).
    Note,
    /// Checkpoints of others, with the time (0x04, C2SP tlog-cosignature).
    Cosignature,
}

impl KeyKind {
    /// The signature type of C2SP signed-note.
    fn type_byte(self) -> u8 {
        match self {
            KeyKind::Note => 0x01,
            KeyKind::Cosignature => 0x04,
        }
    }

    /// The id of a key of this kind: the first four bytes of
    /// `SHA-256(name || 0x0A || type || public key)`, as a big-endian number.
    pub fn key_id(self, name: &KeyName, key: &VerifyingKey) -> u32 {
        let typed = [name.0.as_bytes(), b"\n", &[self.type_byte()], key.as_bytes()].concat();
        let Digest([a, b, c, d, ..]) = Digest::of(&typed);
        u32::from_be_bytes([a, b, c, d])
    }
}

/// A public key as it is handed out: `<name>+<hex(key id)>+<base64(type || key)>`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Vkey {
    /// Under which name it signs.
    pub name: KeyName,
    /// What it signs.
    pub kind: KeyKind,
    /// The key.
    pub key: VerifyingKey,
}

impl Vkey {
    /// The key's id.
    pub fn key_id(&self) -> u32 {
        self.kind.key_id(&self.name, &self.key)
    }
}

impl fmt::Display for Vkey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let typed = [&[self.kind.type_byte()], self.key.as_bytes().as_slice()].concat();
        write!(f, "{}+{:08x}+{}", self.name, self.key_id(), BASE64_STANDARD.encode(typed))
    }
}

impl FromStr for Vkey {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        let read = || {
            // Base64 may have a '+' of its own: only the first two separate.
            let mut parts = text.splitn(3, '+');
            let name = parts.next()?.parse().ok()?;
            let typed = BASE64_STANDARD.decode(parts.nth(1)?).ok()?;
            let (kind, key) = typed.split_first()?;
            let kind = match kind {
                0x01 => KeyKind::Note,
                0x04 => KeyKind::Cosignature,
                _ => return None,
            };
            Some(Vkey { name, kind, key: VerifyingKey::new(key.try_into().ok()?) })
        };
        // The id is what the rest makes it, and written in one way.
        read().filter(|key| key.to_string() == text).ok_or(NoteError::Vkey)
    }
}

impl TryFrom<String> for Vkey {
    type Error = NoteError;
    fn try_from(text: String) -> Result<Self, NoteError> {
        text.parse()
    }
}

impl From<Vkey> for String {
    fn from(key: Vkey) -> String {
        key.to_string()
    }
}
