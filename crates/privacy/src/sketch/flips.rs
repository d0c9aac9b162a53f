//! From a rho to the least noise of a sketch that keeps it, and back.
//!
//! Planner, coordinator, nodes and auditors run these same functions. No floating point may ever enter
//! this file.

use almoner_federation::PicoRho;
use dashu::integer::UBig;

use super::fixed::{BITS, Logarithms, divide_up, multiply_up};
use super::loss::loss;
use crate::PrivacyError;

/// The largest flip: a bit flipped with probability 1/2 says nothing.
pub(super) const MAX_FLIP: u64 = 1 << 63;

/// Binary logarithm of the least `beta` over the honest shares for which a sketch is offered, negated. With
/// `beta = 2^-10` even 2^24 buckets without a person would be counted with a standard deviation of 2^22.
const LEAST_BETA: usize = 10;

/// Pico-rho per rho.
const PICO: u64 = 1_000_000_000_000;

/// How one sketch is released: every node flips every bit with probability `flip/2^64`, and the release
/// costs `cost`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flips {
    /// Probability of a flip, in units of 2^-64; 1 to 2^63.
    pub flip: u64,
    /// What the release costs: at most the target.
    pub cost: PicoRho,
}

/// The zCDP cost of a sketch in which `honest_shares` = h >= 1 nodes outside the colluders flip every bit
/// with probability `q = flip/2^64`, when one person can be in `buckets_of_a_unit` = k buckets of the
/// release: k times the cost of one bucket at `beta = (1-2q)^h`, rounded up to whole pico-rho. The proof is
/// in `sketch/loss.rs`.
///
/// One bucket costs between `m = -ln(1-beta^2)/2` and `artanh(beta)^2/2`. It does not depend on the number of
/// nodes that hold the person: the bucket is a fair coin with one as with all. A flip of 2^63 is free. The
/// result exceeds the exact cost by less than 0.02 % and one pico.
///
/// # Errors
/// `Flip` unless `1 <= flip <= 2^63`; `NoHonestShare` and `NoBucket` for h = 0 and k = 0; `PriceTooLarge`
/// beyond 64 bits.
pub fn flips_price(flip: u64, honest_shares: u32, buckets_of_a_unit: u32) -> Result<PicoRho, PrivacyError> {
    check_flip(flip)?;
    check_shape(honest_shares, buckets_of_a_unit)?;
    let pico = pico(&Logarithms::new(), flip, honest_shares, buckets_of_a_unit);
    u64::try_from(&pico).map(PicoRho::new).map_err(|_| PrivacyError::PriceTooLarge)
}

/// The least noise for which [`flips_price`] is at most `rho`: the cost falls with the flip, so that
/// bisection finds the least flip. (Were two costs ordered wrongly by their last rounding, the flip returned
/// would still keep the promise: its own cost is what is compared with `rho`.)
///
/// # Errors
/// `NothingOffered` for a rho of zero; `SketchTooNoisy` when beta would be below 2^-10, that is for rho below
/// about 4.8e-7 k; `NoHonestShare` and `NoBucket` as for [`flips_price`].
pub fn flips(rho: PicoRho, honest_shares: u32, buckets_of_a_unit: u32) -> Result<Flips, PrivacyError> {
    check_shape(honest_shares, buckets_of_a_unit)?;
    if rho == PicoRho::ZERO {
        return Err(PrivacyError::NothingOffered);
    }
    let logarithms = Logarithms::new();
    // The cost of `kept` is at most rho, as that of the largest flip is: nothing.
    let (mut kept, mut cost, mut broken) = (MAX_FLIP, PicoRho::ZERO, 0);
    while kept - broken > 1 {
        let flip = broken.midpoint(kept);
        let pico = pico(&logarithms, flip, honest_shares, buckets_of_a_unit);
        match u64::try_from(&pico) {
            Ok(pico) if pico <= rho.get() => (kept, cost) = (flip, PicoRho::new(pico)),
            _ => broken = flip,
        }
    }
    if beta(kept, honest_shares) < UBig::ONE << (BITS - LEAST_BETA) {
        return Err(PrivacyError::SketchTooNoisy);
    }
    Ok(Flips { flip: kept, cost })
}

/// Refuses a flip that hides nothing or that would invert the bits.
pub(super) fn check_flip(flip: u64) -> Result<(), PrivacyError> {
    if (1..=MAX_FLIP).contains(&flip) { Ok(()) } else { Err(PrivacyError::Flip) }
}

fn check_shape(honest_shares: u32, buckets_of_a_unit: u32) -> Result<(), PrivacyError> {
    if honest_shares == 0 {
        return Err(PrivacyError::NoHonestShare);
    }
    if buckets_of_a_unit == 0 {
        return Err(PrivacyError::NoBucket);
    }
    Ok(())
}

/// The cost in pico-rho, rounded up.
fn pico(logarithms: &Logarithms, flip: u64, honest_shares: u32, buckets_of_a_unit: u32) -> UBig {
    if flip == MAX_FLIP {
        return UBig::ZERO;
    }
    let loss = loss(logarithms, &beta(flip, honest_shares));
    divide_up(loss * UBig::from(PICO) * UBig::from(buckets_of_a_unit), &super::fixed::one())
}

/// `(1 - 2 flip/2^64)^power`, rounded up, in fixed point. Below 1: rounding a product with a factor of at
/// most `1 - 2^-63` up does not pass the other factor.
fn beta(flip: u64, power: u32) -> UBig {
    let base = UBig::from(MAX_FLIP - flip) << (BITS - 63);
    let mut result: Option<UBig> = None;
    for digit in (0..u32::BITS - power.leading_zeros()).rev() {
        let squared = result.map(|result| multiply_up(&result, &result));
        let odd = power >> digit & 1 == 1;
        result = match squared {
            Some(squared) if odd => Some(multiply_up(&squared, &base)),
            Some(squared) => Some(squared),
            None => Some(base.clone()),
        };
    }
    result.unwrap_or_else(super::fixed::one)
}
