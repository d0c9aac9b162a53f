//! One node's share of the noise.

use crate::{DiscreteGaussian, NoiseSource, PrivacyError};

/// Adds to every cell, modulo 2^64, an independent draw of the discrete Gaussian with parameter
/// `sigma_of(index)`, each in `1..=2^50`.
///
/// # Errors
/// `Sigma` for a scale out of range, `RandomSource` or `RandomHealth` when no trustworthy randomness is
/// to be had. The cells are then all zero, so that no cell without its noise can leave this function.
pub fn add_share(
    cells: &mut [i64],
    sigma_of: impl Fn(usize) -> u64,
    source: &mut NoiseSource,
) -> Result<(), PrivacyError> {
    let outcome = cells.iter_mut().enumerate().try_for_each(|(index, cell)| {
        *cell = cell.wrapping_add(DiscreteGaussian::new(sigma_of(index))?.sample(source)?);
        Ok(())
    });
    if outcome.is_err() {
        cells.fill(0);
    }
    outcome
}
