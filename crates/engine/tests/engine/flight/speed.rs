//! What the way over Flight SQL costs beside the engine's own SQL. Printed, not judged: builds and machines differ.

use std::sync::Arc;
use std::time::{Duration, Instant};

use datafusion::arrow::array::{ArrayRef, Float64Array, Int64Array, StringArray};

use crate::common::{manifest_of, plan};
use crate::flight::server::Server;

fn best(times: [Duration; 3]) -> Duration {
    times.into_iter().min().expect("three")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_beside_the_engines_own_sql() {
    // `ALMONER_TEST_ROWS=1000000` for a serious measurement.
    let rows: i64 =
        std::env::var("ALMONER_TEST_ROWS").ok().and_then(|text| text.parse().ok()).unwrap_or(20_000);
    let server = Server::start().await;
    let counties: ArrayRef =
        Arc::new((0..rows).map(|row| Some(format!("c{}", row % 200))).collect::<StringArray>());
    let incomes: ArrayRef = Arc::new((0..rows).map(|row| (row % 9_973) as f64).collect::<Float64Array>());
    for (name, each) in [("once", 1), ("thrice", 3)] {
        let ids: ArrayRef = Arc::new((0..rows).map(|row| row / each).collect::<Int64Array>());
        let columns = vec![("id", ids), ("county", counties.clone()), ("income", incomes.clone())];
        server.table(name, columns.into_iter().map(|(name, column)| (name.to_owned(), column)).collect());
    }
    let mut times = [Duration::ZERO; 3];
    for time in &mut times {
        let started = Instant::now();
        let raw = server.engine.context.sql("SELECT county, COUNT(*), SUM(income) FROM once GROUP BY county");
        raw.await.expect("a plan").collect().await.expect("an answer");
        *time = started.elapsed();
    }
    let plain = best(times);
    println!("{rows} rows: plain SQL {plain:?}");
    let domain: Vec<String> = (0..200).map(|county| format!("\"c{county}\"")).collect();
    for (what, table, most) in [
        ("one row each", "once", 1),
        ("three rows each, all kept", "thrice", 3),
        ("three rows each, one kept", "thrice", 1),
    ] {
        let declared = format!(
            "name = \"people\"\nrows_per_unit = {most}\ncolumn = [{{ name = \"county\", type = \"text\", domain = [{}] }}, \
             {{ name = \"income\", type = \"number\", min = 0, max = 10000, resolution = 1 }}]\n",
            domain.join(", ")
        );
        let manifest = manifest_of(2, "id", rows.unsigned_abs() + 10, &declared);
        let source = server.mapped(&manifest, "people", &format!("SELECT * FROM {table}")).await;
        let source = source.expect("all right");
        let plan = plan(&manifest, "SELECT county, COUNT(*), AVG(income) FROM people GROUP BY county");
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
