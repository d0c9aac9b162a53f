//! The typed expressions a question is made of after its names are resolved. Two spellings of one
//! meaning (case, spaces, parentheses, `!=` for `<>`) become equal values here.

use almoner_federation::{ColumnType, Exact, Table};

use crate::error::Position;

/// The type of an expression. Integers are numbers here; [`Expr::integral`] tells them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Type {
    Number,
    Text,
    Boolean,
    Date,
}

impl Type {
    /// The type of a column's values.
    pub(crate) fn of(kind: &ColumnType) -> Type {
        match kind {
            ColumnType::Text { .. } => Type::Text,
            ColumnType::Integer { .. } | ColumnType::Number { .. } => Type::Number,
            ColumnType::Boolean => Type::Boolean,
            ColumnType::Date { .. } => Type::Date,
        }
    }

    /// The type with its article, for messages.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Type::Number => "a number",
            Type::Text => "a text",
            Type::Boolean => "a boolean",
            Type::Date => "a date",
        }
    }
}

/// Where an expression stands in the text. It is no part of the meaning: any two are equal.
#[derive(Debug, Clone, Copy)]
pub(crate) struct At(pub(crate) Position);

impl PartialEq for At {
    fn eq(&self, _: &At) -> bool {
        true
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
}

impl Operator {
    pub(crate) fn sign(self) -> &'static str {
        match self {
            Operator::Add => "+",
            Operator::Subtract => "-",
            Operator::Multiply => "*",
            Operator::Divide => "/",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Comparison {
    pub(crate) fn sign(self) -> &'static str {
        match self {
            Comparison::Equal => "=",
            Comparison::NotEqual => "<>",
            Comparison::Less => "<",
            Comparison::LessOrEqual => "<=",
            Comparison::Greater => ">",
            Comparison::GreaterOrEqual => ">=",
        }
    }

    /// Whether it asks for an order and not only for equality.
    pub(crate) fn orders(self) -> bool {
        !matches!(self, Comparison::Equal | Comparison::NotEqual)
    }
}

/// A part of a date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Year,
    Month,
    Day,
}

impl Part {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Part::Year => "YEAR",
            Part::Month => "MONTH",
            Part::Day => "DAY",
        }
    }
}

/// An expression over the columns of one table, correctly typed.
///
/// Every operation gives NULL when an operand is NULL, also `LEAST` and `GREATEST` (as in SQL:2023),
/// so that a missing value never turns into a number unless `COALESCE` or `CASE` says so.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Expr {
    /// Index into the table's columns.
    Column(usize),
    Number(Exact),
    Text(String),
    Boolean(bool),
    /// Days since 1970-01-01.
    Date(i32),
    /// Only as a result of `CASE`.
    Null,
    Negate(Box<Expr>),
    Arithmetic {
        operator: Operator,
        left: Box<Expr>,
        right: Box<Expr>,
        at: At,
    },
    Compare {
        comparison: Comparison,
        left: Box<Expr>,
        right: Box<Expr>,
    },
    Between {
        value: Box<Expr>,
        low: Box<Expr>,
        high: Box<Expr>,
    },
    /// The list holds literals.
    In {
        value: Box<Expr>,
        list: Vec<Expr>,
    },
    IsNull(Box<Expr>),
    Not(Box<Expr>),
    /// Two or more, none of them an `And`.
    And(Vec<Expr>),
    /// Two or more, none of them an `Or`.
    Or(Vec<Expr>),
    Case {
        /// Present in `CASE operand WHEN value`, absent in `CASE WHEN condition`.
        operand: Option<Box<Expr>>,
        branches: Vec<(Expr, Expr)>,
        otherwise: Option<Box<Expr>>,
    },
    Coalesce(Vec<Expr>),
    Least(Vec<Expr>),
    Greatest(Vec<Expr>),
    Part {
        part: Part,
        date: Box<Expr>,
    },
}

impl Expr {
    /// The type; `None` for NULL.
    pub(crate) fn ty(&self, table: &Table) -> Option<Type> {
        match self {
            Expr::Column(index) => Some(Type::of(&table.columns[*index].kind)),
            Expr::Number(_) | Expr::Negate(_) | Expr::Arithmetic { .. } => Some(Type::Number),
            Expr::Least(_) | Expr::Greatest(_) | Expr::Part { .. } => Some(Type::Number),
            Expr::Text(_) => Some(Type::Text),
            Expr::Date(_) => Some(Type::Date),
            Expr::Boolean(_) | Expr::Compare { .. } | Expr::Between { .. } | Expr::In { .. } => {
                Some(Type::Boolean)
            }
            Expr::IsNull(_) | Expr::Not(_) | Expr::And(_) | Expr::Or(_) => Some(Type::Boolean),
            Expr::Null => None,
            Expr::Case { branches, otherwise, .. } => {
                let results = branches.iter().map(|(_, value)| value).chain(otherwise.as_deref());
                results.filter_map(|value| value.ty(table)).next()
            }
            Expr::Coalesce(all) => all.iter().filter_map(|value| value.ty(table)).next(),
        }
    }

    /// Whether the value is never NULL, whatever the row holds.
    pub(crate) fn never_null(&self) -> bool {
        match self {
            Expr::Number(_) | Expr::Text(_) | Expr::Boolean(_) | Expr::Date(_) | Expr::IsNull(_) => true,
            Expr::Column(_) | Expr::Null => false,
            Expr::Negate(one) | Expr::Not(one) | Expr::Part { date: one, .. } => one.never_null(),
            // A division by zero is NULL.
            Expr::Arithmetic { operator: Operator::Divide, left, right, .. } => {
                left.never_null() && matches!(&**right, Expr::Number(number) if !number.is_zero())
            }
            Expr::Arithmetic { left, right, .. } | Expr::Compare { left, right, .. } => {
                left.never_null() && right.never_null()
            }
            Expr::Between { value, low, high } => value.never_null() && low.never_null() && high.never_null(),
            Expr::In { value, .. } => value.never_null(),
            Expr::And(all) | Expr::Or(all) | Expr::Least(all) | Expr::Greatest(all) => {
                all.iter().all(Expr::never_null)
            }
            Expr::Case { branches, otherwise, .. } => {
                otherwise.as_ref().is_some_and(|value| value.never_null())
                    && branches.iter().all(|(_, value)| value.never_null())
            }
            Expr::Coalesce(all) => all.iter().any(Expr::never_null),
        }
    }

    /// Whether no row is looked at: literals and arithmetic on them.
    pub(crate) fn is_constant(&self) -> bool {
        match self {
            Expr::Number(_) => true,
            Expr::Negate(one) => one.is_constant(),
            Expr::Arithmetic { left, right, .. } => left.is_constant() && right.is_constant(),
            _ => false,
        }
    }

    /// Whether a number is a whole one in every row.
    pub(crate) fn integral(&self, table: &Table) -> bool {
        match self {
            Expr::Column(index) => matches!(table.columns[*index].kind, ColumnType::Integer { .. }),
            Expr::Number(value) => value.is_int(),
            Expr::Null | Expr::Part { .. } => true,
            Expr::Negate(one) => one.integral(table),
            Expr::Arithmetic { operator, left, right, .. } => {
                *operator != Operator::Divide && left.integral(table) && right.integral(table)
            }
            Expr::Case { branches, otherwise, .. } => {
                branches.iter().all(|(_, value)| value.integral(table))
                    && otherwise.as_ref().is_none_or(|value| value.integral(table))
            }
            Expr::Coalesce(all) | Expr::Least(all) | Expr::Greatest(all) => {
                all.iter().all(|value| value.integral(table))
            }
            _ => false,
        }
    }

    /// How many nodes the expression has once it is rendered, where `LEAST` and `GREATEST`, and in engines
    /// `COALESCE`, repeat their arguments to test them for NULL. Saturates.
    pub(crate) fn weight(&self) -> u64 {
        let sum = |all: &[Expr]| all.iter().fold(1u64, |sum, one| sum.saturating_add(one.weight()));
        match self {
            Expr::Column(_) => 4,
            Expr::Number(_) | Expr::Text(_) | Expr::Boolean(_) | Expr::Date(_) | Expr::Null => 1,
            Expr::Negate(one) | Expr::Not(one) | Expr::IsNull(one) => one.weight().saturating_add(1),
            Expr::Part { date, .. } => date.weight().saturating_mul(3).saturating_add(1),
            Expr::Arithmetic { left, right, .. } | Expr::Compare { left, right, .. } => {
                left.weight().saturating_add(right.weight()).saturating_add(1)
            }
            Expr::Between { value, low, high } => {
                value.weight().saturating_add(low.weight()).saturating_add(high.weight()).saturating_add(1)
            }
            Expr::In { value, list } => value.weight().saturating_add(sum(list)),
            Expr::And(all) | Expr::Or(all) => sum(all),
            Expr::Least(all) | Expr::Greatest(all) | Expr::Coalesce(all) => sum(all).saturating_mul(2),
            Expr::Case { operand, branches, otherwise } => {
                let ends = operand.iter().chain(otherwise).map(|one| one.weight());
                let pairs = branches.iter().map(|(when, then)| when.weight().saturating_add(then.weight()));
                ends.chain(pairs).fold(1, u64::saturating_add)
            }
        }
    }
}
