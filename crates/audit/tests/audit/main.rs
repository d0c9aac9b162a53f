//! Audits of whole federations, honest and not.

mod bounds;
mod clean;
mod lies;
mod rules;
mod support;
mod tampering;
mod threads;
