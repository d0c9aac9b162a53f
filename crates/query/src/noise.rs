//! Blocks: the sensitivity, noise and cost of each measure, in exact integers.
//!
//! No floating point may ever enter this file.

use almoner_federation::{Manifest, PicoRho, Table};
use almoner_privacy::calibrate;

use crate::QueryError;
use crate::layout::Measure;

/// Coordinates that are released together with one joint sensitivity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// First coordinate within a cell.
    pub first: usize,
    /// Coordinates per cell.
    pub count: usize,
    /// Largest L2 norm of one row's contribution, in integer steps.
    pub row_bound: u128,
    /// Federation-wide L2 sensitivity of the unscaled block: overlap * rows per unit * row bound.
    pub d2: u128,
    /// Every cell of the block is multiplied by 2^shift before noise.
    pub shift: u32,
    /// Standard deviation of each node's noise share, in scaled integer steps.
    pub sigma: u64,
    /// What the block costs.
    pub cost: PicoRho,
}

/// What the manifest says about one table that decides its noise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) population: u64,
    /// `m` of PROTOCOL C.
    pub(crate) overlap: u32,
    pub(crate) rows_per_unit: u32,
    /// `h = q - t`.
    pub(crate) honest_shares: u32,
    /// Nodes that can take part, each with one noise share.
    pub(crate) agencies: u32,
}

/// Totals stay below this, half of what a signed word holds.
const RING_BITS: u32 = 62;

/// Most integer steps that one row adds, however few rows there are.
const MAX_STEPS: u64 = 1 << 31;
/// Fewest steps to which coarsening may go to make a large population fit the ring.
const MIN_STEPS: u64 = 1 << 12;

impl Facts {
    pub(crate) fn of(manifest: &Manifest, table: &Table) -> Facts {
        Facts {
            population: manifest.unit.population,
            overlap: manifest.overlap(table),
            rows_per_unit: table.rows_per_unit,
            honest_shares: manifest.policy.honest_shares(),
            agencies: manifest.agencies.len() as u32,
        }
    }

    /// Rows of one unit in the whole federation.
    fn rows_of_a_unit(&self) -> u128 {
        u128::from(self.overlap) * u128::from(self.rows_per_unit)
    }

    /// Rows in the whole federation.
    fn rows(&self) -> u128 {
        u128::from(self.population) * self.rows_of_a_unit()
    }

    /// The most integer steps one row may add, such that all rows together fit the ring with room for
    /// noise. Where that makes steps coarser than declared, they are still far finer than the noise.
    pub(crate) fn most_steps(&self) -> u64 {
        let fit = (1u128 << (RING_BITS - 4)) / self.rows().max(1);
        u64::try_from(fit).unwrap_or(u64::MAX).clamp(MIN_STEPS, MAX_STEPS)
    }
}

/// The blocks of a plan. Each gets an equal part of `rho`; its cost is at most that part.
///
/// # Errors
/// When a part is too small for any noise, or the totals could leave the ring.
pub(crate) fn blocks(
    measures: &[Measure],
    cells: usize,
    facts: &Facts,
    rho: PicoRho,
) -> Result<Vec<Block>, QueryError> {
    let part = PicoRho::new(rho.get() / measures.len() as u64);
    let block = |measure: &Measure| {
        let (count, row_bound) = (measure.content.width(), measure.content.row_bound());
        // At most 5,000 agencies * 1,000 rows * 2^31 steps: far below 2^128.
        let d2 = facts.rows_of_a_unit() * row_bound;
        let noise = calibrate(d2, facts.honest_shares, cells * count, part)?;
        check_ring(facts, row_bound, noise.shift, noise.sigma)?;
        Ok(Block {
            first: measure.first,
            count,
            row_bound,
            d2,
            shift: noise.shift,
            sigma: noise.sigma,
            cost: noise.cost,
        })
    };
    measures.iter().map(block).collect()
}

/// The largest total of a cell with 8.5 standard deviations of everyone's noise stays below 2^62
/// (PROTOCOL A.7), so that the ring never wraps; if it did, privacy would hold but the answer would not.
fn check_ring(facts: &Facts, row_bound: u128, shift: u32, sigma: u64) -> Result<(), QueryError> {
    let largest =
        facts.rows().checked_mul(row_bound).and_then(|total| total.checked_mul(1u128.checked_shl(shift)?));
    let shares = u128::from(facts.agencies.isqrt()) + 1;
    let noise = u128::from(sigma) * shares * 17 / 2 + 1;
    match largest.and_then(|largest| largest.checked_add(noise)) {
        Some(total) if total < 1 << RING_BITS => Ok(()),
        _ => Err(QueryError::TooLarge {
            message: format!("totals over {} rows could pass 2^{RING_BITS}", facts.rows()),
            remedy: "lower rho, measure in a coarser resolution, or correct the manifest's population".into(),
        }),
    }
}
