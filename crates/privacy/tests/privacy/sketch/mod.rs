//! The sketch for distinct counts.

mod cost;
mod flips;
