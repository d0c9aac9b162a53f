//! Blocks: the sensitivity, noise and cost of each measure, in exact integers.
//!
//! No floating point may ever enter this file.

use almoner_federation::{Exact, Manifest, PicoRho, Table};
use almoner_privacy::{allocate, buckets_for, calibrate, flips};
use dashu::base::UnsignedAbs;
use dashu::integer::UBig;

use crate::QueryError;
use crate::layout::{Content, Measure, MostSteps, Sketch};

/// Coordinates that are released together with one joint sensitivity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// First coordinate within a cell.
    pub first: usize,
    /// Coordinates per cell.
    pub count: usize,
    /// Largest L2 norm of one row's contribution, in integer steps.
    pub row_bound: u128,
    /// Federation-wide L2 sensitivity of the unscaled block: overlap * rows per unit * row bound; for units
    /// that are counted once, the root of the cells they can be in.
    pub d2: u128,
    /// Every cell of the block is multiplied by 2^shift before noise.
    pub shift: u32,
    /// Standard deviation of each node's noise share, in scaled integer steps.
    pub sigma: u64,
    /// What the block costs.
    pub cost: PicoRho,
}

/// One sketch of distinct units in every cell: bits, 64 buckets to a word, that nodes flip and that combine by
/// XOR.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SketchBlock {
    /// First word within a cell.
    pub first: usize,
    /// Words per cell.
    pub words: usize,
    /// Every node flips every bit with probability `flip / 2^64`.
    pub flip: u64,
    /// What the sketch costs.
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

/// Most integer steps that one row adds, however few rows there are: as a single number, and as a product.
const MAX_STEPS: u64 = 1 << 31;
const MAX_PRODUCT: u64 = 1 << 40;
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

    /// Buckets of a sketch.
    pub(crate) fn buckets(&self) -> u64 {
        buckets_for(self.population)
    }

    /// Words of 64 bits that a sketch takes.
    pub(crate) fn sketch_words(&self) -> usize {
        (self.buckets() / u64::from(u64::BITS)) as usize
    }

    /// In how many of so many cells one unit can be.
    pub(crate) fn cells_of_a_unit(&self, cells: usize) -> u32 {
        u32::try_from(self.rows_of_a_unit().min(cells as u128)).unwrap_or(u32::MAX)
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
    pub(crate) fn most_steps(&self) -> MostSteps {
        let fit = (1u128 << (RING_BITS - 4)) / self.rows().max(1);
        let bounded = |most: u64| u64::try_from(fit).unwrap_or(u64::MAX).clamp(MIN_STEPS, most);
        // So large a product times a unit's rows still leaves room for a sigma a thousand times larger.
        let product = u64::try_from(u128::from(MAX_PRODUCT) / self.rows_of_a_unit()).unwrap_or(MIN_STEPS);
        MostSteps { single: bounded(MAX_STEPS), product: bounded(product.max(MIN_STEPS)) }
    }

    /// The federation-wide L2 sensitivity of a content over so many cells.
    fn sensitivity(&self, content: &Content, cells: usize) -> u128 {
        match content {
            // A unit whose rows are all at one agency adds 1 to each of the cells that they are in.
            Content::Units => {
                let cells = u128::from(self.rows_per_unit).min(cells as u128);
                let root = cells.isqrt();
                root + u128::from(root * root < cells)
            }
            // At most 5,000 agencies * 1,000 rows * 2^42 steps: far below 2^128.
            _ => self.rows_of_a_unit() * content.row_bound(),
        }
    }
}

/// The square of an output's error in units of one row's largest contribution, for rho to be split by: 1 where
/// the noise of one number enters, for a distribution about the mean variance of its prefix sums (PROTOCOL
/// D.4: 6.6 for 256 bins, 9 for 1024, 11.8 for 4096). Only accuracy depends on it.
fn figure(content: &Content) -> u64 {
    match content {
        Content::Histogram { strategy, .. } => {
            let doublings = u64::from(strategy.bins().ilog2());
            (12 * doublings / 10).saturating_sub(3).max(1)
        }
        _ => 1,
    }
}

/// Parts in which an emphasis is counted.
const EMPHASIS_PARTS: u32 = 1_000_000;

fn parts(emphasis: &Exact) -> UBig {
    (emphasis * Exact::from(EMPHASIS_PARTS)).round().unsigned_abs()
}

fn importance(measure: &Measure) -> UBig {
    parts(&measure.emphasis) * UBig::from(figure(&measure.content))
}

/// The blocks of a plan. Each gets the part of `rho` that makes the errors of all together least, relative
/// to what one row can add; its cost is at most that part.
///
/// # Errors
/// When a part is too small for any noise, or the totals could leave the ring.
pub(crate) fn blocks(
    measures: &[Measure],
    cells: usize,
    facts: &Facts,
    rho: PicoRho,
) -> Result<Vec<Block>, QueryError> {
    let importances: Vec<UBig> = measures.iter().map(importance).collect();
    let block = |(measure, part): (&Measure, PicoRho)| {
        let (count, row_bound) = (measure.content.width(), measure.content.row_bound());
        let d2 = facts.sensitivity(&measure.content, cells);
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
    measures.iter().zip(allocate(rho, &importances)).map(block).collect()
}

/// The sketches of a plan, each with its part of `rho`. A unit can be in `of_a_unit` buckets of each.
///
/// # Errors
/// When a part is too small for an answer.
pub(crate) fn sketch_blocks(
    sketches: &[Sketch],
    facts: &Facts,
    of_a_unit: u32,
    rho: PicoRho,
) -> Result<Vec<SketchBlock>, QueryError> {
    let importances: Vec<UBig> = sketches.iter().map(|sketch| parts(&sketch.emphasis)).collect();
    let words = facts.sketch_words();
    let block = |(sketch, part): (&Sketch, PicoRho)| {
        let flips = flips(part, facts.honest_shares, of_a_unit)?;
        Ok(SketchBlock { first: sketch.first, words, flip: flips.flip, cost: flips.cost })
    };
    sketches.iter().zip(allocate(rho, &importances)).map(block).collect()
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
