//! Plans with these operators give what DataFusion's own give, whatever the rows.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch};
use datafusion::arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use datafusion::datasource::MemTable;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::physical_plan::displayable;
use datafusion::prelude::{SessionConfig, SessionContext};
use proptest::prelude::*;

use super::FastOperators;

/// Rows of a key, a number and a whole number.
type Row = (Option<i64>, Option<f64>, Option<i64>);

fn schema() -> SchemaRef {
    let column = |name, kind| Field::new(name, kind, true);
    Arc::new(Schema::new(vec![
        column("k", DataType::Int64),
        column("v", DataType::Float64),
        column("n", DataType::Int64),
    ]))
}

fn batch(rows: &[Row]) -> RecordBatch {
    let columns: Vec<ArrayRef> = vec![
        Arc::new(rows.iter().map(|row| row.0).collect::<Int64Array>()),
        Arc::new(rows.iter().map(|row| row.1).collect::<Float64Array>()),
        Arc::new(rows.iter().map(|row| row.2).collect::<Int64Array>()),
    ];
    RecordBatch::try_new(schema(), columns).expect("columns of one length")
}

/// Working memory that no small test needs.
const PLENTY_BYTES: usize = 1 << 30;

/// A session over the rows in batches of `size`, in one partition or, where `size` is odd, two, with the operators or
/// without.
fn session(rows: &[Row], size: usize, fast: bool, memory_bytes: usize) -> SessionContext {
    let mut partitions = vec![Vec::new(); 1 + size % 2];
    let all = partitions.len();
    for (index, some) in rows.chunks(size).enumerate() {
        partitions[index % all].push(batch(some));
    }
    let runtime = RuntimeEnvBuilder::new().with_memory_limit(memory_bytes, 1.0).build_arc().expect("a limit");
    let mut state = SessionStateBuilder::new()
        .with_config(SessionConfig::new().with_target_partitions(all))
        .with_runtime_env(runtime)
        .with_default_features();
    if fast {
        state = state.with_physical_optimizer_rule(Arc::new(FastOperators));
    }
    let context = SessionContext::new_with_state(state.build());
    let table = MemTable::try_new(schema(), partitions).expect("one schema");
    context.register_table("t", Arc::new(table)).expect("a new name");
    context
}

/// The answer's rows, sorted, and the plan as text.
async fn answer(context: &SessionContext, sql: &str) -> (Vec<Vec<Option<i64>>>, String) {
    let frame = context.sql(sql).await.expect("SQL");
    let plan = frame.clone().create_physical_plan().await.expect("a plan");
    let mut rows = Vec::new();
    for batch in frame.collect().await.expect("an answer") {
        let columns: Vec<_> = batch.columns().iter().map(|one| one.as_primitive::<Int64Type>()).collect();
        let row = |row| columns.iter().map(|one| one.iter().nth(row).expect("a row")).collect();
        rows.extend((0..batch.num_rows()).map(row));
    }
    rows.sort();
    (rows, displayable(plan.as_ref()).indent(false).to_string())
}

/// Asks both sessions; each of `operators` must be in the one plan and not in the other.
async fn same(rows: &[Row], size: usize, sql: &str, operators: &[&str]) {
    same_within(PLENTY_BYTES, rows, size, sql, operators).await;
}

async fn same_within(memory_bytes: usize, rows: &[Row], size: usize, sql: &str, operators: &[&str]) {
    let (general, plan) = answer(&session(rows, size, false, memory_bytes), sql).await;
    assert!(operators.iter().all(|one| !plan.contains(one)), "{plan}");
    let (fast, plan) = answer(&session(rows, size, true, memory_bytes), sql).await;
    assert!(operators.iter().all(|one| plan.contains(one)), "{plan}");
    assert_eq!(fast, general, "{sql} over {rows:?}\n{plan}");
}

#[tokio::test]
async fn doubles_become_the_same_whole_numbers() {
    let edges: [f64; 12] = [
        0.0,
        0.5,
        1.0,
        7.5,
        99.0,
        100.0,
        f64::MIN_POSITIVE,
        5e-324,
        4_503_599_627_370_495.5,
        2_251_799_813_685_248.0,
        1e300,
        f64::INFINITY,
    ];
    let mut values = vec![None, Some(f64::NAN), Some(-f64::NAN)];
    for edge in edges {
        for near in [edge.next_down(), edge, edge.next_up(), edge - 0.5, edge + 0.5] {
            values.extend([Some(near), Some(-near)]);
        }
    }
    let rows: Vec<Row> =
        values.into_iter().enumerate().map(|(i, v)| (i64::try_from(i).ok(), v, None)).collect();
    for (low, high) in [("0.0", "100.0"), ("(-100.0)", "7.0"), ("(-7.0)", "(-7.0)")] {
        for value in ["v", "v * 100.0 + 0.5", "v / 3.0"] {
            let whole = format!("CAST(LEAST(GREATEST(floor({value}), {low}), {high}) AS BIGINT)");
            same(&rows, 7, &format!("SELECT k, {whole} AS w FROM t"), &["whole("]).await;
            let none = format!("SELECT k, CASE WHEN v IS NOT NULL THEN {whole} END AS w FROM t");
            same(&rows, 7, &none, &["whole("]).await;
        }
    }
    // The largest bounds that are read so, in which each whole number has its own double.
    let all = "SELECT k, CAST(LEAST(GREATEST(floor(v), -2251799813685248.0), 2251799813685248.0) AS BIGINT) AS w FROM t";
    same(&rows, 7, all, &["whole("]).await;
}

#[tokio::test]
async fn what_has_not_quite_the_form_is_left_alone() {
    let rows: Vec<Row> = vec![(Some(1), Some(2.5), Some(3)), (Some(2), None, None)];
    for expr in [
        "CAST(LEAST(GREATEST(floor(v), 0.5), 100.0) AS BIGINT)",
        "CAST(LEAST(GREATEST(floor(v), 100.0), 0.0) AS BIGINT)",
        "CAST(LEAST(GREATEST(v, 0.0), 100.0) AS BIGINT)",
        "CAST(LEAST(GREATEST(floor(v), 0.0), 1e18) AS BIGINT)",
        "CAST(GREATEST(LEAST(floor(v), 100.0), 0.0) AS BIGINT)",
    ] {
        let (_, plan) =
            answer(&session(&rows, 7, true, PLENTY_BYTES), &format!("SELECT k, {expr} AS w FROM t")).await;
        assert!(!plan.contains("whole("), "{plan}");
    }
    for sql in [
        "SELECT k, n, COUNT(*) AS c FROM t GROUP BY k, n",
        "SELECT k, MAX(n) AS c FROM t GROUP BY k",
        "SELECT k, SUM(n) FILTER (WHERE n > 0) AS c FROM t GROUP BY k",
        "SELECT SUM(n) AS c FROM t",
    ] {
        let (_, plan) = answer(&session(&rows, 7, true, PLENTY_BYTES), sql).await;
        assert!(!plan.contains("DenseGroups"), "{plan}");
    }
}

/// The index of the largest key takes 4 MiB, more than there is: the groups leave early and come together above.
#[tokio::test]
async fn groups_that_outgrow_the_memory_are_the_same() {
    let rows: Vec<Row> = (0..700)
        .map(|row| (Some(row % 3 * ((1 << 19) - 1)), Some(row as f64), (row % 5 != 0).then_some(row)))
        .collect();
    let sql = "SELECT k, COUNT(*) AS a, SUM(n) AS b, COUNT(n) AS c FROM t GROUP BY k";
    same_within(3 << 20, &rows, 7, sql, &["DenseGroups"]).await;
    // In one partition nothing is above.
    let alone = session(&rows, 8, true, 3 << 20);
    let error = alone.sql(sql).await.expect("SQL").collect().await.expect_err("too little memory");
    assert!(error.to_string().contains("Resources exhausted"), "{error}");
}

#[tokio::test]
async fn chance_is_asked_as_often_as_the_text_says() {
    let rows: Vec<Row> = (0..500).map(|row| (Some(row % 3), None, Some(row))).collect();
    let sql = "SELECT g, SUM(w) AS a, SUM(n) AS b, COUNT(w) AS c \
               FROM (SELECT k AS g, n, CASE WHEN random() < 0.5 THEN 1 END AS w FROM t) AS x GROUP BY g";
    let (groups, plan) = answer(&session(&rows, 7, true, PLENTY_BYTES), sql).await;
    assert!(plan.contains("DenseGroups"), "{plan}");
    assert!(groups.iter().all(|group| group[1] == group[3]), "{groups:?}");
}

fn row() -> impl Strategy<Value = Row> {
    let key = prop_oneof![
        8 => 0..20i64,
        1 => Just(-1),
        1 => Just(i64::MAX),
        1 => Just(i64::MIN),
        1 => Just((1 << 20) - 1),
        1 => Just(1 << 20)
    ];
    let whole = prop_oneof![-9..9i64, Just(i64::MAX), Just(i64::MIN)];
    (
        prop::option::weighted(0.9, key),
        prop::option::weighted(0.9, -3.0..3.0f64),
        prop::option::weighted(0.9, whole),
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn groups_are_the_same(
        rows in prop::collection::vec(row(), 0..200),
        size in 1..40usize,
        condition in prop::sample::select(vec![
            "TRUE",
            "k BETWEEN 0 AND 19",
            "v > 0.0",
            "k IS NOT NULL AND v < -5.0",
        ]),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            let sql = format!(
                "SELECT g, COUNT(*) AS a, COUNT(n) AS b, SUM(n) AS c, SUM(n + 1) AS d, COUNT(v) AS e \
                 FROM (SELECT k AS g, n, CAST(v AS BIGINT) AS v FROM t WHERE {condition}) AS x GROUP BY g"
            );
            same(&rows, size, &sql, &["DenseGroups"]).await;
            let sql = format!(
                "SELECT g, COUNT(*) AS a, SUM(w) AS b, COUNT(w) AS c FROM (SELECT k * 2 AS g, CASE WHEN v IS NOT NULL \
                 THEN CAST(LEAST(GREATEST(floor(v * 10.0 + 0.5), 0.0), 20.0) AS BIGINT) END AS w \
                 FROM t WHERE {condition}) AS x GROUP BY g"
            );
            same(&rows, size, &sql, &["DenseGroups", "whole("]).await;
        });
    }
}
