//! Ed25519 identities (RFC 8032), by ring.

use std::fmt;

use ring::rand::SecureRandom;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Why a key or a signature was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SigningError {
    /// The seed or public key has a wrong shape.
    #[error("not an Ed25519 key: expected 32 bytes")]
    Key,
    /// The signature does not belong to these bytes and this key.
    #[error("the signature does not verify")]
    Signature,
    /// The operating system gave no randomness.
    #[error("the system's random source failed")]
    Random,
}

/// A secret signing key. It never shows itself.
pub struct SigningKey(Ed25519KeyPair);

impl SigningKey {
    /// The key made from a secret 32-byte `seed`.
    pub fn from_seed(seed: &[u8; 32]) -> Result<Self, SigningError> {
        Ed25519KeyPair::from_seed_unchecked(seed).map(SigningKey).map_err(|_| SigningError::Key)
    }

    /// Draws a new seed for [`SigningKey::from_seed`].
    pub fn new_seed(random: &dyn SecureRandom) -> Result<[u8; 32], SigningError> {
        let mut seed = [0u8; 32];
        random.fill(&mut seed).map_err(|_| SigningError::Random)?;
        Ok(seed)
    }

    /// The public half.
    pub fn verifying_key(&self) -> VerifyingKey {
        VerifyingKey(self.0.public_key().as_ref().try_into().expect("an Ed25519 public key has 32 bytes"))
    }

    /// Signs `bytes`, which must begin with the label of their kind so that no signature serves two purposes.
    pub fn sign(&self, bytes: &[u8]) -> Signature {
        Signature(self.0.sign(bytes).as_ref().try_into().expect("an Ed25519 signature has 64 bytes"))
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.verifying_key())
    }
}

/// A public key, 32 bytes; written as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct VerifyingKey([u8; 32]);

impl VerifyingKey {
    /// The key with these bytes; whether they are a curve point shows at the first verification.
    pub fn new(bytes: [u8; 32]) -> Self {
        VerifyingKey(bytes)
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Succeeds when `signature` is this key's over `bytes`.
    pub fn verify(&self, bytes: &[u8], signature: &Signature) -> Result<(), SigningError> {
        UnparsedPublicKey::new(&ED25519, self.0)
            .verify(bytes, &signature.0)
            .map_err(|_| SigningError::Signature)
    }
}

impl TryFrom<String> for VerifyingKey {
    type Error = SigningError;
    fn try_from(text: String) -> Result<Self, SigningError> {
        let mut bytes = [0u8; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| SigningError::Key)?;
        Ok(VerifyingKey(bytes))
    }
}

impl From<VerifyingKey> for String {
    fn from(key: VerifyingKey) -> String {
        key.to_string()
    }
}

impl fmt::Display for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyingKey({self})")
    }
}

/// A 64-byte Ed25519 signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signature(pub [u8; 64]);

impl TryFrom<&[u8]> for Signature {
    type Error = SigningError;
    fn try_from(bytes: &[u8]) -> Result<Self, SigningError> {
        bytes.try_into().map(Signature).map_err(|_| SigningError::Signature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ring::rand::SystemRandom;

    #[test]
    fn a_signature_belongs_to_one_key_and_one_text() {
        let key = |_| {
            SigningKey::from_seed(&SigningKey::new_seed(&SystemRandom::new()).expect("random")).expect("key")
        };
        let (ours, theirs) = (key(0), key(1));
        let signature = ours.sign(b"label/1 text");
        assert_eq!(ours.verifying_key().verify(b"label/1 text", &signature), Ok(()));
        assert_eq!(ours.verifying_key().verify(b"label/1 texT", &signature), Err(SigningError::Signature));
        assert_eq!(theirs.verifying_key().verify(b"label/1 text", &signature), Err(SigningError::Signature));
        assert!(!format!("{ours:?}").is_empty());
    }
}
