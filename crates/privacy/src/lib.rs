//! What a release costs and the noise that pays for it: zCDP prices, calibration, each node's share
//! of the noise, and what a planner may conclude from a noisy total.
//!
//! Everything that decides privacy is computed with integers. Floating point appears only where a
//! person reads: epsilon, estimates, error bars. Nothing here does I/O except drawing randomness.

mod calibrate;
#[cfg(test)]
mod enumerate;
mod epsilon;
mod error;
mod estimate;
mod exact;
mod gaussian;
mod price;
mod share;
mod stream;

pub use calibrate::{Calibration, calibrate};
pub use epsilon::{epsilon, rho_for_epsilon};
pub use error::PrivacyError;
pub use estimate::{Estimate, linear, mean};
pub use gaussian::DiscreteGaussian;
pub use price::{MAX_COORDINATES, MAX_SIGMA, MIN_SIGMA, price};
pub use share::add_share;
pub use stream::NoiseSource;
