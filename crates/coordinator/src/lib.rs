//! The coordinator: takes planners' signed questions, runs rounds over the nodes, publishes what comes out.
//!
//! It is trusted for liveness alone. It sees noisy totals and uniform vectors, and it never plans,
//! prices or bounds anything for a node: each node does that itself.
//!
//! A question becomes a release in the order of the files: `service` authenticates the planner, `ask`
//! decides whether there is anything to run, `round` prepares and releases, `publish` signs and keeps.
//! `log` shows the registry to auditors.

mod ask;
mod config;
mod coordinator;
mod error;
mod log;
mod pending;
mod publish;
mod round;
mod serve;
mod service;

pub use config::CoordinatorConfig;
pub use coordinator::{Coordinator, checkpoint_path, registry_path};
pub use error::CoordinatorError;
pub use serve::{open, serve};
