//! What a release costs and the noise that pays for it: zCDP prices, calibration, each node's share
//! of the noise, and what a planner may conclude from a noisy total.
//!
//! Everything that decides privacy is computed with integers. Floating point appears only where a
//! person reads: epsilon, estimates, error bars. Nothing here does I/O except drawing randomness.

mod allocate;
mod bands;
mod calibrate;
mod digits;
mod distribution;
#[cfg(test)]
mod enumerate;
mod epsilon;
mod error;
mod estimate;
mod events;
mod gaussian;
mod parallel;
mod price;
mod ratio;
mod seeds;
mod share;
mod sketch;
mod spread;
mod strategy;
mod stream;

pub use allocate::allocate;
pub use calibrate::{Calibration, calibrate};
pub use distribution::{Distribution, Statistic};
pub use epsilon::{epsilon, rho_for_epsilon};
pub use error::PrivacyError;
pub use estimate::{Estimate, linear};
pub use gaussian::DiscreteGaussian;
pub use price::{MAX_COORDINATES, MAX_SIGMA, MIN_SIGMA, price};
pub use ratio::{Term, ratio};
pub use share::{add_share, add_share_by};
pub use sketch::{Flips, add_flips, buckets_for, combined, distinct, distinct_error, flips, flips_price};
pub use spread::{Spread, spread};
pub use strategy::Strategy;
pub use stream::NoiseSource;
