//! Noise over a long slice by several threads.

use std::num::NonZeroUsize;
use std::thread;

use zeroize::{DefaultIsZeroes, Zeroize};

use crate::{NoiseSource, PrivacyError};

/// Words below which a second thread does not pay: on a busy machine it may take a millisecond to begin, as long
/// as the noise of 20,000 cells.
const LEAST_PART: usize = 32 * 1024;

/// How many threads noise so many words: at most the processors there are, each with 32,768 words at least.
pub(crate) fn threads_for(words: usize) -> usize {
    let most = words / LEAST_PART;
    if most < 2 { 1 } else { most.min(thread::available_parallelism().map_or(1, NonZeroUsize::get)) }
}

/// Calls `noise` with parts of `words` and the index of each part's first word, by so many threads, the calling
/// one among them, each with a source of its own.
///
/// # Errors
/// The first failure of any part, in the order of the words. All words are then zero: none without its noise can
/// leave this function.
pub(crate) fn in_parts<T: DefaultIsZeroes + Send>(
    words: &mut [T],
    threads: usize,
    source: &mut NoiseSource,
    noise: impl Fn(usize, &mut [T], &mut NoiseSource) -> Result<(), PrivacyError> + Sync,
) -> Result<(), PrivacyError> {
    let part = words.len().div_ceil(threads.max(1)).max(1);
    let outcome = thread::scope(|scope| {
        let mut parts = words.chunks_mut(part).enumerate();
        let (_, own) = parts.next().unwrap_or_default();
        let others: Vec<_> = parts
            .map(|(number, words)| {
                let (mut source, noise) = (source.beside(), &noise);
                scope.spawn(move || noise(number * part, words, &mut source))
            })
            .collect();
        let own = noise(0, own, source);
        // A panic is the caller's, as if it had come from this thread.
        let join = |other: thread::ScopedJoinHandle<'_, _>| {
            other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        // Every thread is waited for, whatever came of the others.
        others.into_iter().map(join).fold(own, Result::and)
    });
    if outcome.is_err() {
        words.zeroize();
    }
    outcome
}
