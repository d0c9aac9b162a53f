//! Units to the bits of their buckets: which agency holds a unit, and how often, makes no difference.

use std::collections::HashSet;

use almoner_federation::{Digest, lp};
use almoner_query::SourceQuery;
use datafusion::arrow::array::{Array, AsArray};
use datafusion::arrow::datatypes::{DataType, Int64Type};
use datafusion::prelude::SessionContext;
use ring::hmac;
use tokio_stream::StreamExt;

use crate::SourceError;
use crate::cells::frame;

const LABEL: &[u8] = b"almoner/1/gk-sketch";

/// Where the bits of a plan's sketches lie, and the key that puts units into buckets.
pub(crate) struct Buckets<'a> {
    pub key: &'a hmac::Key,
    /// Separates plans from each other, so that no two share their collisions.
    pub plan: Digest,
    /// A power of two.
    pub buckets: u64,
    /// Words of one cell.
    pub width: usize,
    /// First word of each sketch within a cell.
    pub first: Vec<usize>,
}

impl Buckets<'_> {
    /// HMAC-SHA256 over the label, the plan, the sketch and the unit; its first 8 bytes modulo the buckets.
    fn of(&self, sketch: usize, unit: &str) -> u64 {
        let message = lp(&[LABEL, &self.plan.0, &(sketch as u32).to_be_bytes(), unit.as_bytes()]);
        let tag = hmac::sign(self.key, &message);
        let first: [u8; 8] = tag.as_ref()[..8].try_into().expect("HMAC-SHA256 gives 32 bytes");
        u64::from_be_bytes(first) & (self.buckets - 1)
    }

    /// That the plan has these sketches.
    pub(crate) fn check(&self, sketches: &[usize]) -> Result<(), SourceError> {
        if sketches.iter().any(|sketch| *sketch >= self.first.len()) {
            return Err(SourceError::answer("a sketch that the plan does not have"));
        }
        Ok(())
    }

    /// Sets a unit's bit of each of these sketches in a cell.
    pub(crate) fn set(&self, cell: usize, sketches: &[usize], unit: &str, words: &mut [u64]) {
        for sketch in sketches {
            let bucket = self.of(*sketch, unit);
            let word = self.first[*sketch] + (bucket / 64) as usize;
            let index = cell.checked_mul(self.width).and_then(|first| first.checked_add(word));
            if let Some(word) = index.and_then(|index| words.get_mut(index)) {
                *word |= 1 << (bucket % 64);
            }
        }
    }
}

/// Runs a query of units and sets their bits in `words`. Total: rows that do not belong are ignored.
pub(crate) async fn sketch(
    context: &SessionContext,
    query: &SourceQuery,
    sketches: &[usize],
    buckets: &Buckets<'_>,
    words: &mut [u64],
) -> Result<(), SourceError> {
    buckets.check(sketches)?;
    each(context, query, |cell, unit| buckets.set(cell, sketches, unit, words)).await
}

/// Runs a query of units and adds 1 to the coordinate of a cell for each different one in it. It remembers 16 bytes
/// of each, which is less than the table itself takes.
pub(crate) async fn count(
    context: &SessionContext,
    query: &SourceQuery,
    coordinate: usize,
    width: usize,
    cells: &mut [i64],
) -> Result<(), SourceError> {
    let mut distinct = Distinct::new(coordinate, width);
    each(context, query, |cell, unit| distinct.add(cell, unit, cells)).await
}

/// The different units of each cell.
pub(crate) struct Distinct {
    seen: HashSet<(usize, [u8; 16])>,
    coordinate: usize,
    width: usize,
}

impl Distinct {
    /// Counts into this coordinate of cells of `width`.
    pub(crate) fn new(coordinate: usize, width: usize) -> Distinct {
        Distinct { seen: HashSet::new(), coordinate, width }
    }

    /// Counts a unit in a cell, the first time that it is there.
    pub(crate) fn add(&mut self, cell: usize, unit: &str, cells: &mut [i64]) {
        let digest = Digest::of(unit.as_bytes());
        let name = std::array::from_fn(|index| digest.0[index]);
        let index = cell.checked_mul(self.width).and_then(|first| first.checked_add(self.coordinate));
        if let Some(into) = index.and_then(|index| cells.get_mut(index))
            && self.seen.insert((cell, name))
        {
            *into = into.wrapping_add(1);
        }
    }
}

/// Every row of a query of units, as it comes: nothing is gathered, sorted or grouped, because the engine's memory is
/// bounded, and a bound that units can pass would make errors depend on them.
async fn each(
    context: &SessionContext,
    query: &SourceQuery,
    mut take: impl FnMut(usize, &str),
) -> Result<(), SourceError> {
    let frame = frame(context, query).await?;
    let types: Vec<&DataType> = frame.schema().fields().iter().map(|field| field.data_type()).collect();
    if types != [&DataType::Int64, &DataType::Utf8] {
        return Err(SourceError::answer("expected cell and unit"));
    }
    let mut batches = frame.execute_stream().await.map_err(SourceError::answer)?;
    while let Some(batch) = batches.next().await {
        let batch = batch.map_err(SourceError::answer)?;
        let (cells, units) =
            (batch.column(0).as_primitive::<Int64Type>(), batch.column(1).as_string::<i32>());
        for row in (0..batch.num_rows()).filter(|row| cells.is_valid(*row) && units.is_valid(*row)) {
            if let Ok(cell) = usize::try_from(cells.value(row)) {
                take(cell, units.value(row));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_has_one_bucket_of_each_sketch_whoever_asks_and_wherever_it_is() {
        let key = |byte| hmac::Key::new(hmac::HMAC_SHA256, &[byte; 32]);
        let (ours, other) = (key(1), key(2));
        let buckets =
            |key| Buckets { key, plan: Digest([9; 32]), buckets: 1024, width: 32, first: vec![0, 16] };
        let bits = |key, cell, unit| {
            let mut words = vec![0u64; 64];
            buckets(key).set(cell, &[0, 1], unit, &mut words);
            words
        };
        let once = bits(&ours, 1, "7");
        assert_eq!(once.iter().map(|word| word.count_ones()).sum::<u32>(), 2);
        assert!(once[..32].iter().all(|word| *word == 0), "the second cell's words alone");
        assert_eq!(once[32..], bits(&ours, 0, "7")[..32], "the same bucket in every cell");
        assert_ne!(once[32..48], once[48..], "sketches collide independently");
        assert_ne!(once, bits(&other, 1, "7"), "who lacks the key cannot tell the bucket");
        assert_ne!(once, bits(&ours, 1, "8"));
        assert_eq!(bits(&ours, 2, "7"), vec![0; 64], "a cell that is not there");
    }
}
