//! How many threads share a piece of work.

use std::thread;

/// Most of them, whatever the machine has.
const MOST: usize = 4;

/// As many threads as there are processors, and no more than [`MOST`].
pub(crate) fn workers() -> usize {
    thread::available_parallelism().map_or(1, usize::from).min(MOST)
}
