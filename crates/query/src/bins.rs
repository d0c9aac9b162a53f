//! The bins into which the values of a distribution are told apart: public, from the manifest and the
//! declared range alone.
//!
//! Where the range has no more steps than there may be bins, each value has its own. Otherwise 0, where so
//! many incomes stand, has one of its own, and the rest of the range is cut as the manifest says.

use almoner_federation::{BinScale, Bins, ColumnType, Exact, Table};
use dashu::base::{Abs, UnsignedAbs};

use crate::expr::{Expr, Operator};
use crate::interval::Range;

/// A run of neighbouring bins.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Piece {
    /// One bin for each of the values `low`, `low + step`, ...
    Points { low: Exact, step: Exact, count: u32 },
    /// Equal bins that together span `low` up to `high`; the last value of the whole range lies in the last.
    Even { low: Exact, high: Exact, count: u32 },
}

impl Piece {
    /// How many bins.
    pub(crate) fn count(&self) -> u32 {
        match self {
            Piece::Points { count, .. } | Piece::Even { count, .. } => *count,
        }
    }

    /// The distance between the beginnings of two bins.
    pub(crate) fn step(&self) -> Exact {
        match self {
            Piece::Points { step, .. } => step.clone(),
            Piece::Even { low, high, count } => (high - low) / Exact::from(*count),
        }
    }

    /// From where to where its bins reach; both are equal for a single value. For display only.
    pub(crate) fn ends(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        let step = self.step();
        let low = match self {
            Piece::Points { low, .. } | Piece::Even { low, .. } => low,
        };
        let at = move |k: u32| (low + &step * Exact::from(k)).to_f64().value();
        let width = u32::from(matches!(self, Piece::Even { .. }));
        (0..self.count()).map(move |k| (at(k), at(k + width)))
    }
}

/// How the values of an expression are cut: as those of the first column in it that is measured, whose scale moves with
/// what it is multiplied or divided by. `None` where there is no such column.
pub(crate) fn bins_of(value: &Expr, table: &Table) -> Option<Bins> {
    let first = |all: &[Expr]| all.iter().find_map(|one| bins_of(one, table));
    match value {
        Expr::Column(index) => match &table.columns[*index].kind {
            ColumnType::Integer { bins, .. } | ColumnType::Number { bins, .. } => Some(bins.clone()),
            _ => None,
        },
        Expr::Negate(one) => bins_of(one, table),
        Expr::Arithmetic { operator, left, right, .. } => {
            let factor = |number: &Exact| number.clone().abs();
            match (operator, &**left, &**right) {
                (Operator::Multiply, other, Expr::Number(number))
                | (Operator::Multiply, Expr::Number(number), other) => {
                    bins_of(other, table).map(|bins| scaled(bins, &factor(number)))
                }
                (Operator::Divide, other, Expr::Number(number)) if !number.is_zero() => {
                    bins_of(other, table).map(|bins| scaled(bins, &(Exact::ONE / factor(number))))
                }
                (_, left, right) => bins_of(left, table).or_else(|| bins_of(right, table)),
            }
        }
        Expr::Coalesce(all) | Expr::Least(all) | Expr::Greatest(all) => first(all),
        Expr::Case { branches, otherwise, .. } => {
            let values = branches.iter().map(|(_, value)| value).chain(otherwise.as_deref());
            values.into_iter().find_map(|value| bins_of(value, table))
        }
        _ => None,
    }
}

fn scaled(bins: Bins, factor: &Exact) -> Bins {
    match bins.scale {
        BinScale::Log { from } if *factor > Exact::ZERO => {
            Bins { scale: BinScale::Log { from: from * factor }, ..bins }
        }
        _ => bins,
    }
}

/// The pieces of a range in ascending order: at least 2 bins, and hardly more than `bins.count`.
pub(crate) fn pieces(range: &Range, bins: &Bins) -> Vec<Piece> {
    let (low, high) = (&range.low, &range.high);
    let steps = ((high - low) / &range.step).ceil();
    if let Some(steps) = u32::try_from(&steps).ok().filter(|steps| *steps < bins.count) {
        // A strategy has two bins or more; behind a single value stands one that nobody has.
        return vec![Piece::Points { low: low.clone(), step: range.step.clone(), count: (steps + 1).max(2) }];
    }
    let mut ends = ends(low, high, &bins.scale);
    ends.dedup();
    let zero = *low <= Exact::ZERO && *high >= Exact::ZERO;
    let share = share(bins.count - u32::from(zero), &ends, &bins.scale);
    let mut pieces = Vec::with_capacity(ends.len());
    let point = || Piece::Points { low: Exact::ZERO, step: Exact::ONE, count: 1 };
    if zero && *low == Exact::ZERO {
        pieces.push(point());
    }
    for (pair, count) in ends.windows(2).zip(share) {
        pieces.push(Piece::Even { low: pair[0].clone(), high: pair[1].clone(), count });
        if zero && pair[1] == Exact::ZERO {
            pieces.push(point());
        }
    }
    pieces
}

/// The ascending ends of the pieces, 0 among them where the range holds it.
fn ends(low: &Exact, high: &Exact, scale: &BinScale) -> Vec<Exact> {
    let inside = |value: &Exact| low < value && value < high;
    let mut ends = vec![low.clone()];
    if let BinScale::Log { from } = scale {
        let doublings = |until: Exact| {
            std::iter::successors(Some(from.clone()), |end| Some(end * Exact::from(2)))
                .take_while(move |end| *end < until)
                .collect::<Vec<Exact>>()
        };
        let below = doublings(-low.clone());
        ends.extend(below.into_iter().rev().map(|end| -end).filter(&inside));
        ends.extend(Some(Exact::ZERO).filter(&inside));
        ends.extend(doublings(high.clone()).into_iter().filter(&inside));
    } else {
        ends.extend(Some(Exact::ZERO).filter(&inside));
    }
    ends.push(high.clone());
    ends
}

/// How many of `bins` each piece gets: as many as its length calls for on a linear scale, equally many on a
/// logarithmic one, at least one.
fn share(bins: u32, ends: &[Exact], scale: &BinScale) -> Vec<u32> {
    let pieces = ends.len() - 1;
    match scale {
        BinScale::Log { .. } => vec![(bins / pieces as u32).max(1); pieces],
        BinScale::Linear => {
            let length = &ends[pieces] - &ends[0];
            let part = |pair: &[Exact]| (&pair[1] - &pair[0]) * Exact::from(bins) / &length;
            let count = |pair: &[Exact]| {
                let floor = part(pair).floor().unsigned_abs();
                u32::try_from(&floor).unwrap_or(bins).max(1)
            };
            ends.windows(2).map(count).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use almoner_federation::parse_exact;

    use super::*;

    fn cut(low: &str, high: &str, step: &str, count: u32, from: Option<&str>) -> Vec<Piece> {
        let number = |text: &str| parse_exact(text).expect("a number");
        let scale = from.map_or(BinScale::Linear, |from| BinScale::Log { from: number(from) });
        let range = Range { low: number(low), high: number(high), step: number(step) };
        pieces(&range, &Bins { count, scale })
    }

    fn all(pieces: &[Piece]) -> Vec<(f64, f64)> {
        pieces.iter().flat_map(|piece| piece.ends().collect::<Vec<_>>()).collect()
    }

    #[test]
    fn few_values_have_a_bin_each() {
        assert_eq!(all(&cut("-1", "2", "1", 16, None)), [(-1.0, -1.0), (0.0, 0.0), (1.0, 1.0), (2.0, 2.0)]);
        assert_eq!(all(&cut("3", "3", "1", 16, None)).len(), 2, "a strategy has two bins or more");
    }

    /// Ascending, without a hole, from the first to the last value, 0 by itself.
    #[test]
    fn bins_cover_the_range() {
        for (low, high, from) in [
            ("0", "100000", None),
            ("0", "100000", Some("1000")),
            ("-500.5", "250", None),
            ("-500.5", "250", Some("10")),
            ("-3", "1e15", Some("0.001")),
            ("1000", "1e6", Some("1")),
            ("1000", "1e6", None),
            ("-1e6", "-1000", Some("100")),
            ("-1e6", "0", Some("100")),
            ("0", "50", Some("100")),
        ] {
            let pieces = cut(low, high, "0.01", 256, from);
            let bins = all(&pieces);
            let number = |text: &str| text.parse::<f64>().expect("a number");
            assert!(bins.len() <= 256 && bins.len() >= 128, "{low} {high} {from:?}: {}", bins.len());
            assert_eq!((bins[0].0, bins[bins.len() - 1].1), (number(low), number(high)));
            assert!(bins.windows(2).all(|pair| pair[0].1 == pair[1].0), "{low} {high} {from:?}");
            let zeros = bins.iter().filter(|bin| **bin == (0.0, 0.0)).count();
            assert_eq!(zeros, usize::from(number(low) <= 0.0 && number(high) >= 0.0), "{low} {high}");
        }
        // From `from` on, every doubling has equally many.
        let pieces = cut("0", "8000", "0.01", 100, Some("1000"));
        let counts: Vec<u32> = pieces.iter().map(Piece::count).collect();
        assert_eq!(counts, [1, 24, 24, 24, 24]);
    }
}
