//! Audits of whole federations, honest and not.

mod clean;
mod lies;
mod support;
mod tampering;
