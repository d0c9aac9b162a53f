//! A database that answers: opened and examined once, asked in one transaction for each question.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;
use std::time::Duration;

use almoner_federation::{Digest, Manifest, Name};
use almoner_query::{Plan, Shape, SourceQuery, Units};
use ring::hmac;
use tokio_postgres::types::{ToSql, Type};
use tokio_stream::StreamExt;

use super::access::{PostgresAccess, Route};
use super::catalog::{find_surplus, relate};
use super::pool::Pool;
use super::transaction::Transaction;
use super::whole::Whole;
use super::{failed, role, survey};
use crate::cells::{columns, put};
use crate::data::Taken;
use crate::mapping::Mapping;
use crate::relation::{self, Relation};
use crate::tag::TagKey;
use crate::units::{Buckets, Distinct};
use crate::{LoadReport, SourceError};

/// How long a statement of the examination at the start may take: it reads every row.
const EXAMINATION: Duration = Duration::from_secs(3_600);

pub(crate) struct Database {
    pool: Arc<Pool>,
    statement_timeout: Duration,
    mapping: Mapping,
    tag_key: TagKey,
    snapshot_key: hmac::Key,
    /// The SELECTs: other ones are other data.
    mappings: Digest,
}

impl Database {
    /// Connects, checks what the role may do, and examines every table.
    pub(crate) async fn open(
        access: &PostgresAccess,
        manifest: &Manifest,
        agency: &Name,
        key: &hmac::Key,
    ) -> Result<(Database, LoadReport), SourceError> {
        let mapping = Mapping::of(&access.tables, "postgres", manifest, agency)?;
        let database = Database {
            pool: Pool::new(Route::of(access)?, access.connections)?,
            statement_timeout: access.statement_timeout,
            tag_key: TagKey::of(key),
            snapshot_key: key.clone(),
            mappings: mapping.digest(),
            mapping,
        };
        let report = database.examine(manifest.unit.population).await?;
        Ok((database, report))
    }

    async fn examine(&self, population: u64) -> Result<LoadReport, SourceError> {
        let transaction = Transaction::begin(&self.pool, EXAMINATION).await.map_err(unreachable)?;
        role::check(transaction.client()).await?;
        let mut relations = Vec::with_capacity(self.mapping.tables.len());
        for number in 0..self.mapping.tables.len() {
            relations.push(self.relate(&transaction, number).await?);
        }
        let mut report = LoadReport::default();
        for relation in &mut relations {
            report.tables.push(survey::table(transaction.client(), relation, population).await?);
            find_surplus(transaction.client(), relation).await?;
        }
        if let Some(territory) = &self.mapping.territory {
            let placing = self.mapping.placing(territory);
            relations.retain(|relation| placing.contains(&relation.number));
            let key = self.tag_key.bytes();
            report.territory =
                Some(survey::territory(transaction.client(), &relations, territory, key).await?);
        }
        transaction.end().await?;
        Ok(report)
    }

    /// The plan's cells over this snapshot, see [`crate::Source::cells`].
    pub(crate) async fn cells(&self, plan: &Plan) -> Result<Taken<Vec<i64>>, SourceError> {
        let transaction = Transaction::begin(&self.pool, self.statement_timeout).await?;
        let mut cells = vec![0; plan.dimension()];
        let width = plan.width();
        let mut relations = Relations::default();
        for (number, query) in self.mapping.held(plan) {
            let rows = self.ask(&transaction, &mut relations, number, query).await?;
            match &query.shape {
                Shape::Units(Units::Counted { coordinate }) => {
                    let mut distinct = Distinct::new(*coordinate, width);
                    rows.units(|cell, unit| distinct.add(cell, unit, &mut cells)).await?;
                }
                shape => {
                    rows.wholes(columns(shape)?, |row| put(&mut cells, width, shape, row)).await?;
                }
            }
        }
        self.taken(transaction, cells).await
    }

    /// The plan's bits over this snapshot, see [`crate::Source::bits`].
    pub(crate) async fn bits(
        &self,
        plan: &Plan,
        buckets: &Buckets<'_>,
    ) -> Result<Taken<Vec<u64>>, SourceError> {
        let transaction = Transaction::begin(&self.pool, self.statement_timeout).await?;
        let mut words = vec![0; plan.dimension()];
        let mut relations = Relations::default();
        for (number, query) in self.mapping.held(plan) {
            let Shape::Units(Units::Sketched { sketches }) = &query.shape else {
                return Err(SourceError::answer("cells are no sketches"));
            };
            buckets.check(sketches)?;
            let rows = self.ask(&transaction, &mut relations, number, query).await?;
            rows.units(|cell, unit| buckets.set(cell, sketches, unit, &mut words)).await?;
        }
        self.taken(transaction, words).await
    }

    async fn taken<T>(&self, transaction: Transaction, values: T) -> Result<Taken<T>, SourceError> {
        let snapshot = transaction.snapshot(&self.snapshot_key, self.mappings).await?;
        transaction.end().await?;
        Ok(Taken { values, snapshot })
    }

    async fn relate(&self, transaction: &Transaction, number: usize) -> Result<Relation, SourceError> {
        let (table, mapped) = &self.mapping.tables[number];
        relate(transaction.client(), number, table, &self.mapping.unit, mapped).await
    }

    /// Runs a statement over the tables that it needs, as they are in this snapshot.
    async fn ask(
        &self,
        transaction: &Transaction,
        relations: &mut Relations,
        number: usize,
        query: &SourceQuery,
    ) -> Result<Rows, SourceError> {
        let (needed, territory) = self.mapping.needed(number, query);
        let mut over = Vec::with_capacity(needed.len());
        for number in needed {
            let relation = match relations.entry(number) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(place) => {
                    let mut relation = self.relate(transaction, number).await.map_err(|error| {
                        // What was right at the start is wrong now: that is for the log, like any failure.
                        SourceError::answer(error.local_detail())
                    })?;
                    find_surplus(transaction.client(), &mut relation).await?;
                    place.insert(relation)
                }
            };
            over.push(relation.clone());
        }
        let asked = relation::statement(&query.sql, &query.table, &over, territory);
        let client = transaction.client();
        let statement = client.prepare(&asked.sql).await.map_err(|error| failed(&error))?;
        let types = statement.columns().iter().map(|column| column.type_().clone()).collect();
        let key = self.tag_key.bytes().as_slice();
        let parameters = parameters(&statement, &key, &asked.lists);
        let rows = client.query_raw(&statement, parameters).await.map_err(|error| failed(&error))?;
        Ok(Rows { rows: Box::pin(rows), types })
    }
}

/// The key of tags and the lists of keys, where a statement has any.
pub(super) fn parameters<'a>(
    statement: &tokio_postgres::Statement,
    key: &'a &[u8],
    lists: &'a [Vec<String>],
) -> Vec<&'a (dyn ToSql + Sync)> {
    if statement.params().is_empty() {
        return Vec::new();
    }
    std::iter::once(key as &(dyn ToSql + Sync))
        .chain(lists.iter().map(|list| list as &(dyn ToSql + Sync)))
        .collect()
}

/// The relations of one transaction.
type Relations = BTreeMap<usize, Relation>;

/// A failure to connect at the start, told in full.
fn unreachable(error: SourceError) -> SourceError {
    match error {
        SourceError::Answer { detail } => SourceError::database(
            format!("the database cannot be reached ({detail})"),
            "check the URL, the network, the certificate and what pg_hba.conf lets in",
        ),
        other => other,
    }
}

/// The rows of a running statement, one after another.
struct Rows {
    rows: std::pin::Pin<Box<tokio_postgres::RowStream>>,
    types: Vec<Type>,
}

impl Rows {
    /// Rows of whole numbers.
    async fn wholes(
        mut self,
        columns: usize,
        mut take: impl FnMut(&[Option<i64>]),
    ) -> Result<(), SourceError> {
        use tokio_postgres::types::FromSql;
        if self.types.len() != columns || !self.types.iter().all(Whole::accepts) {
            return Err(SourceError::answer(format!("expected {columns} integer columns")));
        }
        let mut values = vec![None; columns];
        while let Some(row) = self.rows.next().await {
            let row = row.map_err(|error| failed(&error))?;
            for (index, value) in values.iter_mut().enumerate() {
                let whole: Option<Whole> = row.try_get(index).map_err(|error| failed(&error))?;
                *value = whole.map(|Whole(value)| value);
            }
            take(&values);
        }
        Ok(())
    }

    /// Rows of a cell and a unit. Nothing is gathered here.
    async fn units(mut self, mut take: impl FnMut(usize, &str)) -> Result<(), SourceError> {
        if self.types != [Type::INT8, Type::TEXT] {
            return Err(SourceError::answer("expected cell and unit"));
        }
        while let Some(row) = self.rows.next().await {
            let row = row.map_err(|error| failed(&error))?;
            let cell: Option<i64> = row.try_get(0).map_err(|error| failed(&error))?;
            let unit: Option<&str> = row.try_get(1).map_err(|error| failed(&error))?;
            if let (Some(cell), Some(unit)) = (cell.and_then(|cell| usize::try_from(cell).ok()), unit) {
                take(cell, unit);
            }
        }
        Ok(())
    }
}
