//! Which values a number can take, whatever the rows hold: exact intervals through the expression tree.
//! The sensitivity of every sum rests on this file, so no floating point may enter it.
//!
//! A column contributes its declared range, because in everything that is measured it is clamped to
//! that range first. Conditions are not looked into: the interval of a `CASE` spans all its results.
//! That is why `GREATEST(4000 - income, 0)` is the way to write a gap, and not
//! `CASE WHEN income < 4000 THEN 4000 - income ELSE 0 END`, which is right but far noisier.

use almoner_federation::{ColumnType, Exact, Table, show_date};
use dashu::base::{Abs, BitTest};

use crate::QueryError;
use crate::error::Position;
use crate::expr::{Expr, Operator, Part};

/// Ends beyond 10^30, or with a denominator beyond 512 bits, are refused: no register holds such
/// numbers, and within these bounds a double can neither overflow nor become NaN.
const MAX_POWER_OF_TEN: usize = 30;
const MAX_DENOMINATOR_BITS: usize = 512;

/// Steps over the interval of a quotient, as a power of two: a millionth of the range.
const QUOTIENT_STEPS: u32 = 20;

/// `low..=high` with the step to which a measured value is rounded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) low: Exact,
    pub(crate) high: Exact,
    /// Always positive.
    pub(crate) step: Exact,
}

impl Range {
    fn new(low: Exact, high: Exact, step: Exact) -> Range {
        Range { low, high, step }
    }

    /// The largest absolute value.
    pub(crate) fn magnitude(&self) -> Exact {
        self.low.clone().abs().max(self.high.clone().abs())
    }

    /// The smallest interval around both, at the finer step.
    fn hull(self, other: Range) -> Range {
        Range::new(self.low.min(other.low), self.high.max(other.high), self.step.min(other.step))
    }

    /// The smallest interval around `products`, the values at the corners.
    fn spanning(corners: [Exact; 4], step: Exact) -> Range {
        let [a, b, c, d] = corners;
        let low = a.clone().min(b.clone()).min(c.clone()).min(d.clone());
        Range::new(low, a.max(b).max(c).max(d), step)
    }
}

/// The interval and step of a number; the expression must be of that type.
///
/// # Errors
/// A denominator that may be zero, or numbers too large or too fine to hold.
pub(crate) fn range(expr: &Expr, table: &Table, at: Position) -> Result<Range, QueryError> {
    let found = interval(expr, table)?.ok_or_else(|| QueryError::Invalid {
        at,
        message: "this is NULL in every row".into(),
        remedy: "give CASE a result that is a number".into(),
    })?;
    bounded(found, at)
}

/// `None` when the expression is always NULL.
fn interval(expr: &Expr, table: &Table) -> Result<Option<Range>, QueryError> {
    let join = |ranges: &mut dyn Iterator<Item = &Expr>| -> Result<Option<Range>, QueryError> {
        let mut hull: Option<Range> = None;
        for one in ranges {
            hull = match (hull, interval(one, table)?) {
                (Some(left), Some(right)) => Some(left.hull(right)),
                (left, right) => left.or(right),
            };
        }
        Ok(hull)
    };
    Ok(match expr {
        Expr::Column(index) => column(&table.columns[*index].kind),
        Expr::Number(value) => Some(Range::new(value.clone(), value.clone(), decimal_step(value))),
        Expr::Negate(one) => {
            interval(one, table)?.map(|range| Range::new(-range.high, -range.low, range.step))
        }
        Expr::Arithmetic { operator, left, right, at } => {
            let (left, right) = (interval(left, table)?, interval(right, table)?);
            match (left, right) {
                (Some(left), Some(right)) => Some(bounded(arithmetic(*operator, left, right, at.0)?, at.0)?),
                _ => None,
            }
        }
        Expr::Case { branches, otherwise, .. } => {
            join(&mut branches.iter().map(|(_, value)| value).chain(otherwise.as_deref()))?
        }
        Expr::Coalesce(all) => {
            // Nothing behind the first argument that is never NULL can be the result.
            let reached = all.iter().position(Expr::never_null).map_or(all.len(), |first| first + 1);
            join(&mut all[..reached].iter())?
        }
        Expr::Least(all) => extreme(all, table, Exact::min)?,
        Expr::Greatest(all) => extreme(all, table, Exact::max)?,
        Expr::Part { part, date } => days(date, table).map(|(first, last)| part_range(*part, first, last)),
        // Not numbers, so lowering never asks; NULL has no value.
        _ => None,
    })
}

fn column(kind: &ColumnType) -> Option<Range> {
    match kind {
        ColumnType::Integer { min, max, .. } => {
            Some(Range::new(Exact::from(*min), Exact::from(*max), Exact::ONE))
        }
        ColumnType::Number { min, max, resolution, .. } => {
            Some(Range::new(min.clone(), max.clone(), resolution.clone()))
        }
        ColumnType::Text { .. } | ColumnType::Boolean | ColumnType::Date { .. } => None,
    }
}

/// The power of ten of a literal's last decimal: 1 for 7, 0.01 for 2.50 too (2.5 gives 0.1).
fn decimal_step(value: &Exact) -> Exact {
    let tenth = Exact::from_parts(1.into(), 10u8.into());
    let mut step = Exact::ONE;
    // Literals have at most 18 decimals.
    while !(value / &step).is_int() {
        step *= &tenth;
    }
    step
}

fn arithmetic(operator: Operator, left: Range, right: Range, at: Position) -> Result<Range, QueryError> {
    let finer = || left.step.clone().min(right.step.clone());
    Ok(match operator {
        Operator::Add => Range::new(&left.low + &right.low, &left.high + &right.high, finer()),
        Operator::Subtract => Range::new(&left.low - &right.high, &left.high - &right.low, finer()),
        Operator::Multiply => {
            let step = &left.step * &right.step;
            let corners = [
                &left.low * &right.low,
                &left.low * &right.high,
                &left.high * &right.low,
                &left.high * &right.high,
            ];
            Range::spanning(corners, step)
        }
        Operator::Divide => {
            if right.low <= Exact::ZERO && right.high >= Exact::ZERO {
                return Err(QueryError::Invalid {
                    at,
                    message: "this divides by a value that may be 0".into(),
                    remedy: "bound the denominator, for example with GREATEST(x, 1)".into(),
                });
            }
            let corners = [
                &left.low / &right.low,
                &left.low / &right.high,
                &left.high / &right.low,
                &left.high / &right.high,
            ];
            let constant = right.low == right.high;
            let mut quotient = Range::spanning(corners, Exact::ONE);
            quotient.step = if constant {
                &left.step / right.low.clone().abs()
            } else if quotient.low < quotient.high {
                (&quotient.high - &quotient.low) / Exact::from(1u64 << QUOTIENT_STEPS)
            } else {
                // Only 0 / x is one value over a range of denominators.
                Exact::ONE
            };
            quotient
        }
    })
}

/// `LEAST` and `GREATEST`: NULL when an argument is, so every end counts.
fn extreme(
    all: &[Expr],
    table: &Table,
    pick: fn(Exact, Exact) -> Exact,
) -> Result<Option<Range>, QueryError> {
    let mut found: Option<Range> = None;
    for one in all {
        let Some(next) = interval(one, table)? else { return Ok(None) };
        found = Some(match found {
            None => next,
            Some(so_far) => Range::new(
                pick(so_far.low, next.low),
                pick(so_far.high, next.high),
                so_far.step.min(next.step),
            ),
        });
    }
    Ok(found)
}

/// The first and last day a date can be, in days since 1970-01-01.
fn days(expr: &Expr, table: &Table) -> Option<(i32, i32)> {
    let join = |all: &mut dyn Iterator<Item = &Expr>| {
        all.filter_map(|one| days(one, table)).reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
    };
    match expr {
        Expr::Column(index) => match table.columns[*index].kind {
            ColumnType::Date { min, max } => Some((min, max)),
            _ => None,
        },
        Expr::Date(day) => Some((*day, *day)),
        Expr::Case { branches, otherwise, .. } => {
            join(&mut branches.iter().map(|(_, value)| value).chain(otherwise.as_deref()))
        }
        Expr::Coalesce(all) => join(&mut all.iter()),
        _ => None,
    }
}

fn part_range(part: Part, first: i32, last: i32) -> Range {
    let (from, to) = (civil(first), civil(last));
    let (low, high) = match part {
        Part::Year => (from[0], to[0]),
        Part::Month if from[0] == to[0] => (from[1], to[1]),
        Part::Month => (1, 12),
        Part::Day if from[..2] == to[..2] => (from[2], to[2]),
        Part::Day => (1, 31),
    };
    Range::new(Exact::from(low), Exact::from(high), Exact::ONE)
}

/// Year, month and day.
fn civil(days: i32) -> [i64; 3] {
    let text = show_date(days);
    let mut parts = text.split('-').map(|part| part.parse().expect("show_date writes digits"));
    std::array::from_fn(|_| parts.next().expect("show_date writes three parts"))
}

fn bounded(range: Range, at: Position) -> Result<Range, QueryError> {
    let limit = Exact::from(dashu::integer::UBig::from(10u8).pow(MAX_POWER_OF_TEN));
    let fine = |value: &Exact| value.denominator().bit_len() <= MAX_DENOMINATOR_BITS;
    if range.magnitude() > limit {
        return Err(QueryError::Invalid {
            at,
            message: "this can pass 10^30".into(),
            remedy: "bound it with LEAST and GREATEST, or measure in a larger unit".into(),
        });
    }
    if !(fine(&range.low) && fine(&range.high) && fine(&range.step)) {
        return Err(QueryError::Invalid {
            at,
            message: "this needs more decimals than can be held".into(),
            remedy: "multiply fewer decimal factors".into(),
        });
    }
    Ok(range)
}

#[cfg(test)]
mod tests;
