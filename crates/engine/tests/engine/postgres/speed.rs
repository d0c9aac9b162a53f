//! How much the node's own reading and bounding cost in the database, beside plain SQL: printed, not asserted.

use crate::postgres::server::shared;
use crate::speed::{best, people, rows, show};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_million_rows() {
    let Some(server) = shared() else { return };
    let rows = rows(200_000);
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
    let raw = "SELECT county, count(*), sum(income) FROM (SELECT * FROM keyed) t GROUP BY county";
    let plain = best(async || {
        database.owner.query(raw, &[]).await.expect("an answer");
    })
    .await;
    println!("{rows} rows: plain SQL {plain:?}");
    for (what, select, most) in [
        ("a unique integer id", "SELECT * FROM keyed", 1),
        ("an integer id, one row each", "SELECT * FROM plain", 1),
        ("a text id, one row each", "SELECT * FROM worded", 1),
        ("an integer id, three rows each, all kept", "SELECT * FROM thrice", 3),
        ("an integer id, some with three rows, one kept", "SELECT * FROM few", 1),
        ("an integer id, three rows each, one kept", "SELECT * FROM thrice", 1),
    ] {
        let manifest = people(rows, most);
        let source = database.mapped(&manifest, "people", select).await.expect("all right");
        show(what, &manifest, &source, plain).await;
    }
}
