//! `almoner demo`: a whole federation on one machine, over people who do not exist.

mod agencies;
mod command;
mod error;
pub mod folder;
mod party;
mod payments;
mod population;
pub mod prefecture;
mod processes;
mod random;
mod registers;
mod scenario;
mod show;
mod targeting;
mod targets;
mod truth;

pub(crate) use command::DemoCommand;
pub use error::DemoError;
pub use scenario::Scenario;
pub use targets::PEOPLE;
pub use truth::Truth;

#[cfg(test)]
mod tests;
