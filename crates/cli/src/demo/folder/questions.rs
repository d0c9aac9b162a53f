//! Questions that can be put to any data, with their exact answers.

use std::collections::BTreeMap;

use almoner_federation::PicoRho;

use crate::demo::DemoError;
use crate::demo::folder::column::{Kind, number};
use crate::demo::folder::scan::{Table, for_each_row};
use crate::demo::scenario::Question;
use crate::demo::truth::Truth;
use crate::words::is_plain;

const EACH: PicoRho = PicoRho::new(100_000_000_000);
/// More than is left of the total after even one question of [`EACH`].
const TOO_MUCH: PicoRho = PicoRho::new(950_000_000_000);

/// Two or three: how many rows by the column with the fewest values; total and mean of a number.
pub(super) fn draft(tables: &[Table<'_>]) -> Result<Vec<Question>, DemoError> {
    let first = counted(tables);
    let mut questions = vec![ask(first, key_of(first), None, |_, count| vec![count as f64])?];
    if let Some((table, number)) = tables.iter().find_map(|table| Some((table, number_of(table)?))) {
        let key = key_of(table);
        questions.push(ask(table, key, Some(("SUM", "total", number)), |sum, _| vec![sum])?);
        let mean =
            |key| ask(table, key, Some(("AVG", "mean", number)), |sum, count| vec![sum / count as f64]);
        let by_key = mean(key)?;
        // A group without a single number has no mean to compare an answer with.
        let complete = by_key.truth.groups().all(|(_, values)| values.iter().all(|value| value.is_finite()));
        questions.push(if complete { by_key } else { mean(None)? });
    }
    Ok(questions)
}

/// One more, which what is left of the total no longer covers.
pub(super) fn too_much(tables: &[Table<'_>]) -> (String, PicoRho) {
    (format!("SELECT COUNT(*) AS n FROM {}", counted(tables).name), TOO_MUCH)
}

/// The table whose grouping column has the fewest values, or else the first.
fn counted<'t, 'a>(tables: &'t [Table<'a>]) -> &'t Table<'a> {
    let with_key = tables.iter().filter_map(|table| Some((key_of(table)?.1.len(), table)));
    with_key.min_by_key(|(values, _)| *values).map_or(&tables[0], |(_, table)| table)
}

/// The column with the smallest domain of at least two values.
fn key_of<'t>(table: &'t Table<'_>) -> Option<(&'t str, &'t [String])> {
    let keys = table.columns.iter().filter_map(|(name, kind)| match kind {
        Kind::Text(Some(domain)) if domain.len() >= 2 && is_plain(name) => Some((name.as_str(), &domain[..])),
        _ => None,
    });
    keys.min_by_key(|(_, domain)| domain.len())
}

/// The first number, with its resolution.
fn number_of<'t>(table: &'t Table<'_>) -> Option<(&'t str, f64)> {
    table.columns.iter().find_map(|(name, kind)| match kind {
        Kind::Number { resolution, .. } if is_plain(name) => Some((name.as_str(), *resolution)),
        _ => None,
    })
}

/// A question on `table`: an aggregate with its word, its alias and the number's column, or else the
/// count of rows, by the key's domain if there is one. `value` makes the answer of a group out of its
/// sum and its count.
fn ask(
    table: &Table<'_>,
    key: Option<(&str, &[String])>,
    aggregate: Option<(&str, &str, (&str, f64))>,
    value: impl Fn(f64, u64) -> Vec<f64>,
) -> Result<Question, DemoError> {
    let (measure, what) = match aggregate {
        Some((word, alias, (column, _))) => {
            (format!("{word}({column}) AS {alias}"), format!("What is the {alias} of {column}"))
        }
        None => ("COUNT(*) AS n".to_owned(), "How many rows are there".to_owned()),
    };
    let name = &table.name;
    let (sql, title) = match key {
        Some((key, _)) => (
            format!("SELECT {key}, {measure} FROM {name} GROUP BY {key}"),
            format!("{what} in {name}, by {key}?"),
        ),
        None => (format!("SELECT {measure} FROM {name}"), format!("{what} in {name}?")),
    };
    let groups = groups(table, key, aggregate.map(|(_, _, number)| number))?;
    let truth: Truth = groups.into_iter().map(|(key, (sum, count))| (key, value(sum, count))).collect();
    Ok(Question { title, sql, rho: EACH, truth })
}

/// Sum and count of each group: of the number's values, each rounded to its resolution, or of rows.
fn groups(
    table: &Table<'_>,
    key: Option<(&str, &[String])>,
    measure: Option<(&str, f64)>,
) -> Result<BTreeMap<String, (f64, u64)>, DemoError> {
    let keys = key.map_or(vec![String::new()], |(_, domain)| domain.to_vec());
    let mut groups: BTreeMap<String, (f64, u64)> = keys.into_iter().map(|key| (key, (0.0, 0))).collect();
    for file in table.files {
        let place = |name| file.place(name).expect("scan kept only columns that every file has");
        let key = key.map(|(name, _)| place(name));
        let measure = measure.map(|(name, resolution)| (place(name), resolution));
        for_each_row(file, &table.unit_column, |_, row| {
            let Some(group) = groups.get_mut(key.map_or("", |key| &row[key])) else { return };
            let value = match measure {
                Some((place, resolution)) => {
                    number(&row[place]).map(|value| (value / resolution).round() * resolution)
                }
                None => Some(1.0),
            };
            if let Some(value) = value {
                *group = (group.0 + value, group.1 + 1);
            }
        })?;
    }
    Ok(groups)
}
