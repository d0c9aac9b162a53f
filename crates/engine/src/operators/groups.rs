//! Groups of rows by one whole number, with what is counted and added in each.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, Int64Array};
use datafusion::arrow::buffer::{BooleanBuffer, NullBuffer};

/// Keys from 0 to below this are found by index; 4 MiB at most.
const DENSE_KEYS: usize = 1 << 20;
/// Of a key that no row had yet.
const NONE: u32 = u32::MAX;

/// What a column besides the key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The rows.
    Rows,
    /// Those in which an argument is not NULL.
    Count,
    /// The sum of an argument modulo 2^64, NULL where it is NULL in all rows.
    Sum,
}

/// What is kept of each group for one column. Neither list has an entry for the latest groups before it needs one.
struct Tally {
    kind: Kind,
    /// Rows in which the argument is NULL: hardly ever any, so that what is not NULL need not be counted.
    nulls: Vec<i64>,
    sums: Vec<i64>,
}

/// The groups that were found, in the order in which they were.
pub(super) struct Groups {
    dense: Vec<u32>,
    /// The others, NULL among them.
    sparse: HashMap<Option<i64>, u32>,
    keys: Vec<Option<i64>>,
    rows: Vec<i64>,
    tallies: Vec<Tally>,
}

impl Groups {
    pub(super) fn new(kinds: impl Iterator<Item = Kind>) -> Groups {
        let tally = |kind| Tally { kind, nulls: Vec::new(), sums: Vec::new() };
        Groups {
            dense: Vec::new(),
            sparse: HashMap::new(),
            keys: Vec::new(),
            rows: Vec::new(),
            tallies: kinds.map(tally).collect(),
        }
    }

    /// Counts rows and gives the group of each, new ones included; at most 2^32 - 1 in all.
    pub(super) fn count(&mut self, keys: &Int64Array) -> Vec<u32> {
        let mut one = |key: Option<i64>| {
            let group = self.group(key);
            self.rows[group as usize] += 1;
            group
        };
        if keys.null_count() == 0 {
            keys.values().iter().map(|key| one(Some(*key))).collect()
        } else {
            keys.iter().map(one).collect()
        }
    }

    fn group(&mut self, key: Option<i64>) -> u32 {
        let index = key.and_then(|key| usize::try_from(key).ok()).filter(|index| *index < DENSE_KEYS);
        let Some(index) = index else {
            if let Some(group) = self.sparse.get(&key) {
                return *group;
            }
            let group = self.push(key);
            self.sparse.insert(key, group);
            return group;
        };
        match self.dense.get(index) {
            Some(group) if *group != NONE => *group,
            _ => {
                let group = self.push(key);
                if self.dense.len() <= index {
                    self.dense.resize((index + 1).next_power_of_two(), NONE);
                }
                self.dense[index] = group;
                group
            }
        }
    }

    fn push(&mut self, key: Option<i64>) -> u32 {
        let group = u32::try_from(self.keys.len()).ok().filter(|group| *group != NONE);
        self.keys.push(key);
        self.rows.push(0);
        group.expect("the memory limit ends long before 2^32 groups")
    }

    /// Adds the argument in the rows of these groups, which were counted, to the tally of that number.
    pub(super) fn add(&mut self, tally: usize, groups: &[u32], argument: &Int64Array) {
        let (all, Tally { kind, nulls, sums }) = (self.keys.len(), &mut self.tallies[tally]);
        let missing = argument.nulls().filter(|missing| missing.null_count() > 0);
        if let Some(missing) = missing {
            nulls.resize(all, 0);
            let rows = groups.iter().zip(missing);
            rows.for_each(|(group, valid)| nulls[*group as usize] += i64::from(!valid));
        }
        if *kind != Kind::Sum {
            return;
        }
        sums.resize(all, 0);
        let mut add = |group: u32, value: i64| {
            let sum = &mut sums[group as usize];
            *sum = sum.wrapping_add(value);
        };
        let rows = groups.iter().zip(argument.values());
        match missing {
            None => rows.for_each(|(group, value)| add(*group, *value)),
            Some(missing) => rows
                .zip(missing)
                .for_each(|((group, value), valid)| add(*group, if valid { *value } else { 0 })),
        }
    }

    /// Of everything that grows with the groups.
    pub(super) fn size_bytes(&self) -> usize {
        let tallied = |tally: &Tally| 8 * (tally.nulls.capacity() + tally.sums.capacity());
        4 * self.dense.capacity()
            + 32 * self.sparse.capacity()
            + 16 * self.keys.capacity()
            + 8 * self.rows.capacity()
            + self.tallies.iter().map(tallied).sum::<usize>()
    }

    /// The keys, then one column for each tally.
    pub(super) fn into_columns(self) -> Vec<ArrayRef> {
        let (all, rows) = (self.keys.len(), self.rows);
        let column = |Tally { kind, mut nulls, mut sums }| -> ArrayRef {
            nulls.resize(all, 0);
            let valid = rows.iter().zip(&nulls).map(|(rows, nulls)| rows - nulls);
            Arc::new(match kind {
                Kind::Rows => Int64Array::from(rows.clone()),
                Kind::Count => valid.collect(),
                Kind::Sum => {
                    sums.resize(all, 0);
                    let any = BooleanBuffer::from_iter(valid.map(|valid| valid > 0));
                    Int64Array::new(sums.into(), Some(NullBuffer::new(any)))
                }
            })
        };
        let keys: ArrayRef = Arc::new(Int64Array::from(self.keys));
        std::iter::once(keys).chain(self.tallies.into_iter().map(column)).collect()
    }
}
