//! Which territories a question touches: what its condition alone lets through.
//!
//! Privacy does not rest on this analysis. A question that is said to touch some territories reads the rows of units
//! that are placed in them and no others, by a condition of its source query; were the analysis wrong, rows would be
//! missing from the answer, and still nobody would pay who is not charged. It errs on the safe side: what it does
//! not understand touches all.

use almoner_federation::{Manifest, Table, Territory};

use crate::expr::{Comparison, Expr};
use crate::text::{quoted, text_literal};

/// The column that an agency adds to each table with the territory's column: the number of the territory in which
/// the row's unit is placed, NULL where it is placed nowhere. The blank in it keeps it apart from every name that a
/// manifest can hold.
pub const PLACEMENT_COLUMN: &str = "placed in";

/// Some territories, at least one and not all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Touched {
    /// Their numbers, ascending.
    pub(crate) numbers: Vec<u16>,
    /// Their names as text literals, in the same order.
    pub(crate) names: Vec<String>,
}

impl Touched {
    /// `None` when the condition may let through rows of every territory, or rows of none. One that lets through no
    /// row at all counts as touching all, too.
    pub(crate) fn of(manifest: &Manifest, table: &Table, condition: Option<&Expr>) -> Option<Touched> {
        let territory = manifest.territory.as_ref()?;
        let here = |name: &str| name.eq_ignore_ascii_case(&territory.column);
        let column = table.columns.iter().position(|column| here(&column.name))?;
        let reach = Analysis { column, territory }.of(condition?).when_true;
        if reach.outside { None } else { Touched::these(territory, &reach.inside) }
    }

    /// What both touch together; `None` when one of them touches all.
    pub(crate) fn union<'a>(
        manifest: &Manifest,
        mut all: impl Iterator<Item = Option<&'a Touched>>,
    ) -> Option<Touched> {
        let territory = manifest.territory.as_ref()?;
        let mut inside = vec![false; territory.names.len()];
        all.try_for_each(|one| {
            one?.numbers.iter().for_each(|number| inside[usize::from(*number)] = true);
            Some(())
        })?;
        Touched::these(territory, &inside)
    }

    fn these(territory: &Territory, inside: &[bool]) -> Option<Touched> {
        // A manifest has at most 4,096 territories.
        let numbers: Vec<u16> =
            (0u16..).zip(inside).filter(|(_, is)| **is).map(|(number, _)| number).collect();
        let names: Vec<String> =
            numbers.iter().map(|number| text_literal(&territory.names[usize::from(*number)])).collect();
        // Whoever touches all reads all: naming them would only charge a unit once for each of its placements.
        (!names.is_empty() && names.len() < inside.len()).then_some(Touched { numbers, names })
    }

    /// The condition on a row that its unit is placed in one of them: never true of a unit that is placed elsewhere
    /// or nowhere.
    pub(crate) fn condition(&self) -> String {
        let numbers: Vec<String> = self.numbers.iter().map(u16::to_string).collect();
        format!("{} IN ({})", quoted(PLACEMENT_COLUMN), numbers.join(", "))
    }
}

/// A set of the values that the territory's column can have.
#[derive(Clone)]
struct Values {
    /// For each territory, whether it is one of them.
    inside: Vec<bool>,
    /// Whether anything else is: another text, or NULL.
    outside: bool,
}

impl Values {
    fn or(self, other: Values) -> Values {
        self.with(other, |a, b| a || b)
    }

    fn and(self, other: Values) -> Values {
        self.with(other, |a, b| a && b)
    }

    fn with(mut self, other: Values, both: impl Fn(bool, bool) -> bool) -> Values {
        for (one, two) in self.inside.iter_mut().zip(other.inside) {
            *one = both(*one, two);
        }
        self.outside = both(self.outside, other.outside);
        self
    }
}

/// With which values of the column a condition can be true, and with which false, whatever else the row holds. Where
/// it is neither, it is unknown, which lets no row through.
struct Reach {
    when_true: Values,
    when_false: Values,
}

impl Reach {
    fn negated(self) -> Reach {
        Reach { when_true: self.when_false, when_false: self.when_true }
    }
}

struct Analysis<'a> {
    /// Index of the territory's column in the table.
    column: usize,
    territory: &'a Territory,
}

impl Analysis<'_> {
    /// All values, or none.
    fn all(&self, are: bool) -> Values {
        Values { inside: vec![are; self.territory.names.len()], outside: are }
    }

    fn of(&self, condition: &Expr) -> Reach {
        match condition {
            Expr::Boolean(value) => Reach { when_true: self.all(*value), when_false: self.all(!value) },
            Expr::Compare { comparison: Comparison::Equal, left, right } => self.equal(left, right),
            Expr::Compare { comparison: Comparison::NotEqual, left, right } => {
                self.equal(left, right).negated()
            }
            Expr::In { value, list } => self.among(value, list),
            Expr::Not(inner) => self.of(inner).negated(),
            Expr::And(parts) => self.fold(parts, true),
            Expr::Or(parts) => self.fold(parts, false),
            // A function, a CASE, another column, an arithmetic truth: may be anything in any row.
            _ => self.anything(),
        }
    }

    fn anything(&self) -> Reach {
        Reach { when_true: self.all(true), when_false: self.all(true) }
    }

    fn equal(&self, left: &Expr, right: &Expr) -> Reach {
        let (value, text) = if matches!(left, Expr::Text(_)) { (right, left) } else { (left, right) };
        self.among(value, std::slice::from_ref(text))
    }

    /// That a value is one of the list.
    fn among(&self, value: &Expr, list: &[Expr]) -> Reach {
        if *value != Expr::Column(self.column) {
            return self.anything();
        }
        let mut reach = Reach { when_true: self.all(false), when_false: self.all(true) };
        for one in list {
            let Expr::Text(text) = one else { return self.anything() };
            match self.territory.names.iter().position(|name| name == text) {
                Some(number) => {
                    (reach.when_true.inside[number], reach.when_false.inside[number]) = (true, false)
                }
                None => reach.when_true.outside = true,
            }
        }
        reach
    }

    /// A chain of AND is true where all parts can be and false where one can be; one of OR the other way round.
    fn fold(&self, parts: &[Expr], conjunction: bool) -> Reach {
        let start = Reach { when_true: self.all(conjunction), when_false: self.all(!conjunction) };
        parts.iter().map(|part| self.of(part)).fold(start, |sofar, next| {
            if conjunction {
                Reach {
                    when_true: sofar.when_true.and(next.when_true),
                    when_false: sofar.when_false.or(next.when_false),
                }
            } else {
                Reach {
                    when_true: sofar.when_true.or(next.when_true),
                    when_false: sofar.when_false.and(next.when_false),
                }
            }
        })
    }
}
