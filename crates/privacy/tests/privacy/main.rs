//! The crate against independent witnesses: OpenDP, exact rational arithmetic, high-precision arithmetic,
//! exact Rényi divergences, and statistics whose false-alarm rates are stated and at most 1e-6 each.

mod composition;
mod coverage;
mod distributions;
mod divergence;
mod epsilon;
mod prices;
mod sampler;
mod shares;
mod sketch;
mod statistics;
