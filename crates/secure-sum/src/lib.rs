//! MASK/1: a sum that nobody sees the parts of. Each node adds to its noisy cells one keystream per
//! neighbour, derived from a pair key and from the hash of one release context; the keystreams cancel
//! in the sum of all participants, and only if every one of them used the same context. What a sum is
//! depends on the [`Ring`]: of numbers modulo 2^64, or of bits by XOR.
//!
//! This crate decides and computes; it never does I/O, reads no clock, opens no file. Callers pass the
//! time and the random source in, persist every [`Step`] before they act on it, and carry the bytes.
//! It must never offer a way to remove a mask: there is no such message in the protocol.
//!
//! The node's side: a [`MaskKey`] and a [`Roster`] give the [`PairRoots`] of an epoch; a [`NodeRound`]
//! holds one attempt at one question, turns a [`Release`] into an [`AcceptedContext`] or a refusal, and
//! [`mask`] turns noisy cells into a [`Masked`] vector. The coordinator's side: [`Collecting`] gathers
//! READYs, [`Releasing`] holds the one context and the outputs, [`Total`] is the end.

mod accepted;
mod coordinator;
mod error;
mod graph;
mod keys;
mod keystream;
mod mask;
mod message;
mod rings;
mod roster;
mod round;
mod rules;
mod schedule;

pub use accepted::AcceptedContext;
pub use coordinator::{Collecting, Evidence, Question, Received, Releasing, Total};
pub use error::{CoordinatorFault, LocalFault, NodeFault, Refusal, SecureSumError};
pub use graph::graph_degree;
pub use keys::{MaskKey, PairRoots};
pub use mask::{Masked, mask};
pub use message::{Abort, Context, Message, Output, Ready, Release, Signed, Verified};
pub use rings::Ring;
pub use roster::{Member, Roster};
pub use round::{NodeRound, RoundState, Step};
pub use rules::ReleaseRules;

/// Most participants of one release, and most members of a roster.
pub const MAX_PARTICIPANTS: usize = 5_000;

/// Most words of one vector: 128 MiB of masked bytes. A word is one cell of [`Ring::Z64`] and 64 of
/// [`Ring::Gf2`].
pub const MAX_CELLS: usize = 1 << 24;

/// Longest signed message in bytes; a context of 5,000 participants takes about 20 KiB.
pub const MAX_MESSAGE_BYTES: usize = 32 * 1024;
