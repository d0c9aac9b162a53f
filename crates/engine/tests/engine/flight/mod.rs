//! A Flight SQL server as the source: the same cells, and clear refusals when it is slow, wrong or gone.

mod ballista;
mod conformance;
mod hostile;
mod opening;
#[path = "../../../../../tests/support/flight.rs"]
pub mod server;
mod speed;
