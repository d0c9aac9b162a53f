//! Checks the columns of a table: types, ranges, domains, bands and bins.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use toml::Spanned;

use super::Unit;
use super::check::{Findings, check_identifier, start};
use super::file::{self, ColumnWord, ScaleWord};
use crate::number::Literal;
use crate::{BinScale, Bins, Column, ColumnType, Exact, parse_date, parse_exact};

/// Most values of a domain, and most bands.
const MAX_DOMAIN: usize = 10_000;

/// How many bins a distribution can have.
const BIN_COUNTS: RangeInclusive<u32> = 16..=4096;

pub(super) fn check_column(f: &mut Findings<'_>, raw: &Spanned<file::Column>, unit: &Unit) -> Option<Column> {
    let (at, column) = (start(raw), raw.get_ref());
    let before = f.problems.len();
    check_identifier(f, &column.name, at);
    f.unless(
        !column.name.eq_ignore_ascii_case(&unit.column),
        at,
        format!("{:?} is the unit's column", column.name),
        "leave it out: the unit can be counted, never shown",
    );
    refuse_useless_fields(f, column, at);
    let kind = match column.r#type {
        ColumnWord::Boolean => Some(ColumnType::Boolean),
        ColumnWord::Text => check_text(f, column, at),
        ColumnWord::Integer => check_integer(f, column, at),
        ColumnWord::Number => check_number(f, column, at),
        ColumnWord::Date => check_date(f, column, at),
    };
    (f.problems.len() == before).then_some(())?;
    Some(Column { name: column.name.clone(), kind: kind? })
}

/// A field that the type has no use for is a misunderstanding that must not pass in silence.
fn refuse_useless_fields(f: &mut Findings<'_>, column: &file::Column, at: usize) {
    use ColumnWord::{Date, Integer, Number, Text};
    let word = column.r#type;
    let ranged = matches!(word, Integer | Number | Date);
    for (field, present, allowed) in [
        ("domain", column.domain.is_some(), word == Text),
        ("min", column.min.is_some(), ranged),
        ("max", column.max.is_some(), ranged),
        ("resolution", column.resolution.is_some(), word == Number),
        ("bands", column.bands.is_some(), matches!(word, Integer | Number)),
        ("bins", column.bins.is_some(), matches!(word, Integer | Number)),
    ] {
        f.unless(
            allowed || !present,
            at,
            format!("column {:?} has a {field}, which its type has no use for", column.name),
            "remove the field or change the type",
        );
    }
}

fn check_text(f: &mut Findings<'_>, column: &file::Column, at: usize) -> Option<ColumnType> {
    if let Some(domain) = &column.domain {
        f.unless(
            (1..=MAX_DOMAIN).contains(&domain.len()),
            at,
            format!("the domain of {:?} must have 1 to {MAX_DOMAIN} values", column.name),
            "list the code book's values",
        );
        // Unlike names, values differ by case, so this does not use `unique`.
        let mut seen = BTreeSet::new();
        for value in domain.iter().filter(|value| !seen.insert(value.as_str())) {
            f.add(
                at,
                format!("the value {value:?} stands twice in the domain of {:?}", column.name),
                "list it once",
            );
        }
        let bounded = domain.iter().all(|value| value.len() <= 200 && !value.contains('\0'));
        f.unless(
            bounded,
            at,
            format!("a value of {:?} is longer than 200 bytes", column.name),
            "use shorter codes",
        );
    }
    Some(ColumnType::Text { domain: column.domain.clone() })
}

/// Reads one end of a range, reporting its absence or a shape that `parse` refuses.
fn end<T>(
    f: &mut Findings<'_>,
    column: &file::Column,
    field: &str,
    value: Option<&Literal>,
    parse: impl Fn(&str) -> Option<T>,
    at: usize,
) -> Option<T> {
    let found = value.and_then(|literal| parse(&literal.to_string()));
    let message = format!("column {:?} needs a {field}", column.name);
    f.unless(
        found.is_some(),
        at,
        message,
        format!("write {field} as a {:?}, from law or code book", column.r#type),
    );
    found
}

fn ascending<T: PartialOrd>(
    f: &mut Findings<'_>,
    column: &file::Column,
    min: &T,
    max: &T,
    bands: &[T],
    at: usize,
) {
    f.unless(min <= max, at, format!("the range of {:?} is empty", column.name), "min must not be above max");
    let ordered = bands.windows(2).all(|pair| pair[0] < pair[1]);
    let inside =
        bands.first().is_none_or(|first| first == min) && bands.last().is_none_or(|last| last <= max);
    let remedy = "list the bands' lower ends in ascending order, the first equal to min, none above max";
    f.unless(ordered && inside, at, format!("the bands of {:?} do not cover its range", column.name), remedy);
}

fn bands<T>(
    f: &mut Findings<'_>,
    column: &file::Column,
    parse: impl Fn(&str) -> Option<T>,
    at: usize,
) -> Vec<T> {
    let written = column.bands.as_deref().unwrap_or_default();
    let read: Vec<T> = written.iter().filter_map(|literal| parse(&literal.to_string())).collect();
    let sound = read.len() == written.len() && written.len() <= MAX_DOMAIN;
    f.unless(sound, at, format!("a band of {:?} is not a {:?}", column.name, column.r#type), "write numbers");
    read
}

fn bins(f: &mut Findings<'_>, column: &file::Column, at: usize) -> Option<Bins> {
    let Some(written) = &column.bins else { return Some(Bins::default()) };
    let count = written.count.unwrap_or(Bins::default().count);
    f.unless(
        BIN_COUNTS.contains(&count),
        at,
        format!("the bins of {:?} must be {} to {}", column.name, BIN_COUNTS.start(), BIN_COUNTS.end()),
        "leave the count out for 1024, which is fine for most",
    );
    let from = written.from.as_ref().and_then(|literal| parse_exact(&literal.to_string()));
    let sized = |from: &Exact| *from >= smallest_from() && *from <= Exact::from(1u64 << 53);
    let scale = match (written.scale, &written.from) {
        (Some(ScaleWord::Log), _) => {
            let from = from.filter(sized);
            f.unless(
                from.is_some(),
                at,
                format!("the bins of {:?} need a from above 0", column.name),
                "write the size up to which differences matter in themselves, such as from = 1000",
            );
            BinScale::Log { from: from? }
        }
        (_, None) => BinScale::Linear,
        (_, Some(_)) => {
            f.add(
                at,
                format!("the linear bins of {:?} have a from", column.name),
                "remove it, or write scale = \"log\"",
            );
            return None;
        }
    };
    Some(Bins { count, scale })
}

/// The least size from which bins can grow in proportion.
fn smallest_from() -> Exact {
    Exact::from_parts(1.into(), 1_000_000u32.into())
}

fn check_integer(f: &mut Findings<'_>, column: &file::Column, at: usize) -> Option<ColumnType> {
    // Beyond 2^53 an engine's double can no longer hold every whole number.
    const LIMIT: i64 = 1 << 53;
    let parse = |text: &str| text.parse::<i64>().ok().filter(|value| value.unsigned_abs() <= LIMIT as u64);
    let min = end(f, column, "min", column.min.as_ref(), parse, at);
    let max = end(f, column, "max", column.max.as_ref(), parse, at);
    let bands = bands(f, column, parse, at);
    let (min, max) = (min?, max?);
    ascending(f, column, &min, &max, &bands, at);
    Some(ColumnType::Integer { min, max, bands, bins: bins(f, column, at)? })
}

fn check_number(f: &mut Findings<'_>, column: &file::Column, at: usize) -> Option<ColumnType> {
    let min = end(f, column, "min", column.min.as_ref(), parse_exact, at);
    let max = end(f, column, "max", column.max.as_ref(), parse_exact, at);
    let resolution = end(f, column, "resolution", column.resolution.as_ref(), parse_exact, at);
    let bands = bands(f, column, parse_exact, at);
    let (min, max, resolution) = (min?, max?, resolution?);
    let remedy = "write the smallest difference that matters, such as 0.01 or 1";
    f.unless(
        resolution > Exact::ZERO,
        at,
        format!("the resolution of {:?} is not positive", column.name),
        remedy,
    );
    let limit = Exact::from(1u64 << 53);
    let bounded = min >= -limit.clone() && max <= limit;
    f.unless(bounded, at, format!("the range of {:?} passes 2^53", column.name), "declare a narrower range");
    ascending(f, column, &min, &max, &bands, at);
    Some(ColumnType::Number { min, max, resolution, bands, bins: bins(f, column, at)? })
}

fn check_date(f: &mut Findings<'_>, column: &file::Column, at: usize) -> Option<ColumnType> {
    let min = end(f, column, "min", column.min.as_ref(), parse_date, at);
    let max = end(f, column, "max", column.max.as_ref(), parse_date, at);
    let (min, max) = (min?, max?);
    ascending(f, column, &min, &max, &[], at);
    Some(ColumnType::Date { min, max })
}
