//! How much the node's own reading and bounding cost in the database, beside plain SQL: printed, not asserted.

use std::time::{Duration, Instant};

use crate::common::{manifest_of, plan};
use crate::postgres::server::shared;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_million_rows() {
    let Some(server) = shared() else { return };
    // `ALMONER_TEST_ROWS=10000000` for a serious measurement.
    let rows: u64 =
        std::env::var("ALMONER_TEST_ROWS").ok().and_then(|text| text.parse().ok()).unwrap_or(200_000);
    let domain: Vec<String> = (0..200).map(|county| format!("\"c{county}\"")).collect();
    let table = |most: u32| {
        format!(
            "name = \"people\"\nrows_per_unit = {most}\ncolumn = [{{ name = \"county\", type = \"text\", domain = [{}] }}, \
             {{ name = \"income\", type = \"number\", min = 0, max = 10000, resolution = 1 }}]\n",
            domain.join(", ")
        )
    };
    let database = server.database("speed").await;
    database
        .run(&format!(
            "CREATE TABLE keyed AS SELECT i AS id, 'c' || (i % 200) AS county, CAST(i % 9973 AS float8) AS income
               FROM generate_series(1, {rows}) i;
             ALTER TABLE keyed ADD PRIMARY KEY (id);
             CREATE TABLE plain AS SELECT * FROM keyed;
             CREATE TABLE worded AS SELECT CAST(id AS text) AS id, county, income FROM keyed;
             CREATE TABLE thrice AS SELECT id / 3 AS id, county, income FROM keyed;
             CREATE TABLE few AS SELECT CASE WHEN id % 1000 < 3 THEN 7 + id / 1000 ELSE id END AS id, county, income FROM keyed"
        ))
        .await;
    database.grant().await;
    database.run("VACUUM ANALYZE").await;
    let sql = "SELECT county, COUNT(*), AVG(income) FROM people GROUP BY county";
    let raw = "SELECT county, count(*), sum(income) FROM (SELECT * FROM keyed) t GROUP BY county";
    let best = |times: [Duration; 3]| times.into_iter().min().expect("three");
    let mut times = [Duration::ZERO; 3];
    for time in &mut times {
        let started = Instant::now();
        database.owner.query(raw, &[]).await.expect("an answer");
        *time = started.elapsed();
    }
    let plain = best(times);
    println!("{rows} rows: plain SQL {plain:?}");
    for (what, select, most) in [
        ("a unique integer id", "SELECT * FROM keyed", 1),
        ("an integer id, one row each", "SELECT * FROM plain", 1),
        ("a text id, one row each", "SELECT * FROM worded", 1),
        ("an integer id, three rows each, all kept", "SELECT * FROM thrice", 3),
        ("an integer id, some with three rows, one kept", "SELECT * FROM few", 1),
        ("an integer id, three rows each, one kept", "SELECT * FROM thrice", 1),
    ] {
        let manifest = manifest_of(2, "id", rows + 10, &table(most));
        let source = database.mapped(&manifest, "people", select).await.expect("all right");
        let plan = plan(&manifest, sql);
        let mut times = [Duration::ZERO; 3];
        for time in &mut times {
            let started = Instant::now();
            let cells = source.cells(&plan).await.expect("an answer").values;
            *time = started.elapsed();
            assert!(cells.iter().any(|cell| *cell != 0));
        }
        let took = best(times);
        println!("  {what}: {took:?}, {:.2} x", took.as_secs_f64() / plain.as_secs_f64());
    }
}
