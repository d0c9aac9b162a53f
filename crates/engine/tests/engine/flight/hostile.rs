//! Servers that are slow, that fall, that lie, and that change while they are asked: clear refusals, and the source goes
//! on.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use almoner_engine::{Source, SourceError};
use almoner_federation::Manifest;
use datafusion::arrow::array::{ArrayRef, Decimal128Array, Int64Array, RecordBatch, TimestampSecondArray};

use crate::common::{manifest_of, plan};
use crate::flight::opening::open;
use crate::flight::server::{Authority, Server, TOKEN, Trick, changing};

fn people() -> Manifest {
    bounded(1)
}

fn bounded(rows_per_unit: u32) -> Manifest {
    let table = format!(
        "name = \"people\"\nrows_per_unit = {rows_per_unit}\ncolumn = [{{ name = \"age\", type = \"integer\", min = 0, max = 120 }}]\n"
    );
    manifest_of(2, "id", 1_000_000, &table)
}

const UNITS: i64 = 1_000;

/// A thousand people of ages 0 to 99, as integers.
fn fill(server: &Server) {
    server.table("people", columns((0..UNITS).collect(), (0..UNITS).map(|id| id % 100).collect()));
}

fn columns(ids: Vec<i64>, ages: Vec<i64>) -> Vec<(String, ArrayRef)> {
    vec![("id".into(), Arc::new(Int64Array::from(ids))), ("age".into(), Arc::new(Int64Array::from(ages)))]
}

async fn started() -> Server {
    let server = Server::start().await;
    fill(&server);
    server
}

async fn count(source: &Source) -> Result<i64, SourceError> {
    Ok(source.cells(&plan(&people(), "SELECT COUNT(*) FROM people")).await?.values[0])
}

/// What a question fails with: outside nothing, and inside what happened.
async fn refused(source: &Source, inside: &str) {
    let error = count(source).await.expect_err(inside);
    assert_eq!(error.to_string(), "the source could not answer");
    assert!(error.local_detail().contains(inside), "{inside}: {}", error.local_detail());
}

/// Nothing is computed there any more.
async fn idle(server: &Server) {
    for attempt in 0.. {
        if server.engine.running.load(Ordering::SeqCst) == 0 {
            return;
        }
        assert!(attempt < 100, "the server computes for nobody");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_server_is_an_error_that_says_nothing_and_the_next_question_is_answered() {
    let server = started().await;
    let mut access = server.access.clone();
    access.statement_timeout = Duration::from_secs(3);
    let source = open(&access, &people()).await.expect("all right");
    for (trick, cancels) in [(Trick::Sleep(Duration::from_secs(600)), false), (Trick::Stall, true)] {
        let before = server.engine.cancelled.load(Ordering::SeqCst);
        server.does(trick);
        let started = Instant::now();
        refused(&source, "took longer than 3s").await;
        assert!(started.elapsed() < Duration::from_secs(30));
        idle(&server).await;
        // By name, too, where it had begun to answer.
        for attempt in 0.. {
            if (server.engine.cancelled.load(Ordering::SeqCst) > before) == cancels {
                break;
            }
            assert!(attempt < 100, "told to stop: {cancels}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        server.does(Trick::None);
        assert_eq!(count(&source).await.expect("fast again"), UNITS);
    }
}

/// The caller's own limit: what is dropped is stopped at the server.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_question_is_stopped() {
    let server = started().await;
    let source = server.open(&people()).await.expect("all right");
    for trick in [Trick::Sleep(Duration::from_secs(600)), Trick::Stall] {
        server.does(trick);
        tokio::time::timeout(Duration::from_secs(1), count(&source)).await.expect_err("dropped");
        idle(&server).await;
    }
    assert!(server.engine.cancelled.load(Ordering::SeqCst) <= 1, "only what has begun is cancelled by name");
    server.does(Trick::None);
    assert_eq!(count(&source).await.expect("an answer"), UNITS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_breaks_off_is_asked_again() {
    let server = started().await;
    let source = server.open(&people()).await.expect("all right");
    server.does(Trick::Break);
    refused(&source, "an executor is gone").await;
    server.does(Trick::Nowhere);
    refused(&source, "has no schema").await;
    server.does(Trick::None);
    assert_eq!(count(&source).await.expect("an answer"), UNITS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_goes_away_half_way_and_comes_back_is_asked_again() {
    let authority = Authority::new();
    let server = Server::with(&authority, "localhost", &authority, 0).await;
    fill(&server);
    let source = server.open(&people()).await.expect("all right");
    server.does(Trick::Stall);
    let port = server.port;
    let gone = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        drop(server);
    };
    let started = Instant::now();
    let ((), ()) = tokio::join!(refused(&source, "Flight SQL"), gone);
    assert!(started.elapsed() < Duration::from_secs(30), "not only by its time limit");
    refused(&source, "Flight SQL").await;
    let server = Server::with(&authority, "localhost", &authority, port).await;
    fill(&server);
    // The node's own certificate is another, of the same authority.
    assert_eq!(count(&source).await.expect("there again"), UNITS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_answer_to_the_question_is_refused() {
    let server = started().await;
    let source = server.open(&people()).await.expect("all right");
    let instead = |sql: &str| server.does(Trick::Instead(format!("SELECT * FROM (VALUES {sql}) AS t")));
    for (values, inside) in [
        ("(0, 1.5)", "where whole numbers belong"),
        ("(0, 'x')", "where whole numbers belong"),
        ("(0)", "gave 1 columns"),
        ("(0, 1, 2)", "gave 3 columns"),
        // One cell has one row, and so have the rows of none.
        ("(0, 1), (0, 1), (0, 1)", "more than 2 rows"),
        ("(7, 1), (8, 1), (9, 1)", "more than 2 rows"),
    ] {
        instead(values);
        refused(&source, inside).await;
    }
    for (values, cell) in [
        ("(0, CAST('18446744073709551621' AS DECIMAL(38, 0)))", 5),
        ("(CAST(0 AS INTEGER), CAST(7 AS SMALLINT))", 7),
        // What has no place is nothing.
        ("(1, 7)", 0),
        ("(-1, 7)", 0),
        ("(CAST(NULL AS BIGINT), 7)", 0),
        ("(0, CAST(NULL AS BIGINT))", 0),
    ] {
        instead(values);
        assert_eq!(count(&source).await.expect(values), cell, "{values}");
    }
    let units = plan(&people(), "SELECT COUNT(DISTINCT id) AS n FROM people");
    for (values, found) in [
        ("(0, 'a'), (0, 'b'), (0, 'a'), (1, 'c'), (0, NULL)", Ok(2)),
        ("(0, 1)", Err("where texts belong")),
        ("('a', 'a')", Err("where whole numbers belong")),
        ("(0)", Err("expected cell and unit")),
    ] {
        instead(values);
        match (source.bits(&units, &[9; 32]).await, found) {
            (Ok(words), Ok(count)) => {
                assert_eq!(words.values.iter().map(|word| word.count_ones()).sum::<u32>(), count, "{values}");
            }
            (Err(error), Err(inside)) => {
                assert!(error.local_detail().contains(inside), "{values}: {error:?}")
            }
            (other, _) => panic!("{values}: {other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn results_are_fetched_from_nowhere_but_known_places() {
    let authority = Authority::new();
    let server = Server::with(&authority, "localhost", &authority, 0).await;
    fill(&server);
    let other = Server::with(&authority, "localhost", &authority, 0).await;
    other.table("people", columns(vec![1, 2, 3], vec![4, 5, 6]));
    let source = server.open(&people()).await.expect("all right");
    for place in [&other.access.url, "grpc+tcp://localhost:1", "https://example.org/result", ""] {
        server.does(Trick::At(place.to_owned()));
        refused(&source, "none of which is in `locations`").await;
    }
    assert_eq!(other.engine.running.load(Ordering::SeqCst), 0);
    for place in [&server.access.url, "arrow-flight-reuse-connection://?"] {
        server.does(Trick::At(place.to_owned()));
        assert_eq!(count(&source).await.expect("here"), UNITS);
    }
    let mut access = server.access.clone();
    access.locations.push(other.access.url.clone());
    let source = open(&access, &people()).await.expect("all right");
    server.does(Trick::At(other.access.url.clone()));
    assert_eq!(count(&source).await.expect("there"), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_show_a_certificate_or_token_gets_nothing() {
    let (ours, other) = (Authority::new(), Authority::new());
    let server = Server::with(&ours, "localhost", &ours, 0).await;
    fill(&server);
    server.open(&people()).await.expect("all right");
    let elsewhere = Server::with(&ours, "engine.example", &ours, 0).await;
    let with = |change: &dyn Fn(&mut almoner_engine::FlightSqlAccess)| {
        let mut access = server.access.clone();
        change(&mut access);
        access
    };
    for (what, access) in [
        ("another authority", with(&|access| access.ca_pem = Some(other.pem()))),
        ("a server of another name", elsewhere.access.clone()),
        ("no certificate of the node", with(&|access| access.identity_pem = None)),
        ("one of another authority", with(&|access| access.identity_pem = Some(other.sign("node")))),
        ("another token", with(&|access| access.token = Some("wrong".into()))),
        ("no token", with(&|access| access.token = None)),
    ] {
        let error = open(&access, &people()).await.expect_err(what).to_string();
        assert!(error.contains("does not answer"), "{what}: {error}");
    }
    for (what, access) in [
        ("nothing says who vouches", with(&|access| access.ca_pem = None)),
        ("nothing says who vouches", with(&|access| access.ca_pem = Some(b"nonsense".to_vec()))),
        ("the way there is open", with(&|access| access.url = "grpc://db.example:1".into())),
        ("the way there is open", with(&|access| access.locations.push("grpc://10.0.0.1:1".into()))),
        ("cannot be read", with(&|access| access.url = "https://db.example:1".into())),
        ("the token of", with(&|access| access.token = Some("two words".into()))),
        ("the token of", with(&|access| access.token = Some("\n".into()))),
        ("which is no table", with(&|access| drop(access.tables.insert("pupils".into(), "SELECT 1".into())))),
    ] {
        let error = open(&access, &people()).await.expect_err(what).to_string();
        assert!(error.contains(what), "{what}: {error}");
        assert!(error.contains("; "), "says what to do: {error}");
    }
    assert!(!format!("{:?}", server.access).contains(TOKEN));
}

/// The key that chooses rows stands in every statement, and a server may quote what it cannot plan.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_log_has_the_key_of_tags() {
    let server = started().await;
    let source = server.open(&people()).await.expect("all right");
    server.does(Trick::Quote);
    let detail = count(&source).await.expect_err("quoted").local_detail();
    assert!(detail.contains("cannot plan WITH") && detail.contains("sha256(X'...'"), "{detail}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_version_tells_states_apart() {
    let server = started().await;
    let version = |number: i64| {
        let column: ArrayRef = Arc::new(Int64Array::from(vec![number]));
        server.table("versions", vec![("number".into(), column)]);
    };
    version(1);
    let question = plan(&people(), "SELECT COUNT(*), MEDIAN(age) FROM people");
    assert!(question.sources().len() > 1);
    let source = server.open(&people()).await.expect("all right");
    let taken = source.cells(&question).await.expect("an answer");
    let again = source.cells(&question).await.expect("an answer");
    assert_eq!(taken.values, again.values);
    assert_ne!(taken.snapshot, again.snapshot, "nothing says that they are the same");

    let mut access = server.access.clone();
    access.version = Some("SELECT MAX(number) AS number FROM versions".into());
    let source = open(&access, &people()).await.expect("all right");
    let taken = source.cells(&question).await.expect("an answer");
    assert_eq!(taken, source.cells(&question).await.expect("an answer"), "nothing changed");
    version(2);
    let changed = source.cells(&question).await.expect("an answer");
    assert_ne!(taken.snapshot, changed.snapshot);
    version(1);
    assert_eq!(taken, source.cells(&question).await.expect("an answer"), "as it was");
    server.does(Trick::Sleep(Duration::from_secs(2)));
    let change = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        version(3);
    };
    let (during, ()) = tokio::join!(source.cells(&question), change);
    let error = during.expect_err("it changed");
    assert_eq!(error.to_string(), "the source could not answer");
    assert!(error.local_detail().contains("the data changed"), "{}", error.local_detail());

    for wrong in [
        "SELECT number FROM versions WHERE number = 0",
        "SELECT CAST(NULL AS BIGINT) AS number",
        "SELECT number, number AS other FROM versions",
        "SELECT id FROM people",
        "SELECT 1; SELECT 2",
        "nonsense",
    ] {
        access.version = Some(wrong.into());
        let error = open(&access, &people()).await.expect_err(wrong).to_string();
        assert!(error.contains("`version` fails"), "{wrong}: {error}");
    }
}

/// A server without snapshots may show other rows each time that a statement reads a table: whatever it shows, no unit
/// counts with more rows than the bound.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_that_changes_within_a_statement_stays_bounded() {
    let server = Server::start().await;
    let rows = |scan: usize| {
        let each = if scan.is_multiple_of(2) { 1 } else { 40 };
        let ids = (0..50i64).flat_map(|id| std::iter::repeat_n(id, each)).collect();
        let ages = (0..50 * each as i64).map(|row| row % 100).collect();
        RecordBatch::try_from_iter(columns(ids, ages)).expect("one length")
    };
    changing(&server.engine.context, "people", rows(0).schema(), rows);
    for bound in [1, 3] {
        let manifest = bounded(bound);
        let source = server.open(&manifest).await.expect("all right");
        let question = plan(&manifest, "SELECT COUNT(*) FROM people");
        let mut found = Vec::new();
        for _ in 0..4 {
            found.push(source.cells(&question).await.expect("an answer").values[0]);
        }
        assert!(found.iter().all(|count| *count == 50 || *count == 50 * i64::from(bound)), "{found:?}");
        assert!(found.contains(&(50 * i64::from(bound))), "{found:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn columns_that_cannot_safely_mean_what_is_declared_are_refused_with_advice() {
    let server = Server::start().await;
    let ids = || -> ArrayRef { Arc::new(Int64Array::from(vec![1, 2])) };
    let zoned: ArrayRef = Arc::new(TimestampSecondArray::from(vec![1, 2]).with_timezone("+01:00"));
    let decimals = || -> ArrayRef { Arc::new(Decimal128Array::from(vec![1, 2])) };
    for (id, age, inside) in [
        (ids(), decimals(), "write TRY_CAST(age AS BIGINT) AS age"),
        (ids(), zoned.clone(), "write TRY_CAST(age AS BIGINT) AS age"),
        (decimals(), ids(), "write TRY_CAST(id AS VARCHAR) AS id"),
        (zoned, ids(), "write TRY_CAST(id AS VARCHAR) AS id"),
    ] {
        server.table("people", vec![("id".into(), id), ("age".into(), age)]);
        let error = server.open(&people()).await.expect_err(inside).to_string();
        assert!(error.contains(inside), "{error}");
    }
    server.table("people", vec![("id".into(), ids()), ("age".into(), decimals())]);
    for (select, inside) in [
        ("SELECT id FROM people", "gives no column age"),
        ("SELECT id, 1 AS age, 2 AS \"AGE\" FROM people", "gives column age twice"),
        ("SELECT nonsense FROM people", "the SELECT for table people fails"),
        ("SELECT id, 1 AS age FROM people; DROP TABLE people", "the SELECT for table people fails"),
        ("SELECT id, CAST('x' || CAST(id AS VARCHAR) AS BIGINT) AS age FROM people", "fails"),
        ("DROP TABLE people", "the SELECT for table people fails"),
    ] {
        let error = server.mapped(&people(), "people", select).await.expect_err(select).to_string();
        assert!(error.contains(inside), "{select}: {error}");
    }
    let advice = "SELECT id, TRY_CAST(age AS BIGINT) AS age FROM people";
    let source = server.mapped(&people(), "people", advice).await.expect("as advised");
    assert_eq!(count(&source).await.expect("an answer"), 2);
    let crowded = manifest_of(
        2,
        "id",
        1,
        "name = \"people\"\nrows_per_unit = 1\ncolumn = [{ name = \"age\", type = \"integer\", min = 0, max = 120 }]\n",
    );
    server.table("people", columns(vec![1, 2], vec![3, 4]));
    let error = server.open(&crowded).await.expect_err("more units than people").to_string();
    assert!(error.contains("holds 2 units"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_that_is_altered_under_the_node_is_refused_until_it_fits_again() {
    let server = started().await;
    let source = server.open(&people()).await.expect("all right");
    server.table("people", vec![("id".into(), Arc::new(Int64Array::from(vec![1])))]);
    refused(&source, "gives no column age").await;
    let decimals: ArrayRef = Arc::new(Decimal128Array::from(vec![1]));
    server
        .table("people", vec![("id".into(), Arc::new(Int64Array::from(vec![1]))), ("age".into(), decimals)]);
    refused(&source, "cannot be read as").await;
    // Another type with the same meaning is read by that.
    server.texts("people", b"id,age\n1,2\n1.0,3\n2,4\n");
    assert_eq!(count(&source).await.expect("it still fits"), 2);
    fill(&server);
    assert_eq!(count(&source).await.expect("as it was"), UNITS);
}
