//! The engine through its public face: files in, cells out.

mod bounds;
mod common;
mod conformance;
mod flight;
mod formats;
mod headers;
mod input;
mod larger;
mod measures;
mod objects;
mod partitions;
mod postgres;
mod register;
mod sensitivity;
mod speed;
mod territories;
mod units;
