//! Counts units and finds those with too many rows.

use std::hash::{BuildHasher, RandomState};
use std::thread;

use datafusion::arrow::array::{AsArray, RecordBatch, StringArray};

use crate::workers::workers;

/// Where a row stands: batch, then row of the batch.
pub(crate) type Place = (usize, usize);

/// How many units there are.
pub(crate) struct Census {
    pub units: u64,
    /// Of each unit with more than the most rows, all of them in their order.
    pub over: Vec<Vec<Place>>,
}

/// Counts the units in column 0, which is never NULL. Equal ids are brought together by sorting their keyed hashes, which
/// is quicker than to look each up in a table that no cache holds; ids with one hash are then compared themselves.
pub(crate) fn census(batches: &[RecordBatch], most: u32) -> Census {
    let hash = RandomState::new();
    let workers = workers();
    let shares: Vec<Census> = thread::scope(|scope| {
        let share = |worker| {
            let hash = &hash;
            scope.spawn(move || share(batches, most, |id| hash.hash_one(id), (worker, workers)))
        };
        let running: Vec<_> = (0..workers).map(share).collect();
        running.into_iter().map(|share| share.join().expect("counting does not panic")).collect()
    });
    let units = shares.iter().map(|share| share.units).sum();
    Census { units, over: shares.into_iter().flat_map(|share| share.over).collect() }
}

/// The same for the units whose hash modulo the second number is the first.
fn share(
    batches: &[RecordBatch],
    most: u32,
    hash: impl Fn(&str) -> u64,
    (own, shares): (usize, usize),
) -> Census {
    let all: usize = batches.iter().map(RecordBatch::num_rows).sum();
    // Shares are nearly equal. 32 bits do: a batch has at most 65,536 rows.
    let mut rows: Vec<(u64, (u32, u32))> = Vec::with_capacity(all / shares + all / 32);
    for (batch, ids) in (0u32..).zip(batches.iter().map(ids)) {
        let hashes = (0u32..).zip(ids.iter().flatten().map(&hash));
        let own = hashes.filter(|(_, hash)| hash % shares as u64 == own as u64);
        rows.extend(own.map(|(row, hash)| (hash, (batch, row))));
    }
    rows.sort_unstable();
    let wide = |(batch, row): (u32, u32)| (batch as usize, row as usize);
    let id = |(batch, row): Place| ids(&batches[batch]).value(row);
    let mut census = Census { units: 0, over: Vec::new() };
    for same in rows.chunk_by(|a, b| a.0 == b.0) {
        let mut places: Vec<Place> = Vec::new();
        if same.len() > 1 {
            places.extend(same.iter().map(|(_, place)| wide(*place)));
            // Almost always one unit; the sort is stable and so keeps the order of its rows.
            places.sort_by_key(|place| id(*place));
        } else {
            census.units += 1;
            if most == 0 {
                census.over.push(vec![wide(same[0].1)]);
            }
        }
        for unit in places.chunk_by(|a, b| id(*a) == id(*b)) {
            census.units += 1;
            if unit.len() > most as usize {
                census.over.push(unit.to_vec());
            }
        }
    }
    census
}

fn ids(batch: &RecordBatch) -> &StringArray {
    batch.column(0).as_string()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use datafusion::arrow::datatypes::{DataType, Field, Schema};

    use super::*;

    fn batches(ids: &[String]) -> Vec<RecordBatch> {
        let schema = Arc::new(Schema::new(vec![Field::new("u", DataType::Utf8, true)]));
        let batch = |ids: &[String]| {
            let ids: StringArray = ids.iter().map(Some).collect();
            RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(ids)])
                .expect("the column follows the schema")
        };
        ids.chunks(7).map(batch).collect()
    }

    /// Units with one hash, whatever it is, stay apart, and each keeps its rows in their order.
    #[test]
    fn ids_decide_and_not_their_hashes() {
        let ids: Vec<String> = (0..500u32).map(|row| (row * row % 97).to_string()).collect();
        let batches = batches(&ids);
        let mut expected: BTreeMap<&str, Vec<Place>> = BTreeMap::new();
        for (row, id) in ids.iter().enumerate() {
            expected.entry(id).or_default().push((row / 7, row % 7));
        }
        let hashes: [fn(&str) -> u64; 3] =
            [|_| 5, |id| id.len() as u64, |id| id.bytes().map(u64::from).sum()];
        for most in [0, 1, 5, 10, 500] {
            let over: Vec<_> = expected.values().filter(|rows| rows.len() > most as usize).cloned().collect();
            let check = |mut found: Census| {
                found.over.sort();
                let mut over = over.clone();
                over.sort();
                assert_eq!((found.units, found.over), (expected.len() as u64, over));
            };
            check(census(&batches, most));
            hashes.into_iter().for_each(|hash| check(share(&batches, most, hash, (0, 1))));
        }
    }
}
