//! Which of the manifest's tables an agency holds in a database, and the SELECT that gives each.

use std::collections::BTreeMap;

use almoner_federation::{ColumnType, Digest, Manifest, Name, Table, Territory, lp};
use almoner_query::{PLACEMENT_COLUMN, Plan, SourceQuery, quoted};

use crate::SourceError;

/// Longest SELECT of a table.
const MAX_SELECT_BYTES: usize = 1 << 16;

/// An agency's tables in a database.
#[derive(Debug, Clone)]
pub(crate) struct Mapping {
    /// The name of the unit's column.
    pub unit: String,
    pub territory: Option<Territory>,
    /// The tables that the agency holds, in the manifest's order, each with its SELECT.
    pub tables: Vec<(Table, String)>,
}

impl Mapping {
    /// `selects` of the section of node.toml that is named `section`; a table without one is read as it stands.
    pub(crate) fn of(
        selects: &BTreeMap<String, String>,
        section: &str,
        manifest: &Manifest,
        agency: &Name,
    ) -> Result<Mapping, SourceError> {
        if manifest.agency_named(agency).is_none() {
            return Err(SourceError::Agency { agency: agency.clone() });
        }
        let held: Vec<&Table> =
            manifest.tables.iter().filter(|table| table.holders.contains(agency)).collect();
        if let Some(name) = selects.keys().find(|name| held.iter().all(|table| table.name != **name)) {
            return Err(SourceError::database(
                format!(
                    "[{section}.tables] has {name}, which is no table of the manifest that {agency} holds"
                ),
                "correct its name, or take it out",
            ));
        }
        if let Some((name, _)) = selects.iter().find(|(_, select)| select.len() > MAX_SELECT_BYTES) {
            return Err(SourceError::database(
                format!("the SELECT for table {name} is longer than {MAX_SELECT_BYTES} bytes"),
                "make a view of it, and read from that",
            ));
        }
        let select = |table: &Table| {
            let own = selects.get(&table.name).cloned();
            own.unwrap_or_else(|| format!("SELECT * FROM {}", quoted(&table.name)))
        };
        Ok(Mapping {
            unit: manifest.unit.column.clone(),
            territory: manifest.territory.clone(),
            tables: held.into_iter().map(|table| (table.clone(), select(table))).collect(),
        })
    }

    /// Other SELECTs are other data.
    pub(crate) fn digest(&self) -> Digest {
        let mut mappings = Vec::new();
        for (table, mapped) in &self.tables {
            mappings.extend_from_slice(&lp(&[table.name.as_bytes(), mapped.as_bytes()]));
        }
        Digest::of(&mappings)
    }

    /// The plan's statements over tables that this agency holds, with the tables' numbers.
    pub(crate) fn held<'p>(&self, plan: &'p Plan) -> impl Iterator<Item = (usize, &'p SourceQuery)> {
        plan.sources().iter().filter_map(|query| {
            let number = self.tables.iter().position(|(table, _)| table.name == query.table)?;
            Some((number, query))
        })
    }

    /// The numbers of the tables whose rows decide where a unit is placed.
    pub(crate) fn placing(&self, territory: &Territory) -> Vec<usize> {
        let has = |table: &Table| {
            table.columns.iter().any(|column| column.name.eq_ignore_ascii_case(&territory.column))
        };
        let tables = self.tables.iter().enumerate();
        tables.filter(|(_, (table, _))| has(table)).map(|(number, _)| number).collect()
    }

    /// The numbers of the tables that a statement over table `number` reads, and the territory if it asks where units
    /// are placed.
    pub(crate) fn needed(&self, number: usize, query: &SourceQuery) -> (Vec<usize>, Option<&Territory>) {
        let territory = self.territory.as_ref().filter(|_| query.sql.contains(&quoted(PLACEMENT_COLUMN)));
        (territory.map_or_else(|| vec![number], |territory| self.placing(territory)), territory)
    }
}

/// The place of the one column of that name among a SELECT's, without regard to case.
pub(crate) fn find<'a>(
    table: &Table,
    name: &str,
    columns: impl Iterator<Item = &'a str>,
) -> Result<usize, SourceError> {
    let mut all = columns.enumerate().filter(|(_, own)| own.trim().eq_ignore_ascii_case(name));
    match (all.next(), all.next()) {
        (Some((place, _)), None) => Ok(place),
        (None, _) => Err(SourceError::database(
            format!("the SELECT for table {} gives no column {name}", table.name),
            format!("name one so: SELECT ... AS {name}"),
        )),
        (Some(_), Some(_)) => Err(SourceError::database(
            format!("the SELECT for table {} gives column {name} twice", table.name),
            "keep one of the two; case makes no difference",
        )),
    }
}

/// The names of the columns that a table needs of its SELECT, with their declared types: the unit first, without one.
pub(crate) fn wanted<'t>(
    table: &'t Table,
    unit: &'t str,
) -> impl Iterator<Item = (&'t str, Option<&'t ColumnType>)> {
    std::iter::once((unit, None))
        .chain(table.columns.iter().map(|column| (column.name.as_str(), Some(&column.kind))))
}
