//! A server that answers: every table examined once, and every question asked in statements of their own.

use std::time::{Duration, SystemTime};

use almoner_federation::{ColumnType, Digest, Manifest, Name, Table, lp};
use almoner_query::{Plan, Shape, SourceQuery, Units};
use datafusion::arrow::array::Array;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::util::display::array_value_to_string;
use ring::hmac;

use super::access::FlightSqlAccess;
use super::answer::{texts, wholes};
use super::client::Client;
use super::reading::{self, Class};
use crate::cells::{columns, put};
use crate::data::Taken;
use crate::mapping::{Mapping, find, wanted};
use crate::reading::Reading;
use crate::relation::{self, Relation};
use crate::report::{TableReport, TerritoryReport};
use crate::tag::TagKey;
use crate::units::{Buckets, Distinct};
use crate::{LoadReport, SourceError};

/// How long a statement of the examination at the start may take: it reads every row.
const EXAMINATION: Duration = Duration::from_secs(3_600);
/// Longest version of the data.
const MAX_VERSION_BYTES: usize = 4_096;

const LABEL: &[u8] = b"almoner/1/snapshot/flight-sql";

pub(crate) struct Peer {
    client: Client,
    statement_timeout: Duration,
    mapping: Mapping,
    version: Option<String>,
    /// The key of tags, as a literal.
    tag_key: String,
    snapshot_key: hmac::Key,
    mappings: Digest,
}

impl Peer {
    /// Connects and examines every table.
    pub(crate) async fn open(
        access: &FlightSqlAccess,
        manifest: &Manifest,
        agency: &Name,
        key: &hmac::Key,
    ) -> Result<(Peer, LoadReport), SourceError> {
        let mapping = Mapping::of(&access.tables, "flight_sql", manifest, agency)?;
        let hex: String = TagKey::of(key).bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        let peer = Peer {
            client: Client::new(access, hex.clone())?,
            statement_timeout: access.statement_timeout,
            version: access.version.clone(),
            tag_key: format!("X'{hex}'"),
            snapshot_key: key.clone(),
            mappings: mapping.digest(),
            mapping,
        };
        let report = peer.examine(manifest.unit.population).await?;
        Ok((peer, report))
    }

    async fn examine(&self, population: u64) -> Result<LoadReport, SourceError> {
        let reached = self.client.ask("SELECT 1 AS \"one\"", self.statement_timeout, |_| Ok(())).await;
        reached.map_err(|error| {
            SourceError::database(
                format!("{} does not answer ({})", self.client.name(), detail(error)),
                "check the address, the network, the certificates and the token in [flight_sql]",
            )
        })?;
        self.version().await.map_err(|error| {
            SourceError::database(
                format!("the SELECT for `version` fails ({})", detail(error)),
                "write one SELECT of one value that is not NULL, without a semicolon",
            )
        })?;
        let mut relations = Vec::with_capacity(self.mapping.tables.len());
        for number in 0..self.mapping.tables.len() {
            relations.push(self.relate(number).await?);
        }
        let mut report = LoadReport::default();
        for relation in &relations {
            report.tables.push(self.survey(relation, population).await?);
        }
        if let Some(territory) = &self.mapping.territory {
            let placing = self.mapping.placing(territory);
            relations.retain(|relation| placing.contains(&relation.number));
            let mut found = vec![0; 3];
            if !relations.is_empty() {
                let sql = relation::territory_report(&relations, territory).sql;
                found = self.counts(&sql, found.len()).await?;
            }
            report.territory = Some(TerritoryReport::of_database(territory, &found));
        }
        Ok(report)
    }

    async fn survey(&self, relation: &Relation, population: u64) -> Result<TableReport, SourceError> {
        let refused = |error: SourceError| {
            SourceError::database(
                format!("the SELECT for table {} fails on a row ({})", relation.table, detail(error)),
                "take casts and functions that can fail out of it: TRY_CAST gives NULL instead",
            )
        };
        let columns = relation.columns.len();
        let fields =
            self.counts(&relation::fields_report(relation), 2 + 2 * columns).await.map_err(refused)?;
        let units = self.counts(&relation::units_report(relation), 3).await.map_err(refused)?;
        TableReport::of_database(relation, &fields, &units, population)
    }

    /// The plan's cells, see [`crate::Source::cells`].
    pub(crate) async fn cells(&self, plan: &Plan) -> Result<Taken<Vec<i64>>, SourceError> {
        let before = self.version().await?;
        let mut cells = vec![0; plan.dimension()];
        // Beside the groups of cells there is one for each combination of texts whose other keys have no number.
        let (width, most) = (plan.width(), 2 * plan.dimension());
        for (number, query) in self.mapping.held(plan) {
            let sql = self.statement(number, query).await?;
            match &query.shape {
                Shape::Units(Units::Counted { coordinate }) => {
                    let mut distinct = Distinct::new(*coordinate, width);
                    self.units(&sql, |cell, unit| distinct.add(cell, unit, &mut cells)).await?;
                }
                shape => {
                    self.wholes(&sql, columns(shape)?, most, |row| put(&mut cells, width, shape, row))
                        .await?;
                }
            }
        }
        self.taken(before, cells).await
    }

    /// The plan's bits, see [`crate::Source::bits`].
    pub(crate) async fn bits(
        &self,
        plan: &Plan,
        buckets: &Buckets<'_>,
    ) -> Result<Taken<Vec<u64>>, SourceError> {
        let before = self.version().await?;
        let mut words = vec![0; plan.dimension()];
        for (number, query) in self.mapping.held(plan) {
            let Shape::Units(Units::Sketched { sketches }) = &query.shape else {
                return Err(SourceError::answer("cells are no sketches"));
            };
            buckets.check(sketches)?;
            let sql = self.statement(number, query).await?;
            self.units(&sql, |cell, unit| buckets.set(cell, sketches, unit, &mut words)).await?;
        }
        self.taken(before, words).await
    }

    /// Refuses an answer during which the data changed, and names the data otherwise: by their version, or where the
    /// officer named none, by the time.
    async fn taken<T>(&self, before: Option<String>, values: T) -> Result<Taken<T>, SourceError> {
        if self.version().await? != before {
            return Err(SourceError::answer(
                "the data changed while the question was answered, as `version` tells, so it must be asked again",
            ));
        }
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let (kind, state) = match before {
            Some(version) => (b"version".as_slice(), version),
            None => (b"time".as_slice(), now.as_nanos().to_string()),
        };
        let server = self.client.name();
        let items = [LABEL, server.as_bytes(), self.mappings.as_bytes(), kind, state.as_bytes()];
        let tag = hmac::sign(&self.snapshot_key, &lp(&items));
        Ok(Taken { values, snapshot: Digest(tag.as_ref().try_into().expect("HMAC-SHA256 gives 32 bytes")) })
    }

    /// What the officer's SELECT for the version gives now.
    async fn version(&self) -> Result<Option<String>, SourceError> {
        let Some(select) = &self.version else { return Ok(None) };
        let mut found = Vec::new();
        let sql = format!("SELECT * FROM (\n{select}\n) AS \"version\"");
        let wrong = |reason: &str| SourceError::answer(format!("the version of the data is {reason}"));
        self.client
            .ask(&sql, self.statement_timeout, |batch| {
                if batch.num_columns() != 1 || batch.num_rows() + found.len() > 1 {
                    return Err(wrong("not one value"));
                }
                for row in 0..batch.num_rows() {
                    let column = batch.column(0);
                    if column.is_null(row) {
                        return Err(wrong("NULL"));
                    }
                    found.push(array_value_to_string(column, row).map_err(SourceError::answer)?);
                }
                Ok(())
            })
            .await?;
        match found.pop() {
            None => Err(wrong("not one value")),
            Some(version) if version.len() > MAX_VERSION_BYTES => Err(wrong("too long")),
            Some(version) => Ok(Some(version)),
        }
    }

    /// The text of a question over the tables that it needs, as they are now.
    async fn statement(&self, number: usize, query: &SourceQuery) -> Result<String, SourceError> {
        let (needed, territory) = self.mapping.needed(number, query);
        let mut over = Vec::with_capacity(needed.len());
        for number in needed {
            // What was right at the start and is wrong now is for the log, like any failure.
            let relation = self.relate(number).await;
            over.push(relation.map_err(|error| SourceError::answer(error.local_detail()))?);
        }
        Ok(relation::statement(&query.sql, &query.table, &over, territory).sql)
    }

    /// Asks what columns a table's SELECT gives and makes a relation of it.
    async fn relate(&self, number: usize) -> Result<Relation, SourceError> {
        let (table, mapped) = &self.mapping.tables[number];
        let sql = format!("SELECT * FROM (\n{mapped}\n) AS \"mapped\" LIMIT 0");
        let schema = self.client.ask(&sql, self.statement_timeout, |_| Ok(())).await.map_err(|error| {
            SourceError::database(
                format!("the SELECT for table {} fails ({})", table.name, detail(error)),
                "correct it in [flight_sql.tables], as one SELECT without a semicolon, and let the node read what it reads",
            )
        })?;
        let mut found = Vec::with_capacity(table.columns.len() + 1);
        for (name, declared) in wanted(table, &self.mapping.unit) {
            let names = schema.fields().iter().map(|own| own.name().as_str());
            let own = schema.field(find(table, name, names)?);
            let class = Class::of(own.data_type())
                .filter(|class| class.read(own.name(), declared).is_some())
                .ok_or_else(|| unfit(table, own.name(), own.data_type(), declared))?;
            found.push((own.name().clone(), class));
        }
        reading::relation(number, table, &self.mapping.unit, mapped, &found, &self.tag_key)
            .map_err(|place| SourceError::answer(format!("column {place} of {} has no reading", table.name)))
    }

    /// One row of whole numbers, none negative.
    async fn counts(&self, sql: &str, columns: usize) -> Result<Vec<u64>, SourceError> {
        let mut found = None;
        self.rows(sql, EXAMINATION, columns, 1, |row| found = Some(row.to_vec())).await?;
        let row = found.ok_or_else(|| SourceError::answer("the server gave no row"))?;
        Ok(row
            .into_iter()
            .map(|count| count.and_then(|count| u64::try_from(count).ok()).unwrap_or(0))
            .collect())
    }

    async fn wholes(
        &self,
        sql: &str,
        columns: usize,
        most: usize,
        take: impl FnMut(&[Option<i64>]),
    ) -> Result<(), SourceError> {
        self.rows(sql, self.statement_timeout, columns, most, take).await
    }

    /// Rows of whole numbers, at most so many.
    async fn rows(
        &self,
        sql: &str,
        limit: Duration,
        columns: usize,
        most: usize,
        mut take: impl FnMut(&[Option<i64>]),
    ) -> Result<(), SourceError> {
        let mut rows = 0usize;
        let mut values = vec![None; columns];
        self.client
            .ask(sql, limit, |batch| {
                rows = rows.saturating_add(batch.num_rows());
                if rows > most {
                    return Err(SourceError::answer(format!("the server gave more than {most} rows")));
                }
                let found = wholes(batch, columns)?;
                for row in 0..batch.num_rows() {
                    values.iter_mut().zip(&found).for_each(|(value, column)| *value = column[row]);
                    take(&values);
                }
                Ok(())
            })
            .await?;
        Ok(())
    }

    /// Rows of a cell and a unit. Nothing is gathered here.
    async fn units(&self, sql: &str, mut take: impl FnMut(usize, &str)) -> Result<(), SourceError> {
        self.client
            .ask(sql, self.statement_timeout, |batch| {
                if batch.num_columns() != 2 {
                    return Err(SourceError::answer("expected cell and unit"));
                }
                let cells = wholes(&batch.project(&[0]).map_err(SourceError::answer)?, 1)?;
                let units = texts(batch.column(1).as_ref())?;
                for (cell, unit) in cells[0].iter().zip(units) {
                    if let (Some(cell), Some(unit)) = (cell.and_then(|cell| usize::try_from(cell).ok()), unit)
                    {
                        take(cell, unit);
                    }
                }
                Ok(())
            })
            .await?;
        Ok(())
    }
}

/// A question's failure with what the officer can do: what a server's own words leave open, it tells when it is looked at.
pub(crate) fn advised(error: SourceError) -> SourceError {
    let advice = "see with `almoner node check` whether the server answers and its tables still fit, and in its own log";
    SourceError::answer(format!("{}; {advice}", detail(error)))
}

/// What happened, without the shell that is the same for all.
fn detail(error: SourceError) -> String {
    match error {
        SourceError::Answer { detail } => detail,
        other => other.to_string(),
    }
}

fn unfit(table: &Table, column: &str, found: &DataType, declared: Option<&ColumnType>) -> SourceError {
    let wanted = declared.map_or("a unit id", ColumnType::word);
    let to = match declared {
        Some(ColumnType::Integer { .. }) => "BIGINT",
        Some(ColumnType::Number { .. }) => "DOUBLE",
        Some(ColumnType::Boolean) => "BOOLEAN",
        Some(ColumnType::Date { .. }) => "DATE",
        Some(ColumnType::Text { .. }) | None => "VARCHAR",
    };
    SourceError::database(
        format!("column {column} of table {} is {found}, which cannot be read as {wanted}", table.name),
        format!("write TRY_CAST({column} AS {to}) AS {column} in its SELECT in [flight_sql.tables]"),
    )
}
