//! What a question looks at and what it measures, from its resolved names and never from its text: what an
//! agency's rules are about.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use almoner_federation::Table;

use crate::aggregate::{Aggregate, Measured};
use crate::expr::Expr;
use crate::question::{OutputValue, Question};

/// A kind of aggregate, by what is released for it. Names of one family tell each other: a released distribution
/// tells every quantile and every inequality, so that allowing one of them allows all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// `COUNT(*)`, `COUNT(x)`: rows.
    Count,
    /// `COUNT(DISTINCT unit)` and sets of units.
    Units,
    /// `SUM`.
    Sum,
    /// `AVG`, which releases a sum and a count.
    Average,
    /// Variances and standard deviations.
    Spread,
    /// `POVERTY_HEADCOUNT`, `POVERTY_GAP`, `POVERTY_SEVERITY`.
    Poverty,
    /// Whatever follows from a distribution: quantiles, poverty below a share of the median, inequality.
    Distribution,
    /// `MPI_HEADCOUNT`, `MPI_INTENSITY`, `MPI`.
    Multidimensional,
}

impl Family {
    /// Every family with its word.
    pub const ALL: [(Family, &'static str); 8] = [
        (Family::Count, "COUNT"),
        (Family::Units, "UNITS"),
        (Family::Sum, "SUM"),
        (Family::Average, "AVG"),
        (Family::Spread, "SPREAD"),
        (Family::Poverty, "POVERTY"),
        (Family::Distribution, "DISTRIBUTION"),
        (Family::Multidimensional, "MPI"),
    ];

    fn of(aggregate: &Aggregate) -> Family {
        match aggregate {
            Aggregate::Count(_) => Family::Count,
            Aggregate::Units => Family::Units,
            Aggregate::Sum(_) => Family::Sum,
            Aggregate::Average(_) => Family::Average,
            Aggregate::Spread(..) => Family::Spread,
            Aggregate::Poverty { .. } => Family::Poverty,
            Aggregate::Distribution(..) => Family::Distribution,
            Aggregate::Multidimensional { .. } => Family::Multidimensional,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = Family::ALL.iter().find(|(family, _)| family == self).map(|(_, word)| *word);
        f.pad(word.expect("every family is listed"))
    }
}

impl FromStr for Family {
    type Err = String;

    /// Reads a family's word without regard to case; the error lists the words there are.
    fn from_str(text: &str) -> Result<Self, String> {
        let found = Family::ALL.iter().find(|(_, word)| word.eq_ignore_ascii_case(text));
        found.map(|(family, _)| *family).ok_or_else(|| {
            format!("{text:?} is no kind of aggregate; use {}", Family::ALL.map(|(_, word)| word).join(", "))
        })
    }
}

/// The columns and aggregates of one question.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Uses {
    /// Table and column, both in the manifest's spelling, wherever the question mentions them: measured or weighed
    /// by, in WHERE, FILTER, CASE or GROUP BY. The unit's column is among them where units are counted.
    /// `COUNT(*)` mentions none.
    pub columns: BTreeSet<(String, String)>,
    /// The kinds of its aggregates.
    pub families: BTreeSet<Family>,
}

impl Uses {
    /// Those of a question about the rows of one table. ORDER BY names outputs and so adds none.
    pub(crate) fn of_rows(question: &Question<'_>) -> Uses {
        let mut uses = Uses::default();
        let filters = question.keys.iter().map(|key| &key.expr).chain(&question.condition);
        filters.for_each(|expr| uses.expression(expr, question.table));
        for output in &question.outputs {
            match &output.value {
                // An index into the keys.
                OutputValue::Key(_) => {}
                OutputValue::Measured(measured) => uses.measured(measured, question),
            }
        }
        uses
    }

    /// Those of a count over sets of units.
    pub(crate) fn of_sets(sets: &[Question<'_>]) -> Uses {
        let mut uses = Uses { families: BTreeSet::from([Family::Units]), ..Uses::default() };
        for set in sets {
            uses.unit(set);
            set.condition.iter().for_each(|expr| uses.expression(expr, set.table));
        }
        uses
    }

    fn measured(&mut self, measured: &Measured, question: &Question<'_>) {
        let Measured { aggregate, weight, filter, emphasis: _ } = measured;
        self.families.insert(Family::of(aggregate));
        let table = question.table;
        weight.iter().chain(filter).for_each(|expr| self.expression(expr, table));
        match aggregate {
            Aggregate::Count(None) => {}
            Aggregate::Units => self.unit(question),
            Aggregate::Count(Some(value))
            | Aggregate::Sum(value)
            | Aggregate::Average(value)
            | Aggregate::Spread(_, value)
            | Aggregate::Distribution(_, value) => self.expression(value, table),
            Aggregate::Poverty { degree: _, value, line } => {
                self.expression(value, table);
                self.expression(line, table);
            }
            Aggregate::Multidimensional { what: _, cutoff: _, indicators } => {
                indicators.iter().for_each(|(indicator, _)| self.expression(indicator, table));
            }
        }
    }

    fn unit(&mut self, question: &Question<'_>) {
        self.columns.insert((question.table.name.clone(), question.unit.to_owned()));
    }

    fn expression(&mut self, expr: &Expr, table: &Table) {
        match expr {
            Expr::Column(index) => {
                self.columns.insert((table.name.clone(), table.columns[*index].name.clone()));
            }
            Expr::Number(_) | Expr::Text(_) | Expr::Boolean(_) | Expr::Date(_) | Expr::Null => {}
            Expr::Negate(one) | Expr::IsNull(one) | Expr::Not(one) | Expr::Part { part: _, date: one } => {
                self.expression(one, table);
            }
            Expr::Arithmetic { operator: _, left, right, at: _ }
            | Expr::Compare { comparison: _, left, right } => {
                [left, right].into_iter().for_each(|one| self.expression(one, table));
            }
            Expr::Between { value, low, high } => {
                [value, low, high].into_iter().for_each(|one| self.expression(one, table));
            }
            Expr::In { value, list } => {
                std::iter::once(&**value).chain(list).for_each(|one| self.expression(one, table));
            }
            Expr::And(all) | Expr::Or(all) | Expr::Coalesce(all) | Expr::Least(all) | Expr::Greatest(all) => {
                all.iter().for_each(|one| self.expression(one, table));
            }
            Expr::Case { operand, branches, otherwise } => {
                operand.iter().chain(otherwise).for_each(|one| self.expression(one, table));
                for (when, then) in branches {
                    self.expression(when, table);
                    self.expression(then, table);
                }
            }
        }
    }
}
