//! Which questions a rule speaks of: by planner, tables, columns and kinds of aggregates.

use std::collections::BTreeSet;

use almoner_federation::{Manifest, Name};
use almoner_query::Family;
use thiserror::Error;

use crate::facts::Facts;

/// Which rule a question breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum RuleRefusal {
    /// The planner is not among those that may ask here.
    #[error("its planner may not ask")]
    Planner,
    /// A table may not be asked about.
    #[error("a table may not be asked about")]
    Table,
    /// A column may not be used, wherever the question mentions it.
    #[error("a column may not be used")]
    Column,
    /// A kind of aggregate is not answered.
    #[error("a kind of aggregate is not answered")]
    Aggregate,
    /// The question does not say what it is for.
    #[error("it does not say what it is for")]
    Purpose,
    /// Not at this hour.
    #[error("not at this hour")]
    Hours,
}

/// Conditions on a question; what is `None` holds for all. Names are the manifest's.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Scope {
    pub(crate) planners: Option<BTreeSet<Name>>,
    pub(crate) tables: Option<BTreeSet<String>>,
    pub(crate) columns: Option<BTreeSet<(String, String)>>,
    pub(crate) families: Option<BTreeSet<Family>>,
}

impl Scope {
    /// Checks every name against the manifest. A list that allows nothing is refused: it is more likely a mistake
    /// than a wish.
    pub(crate) fn check(
        planners: Option<&[Name]>,
        tables: Option<&[String]>,
        columns: Option<&[String]>,
        aggregates: Option<&[String]>,
        manifest: &Manifest,
    ) -> Result<Scope, String> {
        let planner = |name: &Name| match manifest.planner(name) {
            Some(_) => Ok(name.clone()),
            None => Err(format!("the manifest has no planner {name:?}")),
        };
        let planners = set("planners", planners, planner)?;
        let tables = set("tables", tables, |name: &String| table(name, manifest))?;
        let families = set("aggregates", aggregates, |word: &String| word.parse::<Family>())?;
        let columns = match columns {
            None => None,
            Some([]) => return Err(nothing("columns")),
            Some(names) => Some(self::columns(names, manifest)?),
        };
        Ok(Scope { planners, tables, columns, families })
    }

    /// Whether a question lies within, or the first condition that it breaks.
    pub(crate) fn holds(&self, facts: &Facts<'_>) -> Result<(), RuleRefusal> {
        let within = |holds: bool, refusal| if holds { Ok(()) } else { Err(refusal) };
        let Scope { planners, tables, columns, families } = self;
        let uses = facts.uses;
        within(planners.as_ref().is_none_or(|all| all.contains(facts.planner)), RuleRefusal::Planner)?;
        let mut asked = facts.tables.iter();
        within(tables.as_ref().is_none_or(|all| asked.all(|one| all.contains(one))), RuleRefusal::Table)?;
        within(columns.as_ref().is_none_or(|all| uses.columns.is_subset(all)), RuleRefusal::Column)?;
        within(families.as_ref().is_none_or(|all| uses.families.is_subset(all)), RuleRefusal::Aggregate)
    }

    /// Canonical text: a line for each condition that there is, its names sorted.
    pub(crate) fn text(&self) -> String {
        let Scope { planners, tables, columns, families } = self;
        let planners = planners.as_ref().map(|all| list("planners", all.iter().map(Name::to_string)));
        let tables = tables.as_ref().map(|all| list("tables", all.iter().cloned()));
        let columns = columns.as_ref().map(|all| list("columns", all.iter().map(column_text)));
        let families = families.as_ref().map(|all| list("aggregates", all.iter().map(Family::to_string)));
        [planners, tables, columns, families].into_iter().flatten().collect()
    }
}

pub(crate) fn column_text((table, column): &(String, String)) -> String {
    format!("{table}.{column}")
}

/// A line of TOML. No name in a manifest has a character that would need another writing in quotes.
pub(crate) fn list(key: &str, names: impl Iterator<Item = String>) -> String {
    let names: Vec<String> = names.map(|name| format!("\"{name}\"")).collect();
    format!("{key} = [{}]\n", names.join(", "))
}

fn nothing(field: &str) -> String {
    format!("{field} = [] allows nothing; leave it out to allow everything")
}

fn set<T, U: Ord>(
    field: &str,
    names: Option<&[T]>,
    read: impl Fn(&T) -> Result<U, String>,
) -> Result<Option<BTreeSet<U>>, String> {
    match names {
        None => Ok(None),
        Some([]) => Err(nothing(field)),
        Some(names) => names.iter().map(read).collect::<Result<_, _>>().map(Some),
    }
}

/// The manifest's spelling of a table.
fn table(name: &str, manifest: &Manifest) -> Result<String, String> {
    let table = manifest.table(name).ok_or_else(|| format!("the manifest has no table {name:?}"))?;
    Ok(table.name.clone())
}

/// The columns that `table.column` and `table.*` name, the unit's among them, in the manifest's spelling.
pub(crate) fn columns(names: &[String], manifest: &Manifest) -> Result<BTreeSet<(String, String)>, String> {
    let mut all = BTreeSet::new();
    for name in names {
        let (table, column) = name
            .split_once('.')
            .ok_or_else(|| format!("{name:?} is no column; write \"table.column\" or \"table.*\""))?;
        let table =
            manifest.table(table).ok_or_else(|| format!("{name:?}: the manifest has no table {table:?}"))?;
        let known = table.columns.iter().map(|column| &column.name).chain([&manifest.unit.column]);
        let mut named = known.filter(|known| column == "*" || known.eq_ignore_ascii_case(column)).peekable();
        if named.peek().is_none() {
            return Err(format!("{name:?}: table {:?} has no column {column:?}", table.name));
        }
        all.extend(named.map(|column| (table.name.clone(), column.clone())));
    }
    Ok(all)
}
