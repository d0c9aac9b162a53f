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

use almoner_federation::{ColumnType, Exact, Table, show_date};

use crate::bins::Piece;
use crate::expr::{Expr, Operator, Part, Type};
use crate::keys::Domain;
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
            _ => Some(format!("\"g\" / {bins}")),
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

/// Whether it is a column of whole numbers itself, which then stays one.
fn is_whole(expr: &Expr, table: &Table) -> bool {
    matches!(expr, Expr::Column(index) if matches!(table.columns[*index].kind, ColumnType::Integer { .. }))
}

/// A key as stored: whole numbers where it is a column of such.
fn key(expr: &Expr, table: &Table) -> String {
    match expr {
        Expr::Column(index) if is_whole(expr, table) => quoted(&table.columns[*index].name),
        _ => render(expr, table, Sight::Stored),
    }
}

/// How far a whole number lies above `first`.
fn above(column: &str, first: i64) -> String {
    if first == 0 { column.to_owned() } else { format!("({column} - {})", whole(first)) }
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

/// The term where all conditions hold, otherwise NULL.
fn guarded(conditions: &[String], term: &str) -> String {
    if conditions.is_empty() {
        return term.to_owned();
    }
    format!("CASE WHEN {} THEN {term} END", conditions.join(" AND "))
}

/// What a statement makes of a row's values, step by step, each computed once.
#[derive(Default)]
struct Sums {
    /// `v0`, `v1`, ...: values and filters of a row.
    values: Values,
    /// `t0`, `t1`, ...: terms of a row, over the values; NULL where the row does not count.
    terms: Vec<String>,
    /// `s0`, `s1`, ...: counts and sums over the rows of a group.
    sums: Vec<String>,
    /// The coordinates, over the sums; NULL is 0.
    coordinates: Vec<String>,
}

impl Sums {
    fn term(&mut self, text: String) -> String {
        once(&mut self.terms, text, 't')
    }

    fn sum(&mut self, text: String) -> String {
        once(&mut self.sums, text, 's')
    }

    /// How many rows the conditions hold for.
    fn count(&mut self, conditions: &[String]) -> String {
        let text = match conditions {
            [] => "COUNT(*)".to_owned(),
            [one] => match one.strip_suffix(PRESENT) {
                Some(column) => format!("COUNT({})", self.term(column.to_owned())),
                None => format!("COUNT({})", self.term(guarded(conditions, "1"))),
            },
            _ => format!("COUNT({})", self.term(guarded(conditions, "1"))),
        };
        self.sum(text)
    }

    /// The sums of 1, `j`, `j * j`, ... up to the curve's power over the rows for which the conditions hold, each times
    /// the row's weight. They are whole numbers of any size where the engine has such.
    fn powers(&mut self, curve: Curve, j: &str, conditions: &[String], weight: Option<&str>) -> Vec<String> {
        let weight = weight.map(|weight| self.term(guarded(conditions, weight)));
        if curve == Curve::Constant {
            return vec![match weight {
                Some(weight) => self.sum(format!("SUM({weight})")),
                None => self.count(conditions),
            }];
        }
        let j = self.term(guarded(conditions, j));
        let first = weight.clone().map_or(j.clone(), |weight| format!("{weight} * {j}"));
        let mut sums = vec![self.sum(format!("SUM({first})"))];
        if curve == Curve::Quadratic {
            sums.push(self.sum(format!("SUM({first} * {j})")));
        }
        let rows = match weight {
            Some(weight) => self.sum(format!("SUM({weight})")),
            None => {
                let count = self.sum(format!("COUNT({j})"));
                large(&count, &sums[0])
            }
        };
        sums.insert(0, rows);
        sums
    }
}

/// A count as a number of a sum's type: some engines raise an error where a product of counts passes 64 bits.
fn large(count: &str, sum: &str) -> String {
    format!("({count} + COALESCE(0 * {sum}, 0))")
}

/// The name of a text in its list, to which it is added unless it is there.
fn once(list: &mut Vec<String>, text: String, letter: char) -> String {
    let index = list.iter().position(|other| *other == text).unwrap_or_else(|| {
        list.push(text);
        list.len() - 1
    });
    format!("\"{letter}{index}\"")
}

/// How the condition ends that a column has a value.
const PRESENT: &str = " IS NOT NULL";

/// Values and filters of rows.
#[derive(Default)]
struct Values {
    texts: Vec<String>,
}

impl Values {
    fn text(&mut self, text: String) -> String {
        once(&mut self.texts, text, 'v')
    }

    fn column(&mut self, expr: &Expr, table: &Table, sight: Sight) -> String {
        self.text(render(expr, table, sight))
    }

    /// The conditions under which a row counts for a measure, of which its filter is the first.
    fn guard(&mut self, measure: &Measure, table: &Table) -> Vec<String> {
        measure.filter.iter().map(|filter| self.column(filter, table, Sight::Stored)).collect()
    }

    /// A number, and the condition that there is one.
    fn number(&mut self, value: &Expr, table: &Table, sight: Sight, guard: &mut Vec<String>) -> String {
        if let Expr::Number(_) = value {
            return render(value, table, sight);
        }
        let column = self.column(value, table, sight);
        present(&column, guard);
        column
    }

    /// The whole number of `ends` that is nearest to `(value - low) / step`, for the value in its range.
    ///
    /// The range of a column is that of these numbers, so that nothing has to be clamped twice; rounding is monotone.
    fn steps(
        &mut self,
        value: &Expr,
        table: &Table,
        low: &Exact,
        step: &Exact,
        ends: (i64, i64),
        guard: &mut Vec<String>,
    ) -> String {
        let Some(range) = bare(value, table) else {
            let column = self.number(value, table, Sight::Clamped, guard);
            return clamped_steps(&per_step(&beyond(&column, low), step), ends.0, ends.1);
        };
        if let (Some((min, max)), Some(low), true) = (range.whole, integer(low), step.is_one())
            && i128::from(min) - i128::from(low) >= ends.0.into()
            && i128::from(max) - i128::from(low) <= ends.1.into()
        {
            let column = self.text(key(value, table));
            present(&column, guard);
            return above(&format!("LEAST(GREATEST({column}, {}), {})", whole(min), whole(max)), low);
        }
        let half = Exact::from_parts(1.into(), 2u8.into());
        let nearest = |end: &Exact| {
            let steps = ((end - low) / step + &half).floor();
            i64::try_from(steps.clamp(ends.0.into(), ends.1.into())).expect("both ends have 64 bits")
        };
        let column = self.number(value, table, Sight::Stored, guard);
        clamped_steps(&per_step(&beyond(&column, low), step), nearest(&range.low), nearest(&range.high))
    }

    /// A weight in integer steps.
    fn weight(&mut self, weight: &Weight, table: &Table, guard: &mut Vec<String>) -> String {
        let ends = (0, signed(weight.steps));
        self.steps(&weight.value, table, &Exact::ZERO, &weight.step, ends, guard)
    }
}

fn present(column: &str, guard: &mut Vec<String>) {
    let present = format!("{column}{PRESENT}");
    if !guard.contains(&present) {
        guard.push(present);
    }
}

/// The declared range of a number's column.
struct Declared {
    low: Exact,
    high: Exact,
    /// The same where all values are whole.
    whole: Option<(i64, i64)>,
}

/// The range of what is a column of numbers itself.
fn bare(value: &Expr, table: &Table) -> Option<Declared> {
    let Expr::Column(index) = value else { return None };
    match &table.columns[*index].kind {
        ColumnType::Integer { min, max, .. } => {
            Some(Declared { low: Exact::from(*min), high: Exact::from(*max), whole: Some((*min, *max)) })
        }
        ColumnType::Number { min, max, .. } => {
            Some(Declared { low: min.clone(), high: max.clone(), whole: None })
        }
        _ => None,
    }
}

/// Steps stay below 2^41.
fn signed(steps: u64) -> i64 {
    i64::try_from(steps).expect("coarsening keeps steps far below 2^63")
}

/// Adds the coordinates of a measure, over the sums of its terms: one term and its powers serve them all.
fn coordinates(measure: &Measure, table: &Table, sums: &mut Sums) {
    let mut guard = sums.values.guard(measure, table);
    let weight = measure.content.weight().map(|weight| sums.values.weight(weight, table, &mut guard));
    let weight = weight.as_deref();
    let found = match &measure.content {
        Content::Count { present: None } => vec![sums.count(&guard)],
        Content::Count { present: Some(value) } => {
            let sight = match bare(value, table) {
                None if value.ty(table) == Some(Type::Number) => Sight::Clamped,
                _ => Sight::Stored,
            };
            let column = sums.values.column(value, table, sight);
            present(&column, &mut guard);
            vec![sums.count(&guard)]
        }
        Content::Sum { value, step, low, high } => {
            let j = sums.values.steps(value, table, &Exact::ZERO, step, (*low, *high), &mut guard);
            let j = sums.term(guarded(&guard, &j));
            vec![sums.sum(format!("SUM({j})"))]
        }
        Content::Moments { curve, value, low, step, steps, .. } => {
            let top = signed(*steps);
            let j = sums.values.steps(value, table, low, step, (0, top), &mut guard);
            basis(*curve, &sums.powers(*curve, &j, &guard, weight), top)
        }
        Content::Poverty { degree, value, line, steps, .. } => {
            let (curve, top) = (degree.curve(), signed(*steps));
            let mut poor = guard.clone();
            let (sight, most) = gap(value, line, top, table);
            let value = sums.values.number(value, table, sight, &mut guard);
            // The line is above 0; rounding in its expression might lose that.
            let divisor = |column: &str| match line {
                Expr::Number(_) => column.to_owned(),
                _ => format!("NULLIF({column}, 0.0)"),
            };
            let line = sums.values.number(line, table, Sight::Clamped, &mut guard);
            let j = format!("({line} - {value}) * {top}.0 / {}", divisor(&line));
            poor.push(format!("{value} < {line}"));
            let powers = sums.powers(curve, &clamped_steps(&j, 0, most), &poor, weight);
            let all = match weight {
                Some(weight) => {
                    let weight = sums.term(guarded(&guard, weight));
                    sums.sum(format!("SUM({weight})"))
                }
                None => sums.count(&guard),
            };
            let whole = top.pow(curve.power());
            let rest = format!("({all} - COALESCE({}, 0))", powers[0]);
            let rest = if whole == 1 { rest } else { format!("{whole} * {rest}") };
            std::iter::once(rest).chain(basis(curve, &powers, top)).collect()
        }
        // These have statements of their own.
        Content::Units | Content::Histogram { .. } => Vec::new(),
    };
    sums.coordinates.extend(found);
}

/// How a poor row's value is seen, and the most steps of its gap. Below a line within the range of a column only values
/// under that range have to be told apart from the others: their gap is that of its end.
fn gap(value: &Expr, line: &Expr, top: i64, table: &Table) -> (Sight, i64) {
    match (bare(value, table), line) {
        (Some(range), Expr::Number(line)) if range.low < *line && *line <= range.high => {
            let half = Exact::from_parts(1.into(), 2u8.into());
            let steps = ((line - &range.low) / line * Exact::from(top) + half).floor();
            (Sight::Stored, i64::try_from(steps).map_or(top, |steps| steps.min(top)))
        }
        _ => (Sight::Clamped, top),
    }
}

/// The sums of the coordinates of a curve at `j` of `0..=top` out of those of the powers of `j`.
fn basis(curve: Curve, powers: &[String], top: i64) -> Vec<String> {
    match (curve, powers) {
        (Curve::Linear, [rows, j]) => vec![format!("{top} * {rows} - {j}"), j.clone()],
        (Curve::Quadratic, [rows, j, square]) => vec![
            format!("2 * {square} - {} * {j} + {} * {rows}", 3 * top, top * top),
            format!("4 * ({top} * {j} - {square})"),
            format!("2 * {square} - {top} * {j}"),
        ],
        (_, powers) => powers[..1].to_vec(),
    }
}

/// How far a double lies above `low`.
fn beyond(column: &str, low: &Exact) -> String {
    if low.is_zero() { column.to_owned() } else { format!("({column} - {})", double(low)) }
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

/// A whole number of 64 bits.
fn integer(value: &Exact) -> Option<i64> {
    if value.is_int() { i64::try_from(value.numerator().clone()).ok() } else { None }
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
