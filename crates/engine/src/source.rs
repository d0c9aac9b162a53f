//! An agency's files, loaded and bounded, ready to answer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use almoner_federation::{Digest, Manifest, Name};
use almoner_query::{Plan, Shape, SourceQuery, Units};
use datafusion::arrow::array::RecordBatch;
use datafusion::catalog::TableProvider;
use datafusion::common::TableReference;
use datafusion::common::config::{ConfigNonZeroUsize, Dialect as SqlDialect};
use datafusion::datasource::MemTable;
use datafusion::error::DataFusionError;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::prelude::{SessionConfig, SessionContext};
use ring::hmac;
use tokio::sync::Semaphore;

use crate::cells;
use crate::folder::Tree;
use crate::load::{self, Loaded, Tables};
use crate::operators::FastOperators;
use crate::stored::Stored;
use crate::units::{self, Buckets};
use crate::workers::workers;
use crate::{DataLimits, LoadReport, SourceError};

/// Questions that are computed at once; further ones wait, until their caller gives up.
const CONCURRENT_QUESTIONS: usize = 2;
/// Deepest nesting of a source query, far beyond what a plan's bounds let through.
const RECURSION_LIMIT: usize = 2_000;
/// Most working memory of all questions together, besides the tables. It holds the groups, whose
/// number is the plan's and not the data's.
const WORKING_MEMORY_BYTES: usize = 1 << 30;

/// An agency's tables as one immutable snapshot.
pub(crate) struct Files {
    context: SessionContext,
    tables: BTreeSet<String>,
    /// Those that are on disk.
    stored: BTreeMap<String, Arc<Stored>>,
    snapshot: Digest,
    gate: Semaphore,
}

impl Files {
    /// See [`crate::Source::open_within`] and [`crate::Source::object_store`].
    pub(crate) async fn open(
        tree: impl Tree + Send + 'static,
        manifest: &Manifest,
        agency: &Name,
        bounding_key: &[u8; 32],
        limits: Option<DataLimits>,
    ) -> Result<(Files, LoadReport), SourceError> {
        let (manifest, agency, shown) = (manifest.clone(), agency.clone(), tree.shown(""));
        let key = hmac::Key::new(hmac::HMAC_SHA256, bounding_key);
        let reading =
            tokio::task::spawn_blocking(move || load::load(&tree, &manifest, &agency, &key, limits.as_ref()));
        let (tables, snapshot, report) = reading.await.map_err(|error| {
            SourceError::at(shown, None, format!("reading it failed ({error})"), "export the files again")
        })??;
        let (context, stored) = match tables {
            Tables::Memory(loaded) => (session(loaded), BTreeMap::new()),
            Tables::Disk(stored) => {
                (session_over(stored.iter().cloned().map(provided)), stored.into_iter().collect())
            }
        };
        let files = Files {
            context: context.map_err(SourceError::answer)?,
            tables: report.tables.iter().map(|table| table.table.clone()).collect(),
            stored,
            snapshot,
            gate: Semaphore::new(CONCURRENT_QUESTIONS),
        };
        Ok((files, report))
    }

    /// The name of this state of the files: an HMAC under the bounding key over their names, sizes and
    /// contents (in a store: ETags), so that it tells nothing about them but whether they changed.
    pub(crate) fn snapshot(&self) -> Digest {
        self.snapshot
    }

    /// See [`crate::Source::cells`].
    pub(crate) async fn cells(&self, plan: &Plan) -> Result<Vec<i64>, SourceError> {
        let _turn = self.gate.acquire().await.map_err(SourceError::answer)?;
        let mut cells = vec![0; plan.dimension()];
        for query in self.held(plan) {
            match &query.shape {
                Shape::Units(Units::Counted { coordinate }) => {
                    for part in self.unit_parts(&query.table) {
                        units::count(&part?, query, *coordinate, plan.width(), &mut cells).await?;
                    }
                }
                _ => cells::add(&self.context, query, plan.width(), &mut cells).await?,
            }
        }
        Ok(cells)
    }

    /// See [`crate::Source::bits`].
    pub(crate) async fn bits(&self, plan: &Plan, buckets: &Buckets<'_>) -> Result<Vec<u64>, SourceError> {
        let _turn = self.gate.acquire().await.map_err(SourceError::answer)?;
        let mut words = vec![0; plan.dimension()];
        for query in self.held(plan) {
            let Shape::Units(Units::Sketched { sketches }) = &query.shape else {
                return Err(SourceError::answer("cells are no sketches"));
            };
            units::sketch(&self.context, query, sketches, buckets, &mut words).await?;
        }
        Ok(words)
    }

    /// Sessions that together see the table once, all rows of a unit in one of them. A table on disk comes in many, so
    /// that only few units are remembered at once.
    fn unit_parts<'t>(
        &'t self,
        table: &'t str,
    ) -> impl Iterator<Item = Result<SessionContext, SourceError>> + Send + 't {
        let stored = self.stored.get(table);
        let whole = stored.is_none().then(|| Ok(self.context.clone()));
        let part = |run: Stored| session_over([provided((table.to_owned(), Arc::new(run)))]);
        let parts = stored.into_iter().flat_map(|stored| stored.runs()).map(part);
        whole.into_iter().chain(parts.map(|part| part.map_err(SourceError::answer)))
    }

    /// The plan's statements over tables that this agency holds.
    fn held<'p>(&self, plan: &'p Plan) -> impl Iterator<Item = &'p SourceQuery> {
        plan.sources().iter().filter(|query| self.tables.contains(&query.table))
    }
}

/// A session over tables in memory.
pub(crate) fn session(tables: Vec<Loaded>) -> Result<SessionContext, DataFusionError> {
    let tables = tables.into_iter().map(|table| {
        let memory = MemTable::try_new(table.schema, deal(table.batches, workers()))?;
        Ok((table.name, Arc::new(memory) as Arc<dyn TableProvider>))
    });
    session_over(tables.collect::<Result<Vec<_>, DataFusionError>>()?)
}

fn provided((name, table): (String, Arc<Stored>)) -> (String, Arc<dyn TableProvider>) {
    (name, table)
}

/// A session over the tables. It cannot spill: records must not reach a disk that nobody chose.
pub(crate) fn session_over(
    tables: impl IntoIterator<Item = (String, Arc<dyn TableProvider>)>,
) -> Result<SessionContext, DataFusionError> {
    let mut config = SessionConfig::new().with_target_partitions(workers()).with_information_schema(false);
    // Larger dialects read a function's arguments in several ways, each anew at every level of nesting:
    // thirty nested calls would take for ever.
    config.options_mut().sql_parser.dialect = SqlDialect::Ansi;
    config.options_mut().sql_parser.recursion_limit = ConfigNonZeroUsize::try_new(RECURSION_LIMIT)?;
    let disk = DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled);
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_limit(WORKING_MEMORY_BYTES, 1.0)
        .with_disk_manager_builder(disk)
        .build_arc()?;
    let state = SessionStateBuilder::new()
        .with_config(config)
        .with_runtime_env(runtime)
        .with_default_features()
        .with_physical_optimizer_rule(Arc::new(FastOperators))
        .build();
    let context = SessionContext::new_with_state(state);
    for (name, table) in tables {
        context.register_table(TableReference::bare(name), table)?;
    }
    Ok(context)
}

/// Deals the batches out to the partitions in turn.
fn deal(batches: Vec<RecordBatch>, partitions: usize) -> Vec<Vec<RecordBatch>> {
    let mut hands = vec![Vec::new(); partitions];
    for (index, batch) in batches.into_iter().enumerate() {
        hands[index % partitions].push(batch);
    }
    hands
}
