//! Groups of rows by one whole number, with what is counted and added in each.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, BooleanArray, Int64Array, PrimitiveArray};
use datafusion::arrow::buffer::{BooleanBuffer, NullBuffer};
use datafusion::arrow::datatypes::Int64Type;

/// Keys from 0 to below this are found by index; 4 MiB at most.
const DENSE_KEYS: usize = 1 << 20;
/// Of a key that no row had yet.
const NONE: u32 = u32::MAX;

/// What is kept of each group.
pub(super) enum Tally {
    /// The rows, or those in which an argument is not NULL.
    Count(Vec<i64>),
    /// The sum modulo 2^64 and, once there was a NULL, whether anything else was added.
    Sum(Vec<i64>, Option<Vec<bool>>),
}

/// The groups that were found, in the order in which they were.
pub(super) struct Groups {
    dense: Vec<u32>,
    /// The others, NULL among them.
    sparse: HashMap<Option<i64>, u32>,
    keys: Vec<Option<i64>>,
    /// How many there were before the present rows.
    older: usize,
    tallies: Vec<Tally>,
}

impl Groups {
    pub(super) fn new(tallies: Vec<Tally>) -> Groups {
        Groups { dense: Vec::new(), sparse: HashMap::new(), keys: Vec::new(), older: 0, tallies }
    }

    /// The group of each row, new ones included; at most 2^32 - 1 in all.
    pub(super) fn of(&mut self, keys: &PrimitiveArray<Int64Type>) -> Vec<u32> {
        self.older = self.keys.len();
        let groups = if keys.null_count() == 0 {
            keys.values().iter().map(|key| self.group(*key)).collect()
        } else {
            let group = |key| match key {
                Some(key) => self.group(key),
                None => self.sparse_group(None),
            };
            keys.iter().map(group).collect()
        };
        for tally in &mut self.tallies {
            match tally {
                Tally::Count(counts) => counts.resize(self.keys.len(), 0),
                Tally::Sum(sums, seen) => {
                    sums.resize(self.keys.len(), 0);
                    if let Some(seen) = seen {
                        seen.resize(self.keys.len(), false);
                    }
                }
            }
        }
        groups
    }

    fn group(&mut self, key: i64) -> u32 {
        let Some(index) = usize::try_from(key).ok().filter(|index| *index < DENSE_KEYS) else {
            return self.sparse_group(Some(key));
        };
        match self.dense.get(index) {
            Some(group) if *group != NONE => *group,
            _ => {
                if self.dense.len() <= index {
                    self.dense.resize((index + 1).next_power_of_two(), NONE);
                }
                self.dense[index] = push(&mut self.keys, Some(key));
                self.dense[index]
            }
        }
    }

    fn sparse_group(&mut self, key: Option<i64>) -> u32 {
        *self.sparse.entry(key).or_insert_with(|| push(&mut self.keys, key))
    }

    /// Adds the rows whose groups were found last to the tally of that number; `argument` is what it is of.
    pub(super) fn add(&mut self, tally: usize, groups: &[u32], argument: Option<&PrimitiveArray<Int64Type>>) {
        let nulls = argument.and_then(|argument| argument.nulls()).filter(|nulls| nulls.null_count() > 0);
        let older = self.older;
        match (&mut self.tallies[tally], argument, nulls) {
            (Tally::Count(counts), _, None) => {
                groups.iter().for_each(|group| counts[*group as usize] += 1);
            }
            (Tally::Count(counts), _, Some(nulls)) => {
                groups
                    .iter()
                    .zip(nulls)
                    .for_each(|(group, valid)| counts[*group as usize] += i64::from(valid));
            }
            (Tally::Sum(sums, None), Some(argument), None) => {
                for (group, value) in groups.iter().zip(argument.values()) {
                    let sum = &mut sums[*group as usize];
                    *sum = sum.wrapping_add(*value);
                }
            }
            (Tally::Sum(sums, seen), Some(argument), nulls) => {
                // Every older group has a row, none of which was NULL.
                let seen = seen.get_or_insert_with(|| (0..sums.len()).map(|group| group < older).collect());
                for (row, (group, value)) in groups.iter().zip(argument.values()).enumerate() {
                    let group = *group as usize;
                    if nulls.is_none_or(|nulls| nulls.is_valid(row)) {
                        sums[group] = sums[group].wrapping_add(*value);
                        seen[group] = true;
                    }
                }
            }
            (Tally::Sum(..), None, _) => {}
        }
    }

    /// Of everything that grows with the groups.
    pub(super) fn size_bytes(&self) -> usize {
        let tallied = |tally: &Tally| match tally {
            Tally::Count(counts) => 8 * counts.capacity(),
            Tally::Sum(sums, seen) => 8 * sums.capacity() + seen.as_ref().map_or(0, Vec::capacity),
        };
        4 * self.dense.capacity()
            + 32 * self.sparse.capacity()
            + 16 * self.keys.capacity()
            + self.tallies.iter().map(tallied).sum::<usize>()
    }

    /// The keys, then one column for each tally; a sum of nothing is NULL.
    pub(super) fn into_columns(self) -> Vec<ArrayRef> {
        let keys: ArrayRef = Arc::new(Int64Array::from(self.keys));
        let column = |tally| -> ArrayRef {
            Arc::new(match tally {
                Tally::Count(counts) => Int64Array::from(counts),
                Tally::Sum(sums, seen) => {
                    let seen = seen.map(|seen| NullBuffer::new(BooleanBuffer::from(seen)));
                    Int64Array::new(sums.into(), seen)
                }
            })
        };
        std::iter::once(keys).chain(self.tallies.into_iter().map(column)).collect()
    }
}

fn push(keys: &mut Vec<Option<i64>>, key: Option<i64>) -> u32 {
    let group = u32::try_from(keys.len()).ok().filter(|group| *group != NONE);
    keys.push(key);
    group.expect("the memory limit ends long before 2^32 groups")
}

/// The rows that a condition lets pass; `None` for all.
pub(super) fn not_all(condition: &BooleanArray) -> Option<&BooleanArray> {
    (condition.null_count() > 0 || condition.has_false()).then_some(condition)
}
