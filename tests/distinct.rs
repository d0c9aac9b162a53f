//! Distinct units over agencies that hold the same ones: counted once, in groups, in set operations, provably,
//! and not at all by who lacks the key.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use almoner_api::v1;
use almoner_audit::{EvidenceError, verify_evidence};
use support::client::evidence;
use support::shared_data::shared_data;
use support::{ALMONER, AgencySetup, Federation, SKETCH_KEY, Setup, complaint};

const PEOPLE: u32 = 3_000;

/// Who is on the welfare list, with a town: every third of them at two agencies, every ninth at all three; and who
/// is in the tax register: those whose number is even.
fn welfare(agency: u32) -> impl Iterator<Item = (u32, &'static str)> {
    let held = move |person: &u32| match person {
        person if person % 9 == 0 => true,
        person if person % 3 == 0 => person % 2 == agency % 2,
        person => person % 3 == agency % 3 || person % 7 == agency,
    };
    (0..PEOPLE).filter(held).map(|person| (person, if person % 5 == 0 { "hill" } else { "plain" }))
}

fn setup() -> Setup {
    let agencies = ["north", "middle", "south"].iter().zip(0u32..).map(|(name, number)| {
        let mut list = "person_id,town,amount\n".to_owned();
        for (person, town) in welfare(number) {
            // Two rows for some, of which each counts the person once.
            for row in 0..=u32::from(person % 4 == 0) {
                writeln!(list, "{person},{town},{}", person % 100 + row).expect("writing to a string");
            }
        }
        let mut tax = "person_id,income\n".to_owned();
        for person in (0..PEOPLE).filter(|person| person % 2 == 0 && person % 3 == number) {
            writeln!(tax, "{person}.0,{}", person % 50).expect("writing to a string");
        }
        AgencySetup {
            name: (*name).into(),
            sector: None,
            files: vec![("welfare.csv".into(), list), ("tax.csv".into(), tax)],
        }
    });
    Setup {
        constitution: format!(
            "[unit]\nkind = \"person\"\ncolumn = \"person_id\"\npopulation = 5000\n{SKETCH_KEY}\n\
             [policy]\ndelta = 1e-9\ntotal_rho = 1000\nquorum = 3\ncolluders = 1\nmin_honest = 2\n"
        ),
        tables: "[[table]]\nname = \"welfare\"\nrows_per_unit = 2\n\
                 [[table.column]]\nname = \"town\"\ntype = \"text\"\ndomain = [\"hill\", \"plain\"]\n\
                 [[table.column]]\nname = \"amount\"\ntype = \"integer\"\nmin = 0\nmax = 200\n\
                 [[table]]\nname = \"tax\"\nrows_per_unit = 1\n\
                 [[table.column]]\nname = \"income\"\ntype = \"integer\"\nmin = 0\nmax = 100\n"
            .into(),
        planners: vec![("ministry", "500")],
        agencies: agencies.collect(),
        node_limits: String::new(),
        coordinator_limits: String::new(),
    }
}

/// Six standard errors: a right answer fails one such check with probability below 2e-9.
fn near(estimate: &serde_json::Value, exact: usize, most: f64) {
    let (value, error) = (&estimate["value"], &estimate["standard_error"]);
    let (value, error) = (value.as_f64().expect("a value"), error.as_f64().expect("an error"));
    assert!(error <= most, "{error} is too much for rho that large");
    assert!((value - exact as f64).abs() <= 6.0 * error, "{value} is not {exact} within 6 x {error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_holds_a_person_and_however_often_each_counts_once() {
    let federation = Federation::start(&setup());
    let listed: BTreeMap<u32, &str> = (0..3).flat_map(welfare).collect();
    let rows: usize = (0..3).map(|agency| welfare(agency).count()).sum();
    assert!(rows > listed.len() * 5 / 4, "the agencies overlap: {rows} for {}", listed.len());

    let sql = "SELECT COUNT(DISTINCT person_id) AS n, COUNT(DISTINCT person_id) FILTER (WHERE amount < 50) AS low \
               FROM welfare";
    let answer = federation.query("ministry", sql, &["--rho", "20"]);
    near(&answer["rows"][0]["n"], listed.len(), 100.0);
    near(&answer["rows"][0]["low"], listed.keys().filter(|person| *person % 100 < 50).count(), 100.0);

    let by_town = "SELECT town, COUNT(DISTINCT person_id) AS n FROM welfare WHERE amount < 150 GROUP BY town";
    let answer = federation.query("ministry", by_town, &["--rho", "20"]);
    for row in answer["rows"].as_array().expect("rows") {
        near(&row["n"], listed.values().filter(|town| **town == row["town"]).count(), 150.0);
    }

    // On the list and in the register; on the list alone; in either.
    let taxed: BTreeSet<u32> = (0..PEOPLE).filter(|person| person % 2 == 0).collect();
    let both = listed.keys().filter(|person| taxed.contains(person)).count();
    for (operation, exact) in
        [("INTERSECT", both), ("EXCEPT", listed.len() - both), ("UNION", listed.len() + taxed.len() - both)]
    {
        let sql = format!(
            "SELECT COUNT(*) AS n FROM (SELECT person_id FROM welfare {operation} SELECT person_id FROM tax)"
        );
        let answer = federation.query("ministry", &sql, &["--rho", "20"]);
        near(&answer["rows"][0]["n"], exact, 200.0);
        assert_eq!(federation.query("ministry", &sql, &["--rho", "10"])["repeat"], true, "{sql}");
    }
    let beside = federation.as_planner(
        "ministry",
        &["query", "SELECT COUNT(*), COUNT(DISTINCT person_id) FROM tax", "--rho", "1"],
    );
    assert!(complaint(&beside).contains("a question of its own"), "{}", complaint(&beside));

    // An auditor combines the masked bits and finds a changed one.
    let mut client = federation.coordinator_client("court-of-audit");
    let listed =
        client.list_releases(v1::ListReleasesRequest { from: 0 }).await.expect("a list").into_inner();
    let mut evidence = evidence(&mut client, listed.releases[0].spec_hash.clone()).await;
    verify_evidence(&federation.manifest, &evidence).expect("sound evidence");
    evidence.masked[2].values[7] ^= 1 << 33;
    assert_eq!(verify_evidence(&federation.manifest, &evidence).expect_err("changed"), EvidenceError::Sum);
}

#[test]
fn a_node_without_the_agencies_key_does_not_start_and_says_where_to_get_it() {
    let federation = Federation::make(&setup());
    let key = federation.path("keys/middle/sketch.key");
    let start = || {
        let config = federation.path("middle.toml").display().to_string();
        let output = std::process::Command::new(ALMONER)
            .args(["node", "serve", "--config", &config])
            .output()
            .expect("the binary runs");
        assert!(!output.status.success());
        complaint(&output)
    };
    let good = std::fs::read_to_string(&key).expect("the key");
    std::fs::write(&key, good.chars().rev().collect::<String>().trim()).expect("another key");
    let text = start();
    assert!(text.contains("sketch.key") && text.contains("from another agency"), "{text}");
    assert!(!text.contains(good.trim()), "no key is printed");
    std::fs::remove_file(&key).expect("removed");
    assert!(start().contains("sketch.key"));
}

#[test]
fn sets_of_which_no_agency_that_is_there_holds_a_table_are_not_compared() {
    let mut setup = setup();
    setup.constitution =
        setup.constitution.replace("quorum = 3\ncolluders = 1", "quorum = 2\ncolluders = 0\nwitnesses = 1");
    setup.tables = setup.tables.replace(
        "[[table]]\nname = \"tax\"\nrows_per_unit = 1\n",
        "[[table]]\nname = \"tax\"\nrows_per_unit = 1\nagencies = [\"south\"]\n",
    );
    let mut federation = Federation::start(&setup);
    federation.kill_node("south");
    let sql = "SELECT COUNT(*) AS n FROM (SELECT person_id FROM welfare INTERSECT SELECT person_id FROM tax)";
    let refused = federation.as_planner("ministry", &["query", sql, "--rho", "5"]);
    assert!(complaint(&refused).contains("holders"), "{}", complaint(&refused));
}

/// Two offices' records of the same 5,000 people with typing errors, published by the FEBRL project; the unit is the
/// social security number as each office has it.
#[test]
fn two_offices_records_of_the_same_people_are_counted_once() {
    let Some(folder) = shared_data("febrl") else { return };
    let ids = |file: &str| -> BTreeSet<String> {
        let mut reader = csv::Reader::from_path(folder.join(file)).expect("the file opens");
        let place = reader
            .headers()
            .expect("a header")
            .iter()
            .position(|name| name == "soc_sec_id")
            .expect("a column");
        reader
            .records()
            .map(|record| record.expect("a row")[place].trim().to_owned())
            .filter(|id| !id.is_empty())
            .collect()
    };
    let (first, second) = (ids("dataset4a.csv"), ids("dataset4b.csv"));
    let agency = |name: &str, file: &str| AgencySetup {
        name: name.into(),
        sector: None,
        files: vec![("people.csv".into(), std::fs::read_to_string(folder.join(file)).expect("the file"))],
    };
    let nobody = AgencySetup { name: "auditor".into(), sector: None, files: vec![] };
    let federation = Federation::start(&Setup {
        constitution: format!(
            "[unit]\nkind = \"person\"\ncolumn = \"soc_sec_id\"\npopulation = 12000\n{SKETCH_KEY}\n\
             [policy]\ndelta = 1e-9\ntotal_rho = 1000\nquorum = 3\ncolluders = 1\nmin_honest = 2\n"
        ),
        tables: "[[table]]\nname = \"people\"\nrows_per_unit = 5\nagencies = [\"first\", \"second\"]\n\
                 [[table.column]]\nname = \"state\"\ntype = \"text\"\n"
            .into(),
        planners: vec![("ministry", "500")],
        agencies: vec![agency("first", "dataset4a.csv"), agency("second", "dataset4b.csv"), nobody],
        node_limits: String::new(),
        coordinator_limits: String::new(),
    });
    let sql = "SELECT COUNT(DISTINCT soc_sec_id) AS n FROM people";
    let answer = federation.query("ministry", sql, &["--rho", "2"]);
    let exact = first.union(&second).count();
    assert!(exact < first.len() + second.len() * 3 / 4, "the offices overlap: {exact}");
    near(&answer["rows"][0]["n"], exact, 250.0);
}
