//! The transparency log against the specification's examples and against independent implementations:
//! `tlog_tiles` and `signed_note`, which bring another SHA-256 and another Ed25519.

mod board;
mod checkpoint;
mod cosigners;
mod merkle;
mod note;
mod support;
mod tampered_proofs;
mod tile_paths;
mod tiles;
