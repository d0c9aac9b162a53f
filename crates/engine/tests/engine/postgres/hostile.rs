//! Databases that are slow, that fall, and that change while they are asked: clear refusals, and the source goes on.

use std::time::{Duration, Instant};

use almoner_engine::SourceError;
use almoner_federation::Manifest;

use crate::common::{manifest_of, plan};
use crate::postgres::opening::open;
use crate::postgres::server::{Server, shared};

fn people() -> Manifest {
    let table = "name = \"people\"\nrows_per_unit = 1\ncolumn = [{ name = \"age\", type = \"integer\", min = 0, max = 120 }]\n";
    manifest_of(2, "id", 1_000_000, table)
}

const TABLE: &str = "CREATE TABLE people (id int, age int); INSERT INTO people SELECT i, i % 100 FROM generate_series(1, 1000) i;
    CREATE TABLE switch (seconds float8); INSERT INTO switch VALUES (0)";
/// Waits as long as the switch says, once for each statement.
const SLOW: &str = "SELECT id, age FROM people WHERE (SELECT pg_sleep(seconds) IS NOT NULL FROM switch)";

async fn count(source: &almoner_engine::Source) -> Result<i64, SourceError> {
    Ok(source.cells(&plan(&people(), "SELECT COUNT(*) FROM people")).await?.values[0])
}

#[tokio::test]
async fn a_timeout_is_an_error_that_says_nothing_and_the_next_question_is_answered() {
    let Some(server) = shared() else { return };
    let database = server.database("timeouts").await;
    database.run(TABLE).await;
    database.grant().await;
    let mut access = database.access();
    access.tables.insert("people".into(), SLOW.into());
    access.statement_timeout = Duration::from_millis(300);
    access.connections = 1;
    let source = open(&access, &people()).await.expect("the switch is off");
    assert_eq!(count(&source).await.expect("fast"), 1_000);
    database.run("UPDATE switch SET seconds = 30").await;
    let started = Instant::now();
    let error = count(&source).await.expect_err("too slow");
    assert_eq!(error.to_string(), "the source could not answer");
    assert!(error.local_detail().contains("57014"), "{}", error.local_detail());
    assert!(started.elapsed() < Duration::from_secs(20));
    database.run("UPDATE switch SET seconds = 0").await;
    assert_eq!(count(&source).await.expect("fast again"), 1_000);
}

/// The caller's own limit: what is dropped is cancelled in the database, and its place in the pool is free again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_question_is_cancelled() {
    let Some(server) = shared() else { return };
    let database = server.database("drops").await;
    database.run(TABLE).await;
    database.grant().await;
    let mut access = database.access();
    access.tables.insert("people".into(), SLOW.into());
    access.connections = 1;
    let source = open(&access, &people()).await.expect("the switch is off");
    database.run("UPDATE switch SET seconds = 600").await;
    for _ in 0..3 {
        tokio::time::timeout(Duration::from_millis(400), count(&source)).await.expect_err("dropped");
    }
    database.run("UPDATE switch SET seconds = 0").await;
    let answer = tokio::time::timeout(Duration::from_secs(30), count(&source)).await;
    assert_eq!(answer.expect("the place is free").expect("an answer"), 1_000);
    let running = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'almoner_node' AND datname = 'drops' AND state = 'active'";
    for attempt in 0.. {
        if database.owner.query_one(running, &[]).await.expect("a number").get::<_, i64>(0) == 0 {
            break;
        }
        assert!(attempt < 100, "the database computes for nobody");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_connections_leave_the_pool() {
    let Some(server) = shared() else { return };
    let database = server.database("kills").await;
    database.run(TABLE).await;
    database.grant().await;
    let mut access = database.access();
    access.tables.insert("people".into(), SLOW.into());
    access.connections = 2;
    let source = open(&access, &people()).await.expect("the switch is off");
    let kill = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = 'almoner_node' AND datname = 'kills'";
    // While idle.
    assert_eq!(count(&source).await.expect("an answer"), 1_000);
    assert!(database.owner.query_one(kill, &[]).await.expect("kills").get::<_, i64>(0) > 0);
    assert_eq!(count(&source).await.expect("a new connection"), 1_000);
    // Half way.
    database.run("UPDATE switch SET seconds = 600").await;
    let killer = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        database.owner.query_one(kill, &[]).await.expect("kills");
    };
    let (error, ()) = tokio::join!(count(&source), killer);
    let error = error.expect_err("killed");
    assert_eq!(error.remote_text(), "the source could not answer");
    database.run("UPDATE switch SET seconds = 0").await;
    assert_eq!(count(&source).await.expect("a new connection"), 1_000);
}

#[tokio::test]
async fn a_server_that_restarts_is_asked_again() {
    let Some(server) = Server::start("") else { return };
    let database = server.database("restarts").await;
    database.run(TABLE).await;
    database.grant().await;
    database.run("CHECKPOINT").await;
    let source = database.open(&people()).await.expect("all right");
    assert_eq!(count(&source).await.expect("an answer"), 1_000);
    server.down();
    let error = count(&source).await.expect_err("nobody there");
    assert_eq!(error.to_string(), "the source could not answer");
    server.up();
    assert_eq!(count(&source).await.expect("there again"), 1_000);
}

#[tokio::test]
async fn a_table_that_is_altered_under_the_node_is_refused_until_it_fits_again() {
    let Some(server) = shared() else { return };
    let database = server.database("alters").await;
    database.run(TABLE).await;
    database.grant().await;
    let source = database.open(&people()).await.expect("all right");
    for (change, back) in [
        ("ALTER TABLE people RENAME age TO years", "ALTER TABLE people RENAME years TO age"),
        ("ALTER TABLE people RENAME TO persons", "ALTER TABLE persons RENAME TO people"),
        (
            "ALTER TABLE people ALTER age TYPE date USING DATE '2000-01-01' + age",
            "ALTER TABLE people ALTER age TYPE int USING age - DATE '2000-01-01'",
        ),
        ("REVOKE SELECT ON people FROM almoner_node", "GRANT SELECT ON people TO almoner_node"),
    ] {
        database.run(change).await;
        let error = count(&source).await.expect_err(change);
        assert_eq!(error.to_string(), "the source could not answer", "{change}");
        assert!(error.local_detail().len() > 40, "the log says more: {}", error.local_detail());
        database.run(back).await;
        assert_eq!(count(&source).await.expect(back), 1_000);
    }
    // Another type with the same meaning is read by that.
    database.run("ALTER TABLE people ALTER id TYPE text, ALTER age TYPE numeric(9, 2)").await;
    assert_eq!(count(&source).await.expect("it still fits"), 1_000);
}

/// A plan of several statements sees one state of the data, whatever commits between them; and the name of that state
/// changes with them, and only with them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_statements_of_a_plan_see_one_snapshot() {
    let Some(server) = Server::start("autovacuum = off") else { return };
    let database = server.database("changes").await;
    database.run(TABLE).await;
    database.grant().await;
    let manifest = people();
    let mut access = database.access();
    access.tables.insert("people".into(), SLOW.into());
    let source = open(&access, &manifest).await.expect("all right");
    // A sum and a histogram: two statements, each of which waits.
    let several = plan(&manifest, "SELECT COUNT(*), MEDIAN(age) FROM people");
    assert!(several.sources().len() > 1);
    let one = source.cells(&several).await.expect("an answer");
    assert_eq!(one, source.cells(&several).await.expect("an answer"), "nothing changed");
    database.run("UPDATE switch SET seconds = 1").await;
    let slow = source.cells(&several).await.expect("an answer");
    assert_eq!(slow.values, one.values);
    assert_ne!(slow.snapshot, one.snapshot, "the switch is data, too");
    let change = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        database.run("DELETE FROM people WHERE id > 100; UPDATE people SET age = 1").await;
    };
    let (during, ()) = tokio::join!(source.cells(&several), change);
    assert_eq!(during.expect("an answer"), slow, "begun before the change");
    database.run("UPDATE switch SET seconds = 0").await;
    let after = source.cells(&several).await.expect("an answer");
    assert_ne!((after.values[0], after.snapshot), (1_000, slow.snapshot));
    assert_eq!(after.values[0], 100);

    // Other keys and other mappings give other names to the same state.
    let again = open(&access, &manifest).await.expect("all right");
    assert_eq!(again.cells(&several).await.expect("an answer").snapshot, after.snapshot);
    access.tables.insert("people".into(), format!("{SLOW} AND TRUE"));
    let other = open(&access, &manifest).await.expect("all right");
    assert_ne!(other.cells(&several).await.expect("an answer").snapshot, after.snapshot);
}

/// More questions than connections: all are answered, and the database never sees more than the bound.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pool_is_bounded() {
    let Some(server) = shared() else { return };
    let database = server.database("pools").await;
    database.run(TABLE).await;
    database.grant().await;
    let mut access = database.access();
    access.tables.insert("people".into(), SLOW.into());
    access.connections = 3;
    let source = open(&access, &people()).await.expect("the switch is off");
    database.run("UPDATE switch SET seconds = 0.1").await;
    let source = std::sync::Arc::new(source);
    let questions: Vec<_> = (0..20)
        .map(|_| {
            let source = source.clone();
            tokio::spawn(async move { count(&source).await })
        })
        .collect();
    let mut most = 0;
    let open = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'almoner_node' AND datname = 'pools'";
    for _ in 0..10 {
        most = most.max(database.owner.query_one(open, &[]).await.expect("a number").get::<_, i64>(0));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for question in questions {
        assert_eq!(question.await.expect("no panic").expect("an answer"), 1_000);
    }
    assert!((1..=3).contains(&most), "{most} connections");
    for connections in [0, 65] {
        let mut access = access.clone();
        access.connections = connections;
        let error =
            crate::postgres::opening::open(&access, &people()).await.expect_err("out of bounds").to_string();
        assert!(error.contains("write 1 to 64"), "{error}");
    }
}
