//! This agency as a witness of the others' ledgers: what it remembers of them, and how they and auditors ask.

mod folder;
mod kept;
mod memory;
mod service;

pub use kept::{Remembered, remembered};
pub(crate) use memory::{Answer, Fault, Memory};
pub(crate) use service::WitnessService;
