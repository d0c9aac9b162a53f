//! Served nodes over a PostgreSQL that is too slow, falls, fills its disk or changes under a question: the planner reads
//! the same clear refusal whatever happened, nothing is charged, the data officer reads what to do, and the node answers
//! the next question when the trouble is over.

#[path = "support/postgres.rs"]
mod postgres;
mod support;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use almoner_api::v1;
use almoner_engine::PostgresAccess;
use almoner_ledger::{Entry, LedgerReader, Step};
use postgres::{Database, Server};
use support::{ALMONER, Federation, Setup, complaint, run};
use tokio::time::sleep;

const QUESTION: &str = "SELECT COUNT(*) AS people, SUM(income) AS total FROM people";
const AGENCIES: [&str; 3] = ["north", "middle", "south"];
/// How long a reservation lasts.
const EXPIRES: Duration = Duration::from_secs(5);

/// A thousand people of the agency in the middle, and how long each statement about them shall wait.
const TABLE: &str = "CREATE TABLE people (person_id int PRIMARY KEY, area text, income float8);
    INSERT INTO people SELECT i, 'hill', 500 FROM generate_series(1000, 1999) i;
    CREATE TABLE switch (seconds float8); INSERT INTO switch VALUES (0)";
const SLOW: &str = "SELECT * FROM people WHERE (SELECT pg_sleep(seconds) IS NOT NULL FROM switch)";
/// Those thousand, and the people of north and south: four, of 1,200 in all.
const ALL: (f64, f64) = (1_004.0, 501_200.0);

async fn thousand<'s>(server: &'s Server, name: &str) -> Database<'s> {
    let database = server.database(name).await;
    database.run(TABLE).await;
    database.grant().await;
    database
}

fn slow(mut access: PostgresAccess) -> PostgresAccess {
    access.tables.insert("people".into(), SLOW.into());
    access
}

fn setup() -> Setup {
    let mut setup = Setup::small();
    setup.constitution = setup.constitution.replace("population = 1000", "population = 20000000");
    setup.node_limits = format!("[limits]\nready_expires_after_s = {}\n", EXPIRES.as_secs());
    setup
}

/// A federation whose agency in the middle has its tables there.
fn served(setup: &Setup, access: &PostgresAccess) -> Arc<Federation> {
    let mut federation = Federation::make(setup);
    federation.place_in_postgres("middle", access);
    federation.serve();
    Arc::new(federation)
}

/// Asks, away from the async threads.
async fn ask(federation: &Arc<Federation>, sql: &'static str) -> Output {
    let federation = federation.clone();
    let asking = tokio::task::spawn_blocking(move || {
        federation.as_planner("ministry", &["query", sql, "--rho", "50", "--fresh", "--format", "json"])
    });
    asking.await.expect("no panic")
}

/// What everybody is charged, agency by agency.
async fn charged(federation: &Federation) -> [u64; 3] {
    let mut all = [0; 3];
    for (charged, agency) in all.iter_mut().zip(AGENCIES) {
        let request = v1::AccountRequest { planner: "ministry".into() };
        let account =
            federation.node_client("coordinator", agency).account(request).await.expect("it answers");
        *charged = account.into_inner().total_charged;
    }
    all
}

/// What happened to each attempt, in the order of the ledger.
fn steps(federation: &Federation, agency: &str) -> Vec<&'static str> {
    let reader =
        LedgerReader::open(&federation.path(&format!("state/{agency}/ledger.sqlite"))).expect("a ledger");
    let entries = reader.entries(0, 10_000).expect("entries");
    let steps = entries.iter().filter_map(|entry| match Entry::decode(entry).expect("an entry") {
        Entry::Round(round) => Some(match round.step {
            Step::Reserve { .. } => "RESERVE",
            Step::Charge { .. } => "CHARGE",
            Step::Expire => "EXPIRE",
            Step::Abort => "ABORT",
        }),
        _ => None,
    });
    steps.collect()
}

/// States of the data that the ledger names.
fn loads(federation: &Federation, agency: &str) -> usize {
    let reader =
        LedgerReader::open(&federation.path(&format!("state/{agency}/ledger.sqlite"))).expect("a ledger");
    let entries = reader.entries(0, 10_000).expect("entries");
    entries.iter().filter(|entry| matches!(Entry::decode(entry), Ok(Entry::Load(_)))).count()
}

/// All that a planner learns, whatever happened in the database.
const TOLD: &str = "\
node 2: refused: the data source could not answer; the agency's data officer finds the reason in the node's log
source (middle): the data source could not answer; the agency's data officer finds the reason in the node's log
error: refused (source): the data source could not answer; the agency's data officer finds the reason in the node's log
";

/// The question was refused in these words, nobody was charged, and the officer's log has `reasons`, the last ones new.
async fn is_refused(federation: &Federation, output: &Output, reasons: &[&str]) {
    assert_eq!(complaint(output), TOLD);
    assert_eq!(output.stdout, b"", "nothing but the refusal");
    assert_eq!(charged(federation).await, [0; 3]);
    let log = federation.log("middle");
    let last =
        log.lines().rfind(|line| line.contains("the source")).unwrap_or_else(|| panic!("nothing in {log}"));
    println!("{last}");
    for reason in reasons {
        assert!(last.contains(reason), "no {reason:?} in {last}");
    }
    assert!(!last.contains("password"), "{last}");
}

/// Six standard errors: a right answer fails one of both checks with probability below 4e-9.
fn is_answered(output: &Output, (people, total): (f64, f64)) {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(answer["participants"], serde_json::json!([1, 2, 3]));
    for (name, exact, most) in [("people", people, 2.0), ("total", total, 2_000.0)] {
        let read = |part: &str| answer["rows"][0][name][part].as_f64().expect("a number");
        assert!(read("standard_error") <= most, "{answer:#}");
        let off = (read("value") - exact).abs();
        assert!(off <= 6.0 * read("standard_error"), "{name} is not {exact}: {answer:#}");
    }
}

/// The trouble is over: the next question is answered and charged once, and all that `refused` questions had reserved is
/// free again.
async fn goes_on(federation: &Arc<Federation>, refused: usize, exact: (f64, f64)) {
    sleep(EXPIRES + Duration::from_secs(1)).await;
    is_answered(&ask(federation, QUESTION).await, exact);
    let price = charged(federation).await;
    assert!(price[0] > 0 && price == [price[0]; 3], "{price:?}");
    for agency in AGENCIES {
        let steps = steps(federation, agency);
        let count = |step: &str| steps.iter().filter(|one| **one == step).count();
        // Who could not answer reserved nothing.
        let reserved = if agency == "middle" { 0 } else { refused };
        assert_eq!(
            (count("RESERVE"), count("EXPIRE"), count("CHARGE"), count("ABORT")),
            (reserved + 1, reserved, 1, 0),
            "{agency}: {steps:?}"
        );
        let ledger = federation.path(&format!("state/{agency}/ledger.sqlite")).display().to_string();
        let text = String::from_utf8(run(&["ledger", "verify", &ledger]).stdout).expect("UTF-8");
        assert!(text.contains(": sound;") && !text.contains("charged 0 of"), "{text}");
    }
    let budget = String::from_utf8(federation.as_planner("ministry", &["budget"]).stdout).expect("UTF-8");
    assert!(!budget.contains("does not answer"), "{budget}");
}

/// `ALMONER_TEST_ROWS=10000000` for a serious trial.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_that_takes_too_long_is_stopped_and_answered_when_it_may() {
    let Some(server) = postgres::shared() else { return };
    let rows: u64 =
        std::env::var("ALMONER_TEST_ROWS").ok().and_then(|text| text.parse().ok()).unwrap_or(2_000_000);
    let database = server.database("slow").await;
    // Ids as text and without an index, so that every question looks for those with two rows.
    let table = format!(
        "CREATE TABLE people AS SELECT 'person-' || i AS person_id, CASE i % 3 WHEN 0 THEN 'hill' ELSE 'plain' END AS area,
           CAST(i % 1000 AS float8) AS income FROM generate_series(1, {rows}) i"
    );
    database.run(&table).await;
    database.grant().await;
    let mut setup = setup();
    setup.node_limits += "query_timeout_s = 1\n";
    setup.coordinator_limits = "[limits]\nprepare_timeout_s = 3000\n".into();
    let mut federation = Federation::make(&setup);
    federation.patience = Duration::from_secs(1_800);
    federation.place_in_postgres("middle", &database.access());
    let started = Instant::now();
    federation.serve();
    println!("{rows} rows: examined and served after {:.1?}", started.elapsed());
    let mut federation = Arc::new(federation);

    let asked = Instant::now();
    let output = ask(&federation, QUESTION).await;
    println!("refused after {:.1?}", asked.elapsed());
    assert!(asked.elapsed() < Duration::from_secs(20), "{:?}", asked.elapsed());
    // The database's own limit, or the node's over all statements: whichever is first.
    is_refused(&federation, &output, &["query_timeout_s in [limits]", "raise"]).await;
    database.wait_until_asked(false).await;

    // The officer gives it more time.
    let owned = Arc::get_mut(&mut federation).expect("nobody else asks");
    for agency in AGENCIES {
        owned.rewrite(agency, |text| {
            text.replace("query_timeout_s = 1\n", "query_timeout_s = 2000\n")
                .replace("ready_expires_after_s = 5\n", "ready_expires_after_s = 4000\n")
        });
        owned.restart_node(agency);
    }
    owned.wait_until_confirmed();
    let sum = |rows: u64| (rows / 1_000 * 499_500 + (rows % 1_000) * (rows % 1_000 + 1) / 2) as f64;
    let asked = Instant::now();
    goes_on(&federation, 1, (4.0 + rows as f64, 1_200.0 + sum(rows))).await;
    println!("answered after {:.1?}", asked.elapsed() - EXPIRES - Duration::from_secs(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backend_that_is_terminated_under_a_question_costs_nothing() {
    let Some(server) = postgres::shared() else { return };
    let database = thousand(server, "terminated").await;
    let federation = served(&setup(), &slow(database.access()));
    database.run("UPDATE switch SET seconds = 600").await;
    let kill = async {
        database.wait_until_asked(true).await;
        assert!(database.terminate().await > 0);
    };
    let (output, ()) = tokio::join!(ask(&federation, QUESTION), kill);
    is_refused(&federation, &output, &["57P01", "connects anew"]).await;
    database.run("UPDATE switch SET seconds = 0").await;
    goes_on(&federation, 1, ALL).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stops_under_a_question_is_asked_again_when_it_is_back() {
    let Some(server) = Server::start("") else { return };
    let mut database = thousand(&server, "stopped").await;
    let federation = served(&setup(), &slow(database.access()));
    database.run("UPDATE switch SET seconds = 600").await;
    let stop = async {
        database.wait_until_asked(true).await;
        server.down();
    };
    let (output, ()) = tokio::join!(ask(&federation, QUESTION), stop);
    is_refused(&federation, &output, &["whether the server runs"]).await;
    // While nobody is there.
    is_refused(&federation, &ask(&federation, QUESTION).await, &["refused", "whether the server runs"]).await;
    let config = federation.path("middle.toml").display().to_string();
    let checked =
        Command::new(ALMONER).args(["node", "check", "--config", &config]).output().expect("it runs");
    let text = complaint(&checked);
    assert!(checked.status.code() == Some(1) && text.contains("cannot be reached"), "{text}");

    server.up();
    database.reconnect().await;
    database.run("UPDATE switch SET seconds = 0").await;
    goes_on(&federation, 2, ALL).await;
}

/// A small disk of its own, which is gone when this is dropped or the process ends.
struct Disk {
    path: PathBuf,
    keeper: Child,
}

impl Disk {
    const BYTES: usize = 48 << 20;

    /// `None` where nothing may be mounted.
    fn mount(path: &Path) -> Option<Disk> {
        let size = format!("size={}", Disk::BYTES);
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "none"]).arg(path).output();
        if !mount.is_ok_and(|output| output.status.success()) {
            return None;
        }
        let mut keeper = Command::new("sh");
        keeper.args(["-c", "read _; umount -l \"$0\""]).arg(path).stdin(Stdio::piped());
        Some(Disk { path: path.to_owned(), keeper: keeper.spawn().expect("a shell") })
    }

    /// Leaves a megabyte.
    fn fill(&self) {
        std::fs::write(self.path.join("filler"), vec![1; Disk::BYTES - (1 << 20)]).expect("it fits");
    }

    fn free(&self) {
        std::fs::remove_file(self.path.join("filler")).expect("it was there");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_fills_under_a_question_is_told_to_the_officer_and_to_nobody_else() {
    let Some(server) = Server::start("") else { return };
    let database = server.database("disks").await;
    // 200,000 people, who are sorted to find those with two rows.
    database
        .run("CREATE TABLE people AS SELECT 'person-' || i AS person_id, CAST('hill' AS text) AS area, CAST(i % 1000 AS float8) AS income
                FROM generate_series(1, 200000) i")
        .await;
    database.grant().await;
    let folder = server.folder("small");
    let disk = Disk::mount(&folder);
    let reason = match &disk {
        Some(_) => {
            server.give(&folder);
            database.run(&format!("CREATE TABLESPACE small LOCATION '{}'", folder.display())).await;
            let settings = "GRANT CREATE ON TABLESPACE small TO almoner_node;
                ALTER ROLE almoner_node IN DATABASE disks SET temp_tablespaces = 'small'";
            database.run(settings).await;
            ["53100", "No space left on device", "temp_tablespaces", "unique index"]
        }
        None => {
            eprintln!(
                "WEAKER: nothing may be mounted here, so that a limit stands for the full disk; run as root"
            );
            ["53400", "temp_file_limit", "raise it", "unique index"]
        }
    };
    database.run("ALTER ROLE almoner_node IN DATABASE disks SET work_mem = '64kB'").await;
    let federation = served(&setup(), &database.access());
    let exact = (200_004.0, 200.0 * 499_500.0 + 1_200.0);

    // Old connections keep the setting that they began with.
    let full = async |full: bool| {
        match &disk {
            Some(disk) if full => disk.fill(),
            Some(disk) => disk.free(),
            None if full => {
                database.run("ALTER ROLE almoner_node IN DATABASE disks SET temp_file_limit = '1MB'").await
            }
            None => database.run("ALTER ROLE almoner_node IN DATABASE disks RESET temp_file_limit").await,
        }
        database.terminate().await;
    };
    full(true).await;
    for _ in 0..3 {
        is_refused(&federation, &ask(&federation, QUESTION).await, &reason).await;
    }
    // The officer who looks is told the same, and that no node would start so.
    let config = federation.path("middle.toml").display().to_string();
    let checked =
        Command::new(ALMONER).args(["node", "check", "--config", &config]).output().expect("it runs");
    let text = complaint(&checked);
    println!("{text}");
    assert_eq!(checked.status.code(), Some(1), "{text}");
    assert!(reason.iter().all(|reason| text.contains(reason)), "{text}");

    full(false).await;
    goes_on(&federation, 3, exact).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_sees_one_state_of_a_table_that_changes_under_it() {
    let Some(server) = postgres::shared() else { return };
    let database = thousand(server, "changed").await;
    let federation = served(&setup(), &slow(database.access()));
    database.run("UPDATE switch SET seconds = 1").await;
    // Two statements: a count with a sum, and a histogram.
    const SEVERAL: &str =
        "SELECT COUNT(*) AS people, SUM(income) AS total, MEDIAN(income) AS middle FROM people";
    let change = async {
        database.wait_until_asked(true).await;
        let before = "DELETE FROM people WHERE person_id < 1500; UPDATE people SET income = 900; UPDATE switch SET seconds = 0";
        database.run(before).await;
    };
    let started = Instant::now();
    let (output, ()) = tokio::join!(ask(&federation, SEVERAL), change);
    assert!(
        started.elapsed() > Duration::from_secs(2),
        "each statement still waited: {:?}",
        started.elapsed()
    );
    is_answered(&output, ALL);
    let median = |output: &Output| {
        let answer: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        answer["rows"][0]["middle"]["value"].as_f64().expect("a value")
    };
    // All but four have it, so that no noise moves it far.
    assert!((median(&output) - 500.0).abs() < 20.0, "{}", median(&output));
    assert_eq!(loads(&federation, "middle"), 1);
    let output = ask(&federation, SEVERAL).await;
    is_answered(&output, (504.0, 500.0 * 900.0 + 1_200.0));
    assert!((median(&output) - 900.0).abs() < 20.0, "{}", median(&output));
    assert_eq!([loads(&federation, "north"), loads(&federation, "middle")], [1, 2]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_the_quorum_allows_it_the_others_answer_and_pay_alone() {
    let Some(server) = postgres::shared() else { return };
    let database = thousand(server, "revoked").await;
    let mut setup = setup();
    setup.constitution =
        setup.constitution.replace("quorum = 3\ncolluders = 1", "quorum = 2\ncolluders = 0\nwitnesses = 1");
    let federation = served(&setup, &database.access());
    database.run("REVOKE SELECT ON people FROM almoner_node").await;
    let output = ask(&federation, QUESTION).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(answer["absent"], serde_json::json!(["middle"]));
    let log = federation.log("middle");
    assert!(log.contains("permission denied for table people") && log.contains("GRANT SELECT"), "{log}");
    let [north, middle, south] = charged(&federation).await;
    assert!(north > 0 && north == south && middle == 0, "{north} {middle} {south}");
    assert_eq!(steps(&federation, "middle"), Vec::<&str>::new());
    database.run("GRANT SELECT ON people TO almoner_node").await;
    is_answered(&ask(&federation, QUESTION).await, ALL);
    assert_eq!(charged(&federation).await, [2 * north, north, 2 * north]);
}
