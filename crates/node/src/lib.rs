//! An agency's node: its configuration, its rules, its answers.
//!
//! A question becomes a masked vector in the order of the files: [`service`] authenticates the caller,
//! `question` checks what was asked, `prepare` computes and reserves, `release` charges,
//! has the charge witnessed, and masks. `recall` asks the other agencies at start what they remember of this node's
//! ledger, `witness` remembers theirs, and `log_service` shows this one to auditors.
//! Nothing that leaves a node depends on its data except the masked vector.

mod approval;
mod check;
mod clock;
mod config;
mod cosigning;
mod data;
mod drill;
mod error;
mod log_service;
mod node;
mod own_log;
mod peers;
mod policy;
mod prepare;
mod question;
mod recall;
mod refused;
mod release;
mod serve;
mod service;
mod standing;
mod witness;

pub use approval::queue_path;
pub use check::{DataCheck, check};
pub use clock::{Clock, SystemClock};
pub use config::{Limits, NodeConfig};
pub use data::{DataConfig, FlightSqlConfig, ObjectsConfig, PostgresConfig};
pub use drill::Step;
pub use error::NodeError;
pub use node::{Node, checkpoint_path, init, ledger_path, officer_key, open_for_officer};
pub use policy::policy_of;
pub use serve::{open, serve};
pub use standing::RolledBack;
pub use witness::{Remembered, remembered};
