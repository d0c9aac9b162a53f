//! An agency's node: its configuration, its rules, its answers.
//!
//! A question becomes a masked vector in the order of the files: [`service`] authenticates the caller,
//! `question` checks what was asked, `prepare` computes and reserves, `release` charges and masks.
//! Nothing that leaves a node depends on its data except the masked vector.

mod approval;
mod clock;
mod config;
mod drill;
mod error;
mod node;
mod policy;
mod prepare;
mod question;
mod refused;
mod release;
mod serve;
mod service;

pub use approval::queue_path;
pub use clock::{Clock, SystemClock};
pub use config::{Limits, NodeConfig};
pub use drill::Step;
pub use error::NodeError;
pub use node::{Node, init, ledger_path, officer_key, open_for_officer, signing_key};
pub use policy::policy_of;
pub use serve::{open, serve};
