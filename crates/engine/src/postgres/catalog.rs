//! What an agency's SELECT gives: its columns, their types, and whether a unit can have two rows in it. Asked anew in
//! every snapshot, because a database changes under a node that runs for months.

use almoner_federation::{ColumnType, Table};
use tokio_postgres::Client;
use tokio_postgres::types::{Kind, ToSql, Type};
use tokio_stream::StreamExt;

use super::failure::{failed, refused};
use super::reading::{self, Class};
use crate::SourceError;
use crate::mapping::{find, wanted};
use crate::reading::Reading;
use crate::relation::{Relation, Surplus};

/// Whether one column alone has a unique index on which every row that this snapshot sees was checked. A table with
/// heirs is left out: an index does not hold for theirs.
const UNIQUE: &str = "SELECT EXISTS (SELECT 1 FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
  WHERE i.indrelid = $1 AND c.relkind = 'r' AND NOT c.relhassubclass
    AND i.indisunique AND i.indisvalid AND i.indisready AND i.indimmediate
    AND i.indpred IS NULL AND i.indexprs IS NULL AND i.indnkeyatts = 1 AND i.indkey[0] = $2)";

/// Most units that are listed one by one, and most bytes of their keys.
const MAX_KEYS: usize = 10_000;
const MAX_KEYS_BYTES: usize = 1 << 20;
const NONE: [&(dyn ToSql + Sync); 0] = [];

/// Describes the SELECT of one table and makes a relation of it.
///
/// # Errors
/// When the SELECT fails, lacks a column, has it twice, or has a type that cannot safely mean what is declared.
pub(crate) async fn relate(
    client: &Client,
    number: usize,
    table: &Table,
    unit: &str,
    mapped: &str,
) -> Result<Relation, SourceError> {
    // As a subquery, so that it can be nothing but one SELECT.
    let statement = client.prepare(&format!("SELECT * FROM (\n{mapped}\n) AS \"mapped\"")).await;
    let statement = statement.map_err(|error| refused(&table.name, &error))?;
    if !statement.params().is_empty() {
        return Err(SourceError::database(
            format!("the SELECT for table {} has a parameter", table.name),
            "write a value in its place",
        ));
    }
    let mut found = Vec::with_capacity(table.columns.len() + 1);
    let mut origin = None;
    for (name, declared) in wanted(table, unit) {
        let names = statement.columns().iter().map(|own| own.name());
        let own = &statement.columns()[find(table, name, names)?];
        let class = class(own.type_())
            .filter(|class| class.read(own.name(), declared).is_some())
            .ok_or_else(|| unfit(table, own.name(), own.type_(), declared))?;
        if declared.is_none() && reading::is_injective(class) {
            origin = own.table_oid().zip(own.column_id());
        }
        found.push((own.name().to_owned(), class));
    }
    let unique = match origin {
        Some((oid, column)) => is_unique(client, mapped, oid, column).await?,
        None => false,
    };
    let surplus = if unique { Surplus::Nobody } else { Surplus::Unknown };
    reading::relation(number, table, unit, mapped, &found, surplus)
        .map_err(|place| SourceError::answer(format!("column {place} of {} has no reading", table.name)))
}

fn unfit(table: &Table, column: &str, found: &Type, declared: Option<&ColumnType>) -> SourceError {
    let wanted = declared.map_or("a unit id", ColumnType::word);
    let cast = match (declared, found) {
        (Some(ColumnType::Date { .. }), &Type::TIMESTAMPTZ) => {
            format!("CAST({column} AT TIME ZONE 'your own zone' AS date) AS {column}")
        }
        (Some(ColumnType::Integer { .. }), _) => format!("CAST({column} AS bigint) AS {column}"),
        (Some(ColumnType::Number { .. }), _) => format!("CAST({column} AS double precision) AS {column}"),
        (Some(ColumnType::Boolean), _) => format!("{column} = ... AS {column}"),
        (Some(ColumnType::Date { .. }), _) => format!("CAST({column} AS date) AS {column}"),
        (Some(ColumnType::Text { .. }) | None, _) => format!("CAST({column} AS text) AS {column}"),
    };
    SourceError::database(
        format!("column {column} of table {} is {found}, which cannot be read as {wanted}", table.name),
        format!("write {cast} in its SELECT in [postgres.tables]"),
    )
}

/// What a type of PostgreSQL can say. An instant is no day: that depends on a zone, which only the agency knows.
fn class(found: &Type) -> Option<Class> {
    match *found {
        Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::CHAR => Some(Class::Text),
        Type::UUID => Some(Class::Uuid),
        Type::INT2 | Type::INT4 | Type::INT8 | Type::OID => Some(Class::Integer),
        Type::NUMERIC => Some(Class::Decimal),
        Type::FLOAT4 | Type::FLOAT8 => Some(Class::Float),
        Type::BOOL => Some(Class::Boolean),
        Type::DATE => Some(Class::Date),
        Type::TIMESTAMP => Some(Class::Timestamp),
        _ => match found.kind() {
            Kind::Domain(inner) => class(inner),
            Kind::Enum(_) => Some(Class::Text),
            _ if found.name() == "citext" => Some(Class::Text),
            _ => None,
        },
    }
}

/// Which units have more rows than they may in this snapshot, unless that is known already. The server plans far better
/// with their list, and best with an empty one.
pub(crate) async fn find_surplus(client: &Client, relation: &mut Relation) -> Result<(), SourceError> {
    if relation.surplus != Surplus::Unknown {
        return Ok(());
    }
    let sql = relation.surplus_keys(MAX_KEYS + 1);
    let rows = client.query_raw(&sql, NONE.iter().copied()).await.map_err(|error| failed(&error))?;
    let mut rows = std::pin::pin!(rows);
    let (mut keys, mut bytes) = (Vec::new(), 0);
    while let Some(row) = rows.next().await {
        let key: String = row.and_then(|row| row.try_get(0)).map_err(|error| failed(&error))?;
        bytes += key.len();
        // Too many for a list; the rest is read all the same, so that the connection is free again.
        if keys.len() <= MAX_KEYS && bytes <= MAX_KEYS_BYTES {
            keys.push(key);
        }
    }
    relation.surplus = match keys.len() {
        0 => Surplus::Nobody,
        1..=MAX_KEYS if bytes <= MAX_KEYS_BYTES => Surplus::Units(keys),
        _ => Surplus::Unknown,
    };
    Ok(())
}

/// Whether the SELECT reads one table, row by row, and its unit is a column of that table that no two rows share.
async fn is_unique(client: &Client, mapped: &str, oid: u32, column: i16) -> Result<bool, SourceError> {
    let rows = client.query(UNIQUE, &[&oid, &column]).await.map_err(|error| failed(&error))?;
    if !rows.first().is_some_and(|row| row.get(0)) {
        return Ok(false);
    }
    // The server's own plan tells whether anything joins, repeats or unites rows.
    let explain = format!("EXPLAIN (COSTS OFF) SELECT * FROM (\n{mapped}\n) AS \"mapped\"");
    let rows = client.query(&explain, &[]).await.map_err(|error| failed(&error))?;
    let lines: Vec<&str> = rows.iter().map(|row| row.get(0)).collect();
    Ok(is_one_scan(&lines))
}

/// Whether a plan is a scan of one table and nothing else. When in doubt it is not.
fn is_one_scan(lines: &[&str]) -> bool {
    const SCANS: [&str; 4] =
        ["Seq Scan on ", "Index Scan using ", "Index Only Scan using ", "Bitmap Heap Scan on "];
    let Some((root, rest)) = lines.split_first() else { return false };
    let parts = rest.iter().filter_map(|line| line.trim_start().strip_prefix("->")).map(str::trim_start);
    let within = ["Bitmap Index Scan on ", "BitmapAnd", "BitmapOr"];
    SCANS.iter().any(|scan| root.starts_with(scan))
        && parts.into_iter().all(|part| within.iter().any(|within| part.starts_with(within)))
        && !rest.iter().any(|line| line.contains("SubPlan") || line.contains("InitPlan"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_scan_of_one_table_is_one() {
        for plan in [
            &["Seq Scan on people"][..],
            &["Seq Scan on people", "  Filter: (county = 'A'::text)"],
            &["Index Scan using people_pkey on people p", "  Index Cond: (pid > 7)"],
            &[
                "Bitmap Heap Scan on people",
                "  Recheck Cond: (a = 1)",
                "  ->  Bitmap Index Scan on i",
                "        Index Cond: (a = 1)",
            ],
        ] {
            assert!(is_one_scan(plan), "{plan:?}");
        }
        for plan in [
            &[][..],
            &["Result"],
            &["ProjectSet", "  ->  Seq Scan on people"],
            &["Append", "  ->  Seq Scan on a", "  ->  Seq Scan on b"],
            &[
                "Hash Join",
                "  Hash Cond: (a.x = b.x)",
                "  ->  Seq Scan on a",
                "  ->  Hash",
                "        ->  Seq Scan on b",
            ],
            &["Seq Scan on people", "  Filter: (hashed SubPlan 1)", "  SubPlan 1", "    ->  Seq Scan on b"],
            &["Foreign Scan on people"],
            &["Function Scan on people"],
            &["Values Scan on \"*VALUES*\""],
        ] {
            assert!(!is_one_scan(plan), "{plan:?}");
        }
    }
}
