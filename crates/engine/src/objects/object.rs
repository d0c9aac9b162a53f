//! One object, in the state in which it was listed.

use std::fmt;
use std::io;
use std::sync::{Arc, OnceLock};

use almoner_federation::{Digest, lp};
use bytes::{Bytes, BytesMut};
use object_store::path::Path;
use ring::digest;

use super::store::{Store, failed};
use super::trouble::Failure;

const LABEL: &[u8] = b"almoner/1/object";

/// Most bytes of one request.
pub(crate) const BLOCK_BYTES: usize = 1 << 23;
/// Most bytes that are in memory together because a file says that they belong together.
const MOST_TOGETHER_BYTES: usize = 1 << 30;

/// What a listing says of an object.
#[derive(Debug, Clone)]
pub(crate) struct Listed {
    pub path: Path,
    pub size_bytes: u64,
    /// Strong, without quotes.
    pub e_tag: String,
}

/// An object that can be read.
pub(crate) struct Object {
    pub(super) store: Arc<Store>,
    pub(super) listed: Listed,
    /// Why it could not be read the first time.
    failure: OnceLock<Failure>,
}

impl Object {
    pub(super) fn new(store: Arc<Store>, listed: Listed) -> Object {
        Object { store, listed, failure: OnceLock::new() }
    }

    pub(crate) fn size_bytes(&self) -> u64 {
        self.listed.size_bytes
    }

    /// What stands for its contents in the name of a snapshot: the SHA-256 of a label and its ETag.
    pub(crate) fn contents(&self) -> Digest {
        let hash = digest::digest(&digest::SHA256, &lp(&[LABEL, self.listed.e_tag.as_bytes()]));
        Digest(hash.as_ref().try_into().expect("SHA-256 gives 32 bytes"))
    }

    /// Its URL.
    pub(crate) fn shown(&self) -> String {
        self.store.shown_key(self.listed.path.as_ref())
    }

    /// Why it could not be read, if so.
    pub(crate) fn failure(&self) -> Option<&Failure> {
        self.failure.get()
    }

    /// Remembers why it could not be read.
    pub(super) fn fail(&self, failure: Failure) -> io::Error {
        let error = failed(&failure);
        // The first reason is the one that counts.
        let _ = self.failure.set(failure);
        error
    }

    /// Exactly these bytes, in requests of at most [`BLOCK_BYTES`]. Blocks the thread.
    pub(crate) fn bytes(&self, start: u64, length: usize) -> io::Result<Bytes> {
        // What a file says of itself must not make us ask for more than it has, or than there is memory for.
        let end = start.checked_add(length as u64);
        if length > MOST_TOGETHER_BYTES || end.is_none_or(|end| end > self.listed.size_bytes) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let fetch = |start, length| self.store.wait(self.store.block(&self.listed, start, length));
        if length <= BLOCK_BYTES {
            return if length == 0 {
                Ok(Bytes::new())
            } else {
                fetch(start, length).map_err(|failure| self.fail(failure))
            };
        }
        let mut bytes = BytesMut::with_capacity(length);
        while bytes.len() < length {
            let next = (length - bytes.len()).min(BLOCK_BYTES);
            let block = fetch(start + bytes.len() as u64, next).map_err(|failure| self.fail(failure))?;
            bytes.extend_from_slice(&block);
        }
        Ok(bytes.freeze())
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Object").field(&self.listed).finish()
    }
}
