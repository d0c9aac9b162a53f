//! A log's entries as messages for auditors: node and coordinator send theirs in the same pages.

use std::future::Future;
use std::sync::Arc;

use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use crate::{Refusal, v1};

/// Most entries in one message: with the longest, 4 MiB.
const PAGE_ENTRIES: usize = 64;

/// Most messages waiting for a slow auditor.
pub const PAGES_IN_FLIGHT: usize = 2;

/// A log whose entries can be read by their numbers.
pub trait ReadEntries: Send + Sync + 'static {
    /// The entries from number `from` on, `at_most` of them.
    fn read(&self, from: u64, at_most: usize) -> impl Future<Output = Result<Vec<Vec<u8>>, Refusal>> + Send;
}

/// The entries that a request names, page by page.
pub struct EntryPages<L> {
    log: Arc<L>,
    at: u64,
    to: u64,
}

impl<L: ReadEntries> EntryPages<L> {
    /// Of a log of `size` entries.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] when the log does not have all that is asked for.
    pub fn new(log: Arc<L>, size: u64, request: v1::GetEntriesRequest) -> Result<Self, Refusal> {
        let v1::GetEntriesRequest { from, to } = request;
        if from <= to && to <= size { Ok(EntryPages { log, at: from, to }) } else { Err(Refusal::Malformed) }
    }

    /// The next entries, 1 to 64, or why there are none; nothing after the last, and nothing after a refusal.
    pub async fn next(&mut self) -> Option<Result<Vec<Vec<u8>>, Refusal>> {
        let most = usize::try_from(self.to - self.at).map_or(PAGE_ENTRIES, |left| left.min(PAGE_ENTRIES));
        if most == 0 {
            return None;
        }
        let found = self.log.read(self.at, most).await;
        // What the size counts is there; were it not, this ends all the same.
        let found = found.and_then(|found| {
            if (1..=most).contains(&found.len()) { Ok(found) } else { Err(Refusal::Internal) }
        });
        self.at = found.as_ref().map_or(self.to, |found| self.at + found.len() as u64);
        Some(found)
    }

    /// All of them, as fast as the caller takes them and no faster; ends when the caller hangs up.
    pub fn stream(mut self) -> ReceiverStream<Result<v1::Entries, Status>> {
        let (sender, receiver) = tokio::sync::mpsc::channel(PAGES_IN_FLIGHT);
        tokio::spawn(async move {
            while let Some(page) = self.next().await {
                let page = page.map(|entries| v1::Entries { entries }).map_err(Status::from);
                if sender.send(page).await.is_err() {
                    return;
                }
            }
        });
        ReceiverStream::new(receiver)
    }
}

#[cfg(test)]
mod tests;
