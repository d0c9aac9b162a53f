//! Exact answers, which only a demo can know: over the rows as the agencies hold them, bounded and
//! clamped as the manifest says. No node and no coordinator ever computes these.

use std::collections::{BTreeMap, BTreeSet};

use crate::demo::agencies::{ALLOWANCE_CEILING, INCOME_CEILING, SURVEY_CEILING};
use crate::demo::payments::Source;
use crate::demo::population::Residence;
use crate::demo::registers::Registers;
use crate::demo::targets::COUNTIES;

/// For each group its values, in the order of the question's columns that are no keys.
#[derive(Debug, Clone, PartialEq)]
pub struct Truth(BTreeMap<String, Vec<f64>>);

impl Truth {
    /// The exact values of the group with this key; the only group of a question without GROUP BY has
    /// the empty key.
    pub fn of(&self, key: &str) -> Option<&[f64]> {
        self.0.get(key).map(Vec::as_slice)
    }

    /// All groups of the key's domain.
    pub fn groups(&self) -> impl Iterator<Item = (&str, &[f64])> {
        self.0.iter().map(|(key, values)| (key.as_str(), values.as_slice()))
    }
}

impl FromIterator<(String, Vec<f64>)> for Truth {
    fn from_iter<I: IntoIterator<Item = (String, Vec<f64>)>>(groups: I) -> Self {
        Truth(groups.into_iter().collect())
    }
}

/// Adds `N` numbers of each row to the row's group.
fn totals<T, const N: usize>(
    keys: impl Iterator<Item = &'static str>,
    rows: impl Iterator<Item = T>,
    group: impl Fn(&T) -> usize,
    numbers: impl Fn(&T) -> [u64; N],
) -> Vec<(&'static str, [f64; N])> {
    let keys: Vec<&str> = keys.collect();
    let mut sums = vec![[0; N]; keys.len()];
    for row in rows {
        for (sum, number) in sums[group(&row)].iter_mut().zip(numbers(&row)) {
            *sum += number;
        }
    }
    keys.into_iter().zip(sums).map(|(key, sums)| (key, sums.map(|sum| sum as f64))).collect()
}

fn table<const N: usize, const M: usize>(
    totals: Vec<(&'static str, [f64; N])>,
    values: impl Fn([f64; N]) -> [f64; M],
) -> Truth {
    totals.into_iter().map(|(key, sums)| (key.to_owned(), values(sums).to_vec())).collect()
}

fn counties() -> impl Iterator<Item = &'static str> {
    COUNTIES.iter().map(|county| county.name)
}

fn clamped(yuan: u32, ceiling: u32) -> u64 {
    yuan.min(ceiling).into()
}

/// Residents and registered poor by county.
pub(super) fn registered_poor(registers: &Registers) -> Truth {
    let rows = registers.residents.iter();
    table(totals(counties(), rows, |r| r.county.into(), |r| [1, r.registered_poor.into()]), |sums| sums)
}

/// Residents with less than `line` yuan a head, by county.
pub(super) fn below(registers: &Registers, line: u32) -> Truth {
    let rows = registers.residents.iter();
    table(totals(counties(), rows, |r| r.county.into(), |r| [(r.yuan_per_head < line).into()]), |sums| sums)
}

/// Mean yuan a head by residence.
pub(super) fn mean_income(registers: &Registers) -> Truth {
    let residences = Residence::ALL.iter().map(|residence| residence.code());
    let numbers = |row: &&_| {
        let row: &crate::demo::registers::Resident = row;
        [clamped(row.yuan_per_head, SURVEY_CEILING), 1]
    };
    let sums = totals(residences, registers.residents.iter(), |row| row.residence as usize, numbers);
    table(sums, |[yuan, people]| [yuan / people])
}

/// Yuan and number of payments by source, over rows that name a person.
pub(super) fn income_by_source(registers: &Registers) -> Truth {
    let sources = Source::ALL.iter().map(|source| source.code());
    let rows = registers.income.iter().filter(|row| row.id.is_some());
    table(totals(sources, rows, |r| r.source as usize, |r| [clamped(r.yuan, INCOME_CEILING), 1]), |sums| sums)
}

/// People whom any agency pays, each once.
pub(super) fn paid(registers: &Registers) -> Truth {
    let people: BTreeSet<u32> = registers.income.iter().filter_map(|row| row.id).collect();
    std::iter::once((String::new(), vec![people.len() as f64])).collect()
}

/// Mean allowance by county, over rows that name a person.
pub(super) fn mean_allowance(registers: &Registers) -> Truth {
    let rows = registers.welfare_roll.iter().filter(|row| row.id.is_some());
    let numbers = totals(
        counties(),
        rows,
        |row| row.county.into(),
        |row| [clamped(row.allowance, ALLOWANCE_CEILING), 1],
    );
    table(numbers, |[yuan, people]| [yuan / people])
}
