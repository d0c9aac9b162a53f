//! Counting distinct persons over agencies whose populations overlap: a sketch that adds up by XOR.
//!
//! A person falls into one of D buckets, by a keyed hash of the identity, the same at every agency.
//! Node i has the bits `b_ij`, 1 when a matching person of its own is in bucket j, and releases
//! `v_ij = (r_ij AND b_ij) XOR e_ij` with independent `r_ij ~ Bernoulli(1/2)` and
//! `e_ij ~ Bernoulli(q)`. The federation sees only the XOR of all `v_i`: a bucket that anybody set is a
//! fair coin, however many set it; a bucket that nobody set is 1 with probability `(1 - beta)/2`,
//! `beta = (1 - 2q)^n` over n nodes. The overlap of the agencies thus vanishes by itself.
//!
//! Source: Pagh and Stausholm, "Efficient Differentially Private F0 Linear Sketching" (ICDT 2021), for the
//! sketch over GF(2); Hehir, Ting, Cormode, "Sketch-Flip-Merge" (ICML 2023), for flips that treat set and
//! unset bits differently.

mod distinct;
mod fixed;
mod flips;
mod loss;
mod noise;

pub use distinct::{buckets_for, combined, distinct, distinct_error};
pub use flips::{Flips, flips, flips_price};
pub use noise::add_flips;
