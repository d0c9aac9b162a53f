//! PostgreSQL as a data source: the database bounds, counts and sums, and only cells come here.
//!
//! Every question is one read-only transaction, so that all of its statements see one snapshot. Nothing is kept between
//! questions but connections: what the columns are and whether a table needs bounding is asked again in each snapshot.

mod access;
mod catalog;
mod database;
mod failure;
mod pool;
mod reading;
mod role;
mod survey;
mod transaction;
mod whole;

pub use access::PostgresAccess;
pub(crate) use database::Database;

use failure::failed;
