//! The checks themselves (PROTOCOL E.3): each log by itself, each release by itself, and whether they belong together.

mod log;
mod node;
mod plans;
mod policy;
mod questions;
mod registry;
mod release;
mod uniform;

pub(crate) use log::{Shown, Signer};
pub(crate) use node::{Against, NodeChecked, check_node};
pub(crate) use questions::Questions;
pub(crate) use registry::{Rounds, check_registry};
pub(crate) use release::{Releases, check_releases};
