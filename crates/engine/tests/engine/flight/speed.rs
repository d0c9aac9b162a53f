//! What the way over Flight SQL costs beside the engine's own SQL. Printed, not judged: builds and machines differ.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Float64Array, Int64Array, StringArray};

use crate::flight::server::Server;
use crate::speed::{best, people, rows, show};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_beside_the_engines_own_sql() {
    let rows = rows(20_000).cast_signed();
    let server = Server::start().await;
    let counties: ArrayRef =
        Arc::new((0..rows).map(|row| Some(format!("c{}", row % 200))).collect::<StringArray>());
    let incomes: ArrayRef = Arc::new((0..rows).map(|row| (row % 9_973) as f64).collect::<Float64Array>());
    for (name, each) in [("once", 1), ("thrice", 3)] {
        let ids: ArrayRef = Arc::new((0..rows).map(|row| row / each).collect::<Int64Array>());
        let columns = vec![("id", ids), ("county", counties.clone()), ("income", incomes.clone())];
        server.table(name, columns.into_iter().map(|(name, column)| (name.to_owned(), column)).collect());
    }
    let plain = best(async || {
        let raw = server.engine.context.sql("SELECT county, COUNT(*), SUM(income) FROM once GROUP BY county");
        raw.await.expect("a plan").collect().await.expect("an answer");
    })
    .await;
    println!("{rows} rows: plain SQL {plain:?}");
    for (what, table, most) in [
        ("one row each", "once", 1),
        ("three rows each, all kept", "thrice", 3),
        ("three rows each, one kept", "thrice", 1),
    ] {
        let manifest = people(rows.unsigned_abs(), most);
        let source = server.mapped(&manifest, "people", &format!("SELECT * FROM {table}")).await;
        show(what, &manifest, &source.expect("all right"), plain).await;
    }
}
