//! PostgreSQL as a data source: the database bounds, counts and sums, and only cells come here.
//!
//! Every question is one read-only transaction, so that all of its statements see one snapshot. Nothing is kept between
//! questions but connections: what the columns are and whether a table needs bounding is asked again in each snapshot.

mod access;
mod catalog;
mod database;
mod pool;
mod reading;
mod role;
mod survey;
mod transaction;
mod whole;

pub use access::PostgresAccess;
pub(crate) use database::Database;

use crate::SourceError;

/// A failure of a statement or connection: code and message for the node's own log, never the row that the server
/// may quote in addition.
fn failed(error: &tokio_postgres::Error) -> SourceError {
    let detail = match error.as_db_error() {
        Some(refused) => format!("PostgreSQL {}: {}", refused.code().code(), refused.message()),
        None => std::error::Error::source(error)
            .map_or_else(|| error.to_string(), |source| format!("{error}: {source}")),
    };
    SourceError::answer(detail)
}
