//! PostgreSQL as a data source, against a real server that these tests start and stop.

mod conformance;
mod hostile;
mod roles;
mod server;
mod speed;
