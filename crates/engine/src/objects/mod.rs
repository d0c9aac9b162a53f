//! An agency's folder in an object store: S3 or what speaks like it, or a WebDAV server.
//!
//! What is read is what was listed. Every object has a strong ETag when it is listed (RFC 9110, section 8.8: another
//! representation has another one), each request for a part of it is conditional on that ETag, and the answer's own
//! ETag and size are compared once more, since some servers do not know conditions. So the parts of one object are of
//! one state, and the ETag stands for the contents in the name of the snapshot; to hash them, Parquet files would have
//! to be fetched whole.
//!
//! Nothing is written to a disk. A store that cannot be reached for a while is asked again, a bounded number of times.

mod access;
mod connection;
mod object;
mod reading;
mod store;
mod trouble;
mod windows;

pub use access::ObjectStoreAccess;

pub(crate) use object::Object;
pub(crate) use reading::ObjectReader;
pub(crate) use store::Store;
pub(crate) use windows::{ObjectReading, Windows};
