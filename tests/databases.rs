//! Agencies whose tables are in files, in PostgreSQL and in an engine that speaks Flight SQL, in one federation: the same
//! answers, receipts and ledgers as where all are files, and checks before they serve.

#[path = "support/flight.rs"]
mod flight;
#[path = "support/postgres.rs"]
mod postgres;
mod support;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::process::{Command, Output};
use std::sync::atomic::Ordering;
use std::time::Duration;

use almoner_api::v1;
use almoner_audit::verify_evidence;
use almoner_federation::Digest;
use almoner_ledger::{Entry, LedgerReader};
use almoner_secure_sum::{Message, Ready};
use support::client::evidence;
use support::{ALMONER, AgencySetup, Federation, SKETCH_KEY, Setup, complaint, run};

/// Files, PostgreSQL, Flight SQL, and PostgreSQL under other names.
const AGENCIES: [&str; 4] = ["clinic", "registry", "engine", "archive"];
const PEOPLE: u32 = 1_200;

/// Whom an agency knows: every tenth person all of them, everybody else one.
fn held(agency: u32) -> impl Iterator<Item = u32> {
    (0..PEOPLE).filter(move |person| person % 10 == 0 || person % 4 == agency)
}

fn county(person: u32) -> &'static str {
    if person.is_multiple_of(3) { "hill" } else { "plain" }
}

/// Unknown of every eleventh.
fn income(person: u32) -> Option<u32> {
    (!person.is_multiple_of(11)).then_some(person * 37 % 1_000)
}

fn born(person: u32) -> String {
    format!("{}-{:02}-17", 1950 + person % 60, 1 + person % 12)
}

/// What each of a person's benefits amounts to: nothing, one, or three, of which two count.
fn amounts(person: u32) -> impl Iterator<Item = u32> {
    let many = [1, 0, 3, 0][(person % 4) as usize];
    (0..many).map(move |row| (person * 7 + row * 31) % 200)
}

/// An agency's two tables, as CSV under the manifest's names.
fn tables(agency: u32) -> [String; 2] {
    let mut people = "person_id,county,income,poor,born\n".to_owned();
    let mut benefits = "person_id,amount\n".to_owned();
    for person in held(agency) {
        let known = income(person).map(|income| income.to_string()).unwrap_or_default();
        let (county, poor, born) = (county(person), person % 5 == 0, born(person));
        writeln!(people, "{person},{county},{known},{poor},{born}").expect("writing to a string");
        for amount in amounts(person) {
            writeln!(benefits, "{person},{amount}").expect("writing to a string");
        }
    }
    [people, benefits]
}

fn setup() -> Setup {
    let agencies = AGENCIES.iter().zip(0..).map(|(name, number)| {
        let [people, benefits] = tables(number);
        AgencySetup {
            name: (*name).into(),
            sector: None,
            files: vec![("people.csv".into(), people), ("benefits.csv".into(), benefits)],
        }
    });
    Setup {
        constitution: format!(
            "[unit]\nkind = \"person\"\ncolumn = \"person_id\"\npopulation = 5000\n{SKETCH_KEY}\n\
             [policy]\ndelta = 1e-9\ntotal_rho = 1000\nquorum = 4\ncolluders = 1\nmin_honest = 2\n"
        ),
        tables: "[[table]]\nname = \"people\"\nrows_per_unit = 1\n\
                 [[table.column]]\nname = \"county\"\ntype = \"text\"\ndomain = [\"hill\", \"plain\"]\n\
                 [[table.column]]\nname = \"income\"\ntype = \"number\"\nmin = 0\nmax = 1000\nresolution = 1\n\
                 [[table.column]]\nname = \"poor\"\ntype = \"boolean\"\n\
                 [[table.column]]\nname = \"born\"\ntype = \"date\"\nmin = \"1940-01-01\"\nmax = \"2020-12-31\"\n\
                 [[table]]\nname = \"benefits\"\nrows_per_unit = 2\n\
                 [[table.column]]\nname = \"amount\"\ntype = \"integer\"\nmin = 0\nmax = 200\n"
            .into(),
        planners: vec![("ministry", "900")],
        agencies: agencies.collect(),
        node_limits: String::new(),
        coordinator_limits: String::new(),
    }
}

/// A federation with its four kinds of sources, not started yet.
struct Mixed {
    federation: Federation,
    registry: postgres::Database<'static>,
    engine: flight::Server,
    archive: postgres::Database<'static>,
}

impl Mixed {
    /// Databases are called by `name`; `None` without PostgreSQL.
    async fn make(name: &str) -> Option<Mixed> {
        let server = postgres::shared()?;
        let federation = Federation::make(&setup());

        let registry = server.database(&format!("{name}_registry")).await;
        let [people, benefits] = tables(1);
        let columns = "person_id int PRIMARY KEY, county text, income numeric, poor boolean, born date";
        registry.fill("people", columns, people.as_bytes()).await;
        registry.fill("benefits", "person_id int, amount smallint", benefits.as_bytes()).await;
        registry.grant().await;
        federation.place_in_postgres("registry", &registry.access());

        let engine = flight::Server::start().await;
        let [people, benefits] = tables(2);
        engine.texts("people", people.as_bytes());
        engine.texts("payments", benefits.as_bytes());
        engine.texts("loads", b"load\n1\n");
        let mut access = engine.access.clone();
        access.version = Some("SELECT MAX(load) AS load FROM loads".into());
        let payments = "SELECT TRY_CAST(person_id AS BIGINT) AS person_id, TRY_CAST(amount AS BIGINT) AS amount FROM payments";
        access.tables.insert("benefits".into(), payments.into());
        federation.place_in_flight_sql("engine", &access);

        let archive = server.database(&format!("{name}_archive")).await;
        archive.run("CREATE SCHEMA old").await;
        let (citizens, payments) = renamed(3);
        let columns = "pid bigint, region smallint, wage double precision, assisted char(1), birth timestamp, left_on date, notes text";
        archive.fill("old.citizens", columns, citizens.as_bytes()).await;
        archive.fill("old.payments", "who text, paid numeric(9, 2)", payments.as_bytes()).await;
        let grants =
            "GRANT USAGE ON SCHEMA old TO almoner_node; GRANT SELECT ON old.payments TO almoner_node;
             GRANT SELECT (pid, region, wage, assisted, birth, left_on) ON old.citizens TO almoner_node";
        archive.run(grants).await;
        let mut access = archive.access();
        let citizens = "SELECT pid AS person_id, CASE region WHEN 1 THEN 'hill' ELSE 'plain' END AS county, wage AS income,
             assisted = 'J' AS poor, birth AS born FROM old.citizens WHERE left_on IS NULL -- who left counts elsewhere";
        access.tables.insert("people".into(), citizens.into());
        let payments = "SELECT who AS person_id, CAST(paid AS bigint) AS amount FROM old.payments";
        access.tables.insert("benefits".into(), payments.into());
        federation.place_in_postgres("archive", &access);
        Some(Mixed { federation, registry, engine, archive })
    }
}

/// The tables of an agency that calls everything otherwise, with rows that its SELECT leaves out.
fn renamed(agency: u32) -> (String, String) {
    let mut citizens = "pid,region,wage,assisted,birth,left_on,notes\n".to_owned();
    let mut payments = "who,paid\n".to_owned();
    for person in held(agency) {
        let region = if county(person) == "hill" { 1 } else { 7 };
        let wage = income(person).map(|income| format!("{income}.0")).unwrap_or_default();
        let (assisted, born) = (if person % 5 == 0 { 'J' } else { 'N' }, born(person));
        writeln!(citizens, "{person},{region},{wage},{assisted},{born} 08:30:00,,secret").expect("a string");
        if person % 6 == 0 {
            writeln!(citizens, "{person},1,999,J,1950-01-01 00:00:00,2019-05-05,").expect("a string");
        }
        for amount in amounts(person) {
            writeln!(payments, "{person},{amount}.00").expect("a string");
        }
    }
    (citizens, payments)
}

/// An estimate's value and standard error.
fn read(estimate: &serde_json::Value) -> (f64, f64) {
    let number = |name: &str| estimate[name].as_f64().unwrap_or_else(|| panic!("{name} of {estimate}"));
    (number("value"), number("standard_error"))
}

/// Six standard errors: a right answer fails one such check with probability below 2e-9.
fn near(estimate: &serde_json::Value, exact: f64, most: f64) {
    let (value, error) = read(estimate);
    assert!(error <= most, "{error} is too much for rho that large");
    assert!((value - exact).abs() <= 6.0 * error, "{value} is not {exact} within 6 x {error}");
}

/// Sum over all agencies and their people.
fn total(of: impl Fn(u32) -> Option<u32>) -> f64 {
    (0..4).flat_map(held).filter_map(of).map(f64::from).sum()
}

/// Twenty-odd checks at six standard errors: a right federation fails this test with probability below 1e-7.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_federation_over_databases_answers_like_one_over_files() {
    let Some(Mixed { federation: mut mixed, registry: _registry, engine: _engine, archive: _archive }) =
        Mixed::make("answers").await
    else {
        return;
    };
    let mut files = Federation::make(&setup());
    // Of people with three benefits the same two count, so that even their sum is the same.
    for agency in AGENCIES {
        let key = format!("keys/{agency}/bounding.key");
        std::fs::copy(mixed.path(&key), files.path(&key)).expect("a copy of the key");
    }
    mixed.serve();
    files.serve();
    let mut compared = 0;
    let mut both = |sql: &str| -> serde_json::Value {
        let [one, other] =
            [&mixed, &files].map(|federation| federation.query("ministry", sql, &["--rho", "90"]));
        assert_eq!(one["participants"], serde_json::json!([1, 2, 3, 4]), "{sql}");
        let rows = one["rows"].as_array().expect("rows").iter().zip(other["rows"].as_array().expect("rows"));
        for (row, same) in rows {
            for (name, value) in row.as_object().expect("a row") {
                if value.is_string() {
                    assert_eq!(*value, same[name], "{sql}");
                    continue;
                }
                let ((a, a_error), (b, b_error)) = (read(value), read(&same[name]));
                let error = a_error.hypot(b_error);
                assert!(
                    (a - b).abs() <= 6.0 * error,
                    "{sql}: {name} is {a} and {b}, which differ by more than 6 x {error}"
                );
                compared += 1;
            }
        }
        one
    };

    let by_county = "SELECT county, COUNT(*) AS people, SUM(income) AS total, AVG(income) AS mean FROM people GROUP BY county";
    let answer = both(by_county);
    for row in answer["rows"].as_array().expect("rows") {
        let here = |person: u32| (county(person) == row["county"]).then_some(person);
        let known = total(|person| here(person).and_then(income).map(|_| 1));
        let sum = total(|person| here(person).and_then(income));
        near(&row["people"], total(|person| here(person).map(|_| 1)), 5.0);
        near(&row["total"], sum, 5_000.0);
        near(&row["mean"], sum / known, 10.0);
    }
    let answer = both(
        "SELECT POVERTY_HEADCOUNT(income, 300) AS h, COUNT(*) FILTER (WHERE poor AND born < DATE '1980-01-01') AS old FROM people",
    );
    let known = total(|person| income(person).map(|_| 1));
    let below = total(|person| income(person).filter(|income| *income < 300).map(|_| 1));
    near(&answer["rows"][0]["h"], below / known, 0.05);
    let old = |person: u32| (person.is_multiple_of(5) && person % 60 < 30).then_some(1);
    near(&answer["rows"][0]["old"], total(old), 20.0);
    let answer = both("SELECT COUNT(*) AS n, SUM(amount) AS total FROM benefits");
    near(&answer["rows"][0]["n"], total(|person| Some(amounts(person).count().min(2) as u32)), 20.0);
    // Units that several agencies know, by sketches that each engine's unit ids must agree on.
    let answer = both("SELECT COUNT(DISTINCT person_id) AS n FROM people WHERE income < 500");
    let exact = (0..PEOPLE).filter(|person| income(*person).is_some_and(|income| income < 500)).count();
    near(&answer["rows"][0]["n"], exact as f64, 60.0);
    let both_tables = both(
        "SELECT COUNT(*) AS n FROM (SELECT person_id FROM people WHERE poor INTERSECT SELECT person_id FROM benefits)",
    );
    let exact = (0..PEOPLE).filter(|person| person % 5 == 0 && person % 2 == 0).count();
    near(&both_tables["rows"][0]["n"], exact as f64, 60.0);
    assert!(compared >= 12, "{compared}");

    // What a planner reads does not tell where anybody's tables are.
    let shown = mixed.as_planner("ministry", &["query", by_county, "--rho", "90"]);
    let shown = String::from_utf8(shown.stdout).expect("UTF-8");
    for said in ["hill", "plain", "cost: nothing, published", "all 4 agencies took part"] {
        assert!(shown.contains(said), "no {said:?} in {shown}");
    }
    let budget = String::from_utf8(mixed.as_planner("ministry", &["budget"]).stdout).expect("UTF-8");
    assert!(AGENCIES.iter().all(|agency| budget.contains(agency)), "{budget}");
    assert!(!budget.contains("does not answer"), "{budget}");
    for agency in AGENCIES {
        let ledger = mixed.path(&format!("state/{agency}/ledger.sqlite")).display().to_string();
        let text = String::from_utf8(run(&["ledger", "verify", &ledger]).stdout).expect("UTF-8");
        assert!(text.contains("sound"), "{text}");
    }
}

/// The states of the data that a node's ledger names, in their order.
fn loads(federation: &Federation, agency: &str) -> Vec<Digest> {
    let reader =
        LedgerReader::open(&federation.path(&format!("state/{agency}/ledger.sqlite"))).expect("a ledger");
    let entries = reader.entries(0, 10_000).expect("entries");
    let entries = entries.iter().map(|entry| Entry::decode(entry).expect("an entry"));
    entries
        .filter_map(|entry| if let Entry::Load(load) = entry { Some(load.snapshot) } else { None })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_names_the_state_of_the_data_that_it_comes_from() {
    let Some(Mixed { federation: mut mixed, registry, engine, archive: _archive }) =
        Mixed::make("states").await
    else {
        return;
    };
    mixed.serve();
    let sql = "SELECT SUM(income) AS total FROM people";
    let ask = || {
        let answer = mixed.query("ministry", sql, &["--rho", "200", "--fresh"]);
        answer["rows"][0]["total"].clone()
    };
    let sum = total(income);
    near(&ask(), sum, 1_000.0);
    let first: Vec<Vec<Digest>> = AGENCIES.map(|agency| loads(&mixed, agency)).into();
    assert!(first.iter().all(|loads| loads.len() == 1), "{first:?}");

    // What becomes of the data while nobody asks is in the next answer, under a name of its own.
    registry.run("UPDATE people SET income = 1000 WHERE income IS NOT NULL").await;
    let changed = |person: u32| income(person).map(|income| 1_000 - income);
    let sum = sum + held(1).filter_map(changed).map(f64::from).sum::<f64>();
    near(&ask(), sum, 1_000.0);
    let [clinic, registered, engined, _] = AGENCIES.map(|agency| loads(&mixed, agency));
    assert_eq!((clinic.len(), registered.len(), engined.len()), (1, 2, 1), "only one of them changed");
    assert_ne!(registered[0], registered[1]);

    engine.texts("people", b"person_id,county,income,poor,born\n1,hill,,true,1990-01-01\n");
    engine.texts("loads", b"load\n2\n");
    let sum = sum - held(2).filter_map(income).map(f64::from).sum::<f64>();
    near(&ask(), sum, 1_000.0);
    let [clinic, _, engined, _] = AGENCIES.map(|agency| loads(&mixed, agency));
    assert_eq!((clinic.len(), engined.len()), (1, 2));
    assert_ne!(engined[0], engined[1]);

    // The receipts say the same: each READY of each release names a state that its node's ledger has.
    let mut client = mixed.coordinator_client("court-of-audit");
    let listed =
        client.list_releases(v1::ListReleasesRequest { from: 0 }).await.expect("a list").into_inner();
    assert_eq!(listed.releases.len(), 3);
    let mut named = vec![Vec::new(); AGENCIES.len()];
    for line in listed.releases {
        let evidence = evidence(&mut client, line.spec_hash).await;
        verify_evidence(&mixed.manifest, &evidence).expect("sound evidence");
        for ready in evidence.release.expect("there").readies {
            let ready = Ready::decode(&ready.body).expect("a READY");
            named[ready.node.0 as usize - 1].push(ready.snapshot);
        }
    }
    for (agency, mut named) in AGENCIES.into_iter().zip(named) {
        named.dedup();
        assert_eq!(named, loads(&mixed, agency), "{agency}");
    }
    let all: BTreeSet<Digest> = AGENCIES.iter().flat_map(|agency| loads(&mixed, agency)).collect();
    assert_eq!(
        all.len(),
        AGENCIES.iter().map(|agency| loads(&mixed, agency).len()).sum::<usize>(),
        "each of its own"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_fails_or_changes_under_a_question_costs_nothing() {
    let Some(Mixed { federation: mut mixed, registry: _registry, engine, archive: _archive }) =
        Mixed::make("engines").await
    else {
        return;
    };
    mixed.serve();
    let sql = "SELECT SUM(income) AS total FROM people";
    let charged = |agency: &str| {
        let ledger = mixed.path(&format!("state/{agency}/ledger.sqlite")).display().to_string();
        let text = String::from_utf8(run(&["ledger", "verify", &ledger]).stdout).expect("UTF-8");
        assert!(text.contains(": sound;"), "{text}");
        !text.contains("charged 0 of")
    };
    let mut told = BTreeSet::new();
    let mut refused = |reason: &str| {
        let output = mixed.as_planner("ministry", &["query", sql, "--rho", "200"]);
        told.insert(complaint(&output));
        let log = mixed.log("engine");
        let last = log.lines().rfind(|line| line.contains("the source failed")).expect("a reason");
        assert!(last.contains(reason) && last.contains("almoner node check"), "no {reason:?} in {last}");
    };
    engine.does(flight::Trick::Break);
    refused("an executor is gone");
    // Loaded anew while the question is under way.
    engine.does(flight::Trick::Sleep(Duration::from_secs(3)));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while engine.engine.running.load(Ordering::SeqCst) == 0 {
                std::thread::sleep(Duration::from_millis(10));
            }
            std::thread::sleep(Duration::from_secs(1));
            engine.texts("loads", b"load\n2\n");
        });
        refused("the data changed while the question was answered");
    });
    assert_eq!(told.len(), 1, "a planner is told the same whatever happened: {told:?}");
    assert!(
        told.iter().all(|told| told.contains("source (engine): the data source could not answer")),
        "{told:?}"
    );
    assert!(!AGENCIES.into_iter().any(charged), "what others reserved is not charged");
    let budget = String::from_utf8(mixed.as_planner("ministry", &["budget"]).stdout).expect("UTF-8");
    assert!(budget.contains("  spent                rho 0 "), "{budget}");
    assert_eq!(loads(&mixed, "engine"), [], "no state was answered from");
    engine.does(flight::Trick::None);
    near(&mixed.query("ministry", sql, &["--rho", "200"])["rows"][0]["total"], total(income), 1_000.0);
    assert!(AGENCIES.into_iter().all(charged));
}

/// The exit code and all text of `almoner node check`.
fn check(federation: &Federation, agency: &str) -> (Option<i32>, String) {
    let config = federation.path(&format!("{agency}.toml")).display().to_string();
    let output: Output =
        Command::new(ALMONER).args(["node", "check", "--config", &config]).output().expect("the binary runs");
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    (output.status.code(), text.into_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_are_checked_before_they_are_served() {
    let Some(Mixed { federation, registry, engine, archive }) = Mixed::make("checks").await else { return };
    // The benefits of some people are one too many, which is for the officer to know; nothing else is amiss.
    for (agency, number) in AGENCIES.into_iter().zip(0..) {
        let (code, text) = check(&federation, agency);
        let (people, surplus) = (held(number).count(), held(number).filter(|person| person % 4 == 2).count());
        let over = format!(
            "{surplus} of {} units of benefits have more rows",
            held(number).filter(|person| person % 2 == 0).count()
        );
        assert_eq!(code, Some(2), "{agency}: {text}");
        for said in [&format!("table people: {people} rows"), &format!("{people} units"), &over] {
            assert!(text.contains(said), "{agency}: no {said:?} in {text}");
        }
        assert_eq!(text.lines().filter(|line| line.starts_with("  - ")).count(), 1, "{agency}: {text}");
    }
    registry.run("DELETE FROM benefits WHERE person_id % 4 = 2").await;
    archive.run("DELETE FROM old.payments WHERE CAST(who AS int) % 4 = 2").await;
    engine.texts("payments", b"person_id,amount\n3,7\n");
    for agency in ["registry", "engine", "archive"] {
        let (code, text) = check(&federation, agency);
        assert!(code == Some(0) && text.ends_with("Everything fits the manifest.\n"), "{agency}: {text}");
    }

    // Something to look at: code 2, and what to do.
    registry.run("UPDATE people SET county = 'swamp' WHERE person_id = 1; UPDATE people SET income = 1001 WHERE person_id <= 9").await;
    archive.run("UPDATE old.citizens SET birth = '1939-12-31' WHERE pid = 3").await;
    engine.texts(
        "people",
        b"person_id,county,income,poor,born\n2,hill,\"1,5\",true,1990-01-01\n,hill,7,true,1990-01-01\n",
    );
    for (agency, said) in [
        (
            "registry",
            &[
                "1 values of people.county are not one of 2 texts",
                "values of people.income are not 0 to 1000",
            ][..],
        ),
        ("archive", &["1 values of people.born are not 1940-01-01 to 2020-12-31"]),
        ("engine", &["1 fields of people.income cannot be read", "1 of 2 rows of people have no unit id"]),
    ] {
        let (code, text) = check(&federation, agency);
        assert_eq!(code, Some(2), "{agency}: {text}");
        assert!(said.iter().all(|said| text.contains(said)), "{agency}: {text}");
    }

    // What no node would start with: code 1, and what to do; nothing secret is shown.
    registry.run("GRANT UPDATE ON people TO almoner_node").await;
    archive.run("ALTER TABLE old.citizens RENAME wage TO salary").await;
    engine.texts("payments", b"person,amount\n3,7\n");
    for (agency, said) in [
        ("registry", &["may write public.people", "REVOKE INSERT, UPDATE"][..]),
        ("archive", &["the SELECT for table people fails", "wage", "[postgres.tables]"]),
        ("engine", &["the SELECT for table benefits fails", "person_id", "[flight_sql.tables]"]),
    ] {
        let (code, text) = check(&federation, agency);
        assert_eq!(code, Some(1), "{agency}: {text}");
        assert!(said.iter().all(|said| text.contains(said)), "{agency}: {text}");
        assert!(!text.contains("password with") && !text.contains(flight::TOKEN), "{text}");
    }
    drop(engine);
    let (code, text) = check(&federation, "engine");
    assert!(
        code == Some(1) && text.contains("does not answer") && text.contains("check the address"),
        "{text}"
    );
}
