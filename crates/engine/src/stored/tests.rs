//! A table on disk gives DataFusion what it asks for, and no more than that is read.

use datafusion::arrow::array::{AsArray, Int64Array, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Int64Type, Schema};
use datafusion::physical_plan::{ExecutionPlan, collect};

use super::*;
use crate::limits::DataLimits;
use crate::runs::Runs;
use crate::source::session_over;

const UNITS: i64 = 40_000;

/// Units in 20 counties in no order, two rows each, in runs sorted by county.
fn table(limits: &DataLimits) -> Arc<Stored> {
    let field = |name, kind| Field::new(name, kind, true);
    let schema: SchemaRef = Arc::new(Schema::new(vec![
        field("u", DataType::Utf8),
        field("county", DataType::Utf8),
        field("v", DataType::Int64),
    ]));
    let mut runs = Runs::new(limits, [(Arc::clone(&schema), vec![1])].into_iter()).expect("room on disk");
    for first in (0..UNITS).step_by(1_000) {
        let rows = || (first..first + 1_000).flat_map(|unit| [unit, unit]);
        let batch = RecordBatch::try_new(
            Arc::clone(&schema),
            vec![
                Arc::new(rows().map(|unit| Some(unit.to_string())).collect::<StringArray>()),
                Arc::new(rows().map(|unit| Some(format!("c{:02}", unit * 7 % 20))).collect::<StringArray>()),
                Arc::new(rows().map(|unit| (unit % 3 > 0).then_some(unit)).collect::<Int64Array>()),
            ],
        );
        // More than it is, so that there are many runs and row groups.
        runs.push(0, vec![batch.expect("the columns follow the schema")], 300_000).expect("room on disk");
    }
    runs.finish().expect("room on disk").remove(0)
}

fn total(plan: &Arc<dyn ExecutionPlan>, name: &str) -> usize {
    let own =
        plan.metrics().and_then(|metrics| metrics.sum_by_name(name)).map_or(0, |value| value.as_usize());
    own + plan.children().into_iter().map(|child| total(child, name)).sum::<usize>()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conditions_and_columns_decide_what_is_read() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let limits = DataLimits::new(16, folder.path().to_owned()).expect("a limit");
    let stored = table(&limits);
    // A deleted folder changes nothing: the file has no name in it.
    folder.close().expect("an empty folder");
    let context = session_over([("t".into(), Arc::clone(&stored) as Arc<dyn TableProvider>)]);
    let context = context.expect("a session over one table");
    let ask = async |sql: &str| {
        let frame = context.sql(sql).await.expect("a question");
        let plan = frame.create_physical_plan().await.expect("a plan");
        let batches = collect(Arc::clone(&plan), context.task_ctx()).await.expect("an answer");
        let answer = batches.iter().flat_map(|batch| {
            let column = batch.column(0).as_primitive::<Int64Type>();
            column.iter().flatten().collect::<Vec<_>>()
        });
        (answer.sum::<i64>(), total(&plan, "output_rows"), total(&plan, "bytes_scanned"), plan)
    };
    let sum =
        |keep: &dyn Fn(i64) -> bool| 2 * (0..UNITS).filter(|unit| keep(*unit) && unit % 3 > 0).sum::<i64>();
    let (all, _, _, _) = ask("SELECT SUM(v) FROM t").await;
    assert_eq!(all, sum(&|_| true));
    let (one, _, _, plan) = ask("SELECT SUM(v) FROM t WHERE county = 'c07'").await;
    assert_eq!(one, sum(&|unit| unit * 7 % 20 == 7));
    let groups = stored.file.metadata.num_row_groups();
    let runs = stored.runs().count();
    assert!(runs > 5 && groups >= 2 * runs, "{groups} row groups in {runs} runs");
    let shown = format!(
        "{}",
        datafusion::physical_plan::display::DisplayableExecutionPlan::with_metrics(plan.as_ref())
            .indent(true)
    );
    let pruned = pruned_groups(&plan);
    assert!(pruned * 2 >= groups, "{pruned} of {groups} row groups passed over:\n{shown}");
}

/// Row groups whose statistics were looked at and that were not read.
fn pruned_groups(plan: &Arc<dyn ExecutionPlan>) -> usize {
    use datafusion::physical_plan::metrics::MetricValue;
    let own = plan.metrics().into_iter().flat_map(|metrics| {
        let values: Vec<_> = metrics.iter().map(|metric| metric.value().clone()).collect();
        values
    });
    let own = own.map(|value| match value {
        MetricValue::PruningMetrics { name, pruning_metrics } if name == "row_groups_pruned_statistics" => {
            pruning_metrics.pruned()
        }
        _ => 0,
    });
    own.sum::<usize>() + plan.children().into_iter().map(pruned_groups).sum::<usize>()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_are_the_table_in_pieces_that_no_unit_shares() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let limits = DataLimits::new(16, folder.path().to_owned()).expect("a limit");
    let mut seen = std::collections::BTreeSet::new();
    let mut rows = 0;
    for run in table(&limits).runs() {
        let context = session_over([("t".into(), Arc::new(run) as Arc<dyn TableProvider>)]);
        let context = context.expect("a session over one run");
        let batches =
            context.sql("SELECT u FROM t").await.expect("a question").collect().await.expect("units");
        let own: Vec<String> = batches
            .iter()
            .flat_map(|batch| {
                batch.column(0).as_string::<i32>().iter().flatten().map(str::to_owned).collect::<Vec<_>>()
            })
            .collect();
        rows += own.len();
        let own: std::collections::BTreeSet<String> = own.into_iter().collect();
        assert!(own.len() < UNITS as usize / 3 && own.is_disjoint(&seen));
        seen.extend(own);
    }
    assert_eq!((rows, seen.len()), (2 * UNITS as usize, UNITS as usize));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_disk_is_an_error_and_a_mended_one_an_answer() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let limits = DataLimits::new(16, folder.path().to_owned()).expect("a limit");
    let stored = table(&limits);
    let contents = stored.file.contents.clone();
    let context = session_over([("t".into(), stored as Arc<dyn TableProvider>)]).expect("a session");
    let ask = async || {
        let frame = context.sql("SELECT SUM(v), COUNT(u) FROM t").await.expect("a question");
        frame.collect().await.map(|batches| format!("{batches:?}"))
    };
    let expected = ask().await.expect("an answer");
    for at in [0, contents.len() / 3, contents.len() / 2] {
        contents.tamper(at);
        assert!(ask().await.is_err(), "byte {at}");
        contents.tamper(at);
        assert_eq!(ask().await.expect("an answer"), expected);
    }
}
