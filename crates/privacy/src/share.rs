//! One node's share of the noise.

use crate::parallel::{in_parts, threads_for};
use crate::{DiscreteGaussian, NoiseSource, PrivacyError};

/// Adds to every cell, modulo 2^64, an independent draw of the discrete Gaussian with parameter
/// `sigma_of(index)`, each in `1..=2^50`. 65,536 cells or more are shared among as many threads as there are
/// processors, the calling one among them.
///
/// # Errors
/// `Sigma` for a scale out of range, `RandomSource` or `RandomHealth` when no trustworthy randomness is
/// to be had. The cells are then all zero, so that no cell without its noise can leave this function.
pub fn add_share(
    cells: &mut [i64],
    sigma_of: impl Fn(usize) -> u64 + Sync,
    source: &mut NoiseSource,
) -> Result<(), PrivacyError> {
    let threads = threads_for(cells.len());
    add_share_by(threads, cells, sigma_of, source)
}

/// [`add_share`] by exactly so many threads, or by one a cell where there are fewer cells: to measure what
/// threads are worth.
///
/// # Errors
/// As for [`add_share`].
pub fn add_share_by(
    threads: usize,
    cells: &mut [i64],
    sigma_of: impl Fn(usize) -> u64 + Sync,
    source: &mut NoiseSource,
) -> Result<(), PrivacyError> {
    in_parts(cells, threads, source, |first, cells, source| {
        cells.iter_mut().enumerate().try_for_each(|(index, cell)| {
            *cell = cell.wrapping_add(DiscreteGaussian::new(sigma_of(first + index))?.sample(source)?);
            Ok(())
        })
    })
}
