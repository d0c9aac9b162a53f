//! The wire: generated messages and services, and the one boundary between them and the domain.
//!
//! Nothing here decides anything: it translates, authenticates the caller, cuts logs into messages, and names refusals.

mod caller;
mod pages;
mod refusal;
mod tls;
mod wire;

pub use caller::{caller, require};
pub use pages::{EntryPages, PAGES_IN_FLIGHT, ReadEntries};
pub use refusal::{REFUSAL_KEY, Refusal};
pub use tls::{TlsError, TlsFiles};
pub use wire::{masked_chunks, signed, to_signed, to_wire};

/// The version of the protocol; every canonical message begins with a label that carries it.
pub const PROTOCOL_VERSION: &str = "almoner/1";

/// Most values in one [`v1::MaskedChunk`]: half a mebibyte.
pub const CHUNK_VALUES: usize = 1 << 16;

/// Largest gRPC message either side accepts, in bytes: the total of the widest plan (2^20 values of
/// eight bytes) with the evidence of 5,000 participants.
pub const MAX_MESSAGE_BYTES: usize = 16 << 20;

/// The generated code of `proto/almoner/v1`.
pub mod v1 {
    // Generated: its documentation is in the .proto files, its style is its generator's.
    #![allow(missing_docs, unused_qualifications, clippy::all)]
    tonic::include_proto!("almoner.v1");
}
