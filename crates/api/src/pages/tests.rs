//! No message has more than 64 entries, no auditor makes the server read far ahead, and every reading ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio_stream::StreamExt;

use super::*;

fn entry(number: u64) -> Vec<u8> {
    number.to_be_bytes().to_vec()
}

fn all(from: u64, to: u64) -> Vec<Vec<u8>> {
    (from..to).map(entry).collect()
}

type Found = Result<Vec<Vec<u8>>, Refusal>;

struct Log<R>(R);

impl<R: Fn(u64, usize) -> Found + Send + Sync + 'static> ReadEntries for Log<R> {
    async fn read(&self, from: u64, at_most: usize) -> Found {
        (self.0)(from, at_most)
    }
}

/// Entries `from` to `to` of a log of `size`.
fn pages<R>(read: R, size: u64, from: u64, to: u64) -> Result<EntryPages<Log<R>>, Refusal>
where
    R: Fn(u64, usize) -> Found + Send + Sync + 'static,
{
    EntryPages::new(Arc::new(Log(read)), size, v1::GetEntriesRequest { from, to })
}

#[tokio::test]
async fn pages_are_full_and_bounded_and_have_each_entry_once() {
    let size = 3 * PAGE_ENTRIES as u64 + 7;
    for (from, to) in [(0, size), (1, 2), (5, 5), (size, size), (63, 65), (64, 128), (7, size - 1)] {
        let read = move |at: u64, most: usize| {
            assert!(at < to && (1..=PAGE_ENTRIES).contains(&most), "{at} {most}");
            assert!(at + most as u64 <= to, "no more than was asked for");
            Ok(all(at, at + most as u64))
        };
        let mut reading = pages(read, size, from, to).expect("in range");
        let (mut found, mut count) = (Vec::new(), 0);
        while let Some(page) = reading.next().await {
            let page = page.expect("entries");
            assert!((1..=PAGE_ENTRIES).contains(&page.len()));
            found.extend(page);
            count += 1;
        }
        assert_eq!(found, all(from, to));
        assert_eq!(count, (to - from).div_ceil(PAGE_ENTRIES as u64), "{from} {to}");
        assert!(reading.next().await.is_none());
    }
}

#[test]
fn what_the_log_does_not_have_is_refused_before_anything_is_read() {
    for (from, to) in [(0, 11), (11, 11), (3, 2), (0, u64::MAX), (u64::MAX, u64::MAX), (u64::MAX, 0)] {
        let read = |_, _| -> Found { unreachable!("nothing is read") };
        assert_eq!(pages(read, 10, from, to).err(), Some(Refusal::Malformed), "{from} {to}");
    }
}

#[tokio::test]
async fn a_log_that_gives_too_little_too_much_or_nothing_ends_the_reading() {
    // Short pages go on from where they end.
    let short = |at: u64, _: usize| Ok(all(at, at + 1));
    let mut reading = pages(short, 3, 0, 3).expect("in range");
    for number in 0..3 {
        assert_eq!(reading.next().await, Some(Ok(vec![entry(number)])));
    }
    assert_eq!(reading.next().await, None);
    let bad: [fn(u64) -> Found; 3] =
        [|_| Ok(Vec::new()), |at| Ok(all(at, at + 65)), |_| Err(Refusal::Internal)];
    for found in bad {
        let mut reading = pages(move |at, _| found(at), 100, 0, 100).expect("in range");
        assert_eq!(reading.next().await, Some(Err(Refusal::Internal)));
        assert_eq!(reading.next().await, None, "nothing after a refusal");
    }
}

#[tokio::test]
async fn a_slow_auditor_has_two_messages_waiting_and_one_that_hung_up_ends_the_reading() {
    let reads = Arc::new(AtomicUsize::new(0));
    let count = reads.clone();
    let read = move |at: u64, most: usize| {
        count.fetch_add(1, Ordering::SeqCst);
        Ok(all(at, at + most as u64))
    };
    let mut stream = pages(read, 64_000, 0, 64_000).expect("in range").stream();
    let settle = || async {
        for _ in 0..1_000 {
            tokio::task::yield_now().await;
        }
        reads.load(Ordering::SeqCst)
    };
    // Those that wait, and the one that finds no room.
    assert_eq!(settle().await, PAGES_IN_FLIGHT + 1);
    let first = stream.next().await.expect("a message").expect("entries");
    assert_eq!(first.entries, all(0, 64));
    assert_eq!(settle().await, PAGES_IN_FLIGHT + 2);
    drop(stream);
    assert_eq!(settle().await, PAGES_IN_FLIGHT + 2, "nobody reads any more");
    assert_eq!(Arc::strong_count(&reads), 1, "the reading is over");
}
