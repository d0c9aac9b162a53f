//! The checks themselves (PROTOCOL E.3): each log by itself, each release by itself, and whether they belong together.

mod log;
mod node;
mod plans;
mod policy;
mod questions;
mod registry;
mod release;
mod shown;
mod uniform;
mod uses;

pub(crate) use log::Signer;
pub(crate) use node::{Against, MAX_LISTED, NodeChecked, check_node};
pub(crate) use questions::Questions;
pub(crate) use registry::{Rounds, check_registry};
pub(crate) use release::{Releases, check_releases};
pub(crate) use shown::{By, Seen, Shown};
