//! The partition of the units by which budgets are counted apart: a question about one county then costs that
//! county's people alone.

use toml::Spanned;

use super::check::{Findings, start};
use super::{Manifest, Policy, file};
use crate::{ColumnType, PicoRho, Table};

/// Most territories: what a ledger entry may name.
const MAX_TERRITORIES: usize = 4_096;

/// A partition of the units by the text in one column. Each agency places each of its units in one territory at
/// the most, so that a unit can be in no more territories than agencies hold it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Territory {
    /// The column that tells a row's territory, wherever a table has it.
    pub column: String,
    /// The territories, in the order of their numbers, from 0.
    pub names: Vec<String>,
    /// What all questions that touch one territory may cost together, in one period where there are periods.
    pub rho: PicoRho,
}

impl Manifest {
    /// In how many territories one unit may be placed, over all agencies: at most one for each agency that holds it
    /// in a table with the territory's column. 1 without territories.
    pub fn placements(&self) -> u32 {
        let Some(territory) = &self.territory else { return 1 };
        let placing: Vec<&Table> =
            self.tables.iter().filter(|table| table.column(&territory.column).is_some()).collect();
        let agencies = self.overlap_of(|agency| placing.iter().any(|t| t.holders.contains(&agency.name)));
        agencies.min(territory.names.len() as u32).max(1)
    }
}

/// Checks that all tables with the column mean the same places by it.
pub(super) fn check(
    f: &mut Findings<'_>,
    raw: &Spanned<file::Territory>,
    tables: &[Table],
    policy: &Policy,
) -> Option<Territory> {
    let (at, territory) = (start(raw), raw.get_ref());
    let columns = tables.iter().filter_map(|table| table.column(&territory.column).map(|c| (table, c)));
    let mut names: Option<&[String]> = None;
    for (table, column) in columns {
        let message = format!("{} of table {:?} is no text column with a domain", column.name, table.name);
        let ColumnType::Text { domain: Some(domain) } = &column.kind else {
            f.add(
                at,
                message,
                "territories are the values of a text column with the same domain in every table",
            );
            return None;
        };
        f.unless(
            *names.get_or_insert(domain) == domain.as_slice(),
            at,
            format!("the domain of {} in table {:?} is another than elsewhere", column.name, table.name),
            "write the same domain, in the same order, in every table that has the column",
        );
    }
    let Some(names) = names else {
        let message = format!("no table has the column {:?}", territory.column);
        f.add(at, message, "name a text column with a domain, or leave [territory] out");
        return None;
    };
    f.unless(
        names.len() <= MAX_TERRITORIES,
        at,
        format!("{} territories are more than {MAX_TERRITORIES}", names.len()),
        "use larger territories",
    );
    f.unless(
        territory.rho <= policy.total_rho,
        at,
        "a territory may cost more than the federation's total",
        "lower territory.rho or raise policy.total_rho",
    );
    Some(Territory { column: territory.column.clone(), names: names.to_vec(), rho: territory.rho })
}
