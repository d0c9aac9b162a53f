//! Group keys and their public domains. Every value of a domain is a cell whether or not any row has it,
//! so which groups an answer lists says nothing about anybody. A row whose key is NULL or outside the
//! domain belongs to no cell.

use std::collections::BTreeSet;

use almoner_federation::{ColumnType, Exact, Table};

use crate::QueryError;
use crate::error::Position;
use crate::expr::{Expr, Type};
use crate::interval::range;
use crate::lower::invalid;
use crate::text::decimal;

/// Most values of one key.
pub(crate) const MAX_VALUES: usize = 10_000;

/// One expression of GROUP BY.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Key {
    pub(crate) expr: Expr,
    pub(crate) domain: Domain,
}

/// The values a key can have, in the order in which answers list them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Domain {
    /// Listed texts.
    Texts(Vec<String>),
    /// FALSE, TRUE.
    Booleans,
    /// `count` consecutive whole numbers.
    Integers { first: i64, count: usize },
    /// Ranges that begin at `starts` (ascending) and end before the next start, the last one at `last`
    /// inclusively.
    Bands { starts: Vec<Exact>, last: Exact, integral: bool },
}

impl Domain {
    /// How many values there are.
    pub(crate) fn len(&self) -> usize {
        match self {
            Domain::Texts(values) => values.len(),
            Domain::Booleans => 2,
            Domain::Integers { count, .. } => *count,
            Domain::Bands { starts, .. } => starts.len(),
        }
    }

    /// What answers call value number `index`.
    pub(crate) fn label(&self, index: usize) -> String {
        match self {
            Domain::Texts(values) => values[index].clone(),
            Domain::Booleans => (index == 1).to_string(),
            Domain::Integers { first, .. } => (first + index as i64).to_string(),
            Domain::Bands { starts, last, integral } => {
                let (start, next) = (&starts[index], starts.get(index + 1));
                let whole = |value: &Exact| value.clone() - Exact::ONE;
                match (next, integral) {
                    (Some(next), true) if whole(next) == *start => decimal(start),
                    (Some(next), true) => format!("{} to {}", decimal(start), decimal(&whole(next))),
                    (Some(next), false) => format!("{} to <{}", decimal(start), decimal(next)),
                    (None, _) if start == last => decimal(start),
                    (None, _) => format!("{} to {}", decimal(start), decimal(last)),
                }
            }
        }
    }

    /// The domain of an expression of that type.
    ///
    /// # Errors
    /// When the manifest and the expression give none, or one of more than 10,000 values.
    pub(crate) fn of(expr: &Expr, ty: Type, table: &Table, at: Position) -> Result<Domain, QueryError> {
        let domain = match ty {
            Type::Boolean => Domain::Booleans,
            Type::Text => {
                let mut found = Found::default();
                texts(expr, table, at, &mut found)?;
                Domain::Texts(found.values)
            }
            Type::Date => {
                return Err(invalid(
                    at,
                    "a date has too many values to group by",
                    "group by EXTRACT(YEAR FROM x) or EXTRACT(MONTH FROM x)",
                ));
            }
            Type::Number => numbers(expr, table, at)?,
        };
        if domain.len() > MAX_VALUES {
            return Err(too_many(at));
        }
        Ok(domain)
    }
}

fn too_many(at: Position) -> QueryError {
    invalid(
        at,
        format!("this key has more than {MAX_VALUES} values"),
        "declare bands for the column in the manifest, or group by a CASE over ranges",
    )
}

/// Texts in the order in which they were found, each once.
#[derive(Default)]
struct Found {
    values: Vec<String>,
    seen: BTreeSet<String>,
}

/// Collects every text the expression can be.
fn texts(expr: &Expr, table: &Table, at: Position, found: &mut Found) -> Result<(), QueryError> {
    let mut add = |value: &String| {
        if found.seen.insert(value.clone()) {
            found.values.push(value.clone());
        }
        if found.values.len() > MAX_VALUES { Err(too_many(at)) } else { Ok(()) }
    };
    match expr {
        Expr::Text(value) => add(value),
        Expr::Column(index) => match &table.columns[*index].kind {
            ColumnType::Text { domain: Some(domain) } => domain.iter().try_for_each(add),
            _ => Err(invalid(
                at,
                format!("{:?} has no domain in the manifest", table.columns[*index].name),
                "group by a CASE whose results are texts, or ask the federation to declare its values",
            )),
        },
        Expr::Case { branches, otherwise, .. } => branches
            .iter()
            .map(|(_, value)| value)
            .chain(otherwise.as_deref())
            .try_for_each(|value| texts(value, table, at, found)),
        Expr::Coalesce(all) => all.iter().try_for_each(|value| texts(value, table, at, found)),
        // NULL belongs to no cell; nothing else is a text.
        _ => Ok(()),
    }
}

fn numbers(expr: &Expr, table: &Table, at: Position) -> Result<Domain, QueryError> {
    if let Expr::Column(index) = expr {
        match &table.columns[*index].kind {
            ColumnType::Integer { max, bands, .. } if !bands.is_empty() => {
                let starts = bands.iter().map(|start| Exact::from(*start)).collect();
                return Ok(Domain::Bands { starts, last: Exact::from(*max), integral: true });
            }
            ColumnType::Number { max, bands, .. } if !bands.is_empty() => {
                return Ok(Domain::Bands { starts: bands.clone(), last: max.clone(), integral: false });
            }
            ColumnType::Number { .. } => {
                return Err(invalid(
                    at,
                    format!("{:?} is a number without bands", table.columns[*index].name),
                    "declare bands for it in the manifest, or group by a CASE over ranges",
                ));
            }
            _ => {}
        }
    }
    if !expr.integral(table) {
        return Err(invalid(
            at,
            "this key is not a whole number",
            "group by a column, a condition, EXTRACT(YEAR FROM x), or a CASE over ranges",
        ));
    }
    let range = range(expr, table, at)?;
    let first = i64::try_from(range.low.ceil()).map_err(|_| too_many(at))?;
    let count = range.high.floor() - range.low.ceil() + dashu::integer::IBig::ONE;
    match usize::try_from(count) {
        Ok(count) if count <= MAX_VALUES => Ok(Domain::Integers { first, count }),
        _ => Err(too_many(at)),
    }
}
