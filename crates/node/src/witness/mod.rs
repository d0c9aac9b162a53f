//! This agency as a witness of the others' ledgers: what it remembers of them, and how they and auditors ask.

mod durable;
mod memory;
mod service;

pub(crate) use memory::{Answer, Fault, Memory};
pub(crate) use service::WitnessService;
