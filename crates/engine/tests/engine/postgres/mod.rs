//! PostgreSQL as a data source, against a real server that these tests start and stop.

mod conformance;
mod hostile;
mod opening;
mod roles;
#[path = "../../../../../tests/support/postgres.rs"]
mod server;
mod speed;
