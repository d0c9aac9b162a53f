//! What a source of rows costs beside the engine's own SQL: printed, not judged, for builds and machines differ.

use std::time::{Duration, Instant};

use almoner_engine::Source;
use almoner_federation::Manifest;

use crate::common::{manifest_of, plan};

/// The number of rows of such a test: `ALMONER_TEST_ROWS`, for a serious measurement, or `usual`.
pub fn rows(usual: u64) -> u64 {
    std::env::var("ALMONER_TEST_ROWS").ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// People in 200 counties with an income.
pub fn people(rows: u64, rows_per_unit: u32) -> Manifest {
    let domain: Vec<String> = (0..200).map(|county| format!("\"c{county}\"")).collect();
    let table = format!(
        "name = \"people\"\nrows_per_unit = {rows_per_unit}\ncolumn = [{{ name = \"county\", type = \"text\", domain = [{}] }}, \
         {{ name = \"income\", type = \"number\", min = 0, max = 10000, resolution = 1 }}]\n",
        domain.join(", ")
    );
    manifest_of(2, "id", rows + 10, &table)
}

/// The shortest of three runs.
pub async fn best(mut run: impl AsyncFnMut()) -> Duration {
    let mut best = Duration::MAX;
    for _ in 0..3 {
        let started = Instant::now();
        run().await;
        best = best.min(started.elapsed());
    }
    best
}

/// Asks the source for counts and means by county, and prints the time beside that of `plain` SQL.
pub async fn show(what: &str, manifest: &Manifest, source: &Source, plain: Duration) {
    let plan = plan(manifest, "SELECT county, COUNT(*), AVG(income) FROM people GROUP BY county");
    let took = best(async || {
        let cells = source.cells(&plan).await.expect("an answer").values;
        assert!(cells.iter().any(|cell| *cell != 0));
    })
    .await;
    println!("  {what}: {took:?}, {:.2} x", took.as_secs_f64() / plain.as_secs_f64());
}
