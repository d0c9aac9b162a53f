//! Privacy loss as an integer: one pico-rho is 1e-12 of zCDP's rho (Bun and Steinke, TCC 2016).

use std::fmt;
use std::str::FromStr;

use dashu::integer::{IBig, UBig};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::number::{Exact, parse_exact};

/// Why a rho was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0:?} is not a rho: write a decimal number above 0 and at most 1000000, with at most 12 decimals")]
pub struct RhoError(String);

/// An amount of zCDP privacy loss in units of 1e-12 rho. Every sum and comparison of budgets is made here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub struct PicoRho(u64);

const PER_RHO: u64 = 1_000_000_000_000;

impl PicoRho {
    /// No privacy loss.
    pub const ZERO: PicoRho = PicoRho(0);

    /// `pico` times 1e-12 rho.
    pub const fn new(pico: u64) -> Self {
        PicoRho(pico)
    }

    /// The amount in units of 1e-12 rho.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The sum, or `None` beyond 64 bits.
    pub fn checked_add(self, other: PicoRho) -> Option<PicoRho> {
        self.0.checked_add(other.0).map(PicoRho)
    }

    /// What is left after `other` is taken, never below zero.
    pub fn saturating_sub(self, other: PicoRho) -> PicoRho {
        PicoRho(self.0.saturating_sub(other.0))
    }

    /// The amount as a floating point rho: for people and for display only.
    pub fn as_f64(self) -> f64 {
        self.0 as f64 / PER_RHO as f64
    }

    /// The amount as an exact rational rho.
    pub fn exact(self) -> Exact {
        Exact::from_parts(IBig::from(self.0), UBig::from(PER_RHO))
    }
}

impl FromStr for PicoRho {
    type Err = RhoError;
    fn from_str(text: &str) -> Result<Self, RhoError> {
        let refuse = || RhoError(text.chars().take(40).collect());
        let pico = parse_exact(text).ok_or_else(refuse)? * Exact::from(PER_RHO);
        if !pico.is_int() {
            return Err(refuse());
        }
        let pico = u64::try_from(pico.numerator().clone()).map_err(|_| refuse())?;
        if pico == 0 || pico > PER_RHO * 1_000_000 { Err(refuse()) } else { Ok(PicoRho(pico)) }
    }
}

impl fmt::Display for PicoRho {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = format!("{}.{:012}", self.0 / PER_RHO, self.0 % PER_RHO);
        f.pad(digits.trim_end_matches('0').trim_end_matches('.'))
    }
}

impl Serialize for PicoRho {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PicoRho {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::number::Literal::deserialize(deserializer)?
            .to_string()
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimal_text_is_exact_to_the_last_pico() {
        assert_eq!("0.005".parse::<PicoRho>().map(PicoRho::get), Ok(5_000_000_000));
        assert_eq!("0.000000000001".parse::<PicoRho>().map(PicoRho::get), Ok(1));
        assert_eq!(PicoRho::new(5_000_000_000).to_string(), "0.005");
        assert_eq!(PicoRho::new(2 * PER_RHO).to_string(), "2");
        for bad in ["0", "-1", "0.0000000000001", "nan", "1e9", "", "1/3"] {
            assert!(bad.parse::<PicoRho>().is_err(), "{bad}");
        }
    }
}
