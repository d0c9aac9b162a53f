//! What the data officer should know of a database's tables when the node starts. Never to be sent.

use almoner_federation::Territory;
use tokio_postgres::Client;

use super::database::parameters;
use super::failed;
use super::failure::unreadable;
use crate::SourceError;
use crate::relation::{Relation, Statement, Surplus, fields_report, territory_report, units_report};
use crate::report::{TableReport, TerritoryReport};

/// Reads every row of a table once or twice: what cannot be read shows now.
pub(crate) async fn table(
    client: &Client,
    relation: &Relation,
    population: u64,
) -> Result<TableReport, SourceError> {
    let refused = |error: tokio_postgres::Error| unreadable(&relation.table, &error);
    let fields = counts(client, &alone(fields_report(relation)), &[]).await.map_err(refused)?;
    let units = if relation.surplus != Surplus::Nobody {
        counts(client, &alone(units_report(relation)), &[]).await.map_err(refused)?
    } else {
        vec![fields[0] - fields[1], 0, 0]
    };
    TableReport::of_database(relation, &fields, &units, population)
}

/// How the units of the tables with the territory's column are placed.
pub(crate) async fn territory(
    client: &Client,
    relations: &[Relation],
    territory: &Territory,
    key: &[u8; 32],
) -> Result<TerritoryReport, SourceError> {
    let mut found = vec![0; 3];
    if !relations.is_empty() {
        let asked = territory_report(relations, territory);
        found = counts(client, &asked, key).await.map_err(|error| failed(&error))?;
    }
    Ok(TerritoryReport::of_database(territory, &found))
}

/// A statement without parameters.
fn alone(sql: String) -> Statement {
    Statement { sql, lists: Vec::new() }
}

/// One row of BIGINTs, none negative.
async fn counts(client: &Client, asked: &Statement, key: &[u8]) -> Result<Vec<u64>, tokio_postgres::Error> {
    let statement = client.prepare(&asked.sql).await?;
    let row = client.query_one(&statement, &parameters(&statement, &key, &asked.lists)).await?;
    Ok((0..row.len()).map(|index| u64::try_from(row.get::<_, i64>(index)).unwrap_or(0)).collect())
}
