//! The bounded aggregate as SQL for the engine that holds the data: rows to integer cells.
//!
//! The text depends on the plan alone, is the same for every engine (DataFusion, PostgreSQL and what speaks the SQL of
//! either), and has the same integer result on all of them. So it is made of what engines agree on: comparisons, CASE,
//! arithmetic of doubles, `floor`, LEAST and GREATEST that leave NULL out, counts, and sums of 64-bit integers. Only such
//! sums, and what is added and multiplied of them, differ: in what becomes of a total beyond 64 bits; the engine makes
//! it the total modulo 2^64, as the ring does.
//!
//! As little as can be is done for each row, and the rest for each group: one term serves all coordinates of a measure,
//! which are made of the sums of its powers.
//!
//! Nothing in a row can make the statement fail. [`reach`](crate::reach) shows that no value overflows, underflows or
//! becomes NaN, a division by 0 gives NULL, and doubles are clamped before they become integers.
//!
//! What the table must be: its numbers are finite, 0 or of a magnitude in `2^-100..=2^100`, with one zero; its dates
//! lie in the years 1 to 9999; its texts compare by their bytes.
//!
//! What an expression sees:
//! * conditions (WHERE, FILTER, CASE WHEN) and group keys see values as they are stored; they decide which rows
//!   count, never by how much;
//! * measured numbers see columns clamped to their declared ranges, on which the interval rests. Whatever
//!   rounding in doubles does, the integer that is summed is clamped once more, so that the row bound
//!   of the plan holds for every row that can exist. Where a column itself is measured, clamping that integer is
//!   enough, since rounding is monotone.

mod render;
mod steps;
mod sums;

use almoner_federation::Exact;

use self::render::{Sight, above, double, integer, is_whole, key, render, whole};
use self::steps::{Rounding, beyond, clamped, per_step};
use self::sums::{Sums, Values, bare, coordinates, guarded};
use crate::bins::Piece;
use crate::expr::Expr;
use crate::keys::Domain;
use crate::layout::{Binned, Content, Layout, Measure, Weight};
use crate::question::Question;
use crate::territory::Touched;
use crate::text::{quoted, text_literal};

/// One statement and what its rows are; every column of them is a BIGINT unless the shape says otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceQuery {
    /// The table that it reads, in the manifest's spelling; an agency without it adds nothing.
    pub table: String,
    /// The text.
    pub sql: String,
    /// What its rows are.
    pub shape: Shape,
}

/// What the rows of a source query are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shape {
    /// `cell, c, c, ...`: what to add to these coordinates of the cell, NULL being 0.
    Sums {
        /// The coordinate of each column after the first.
        coordinates: Vec<usize>,
    },
    /// `cell, bin, value`: what to add to the coordinate `first + bin` of the cell, `bin` below `bins`.
    Histogram {
        /// The first bin's coordinate.
        first: usize,
        /// How many bins there are.
        bins: usize,
    },
    /// `cell, unit`: the unit, a text, is in the cell; any number of times. Units never leave the node.
    Units(Units),
}

/// What is made of units.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Units {
    /// Each different one adds 1 to this coordinate of its cell.
    Counted {
        /// The coordinate.
        coordinate: usize,
    },
    /// Each is in the cell's sketches of these numbers.
    Sketched {
        /// Indices into [`Plan::sketches`](crate::Plan::sketches).
        sketches: Vec<usize>,
    },
}

/// The units of a question's rows for which `filter` holds, row by row: what a node makes of them is the same however
/// often one comes, and grouping them would need memory that grows with the data.
pub(crate) fn units(question: &Question<'_>, filter: Option<&Expr>, into: Units) -> SourceQuery {
    let mut values = Values::default();
    let guard = filter.map(|filter| values.column(filter, question.table, Sight::Stored));
    let unit = values.text(quoted(question.unit));
    let unit = guarded(guard.as_slice(), &unit);
    let cell = cell(question);
    let steps = steps(question, &values, &[format!("{cell} AS \"cell\""), format!("{unit} AS \"c0\"")]);
    SourceQuery {
        table: question.table.name.clone(),
        sql: format!(
            "SELECT \"cell\", \"c0\"\nFROM (\n{steps}\n) AS \"steps\"\nWHERE \"cell\" IS NOT NULL AND \"c0\" IS NOT NULL"
        ),
        shape: Shape::Units(into),
    }
}

/// All statements of a question.
pub(crate) fn sources(question: &Question<'_>, layout: &Layout) -> Vec<SourceQuery> {
    let table = question.table;
    let mut sources = Vec::new();
    let (mut sums, mut places) = (Sums::default(), Vec::new());
    for measure in &layout.measures {
        match &measure.content {
            Content::Units => {
                let into = Units::Counted { coordinate: measure.first };
                sources.push(units(question, measure.filter.as_ref(), into));
            }
            Content::Histogram { bins, strategy, weight } => {
                sources.push(SourceQuery {
                    table: table.name.clone(),
                    sql: histogram(question, measure, bins, strategy.bins(), weight.as_ref()),
                    shape: Shape::Histogram { first: measure.first, bins: strategy.bins() },
                });
            }
            _ => {
                let before = sums.coordinates.len();
                coordinates(measure, table, &mut sums);
                places.extend((measure.first..).take(sums.coordinates.len() - before));
            }
        }
    }
    if !places.is_empty() {
        let sql = statement(question, &sums, None, Vec::new());
        let table = table.name.clone();
        sources.insert(0, SourceQuery { table, sql, shape: Shape::Sums { coordinates: places } });
    }
    sources
}

/// A row's number from 0 among so many, or NULL.
struct Bin {
    text: String,
    bins: usize,
}

/// The coordinates of each cell out of the sums over its rows for which `conditions` hold; with a bin, of each cell
/// and bin, which then stands before them.
fn statement(question: &Question<'_>, sums: &Sums, bin: Option<Bin>, mut conditions: Vec<String>) -> String {
    let grouping = Grouping::of(question, bin);
    conditions.splice(0..0, grouping.conditions);
    let aggregates = sums.sums.iter().enumerate().map(|(i, text)| format!("{text} AS \"s{i}\""));
    let coordinates = sums.coordinates.iter().enumerate().map(|(i, text)| format!("{text} AS \"c{i}\""));
    let named = |(text, name): &(String, String)| format!("{text} AS {name}");
    let names: Vec<String> = grouping.columns.iter().map(|(_, name)| name.clone()).collect();
    let clause = |word: &str, parts: &[String], with: &str| match parts {
        [] => String::new(),
        parts => format!("\n  {word} {}", parts.join(with)),
    };
    let mut columns: Vec<String> = grouping.columns.iter().map(named).collect();
    columns.extend(sums.terms.iter().enumerate().map(|(i, text)| format!("{text} AS \"t{i}\"")));
    if columns.is_empty() {
        columns.push("1 AS \"row\"".into());
    }
    format!(
        "SELECT {all}\nFROM (\n  SELECT {selected}\n  FROM (\n{steps}{holding}\n  ) AS \"steps\"{groups}\n) AS \"groups\"",
        all = grouping.numbers.into_iter().chain(coordinates).collect::<Vec<_>>().join(",\n  "),
        selected = names.iter().cloned().chain(aggregates).collect::<Vec<_>>().join(", "),
        steps = steps(question, &sums.values, &columns),
        holding = clause("WHERE", &conditions, " AND "),
        groups = clause("GROUP BY", &names, ", "),
    )
}

/// What the rows of a statement are grouped by, and the number of the cell that follows.
///
/// Texts are grouped as they are and only the groups are numbered, because engines hash a list that a text may be in,
/// but go through the branches of a CASE one by one. All other keys, and the bin, make one number, which engines
/// group faster than several. It is NULL where one of them is: such rows are one more group, of no cell, because a
/// condition that there is a number would make engines compute it twice.
struct Grouping {
    /// What holds for the columns of a row that is in a cell.
    conditions: Vec<String>,
    /// What rows are grouped by, over the same columns, and its name.
    columns: Vec<(String, String)>,
    /// The columns of a statement's row that say where it belongs: its cell, then the bin.
    numbers: Vec<String>,
}

impl Grouping {
    fn of(question: &Question<'_>, bin: Option<Bin>) -> Grouping {
        let (mut conditions, mut columns) = (Vec::new(), Vec::new());
        // The row's number in the keys that are no texts, and the group's in those that are.
        let (mut row, mut texts) = (Vec::new(), Vec::new());
        let mut stride: usize =
            question.keys.iter().map(|key| key.domain.len().max(1)).fold(1, usize::saturating_mul);
        for (i, key) in question.keys.iter().enumerate() {
            stride /= key.domain.len().max(1);
            let column = format!("\"k{i}\"");
            let scaled = |number: String| if stride == 1 { number } else { format!("{number} * {stride}") };
            match &key.domain {
                Domain::Texts(values) => {
                    let name = format!("\"g{i}\"");
                    conditions.push(format!("{column} IN ({})", hashed(values)));
                    texts.push(scaled(index(&name, &key.domain, false)));
                    columns.push((column, name));
                }
                Domain::Integers { first, count } if is_whole(&key.expr, question.table) => {
                    let last = first + *count as i64 - 1;
                    conditions.push(format!("{column} BETWEEN {} AND {}", whole(*first), whole(last)));
                    row.push(scaled(above(&column, *first)));
                }
                domain @ Domain::Booleans => {
                    conditions.push(format!("{column} IS NOT NULL"));
                    row.push(scaled(index(&column, domain, false)));
                }
                domain => row.push(scaled(index(&column, domain, is_whole(&key.expr, question.table)))),
            }
        }
        let keys = row.len();
        let mut bins = 1;
        if let Some(bin) = bin {
            bins = bin.bins;
            row = if row.is_empty() {
                vec![bin.text]
            } else {
                vec![format!("({}) * {bins}", row.join(" + ")), bin.text]
            };
        }
        if !row.is_empty() {
            columns.push((row.join(" + "), "\"g\"".into()));
        }
        let number = match (keys, bins) {
            (0, _) => None,
            (_, 1) => Some("\"g\"".to_owned()),
            // Without a remainder, because some engines do not divide whole numbers as such.
            _ => Some(format!("(\"g\" - \"g\" % {bins}) / {bins}")),
        };
        let cell: Vec<String> = number.into_iter().chain(texts).collect();
        let cell = if cell.is_empty() { "0".to_owned() } else { cell.join(" + ") };
        let mut numbers = vec![format!("CAST({cell} AS BIGINT) AS \"cell\"")];
        match (keys, bins) {
            (_, 1) => {}
            (0, _) => numbers.push("CAST(\"g\" AS BIGINT) AS \"bin\"".into()),
            _ => numbers.push(format!("CAST(\"g\" % {bins} AS BIGINT) AS \"bin\"")),
        }
        Grouping { conditions, columns, numbers }
    }
}

/// Fewest texts of a list that engines hash; they try those of a shorter one in turn, which takes longer.
const HASHED: usize = 4;

/// The texts as a list, repeated until engines hash it.
fn hashed(texts: &[String]) -> String {
    let times = HASHED.div_ceil(texts.len().max(1));
    let texts: Vec<String> = texts.iter().map(|text| text_literal(text)).collect();
    vec![texts.join(", "); times].join(", ")
}

/// Each row's columns, over its keys `k0`, `k1`, ... and values `v0`, `v1`, ...
fn steps(question: &Question<'_>, values: &Values, selected: &[String]) -> String {
    let table = question.table;
    let keys = question.keys.iter().enumerate();
    let mut columns: Vec<String> =
        keys.map(|(i, one)| format!("{} AS \"k{i}\"", key(&one.expr, table))).collect();
    columns.extend(values.texts.iter().enumerate().map(|(i, text)| format!("{text} AS \"v{i}\"")));
    if columns.is_empty() {
        columns.push("1 AS \"row\"".into());
    }
    let placed = question.touched.as_ref().map(Touched::condition);
    let asked = question.condition.as_ref().map(|condition| render(condition, table, Sight::Stored));
    let condition = match (placed, asked) {
        (Some(placed), Some(asked)) => format!("\n    WHERE ({placed}) AND ({asked})"),
        (Some(one), None) | (None, Some(one)) => format!("\n    WHERE {one}"),
        (None, None) => String::new(),
    };
    format!(
        "  SELECT {selected}\n  FROM (\n    SELECT {columns}\n    FROM {from}{condition}\n  ) AS \"stored\"",
        selected = selected.join(",\n    "),
        columns = columns.join(",\n      "),
        from = quoted(&table.name),
    )
}

/// The statement of one histogram: the bins of the rows that have one, and what these count.
fn histogram(
    question: &Question<'_>,
    measure: &Measure,
    bins: &Binned,
    count: usize,
    weight: Option<&Weight>,
) -> String {
    let table = question.table;
    let mut sums = Sums::default();
    let mut guard = sums.values.guard(measure, table);
    let weight = weight.map(|weight| sums.values.weight(weight, table, &mut guard));
    let text = match bins {
        Binned::Values { value, pieces } => match &pieces[..] {
            [Piece::Points { low, step, count }] => {
                let ends = (0, i64::from(count - 1));
                sums.values.steps(value, table, low, step, ends, &mut guard)
            }
            pieces => {
                // The bins at both ends take what lies beyond.
                let sight = if bare(value, table).is_some() { Sight::Stored } else { Sight::Clamped };
                bin(&sums.values.number(value, table, sight, &mut guard), pieces)
            }
        },
        Binned::Scores { indicators } => {
            let score = |(indicator, weight): &(Expr, u64)| {
                let column = sums.values.column(indicator, table, Sight::Stored);
                format!("CASE WHEN {column} THEN {weight} WHEN NOT {column} THEN 0 END")
            };
            indicators.iter().map(score).collect::<Vec<_>>().join(" + ")
        }
    };
    let counted = match weight {
        None => "COUNT(*)".to_owned(),
        Some(weight) => format!("SUM({})", sums.term(weight)),
    };
    let counted = sums.sum(counted);
    sums.coordinates.push(counted);
    statement(question, &sums, Some(Bin { text, bins: count }), guard)
}

/// The number of a value's bin.
fn bin(column: &str, pieces: &[Piece]) -> String {
    // A value that has a bin of its own among wider ones is looked for first.
    let (mut alone, mut runs, mut rest) = (String::new(), String::new(), None);
    let mut first = 0;
    for (i, piece) in pieces.iter().enumerate() {
        let index = |low: &Exact| {
            let last = i64::from(piece.count() - 1);
            let index = clamped(&per_step(&beyond(column, low), &piece.step()), Rounding::Down, 0, last);
            if first == 0 { index } else { format!("{first} + {index}") }
        };
        match piece {
            Piece::Points { low, .. } => {
                let sign = match i {
                    0 => "<=",
                    _ if i + 1 == pieces.len() => ">=",
                    _ => "=",
                };
                alone += &format!(" WHEN {column} {sign} {} THEN {first}", double(low));
            }
            Piece::Even { low, .. } if i + 1 == pieces.len() => rest = Some(index(low)),
            Piece::Even { low, high, .. } => {
                runs += &format!(" WHEN {column} < {} THEN {}", double(high), index(low));
            }
        }
        first += piece.count();
    }
    match rest {
        Some(rest) if alone.is_empty() && runs.is_empty() => rest,
        Some(rest) => format!("CASE{alone}{runs} ELSE {rest} END"),
        None => format!("CASE{alone}{runs} END"),
    }
}

/// A row's cell number, row-major over the keys; NULL when one of them is in no cell.
fn cell(question: &Question<'_>) -> String {
    let mut text = String::new();
    for (i, key) in question.keys.iter().enumerate() {
        let number = index(&format!("\"k{i}\""), &key.domain, is_whole(&key.expr, question.table));
        text = if i == 0 { number } else { format!("({text}) * {} + {number}", key.domain.len()) };
    }
    format!("CAST({} AS BIGINT)", if text.is_empty() { "0" } else { &text })
}

/// The number of a key's value in its domain, or NULL. The column is a double, or a BIGINT where it is whole.
fn index(column: &str, domain: &Domain, is_whole: bool) -> String {
    let number = |value: &Exact| match integer(value) {
        Some(value) if is_whole => whole(value),
        _ => double(value),
    };
    match domain {
        Domain::Texts(values) => {
            let mut text = format!("CASE {column}");
            for (i, value) in values.iter().enumerate() {
                text += &format!(" WHEN {} THEN {i}", text_literal(value));
            }
            text + " END"
        }
        Domain::Booleans => format!("CASE WHEN {column} THEN 1 WHEN NOT {column} THEN 0 END"),
        Domain::Integers { first, count } => {
            let last = first + *count as i64 - 1;
            let above = match is_whole {
                true => above(column, *first),
                false => format!("CAST({} AS BIGINT)", beyond(column, &Exact::from(*first))),
            };
            let (low, high) = (number(&Exact::from(*first)), number(&Exact::from(last)));
            format!("CASE WHEN {column} BETWEEN {low} AND {high} THEN {above} END")
        }
        Domain::Bands { starts, last, .. } => {
            let mut text = format!("CASE WHEN {column} < {} THEN NULL", number(&starts[0]));
            for (i, next) in starts.iter().skip(1).enumerate() {
                text += &format!(" WHEN {column} < {} THEN {i}", number(next));
            }
            text + &format!(" WHEN {column} <= {} THEN {} END", number(last), starts.len() - 1)
        }
    }
}
