//! The privacy loss of one block, as an exact integer: what the ledgers add up and auditors recompute.
//!
//! No floating point may ever enter this file.

use almoner_federation::PicoRho;
use dashu::integer::UBig;

use crate::PrivacyError;

/// Least standard deviation of one node's share that may be priced, in integer steps.
pub const MIN_SIGMA: u64 = 256;
/// Largest standard deviation of one node's share, in integer steps.
pub const MAX_SIGMA: u64 = 1 << 50;
/// Most coordinates one block may have.
pub const MAX_COORDINATES: usize = 1 << 24;

/// Pico-rho per rho.
const PICO: u64 = 1_000_000_000_000;

/// The zCDP cost of releasing the sum of integer vectors of `coordinates` = d entries whose L2
/// sensitivity, federation-wide and after scaling, is `d2_scaled` = D, when `honest_shares` = h >= 1
/// independent shares of a discrete Gaussian with parameter `sigma` are added to every entry:
/// the least integer number of pico-rho that is at least `1e12 (D^2 / (2 h sigma^2) + tau d)` with
/// `tau = 10 sum_{k=1}^{h-1} exp(-2 pi^2 sigma^2 k/(k+1))`.
///
/// Source: Kairouz, Liu, Steinke, "The Distributed Discrete Gaussian Mechanism for Federated Learning
/// with Secure Aggregation" (ICML 2021), Proposition 14: `D_alpha <= alpha D^2/(2 h sigma^2) + tau d`
/// for every `alpha > 1`, hence `(D^2/(2 h sigma^2) + tau d)`-zCDP, since `tau d <= alpha tau d`.
///
/// # Why integers suffice
/// Write `x = 1e12 D^2 / M` with the integer `M = 2 h sigma^2`, and `e = 1e12 tau d`.
/// * h = 1: the sum in tau is empty, `e = 0`, and the price is `ceil(x)`.
/// * h >= 2: `k/(k+1) >= 1/2`, so `0 < tau < 10 h exp(-pi^2 sigma^2)`. With `sigma >= 256`, `h < 2^32`
///   and `d <= 2^24`: `e < 1e13 * 2^56 * exp(-9 * 65536) < 1e30 * 1e-256000`. And `M < 2 * 2^32 * 2^100
///   < 1e41`, so `0 < e < 1/M`. The distance from x up to the next integer strictly above it is at
///   least `1/M` (both are multiples of it), so no integer lies in `(x, x + e)` and the least integer
///   `>= x + e` is `floor(x) + 1`.
///
/// # Errors
/// `NoHonestShare`, `Coordinates`, `Sigma` for arguments outside their ranges (`sigma` below 256 is
/// refused because the argument above would not hold); `PriceTooLarge` beyond 64 bits.
pub fn price(
    d2_scaled: u128,
    honest_shares: u32,
    sigma: u64,
    coordinates: usize,
) -> Result<PicoRho, PrivacyError> {
    check_shape(honest_shares, coordinates)?;
    if !(MIN_SIGMA..=MAX_SIGMA).contains(&sigma) {
        return Err(PrivacyError::Sigma);
    }
    let loss = loss_numerator(&UBig::from(d2_scaled));
    let divisor = UBig::from(2u8) * UBig::from(honest_shares) * UBig::from(sigma) * UBig::from(sigma);
    let pico =
        if honest_shares == 1 { (loss + &divisor - UBig::ONE) / divisor } else { loss / divisor + UBig::ONE };
    u64::try_from(&pico).map(PicoRho::new).map_err(|_| PrivacyError::PriceTooLarge)
}

/// `1e12 D^2`: the price times `2 h sigma^2`.
pub(crate) fn loss_numerator(d2: &UBig) -> UBig {
    UBig::from(PICO) * d2 * d2
}

/// Refuses a count of shares or of coordinates for which the price's proof does not hold.
pub(crate) fn check_shape(honest_shares: u32, coordinates: usize) -> Result<(), PrivacyError> {
    if honest_shares == 0 {
        return Err(PrivacyError::NoHonestShare);
    }
    if coordinates == 0 || coordinates > MAX_COORDINATES {
        return Err(PrivacyError::Coordinates);
    }
    Ok(())
}
