//! What a statement makes of a row's values: terms, their sums over the rows of a cell, and coordinates out of these.

use almoner_federation::{ColumnType, Exact, Table};

use super::render::{Sight, above, integer, key, render, whole};
use super::steps::{beyond, clamped_steps, per_step};
use crate::expr::{Expr, Type};
use crate::layout::{Content, Curve, Measure, Weight};

/// The term where all conditions hold, otherwise NULL.
pub(super) fn guarded(conditions: &[String], term: &str) -> String {
    if conditions.is_empty() {
        return term.to_owned();
    }
    format!("CASE WHEN {} THEN {term} END", conditions.join(" AND "))
}

/// What a statement makes of a row's values, step by step, each computed once.
#[derive(Default)]
pub(super) struct Sums {
    /// `v0`, `v1`, ...: values and filters of a row.
    pub(super) values: Values,
    /// `t0`, `t1`, ...: terms of a row, over the values; NULL where the row does not count.
    pub(super) terms: Vec<String>,
    /// `s0`, `s1`, ...: counts and sums over the rows of a group.
    pub(super) sums: Vec<String>,
    /// The coordinates, over the sums; NULL is 0.
    pub(super) coordinates: Vec<String>,
}

impl Sums {
    pub(super) fn term(&mut self, text: String) -> String {
        once(&mut self.terms, text, 't')
    }

    pub(super) fn sum(&mut self, text: String) -> String {
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
pub(super) struct Values {
    pub(super) texts: Vec<String>,
}

impl Values {
    pub(super) fn text(&mut self, text: String) -> String {
        once(&mut self.texts, text, 'v')
    }

    pub(super) fn column(&mut self, expr: &Expr, table: &Table, sight: Sight) -> String {
        self.text(render(expr, table, sight))
    }

    /// The conditions under which a row counts for a measure, of which its filter is the first.
    pub(super) fn guard(&mut self, measure: &Measure, table: &Table) -> Vec<String> {
        measure.filter.iter().map(|filter| self.column(filter, table, Sight::Stored)).collect()
    }

    /// A number, and the condition that there is one.
    pub(super) fn number(
        &mut self,
        value: &Expr,
        table: &Table,
        sight: Sight,
        guard: &mut Vec<String>,
    ) -> String {
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
    pub(super) fn steps(
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
    pub(super) fn weight(&mut self, weight: &Weight, table: &Table, guard: &mut Vec<String>) -> String {
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
pub(super) struct Declared {
    low: Exact,
    high: Exact,
    /// The same where all values are whole.
    whole: Option<(i64, i64)>,
}

/// The range of what is a column of numbers itself.
pub(super) fn bare(value: &Expr, table: &Table) -> Option<Declared> {
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
pub(super) fn coordinates(measure: &Measure, table: &Table, sums: &mut Sums) {
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
