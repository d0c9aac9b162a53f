//! From a rho to the least noise that keeps it: the scale of the cells and each node's sigma.
//!
//! Planner, coordinator, nodes and auditors run this same function; nobody believes a sigma that was
//! sent. No floating point may ever enter this file.

use almoner_federation::PicoRho;
use dashu::base::SquareRoot;
use dashu::integer::UBig;

use crate::PrivacyError;
use crate::price::{MAX_SIGMA, MIN_SIGMA, check_shape, loss_numerator, price};

/// How one block is released: the cells are multiplied by `2^shift`, each node adds a discrete
/// Gaussian share with parameter `sigma` (in scaled steps) to each of them, and the release costs `cost`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Calibration {
    /// Binary logarithm of the factor by which every cell is multiplied before noise is added.
    pub shift: u32,
    /// Standard deviation parameter of one node's share, in steps of the scaled cells; 256 to 2^50.
    pub sigma: u64,
    /// What the release of the block costs: at most the target.
    pub cost: PicoRho,
}

/// A fixed-point factor beyond `2^MAX_SHIFT` is never needed: a rho of `2^64` pico with `2^32` shares and
/// the least sensitivity, 1, calls for a sigma of `1/sqrt(2 * 2^32 * 2^64/1e12) > 2^-29`, so that
/// `2^37` times it is at least 256.
const MAX_SHIFT: u32 = 37;

/// The cheapest noise for a block of `coordinates` integers whose federation-wide L2 sensitivity before
/// scaling is `d2`, when at least `honest_shares` shares are added by nodes outside the colluders, such
/// that [`price`] is at most `target`.
///
/// `shift` is the least for which the least integer sigma keeping the target is at least 256 (PROTOCOL B.1:
/// rounding sigma up then costs at most 0.4 % of noise, and the tau term is nil); that least sigma is the
/// one returned. A block that no citizen can change (`d2` = 0) gets shift 0 and sigma 256.
///
/// # Errors
/// `NothingOffered` for a zero target; `NoiseTooLarge` when sigma would pass `2^50`; `NoHonestShare` and
/// `Coordinates` as for [`price`].
pub fn calibrate(
    d2: u128,
    honest_shares: u32,
    coordinates: usize,
    target: PicoRho,
) -> Result<Calibration, PrivacyError> {
    check_shape(honest_shares, coordinates)?;
    if target == PicoRho::ZERO {
        return Err(PrivacyError::NothingOffered);
    }
    if d2 == 0 {
        let cost = price(0, honest_shares, MIN_SIGMA, coordinates)?;
        return Ok(Calibration { shift: 0, sigma: MIN_SIGMA, cost });
    }
    let (shift, scaled, sigma) = (0..=MAX_SHIFT)
        .map(|shift| {
            let scaled = UBig::from(d2) << shift as usize;
            let sigma = least_sigma(&scaled, honest_shares, target);
            (shift, scaled, sigma)
        })
        .find(|(_, _, sigma)| *sigma >= UBig::from(MIN_SIGMA))
        .expect("MAX_SHIFT is enough for the least sensitivity, the most shares and the largest target");
    let sigma =
        u64::try_from(&sigma).ok().filter(|sigma| *sigma <= MAX_SIGMA).ok_or(PrivacyError::NoiseTooLarge)?;
    // Cannot fail: with shift 0 this is `d2` itself, and a scaled sensitivity calls for a sigma below 512.
    let scaled = u128::try_from(&scaled).map_err(|_| PrivacyError::NoiseTooLarge)?;
    let cost = price(scaled, honest_shares, sigma, coordinates)?;
    Ok(Calibration { shift, sigma, cost })
}

/// The least sigma whose price for sensitivity `d2` is at most `target`, by the two cases of [`price`]:
/// with `q = 1e12 d2^2 / (2 h target)`, one share needs `ceil(x) <= target`, that is `sigma^2 >= q`;
/// several need `floor(x) + 1 <= target`, that is `sigma^2 > q`.
fn least_sigma(d2: &UBig, honest_shares: u32, target: PicoRho) -> UBig {
    let loss = loss_numerator(d2);
    let divisor = UBig::from(2u8) * UBig::from(honest_shares) * UBig::from(target.get());
    // In both cases sigma is the least integer whose square exceeds the integer `below`.
    let below = if honest_shares == 1 { (loss - UBig::ONE) / divisor } else { loss / divisor };
    below.sqrt() + UBig::ONE
}
