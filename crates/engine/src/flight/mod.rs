//! A server that speaks Arrow Flight SQL as a data source: an agency's own engine bounds, counts and sums, and only
//! cells come here.
//!
//! Flight SQL has neither snapshots nor dependable parameters. So every statement bounds the units by itself, whatever
//! it sees; several statements of one plan may see several states; and the key of tags stands in the text, as a literal.

mod access;
mod address;
mod answer;
mod client;
mod peer;
mod reading;

pub use access::FlightSqlAccess;
pub(crate) use peer::{Peer, advised};
pub(crate) use reading::bounded;
