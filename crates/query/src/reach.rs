//! How large and how small the numbers of an expression can become in doubles, whatever the rows hold.
//!
//! Engines disagree on what follows an overflow, an underflow or a NaN: some compute on, some raise an error, which
//! would tell of the row that caused it. So an expression is only planned where none of them can come about. Unlike
//! [`interval`](crate::interval) this looks at what is stored and not at what is declared, because conditions and
//! group keys see values as they are.

use almoner_federation::{ColumnType, Exact, Table};
use dashu::base::{BitTest, UnsignedAbs};

use crate::QueryError;
use crate::error::Position;
use crate::expr::{Expr, Operator};

/// Sources read a number of larger magnitude than `2^MAGNITUDE_BITS` as NULL, one below `2^-MAGNITUDE_BITS` as 0.
pub const MAGNITUDE_BITS: i32 = 100;

/// Every value of an expression is 0 or has a magnitude in `2^-MOST..2^MOST`. What a measure does to it then stays
/// within the normal doubles, whose exponents end at 1022: scaling by a denominator below 2^512, or the difference of
/// two of them, at least `2^-(MOST + MANTISSA)`, times less than 2^20 divided by one.
const MOST: i32 = 450;

/// Bits of a double behind its leading one.
const MANTISSA: i32 = 52;

/// What the values of an expression have in common: each is 0 or of a magnitude in `2^least..2^most`, and a multiple
/// of `2^grid`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Reach {
    least: i32,
    most: i32,
    grid: i32,
}

impl Reach {
    /// Nothing but 0.
    const ZERO: Reach = Reach { least: i32::MAX, most: i32::MIN, grid: i32::MAX };

    /// Doubles of these magnitudes.
    fn doubles(least: i32, most: i32) -> Reach {
        Reach { least, most, grid: least - MANTISSA }
    }

    fn integers(most: i32) -> Reach {
        Reach { least: 0, most, grid: 0 }
    }

    fn is_zero(self) -> bool {
        self == Reach::ZERO
    }

    fn or(self, other: Reach) -> Reach {
        Reach {
            least: self.least.min(other.least),
            most: self.most.max(other.most),
            grid: self.grid.min(other.grid),
        }
    }

    fn of_exact(value: &Exact) -> Reach {
        if value.is_zero() {
            return Reach::ZERO;
        }
        let bits = |bits: usize| i32::try_from(bits).unwrap_or(i32::MAX / 4);
        let (above, below) =
            (bits(value.numerator().unsigned_abs().bit_len()), bits(value.denominator().bit_len()));
        // 2^(a - 1) <= numerator < 2^a and likewise below; the nearest double may be the power of two itself.
        Reach::doubles(above - below - 1, above - below + 2)
    }

    /// A sum of doubles is a multiple of whatever both are multiples of, rounded or not.
    fn plus(self, other: Reach) -> Reach {
        let grid = self.grid.min(other.grid);
        if self.is_zero() || other.is_zero() {
            return self.or(other);
        }
        Reach { least: grid, most: self.most.max(other.most) + 1, grid }
    }

    fn times(self, other: Reach) -> Reach {
        if self.is_zero() || other.is_zero() {
            return Reach::ZERO;
        }
        let product = Reach::doubles(self.least + other.least, self.most + other.most + 1);
        // Of integers it is one again, rounded or not.
        if self.grid >= 0 && other.grid >= 0 { Reach { grid: 0, ..product } } else { product }
    }

    fn over(self, other: Reach) -> Reach {
        if self.is_zero() || other.is_zero() {
            return Reach::ZERO;
        }
        Reach::doubles(self.least - other.most, self.most - other.least + 1)
    }

    fn is_held(self) -> bool {
        self.is_zero() || (-MOST <= self.least && self.most <= MOST)
    }
}

/// Checks that no value of this number can overflow or underflow.
///
/// # Errors
/// When one can, at `at`.
pub(crate) fn check(expr: &Expr, table: &Table, at: Position) -> Result<(), QueryError> {
    if reach(expr, table).is_held() {
        return Ok(());
    }
    Err(QueryError::Invalid {
        at,
        message: format!(
            "values that a register can hold would take this beyond 2^{MOST} or below 2^-{MOST}"
        ),
        remedy: "multiply and divide fewer columns".into(),
    })
}

fn reach(expr: &Expr, table: &Table) -> Reach {
    let join =
        |all: &mut dyn Iterator<Item = &Expr>| all.map(|one| reach(one, table)).fold(Reach::ZERO, Reach::or);
    match expr {
        Expr::Column(index) => column(&table.columns[*index].kind),
        Expr::Number(value) => Reach::of_exact(value),
        Expr::Negate(one) => reach(one, table),
        Expr::Arithmetic { operator, left, right, .. } => {
            let (left, right) = (reach(left, table), reach(right, table));
            match operator {
                Operator::Add | Operator::Subtract => left.plus(right),
                Operator::Multiply => left.times(right),
                Operator::Divide => left.over(right),
            }
        }
        Expr::Case { branches, otherwise, .. } => {
            join(&mut branches.iter().map(|(_, value)| value).chain(otherwise.as_deref()))
        }
        Expr::Coalesce(all) | Expr::Least(all) | Expr::Greatest(all) => join(&mut all.iter()),
        // Years have four digits.
        Expr::Part { .. } => Reach::integers(14),
        // No numbers.
        _ => Reach::ZERO,
    }
}

/// As stored, and as clamped: whichever reaches further.
fn column(kind: &ColumnType) -> Reach {
    match kind {
        ColumnType::Integer { .. } => Reach::integers(64),
        ColumnType::Number { min, max, .. } => Reach::doubles(-MAGNITUDE_BITS, MAGNITUDE_BITS + 1)
            .or(Reach::of_exact(min))
            .or(Reach::of_exact(max)),
        ColumnType::Text { .. } | ColumnType::Boolean | ColumnType::Date { .. } => Reach::ZERO,
    }
}

#[cfg(test)]
mod tests;
