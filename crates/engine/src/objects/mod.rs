//! An agency's folder in an object store: S3 or what speaks like it, or a WebDAV server.
//!
//! What is read is what was listed. Every object has a strong ETag when it is listed (RFC 9110, section 8.8: another
//! representation has another one), each request for a part of it is conditional on that ETag, and the answer's own
//! ETag and size are compared once more, since some servers do not know conditions. So the parts of one object are of
//! one state, and the ETag stands for the contents in the name of the snapshot; to hash them, Parquet files would have
//! to be fetched whole.
//!
//! Nothing is written to a disk. At most four requests are under way at once (one for each thread that reads a Parquet
//! file; two for a CSV file), each for at most 8 MiB or a page of a listing. Each is made four times at most, with a time
//! limit for each and 1.75 s of waiting in all between them, and its answer may have 64 MiB.

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
