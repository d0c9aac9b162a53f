//! The sketch for distinct counts.

mod cost;
mod federation;
mod flips;
