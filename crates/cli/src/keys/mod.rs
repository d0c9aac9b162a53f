//! `almoner keys`: every party's keys and certificates, and the public stanzas that go into the
//! manifest. A key once written is never overwritten, and no secret is ever printed.
//!
//! A party makes its secrets itself and asks with a request; the authority signs it; the party
//! installs the certificate. For trials one machine does all three at once.

mod authority;
mod command;
mod error;
mod files;
mod host;
mod install;
mod maker;
mod request;
mod show;
mod sketch;
mod stanza;
mod validity;

pub use authority::Authority;
pub(crate) use command::KeysCommand;
pub use error::KeysError;
pub use host::Host;
pub use install::install;
pub use maker::KeyMaker;
pub use request::Request;
pub use show::{identity_of, show};
pub use sketch::SketchKey;
pub use stanza::{AgencyAbout, AgencyPublic, AuditorPublic, CoordinatorPublic, PlannerPublic};
pub use validity::Validity;

#[cfg(test)]
mod tests;
