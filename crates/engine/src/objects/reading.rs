//! An object from its beginning to its end, the next block on its way while one is read.

use std::io::{self, Read};
use std::sync::Arc;

use almoner_federation::Digest;
use bytes::{Buf, Bytes};
use tokio::task::JoinHandle;

use super::object::{BLOCK_BYTES, Object};
use super::trouble::{Failure, Trouble};

/// A reader that holds at most two blocks of [`BLOCK_BYTES`].
pub(crate) struct ObjectReader {
    object: Arc<Object>,
    block: Bytes,
    coming: Option<JoinHandle<Result<Bytes, Failure>>>,
    /// Up to where blocks were asked for.
    asked: u64,
}

impl ObjectReader {
    pub(crate) fn new(object: Arc<Object>) -> ObjectReader {
        let mut reader = ObjectReader { object, block: Bytes::new(), coming: None, asked: 0 };
        reader.ask();
        reader
    }

    /// Asks for the next block, if there is one.
    fn ask(&mut self) {
        let left = self.object.size_bytes() - self.asked;
        let length = usize::try_from(left).unwrap_or(usize::MAX).min(BLOCK_BYTES);
        if length > 0 {
            let (object, start) = (Arc::clone(&self.object), self.asked);
            let block = async move { object.store.block(&object.listed, start, length).await };
            self.coming = Some(self.object.store.runtime.spawn(block));
            self.asked += length as u64;
        }
    }

    /// How long the object is, and what stands for its contents.
    pub(crate) fn finish(self) -> (u64, Digest) {
        (self.object.size_bytes(), self.object.contents())
    }
}

impl Read for ObjectReader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.block.is_empty() {
            let Some(coming) = self.coming.take() else { return Ok(0) };
            let come =
                self.object.store.wait(coming).unwrap_or_else(|_| {
                    Err(Failure::of(&Trouble::Broken, self.object.store.kind(), false, 1))
                });
            self.block = come.map_err(|failure| self.object.fail(failure))?;
            self.ask();
        }
        let count = into.len().min(self.block.len());
        self.block.copy_to_slice(&mut into[..count]);
        Ok(count)
    }
}

impl Drop for ObjectReader {
    fn drop(&mut self) {
        if let Some(coming) = &self.coming {
            coming.abort();
        }
    }
}
