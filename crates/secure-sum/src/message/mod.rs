//! The messages that are hashed and signed. Each has one canonical encoding, beginning with its label;
//! bytes with an unverified signature and a verified message are different types.

mod abort;
mod context;
mod output;
mod ready;

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use almoner_federation::{DecodeError, Digest, Signature, SigningKey, VerifyingKey};

use crate::{MAX_MESSAGE_BYTES, SecureSumError};

pub use abort::Abort;
pub use context::{Context, Release};
pub use output::Output;
pub use ready::Ready;

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Abort {}
    impl Sealed for super::Context {}
    impl Sealed for super::Output {}
    impl Sealed for super::Ready {}
}

/// A message with exactly one encoding: bytes that decode are the bytes that encoding gives back.
pub trait Message: Sized + sealed::Sealed {
    /// The first item of the encoding; no two kinds of message share one.
    const LABEL: &'static str;

    /// The canonical bytes, at most [`MAX_MESSAGE_BYTES`].
    fn encode(&self) -> Vec<u8>;

    /// Reads canonical bytes strictly.
    ///
    /// # Errors
    /// On a wrong label, a wrong length or value of an item, or trailing bytes.
    fn decode(bytes: &[u8]) -> Result<Self, DecodeError>;

    /// SHA-256 of the canonical bytes.
    fn hash(&self) -> Digest {
        Digest::of(&self.encode())
    }
}

/// Bytes that claim to be a signed `M`; nothing about them is known but their bounded length.
pub struct Signed<M> {
    bytes: Vec<u8>,
    signature: Signature,
    kind: PhantomData<fn() -> M>,
}

impl<M: Message> Signed<M> {
    /// Takes what arrived.
    ///
    /// # Errors
    /// When there are more than [`MAX_MESSAGE_BYTES`].
    pub fn from_parts(bytes: Vec<u8>, signature: Signature) -> Result<Self, SecureSumError> {
        if bytes.len() > MAX_MESSAGE_BYTES {
            return Err(DecodeError::Malformed("message too long").into());
        }
        Ok(Signed { bytes, signature, kind: PhantomData })
    }

    /// Signs a message of one's own, which is thereby verified.
    pub fn sign(message: M, key: &SigningKey) -> Verified<M> {
        let bytes = message.encode();
        let signature = key.sign(&bytes);
        Verified { message, signed: Signed { bytes, signature, kind: PhantomData } }
    }

    /// The bytes under the signature.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The signature.
    pub fn signature(&self) -> &Signature {
        &self.signature
    }

    /// Checks the signature, then reads the message.
    ///
    /// # Errors
    /// [`SecureSumError::Signature`] or [`SecureSumError::Malformed`].
    pub fn verify(&self, key: &VerifyingKey) -> Result<Verified<M>, SecureSumError> {
        key.verify(&self.bytes, &self.signature).map_err(|_| SecureSumError::Signature(M::LABEL))?;
        Ok(Verified { message: M::decode(&self.bytes)?, signed: self.clone() })
    }
}

impl<M> Clone for Signed<M> {
    fn clone(&self) -> Self {
        Signed { bytes: self.bytes.clone(), signature: self.signature, kind: PhantomData }
    }
}

impl<M> PartialEq for Signed<M> {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes && self.signature == other.signature
    }
}

impl<M> Eq for Signed<M> {}

impl<M> fmt::Debug for Signed<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signed({})", Digest::of(&self.bytes))
    }
}

/// A message whose signature was verified with the key that the caller named. Only
/// [`Signed::verify`] and [`Signed::sign`] make one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified<M> {
    message: M,
    signed: Signed<M>,
}

impl<M> Verified<M> {
    /// The bytes and signature, as evidence for others.
    pub fn as_signed(&self) -> &Signed<M> {
        &self.signed
    }

    /// The message alone.
    pub fn into_message(self) -> M {
        self.message
    }
}

impl<M> Deref for Verified<M> {
    type Target = M;
    fn deref(&self) -> &M {
        &self.message
    }
}
