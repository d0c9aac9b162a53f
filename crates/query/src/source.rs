//! The bounded aggregate as SQL for the engine that holds the data: rows to integer cells.
//!
//! The text depends on the plan alone, is the same for every engine (DataFusion, PostgreSQL and what speaks the SQL of
//! either), and has the same integer result on all of them. So it is made of what engines agree on: comparisons, CASE,
//! arithmetic of doubles, `floor`, LEAST and GREATEST that leave NULL out, and sums of 64-bit integers. Only such sums
//! differ, in what a total beyond 64 bits becomes; the engine makes it the total modulo 2^64, as the ring does.
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
//!   of the plan holds for every row that can exist.

use almoner_federation::{ColumnType, Exact, Table, show_date};

use crate::bins::Piece;
use crate::expr::{Expr, Operator, Part, Type};
use crate::keys::{Domain, Key};
use crate::layout::{Binned, Content, Curve, Layout, Measure, Weight};
use crate::question::Question;
use crate::territory::Touched;
use crate::text::{quoted, text_literal};

/// How an expression sees its columns.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sight {
    /// As stored.
    Stored,
    /// Numbers and dates within their declared ranges.
    Clamped,
}

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
    /// `cell, c, c, ...`: what to add to these coordinates of the cell.
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
    let unit = guarded(guard.into_iter().collect(), unit, "NULL");
    let cell = cell(question, |i, domain| index(&format!("\"k{i}\""), domain));
    let steps = steps(question, &values, vec![format!("{cell} AS \"cell\"")], &[unit]);
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
    let (mut values, mut terms, mut places) = (Values::default(), Vec::new(), Vec::new());
    for measure in &layout.measures {
        match &measure.content {
            Content::Units => {
                let into = Units::Counted { coordinate: measure.first };
                sources.push(units(question, measure.filter.as_ref(), into));
            }
            Content::Histogram { bins, strategy, weight } => {
                sources.push(SourceQuery {
                    table: table.name.clone(),
                    sql: histogram(question, measure, bins, weight.as_ref()),
                    shape: Shape::Histogram { first: measure.first, bins: strategy.bins() },
                });
            }
            _ => {
                let all = coordinates(measure, table, &mut values);
                places.extend(measure.first..measure.first + all.len());
                terms.extend(all);
            }
        }
    }
    if !terms.is_empty() {
        let sql = statement(question, &values, &terms, false);
        let table = table.name.clone();
        sources.insert(0, SourceQuery { table, sql, shape: Shape::Sums { coordinates: places } });
    }
    sources
}

/// The terms' sums over the rows of each cell; with `binned`, over those of each cell and value of the first term.
///
/// Rows are grouped by their keys' texts themselves and only the groups are numbered, because engines hash a list
/// that a text may be in, but go through the branches of a CASE one by one.
fn statement(question: &Question<'_>, values: &Values, terms: &[String], binned: bool) -> String {
    let (columns, mut present): (Vec<String>, Vec<String>) =
        question.keys.iter().enumerate().map(grouped).unzip();
    let names: Vec<String> = (0..columns.len()).map(|i| format!("\"g{i}\"")).collect();
    let columns: Vec<String> =
        columns.iter().zip(&names).map(|(text, name)| format!("{text} AS {name}")).collect();
    let mut groups = names;
    if binned {
        groups.push("\"c0\"".into());
        present.push("\"c0\" IS NOT NULL".into());
    }
    let sums = (usize::from(binned)..terms.len()).map(|i| format!("SUM(\"c{i}\") AS \"c{i}\""));
    let selected: Vec<String> = groups.iter().cloned().chain(sums).collect();
    let clause = |word: &str, parts: &[String], with: &str| match parts {
        [] => String::new(),
        parts => format!("\n  {word} {}", parts.join(with)),
    };
    format!(
        "SELECT {cell} AS \"cell\", {all}\nFROM (\n  SELECT {selected}\n  FROM (\n{steps}\n  ) AS \"steps\"{present}{groups}\n) AS \"groups\"",
        cell = cell(question, |i, domain| match domain {
            Domain::Texts(_) => index(&format!("\"g{i}\""), domain),
            _ => format!("\"g{i}\""),
        }),
        all = (0..terms.len()).map(|i| format!("\"c{i}\"")).collect::<Vec<_>>().join(", "),
        selected = selected.join(", "),
        steps = steps(question, values, columns, terms),
        present = clause("WHERE", &present, " AND "),
        groups = clause("GROUP BY", &groups, ", "),
    )
}

/// What a key's rows are grouped by, and the condition that its value is in the domain: a text is that itself, for
/// anything else its number.
fn grouped((i, key): (usize, &Key)) -> (String, String) {
    let (column, name) = (format!("\"k{i}\""), format!("\"g{i}\""));
    match &key.domain {
        Domain::Texts(texts) => {
            let texts: Vec<String> = texts.iter().map(|text| text_literal(text)).collect();
            (column, format!("{name} IN ({})", texts.join(", ")))
        }
        domain => (index(&column, domain), format!("{name} IS NOT NULL")),
    }
}

/// Each row's `first` columns, over its keys `k0`, `k1`, ..., and its terms.
fn steps(question: &Question<'_>, values: &Values, first: Vec<String>, terms: &[String]) -> String {
    let table = question.table;
    let keys = question.keys.iter().enumerate();
    let mut columns: Vec<String> =
        keys.map(|(i, key)| format!("{} AS \"k{i}\"", render(&key.expr, table, Sight::Stored))).collect();
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
    let terms = terms.iter().enumerate().map(|(i, text)| format!("{text} AS \"c{i}\""));
    format!(
        "  SELECT {selected}\n  FROM (\n    SELECT {columns}\n    FROM {from}{condition}\n  ) AS \"stored\"",
        selected = first.into_iter().chain(terms).collect::<Vec<_>>().join(",\n    "),
        columns = columns.join(",\n      "),
        from = quoted(&table.name),
    )
}

/// The statement of one histogram: `c0` is the bin, `c1` what the row counts.
fn histogram(question: &Question<'_>, measure: &Measure, bins: &Binned, weight: Option<&Weight>) -> String {
    let table = question.table;
    let mut values = Values::default();
    let mut guard = values.guard(measure, table);
    let counts = weight.map_or("1".into(), |weight| values.weight(weight, table, &mut guard));
    let bin = match bins {
        Binned::Values { value, pieces } => {
            let column = values.number(value, table, &mut guard);
            bin(&column, pieces)
        }
        Binned::Scores { indicators } => {
            let score = |(indicator, weight): &(Expr, u64)| {
                let column = values.column(indicator, table, Sight::Stored);
                format!("CASE WHEN {column} THEN {weight} WHEN NOT {column} THEN 0 END")
            };
            indicators.iter().map(score).collect::<Vec<_>>().join(" + ")
        }
    };
    let terms = [guarded(guard, bin, "NULL"), counts];
    statement(question, &values, &terms, true)
}

/// The number of a value's bin.
fn bin(column: &str, pieces: &[Piece]) -> String {
    // A value that has a bin of its own among wider ones is looked for first.
    let (mut alone, mut runs, mut rest) = (String::new(), String::new(), None);
    let mut first = 0;
    for (i, piece) in pieces.iter().enumerate() {
        let index = |low: &Exact, rounding: Rounding| {
            let above = format!("({column} - {})", double(low));
            let last = i64::from(piece.count() - 1);
            format!("{first} + {}", clamped(&per_step(&above, &piece.step()), rounding, 0, last))
        };
        match piece {
            Piece::Points { low, .. } if pieces.len() == 1 => rest = Some(index(low, Rounding::Nearest)),
            Piece::Points { low, .. } => alone += &format!(" WHEN {column} = {} THEN {first}", double(low)),
            Piece::Even { low, .. } if i + 1 == pieces.len() => rest = Some(index(low, Rounding::Down)),
            Piece::Even { low, high, .. } => {
                runs += &format!(" WHEN {column} < {} THEN {}", double(high), index(low, Rounding::Down));
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

/// The term where all conditions hold, otherwise `otherwise`.
fn guarded(conditions: Vec<String>, term: String, otherwise: &str) -> String {
    if conditions.is_empty() {
        return term;
    }
    format!("CASE WHEN {} THEN {term} ELSE {otherwise} END", conditions.join(" AND "))
}

/// Values and filters of rows that coordinates refer to, each computed once.
#[derive(Default)]
struct Values {
    texts: Vec<String>,
}

impl Values {
    fn text(&mut self, text: String) -> String {
        let index = self.texts.iter().position(|other| *other == text).unwrap_or_else(|| {
            self.texts.push(text);
            self.texts.len() - 1
        });
        format!("\"v{index}\"")
    }

    fn column(&mut self, expr: &Expr, table: &Table, sight: Sight) -> String {
        self.text(render(expr, table, sight))
    }

    /// The conditions under which a row counts for a measure, of which its filter is the first.
    fn guard(&mut self, measure: &Measure, table: &Table) -> Vec<String> {
        measure.filter.iter().map(|filter| self.column(filter, table, Sight::Stored)).collect()
    }

    /// A number within its range, and the condition that there is one.
    fn number(&mut self, value: &Expr, table: &Table, guard: &mut Vec<String>) -> String {
        let column = self.column(value, table, Sight::Clamped);
        let present = format!("{column} IS NOT NULL");
        if !guard.contains(&present) {
            guard.push(present);
        }
        column
    }

    /// A weight in integer steps.
    fn weight(&mut self, weight: &Weight, table: &Table, guard: &mut Vec<String>) -> String {
        let column = self.number(&weight.value, table, guard);
        clamped_steps(&per_step(&column, &weight.step), 0, signed(weight.steps))
    }
}

/// Steps stay below 2^41.
fn signed(steps: u64) -> i64 {
    i64::try_from(steps).expect("coarsening keeps steps far below 2^63")
}

/// The text of every coordinate of a measure, over the columns of `values`.
fn coordinates(measure: &Measure, table: &Table, values: &mut Values) -> Vec<String> {
    let mut guard = values.guard(measure, table);
    let terms = match &measure.content {
        Content::Count { present: None } => vec!["1".to_owned()],
        Content::Count { present: Some(value) } if value.ty(table) == Some(Type::Number) => {
            values.number(value, table, &mut guard);
            vec!["1".to_owned()]
        }
        Content::Count { present: Some(value) } => {
            let column = values.column(value, table, Sight::Stored);
            guard.push(format!("{column} IS NOT NULL"));
            vec!["1".to_owned()]
        }
        Content::Sum { value, step, low, high } => {
            let column = values.number(value, table, &mut guard);
            vec![clamped_steps(&per_step(&column, step), *low, *high)]
        }
        Content::Moments { curve, value, low, step, steps, .. } => {
            let column = values.number(value, table, &mut guard);
            let above = format!("({column} - {})", double(low));
            let top = signed(*steps);
            basis(*curve, &clamped_steps(&per_step(&above, step), 0, top), top)
        }
        Content::Poverty { degree, value, line, steps, .. } => {
            let value = values.number(value, table, &mut guard);
            let line = values.number(line, table, &mut guard);
            let top = signed(*steps);
            // The line is above 0; rounding in its expression might lose that.
            let gap = format!("({line} - {value}) * {top}.0 / NULLIF({line}, 0.0)");
            let curve = degree.curve();
            // A curve of one coordinate has no j.
            let j = match curve {
                Curve::Constant => String::new(),
                _ => clamped_steps(&gap, 0, top),
            };
            let whole = top.pow(curve.power());
            let poor = basis(curve, &j, top);
            let rest = format!("CASE WHEN {value} < {line} THEN 0 ELSE {whole} END");
            let poor = poor.iter().map(|term| format!("CASE WHEN {value} < {line} THEN {term} ELSE 0 END"));
            std::iter::once(rest).chain(poor).collect()
        }
        // These have statements of their own.
        Content::Units | Content::Histogram { .. } => Vec::new(),
    };
    let weight = measure.content.weight().map(|weight| values.weight(weight, table, &mut guard));
    let weighted = terms.into_iter().map(|term| match &weight {
        Some(weight) => format!("{weight} * ({term})"),
        None => term,
    });
    weighted.map(|term| guarded(guard.clone(), term, "0")).collect()
}

/// The coordinates of a curve at `j` of `0..=top`.
fn basis(curve: Curve, j: &str, top: i64) -> Vec<String> {
    match curve {
        Curve::Constant => vec!["1".to_owned()],
        Curve::Linear => vec![format!("{top} - {j}"), j.to_owned()],
        Curve::Quadratic => vec![
            format!("2 * {j} * {j} - {} * {j} + {}", 3 * top, top * top),
            format!("4 * {j} * ({top} - {j})"),
            format!("{j} * (2 * {j} - {top})"),
        ],
    }
}

/// `value / step` with a factor and a divisor that are whole wherever the step is a decimal.
fn per_step(value: &str, step: &Exact) -> String {
    let (numerator, denominator) =
        (Exact::from(step.numerator().clone()), Exact::from(step.denominator().clone()));
    let mut text = value.to_owned();
    if !denominator.is_one() {
        text = format!("{text} * {}", double(&denominator));
    }
    if !numerator.is_one() {
        text = format!("{text} / {}", double(&numerator));
    }
    text
}

#[derive(Clone, Copy)]
enum Rounding {
    Down,
    /// Halves go up: engines round them differently on their own.
    Nearest,
}

fn clamped_steps(quotient: &str, low: i64, high: i64) -> String {
    clamped(quotient, Rounding::Nearest, low, high)
}

/// The integer of `low..=high` nearest to a double, both of which doubles hold: steps are below 2^41.
fn clamped(value: &str, rounding: Rounding, low: i64, high: i64) -> String {
    let rounded = match rounding {
        Rounding::Down => format!("floor({value})"),
        Rounding::Nearest => format!("floor({value} + 0.5)"),
    };
    let (low, high) = (double(&Exact::from(low)), double(&Exact::from(high)));
    format!("CAST(LEAST(GREATEST({rounded}, {low}), {high}) AS BIGINT)")
}

/// The cell number, row-major over the keys, whose numbers `number` gives; NULL when one of them is.
fn cell(question: &Question<'_>, number: impl Fn(usize, &Domain) -> String) -> String {
    let mut text = String::new();
    for (i, key) in question.keys.iter().enumerate() {
        let number = number(i, &key.domain);
        text = if i == 0 { number } else { format!("({text}) * {} + {number}", key.domain.len()) };
    }
    format!("CAST({} AS BIGINT)", if text.is_empty() { "0" } else { &text })
}

/// The number of a key's value in its domain, or NULL.
fn index(column: &str, domain: &Domain) -> String {
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
            let (low, high) = (double(&Exact::from(*first)), double(&Exact::from(last)));
            format!(
                "CASE WHEN {column} >= {low} AND {column} <= {high} THEN CAST({column} - {low} AS BIGINT) END"
            )
        }
        Domain::Bands { starts, last, .. } => {
            let mut text = format!("CASE WHEN {column} < {} THEN NULL", double(&starts[0]));
            for (i, next) in starts.iter().skip(1).enumerate() {
                text += &format!(" WHEN {column} < {} THEN {i}", double(next));
            }
            text + &format!(" WHEN {column} <= {} THEN {} END", double(last), starts.len() - 1)
        }
    }
}

/// An exact number as the nearest double, written so that it reads back as the same double.
fn double(value: &Exact) -> String {
    let nearest = value.to_f64().value();
    if nearest < 0.0 { format!("({nearest:?})") } else { format!("{nearest:?}") }
}

fn whole(value: i64) -> String {
    if value < 0 { format!("({value})") } else { value.to_string() }
}

fn date(day: i32) -> String {
    format!("DATE '{}'", show_date(day))
}

fn render(expr: &Expr, table: &Table, sight: Sight) -> String {
    let here = |one: &Expr| render(one, table, sight);
    let stored = |one: &Expr| render(one, table, Sight::Stored);
    let list = |all: &[Expr]| all.iter().map(here).collect::<Vec<_>>().join(", ");
    match expr {
        Expr::Column(index) => column(&table.columns[*index].name, &table.columns[*index].kind, sight),
        // Without the cast some engines would take it for an exact decimal, and compute with such.
        Expr::Number(value) => format!("CAST({} AS DOUBLE PRECISION)", double(value)),
        Expr::Text(text) => text_literal(text),
        Expr::Boolean(true) => "TRUE".into(),
        Expr::Boolean(false) => "FALSE".into(),
        Expr::Date(day) => date(*day),
        Expr::Null => "NULL".into(),
        // Never -0.0, which engines order below 0.0: hence 0.0 - x here and + 0.0 below.
        Expr::Negate(one) => format!("(0.0 - {})", here(one)),
        Expr::Arithmetic { operator, left, right, .. } => {
            let (left, right) = (here(left), here(right));
            match operator {
                Operator::Add | Operator::Subtract => format!("({left} {} {right})", operator.sign()),
                Operator::Multiply => format!("({left} * {right} + 0.0)"),
                Operator::Divide => format!("({left} / NULLIF({right}, 0.0) + 0.0)"),
            }
        }
        Expr::Compare { comparison, left, right } => {
            format!("({} {} {})", here(left), comparison.sign(), here(right))
        }
        Expr::Between { value, low, high } => {
            format!("({} BETWEEN {} AND {})", here(value), here(low), here(high))
        }
        Expr::In { value, list: all } => format!("({} IN ({}))", here(value), list(all)),
        Expr::IsNull(one) => format!("({} IS NULL)", here(one)),
        Expr::Not(one) => format!("(NOT {})", here(one)),
        Expr::And(all) => balanced(&all.iter().map(here).collect::<Vec<_>>(), "AND"),
        Expr::Or(all) => balanced(&all.iter().map(here).collect::<Vec<_>>(), "OR"),
        Expr::Case { operand, branches, otherwise } => {
            let operand = operand.as_ref().map_or(String::new(), |operand| format!(" {}", stored(operand)));
            let branches: String = branches
                .iter()
                .map(|(when, then)| format!(" WHEN {} THEN {}", stored(when), here(then)))
                .collect();
            let otherwise =
                otherwise.as_ref().map_or(String::new(), |value| format!(" ELSE {}", here(value)));
            format!("CASE{operand}{branches}{otherwise} END")
        }
        Expr::Coalesce(all) => format!("COALESCE({})", list(all)),
        Expr::Least(all) => extreme("LEAST", all, list(all), &here),
        Expr::Greatest(all) => extreme("GREATEST", all, list(all), &here),
        Expr::Part { part, date } => self::part(*part, date, table, sight),
    }
}

/// Engines leave NULL out of LEAST and GREATEST; here it is NULL that comes out.
fn extreme(function: &str, all: &[Expr], list: String, here: &dyn Fn(&Expr) -> String) -> String {
    let present: Vec<String> =
        all.iter().filter(|one| !one.never_null()).map(|one| format!("{} IS NOT NULL", here(one))).collect();
    if present.is_empty() {
        return format!("{function}({list})");
    }
    format!("CASE WHEN {} THEN {function}({list}) END", present.join(" AND "))
}

/// Outside the years 1 to 9999 a part of a date is NULL, whatever the engine's calendar can do.
fn part(part: Part, day: &Expr, table: &Table, sight: Sight) -> String {
    let day = render(day, table, sight);
    let part = part.word().to_ascii_lowercase();
    let taken = format!("CAST(date_part('{part}', {day}) AS DOUBLE PRECISION)");
    match sight {
        Sight::Clamped => taken,
        Sight::Stored => {
            format!("CASE WHEN {day} BETWEEN DATE '0001-01-01' AND DATE '9999-12-31' THEN {taken} END")
        }
    }
}

/// A chain as a balanced tree, so that a long one stays shallow in the engine.
fn balanced(all: &[String], word: &str) -> String {
    match all {
        [] => "TRUE".into(),
        [one] => one.clone(),
        many => {
            let (left, right) = many.split_at(many.len() / 2);
            format!("({} {word} {})", balanced(left, word), balanced(right, word))
        }
    }
}

fn column(name: &str, kind: &ColumnType, sight: Sight) -> String {
    let name = quoted(name);
    let clamp = |low: String, high: String, inside: &str| {
        format!("WHEN {name} < {low} THEN {low} WHEN {name} > {high} THEN {high} ELSE {inside} END")
    };
    match (kind, sight) {
        (ColumnType::Text { .. } | ColumnType::Boolean, _) | (ColumnType::Date { .. }, Sight::Stored) => name,
        (ColumnType::Date { min, max }, Sight::Clamped) => {
            format!("CASE {}", clamp(date(*min), date(*max), &name))
        }
        (ColumnType::Integer { .. }, Sight::Stored) => format!("CAST({name} AS DOUBLE PRECISION)"),
        (ColumnType::Integer { min, max, .. }, Sight::Clamped) => {
            format!("CAST(CASE {} AS DOUBLE PRECISION)", clamp(whole(*min), whole(*max), &name))
        }
        (ColumnType::Number { .. }, Sight::Stored) => name,
        (ColumnType::Number { min, max, .. }, Sight::Clamped) => {
            format!("CASE {}", clamp(double(min), double(max), &name))
        }
    }
}
