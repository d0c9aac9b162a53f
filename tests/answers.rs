//! A planner's whole day with a federation of real processes: answers, costs, repeats, what is left,
//! and what happens when an agency is away.

mod support;

use std::process::Command;

use almoner_api::{Refusal, v1};
use almoner_audit::{EvidenceError, verify_evidence};
use support::client::{evidence, refusal, wait_for_answer};
use support::{ALMONER, Federation, Setup, complaint};

const BY_AREA: &str = "SELECT area, COUNT(*) AS people, AVG(income) AS mean FROM people GROUP BY area";

/// Six standard deviations: a right answer fails one such check with probability below 2e-9.
fn near(estimate: &serde_json::Value, exact: f64) {
    let (value, error) = (&estimate["value"], &estimate["standard_error"]);
    let (value, error) = (value.as_f64().expect("a value"), error.as_f64().expect("an error"));
    assert!((value - exact).abs() <= 6.0 * error + 1e-9, "{value} is not {exact} within 6 x {error}");
}

#[test]
fn a_question_becomes_a_proven_answer_that_is_charged_once() {
    let federation = Federation::start(&Setup::small());
    let answer = federation.query("ministry", BY_AREA, &["--rho", "100"]);
    let rows = answer["rows"].as_array().expect("rows");
    assert_eq!(
        rows.iter().map(|row| row["area"].as_str().expect("a key")).collect::<Vec<_>>(),
        ["hill", "plain"]
    );
    near(&rows[0]["people"], 3.0);
    near(&rows[1]["people"], 3.0);
    near(&rows[0]["mean"], 150.0);
    near(&rows[1]["mean"], 1300.0 / 3.0);
    assert_eq!(answer["participants"], serde_json::json!([1, 2, 3]));
    assert_eq!(answer["absent"], serde_json::json!([]));
    let price: f64 = answer["price"]["rho"].as_str().expect("a rho").parse().expect("a number");
    assert!(price > 99.0 && price <= 100.0, "{price}");
    let left: f64 = answer["left"]["rho"].as_str().expect("a rho").parse().expect("a number");
    assert!((left - (500.0 - price)).abs() < 1e-9, "{left}");

    // The same question in another spelling, by another planner with a thousandth of the means: free,
    // and the same numbers to the last digit.
    let spelled = "select area, count( * ) people, avg(INCOME) as mean\nfrom PEOPLE group by 1";
    let again = federation.query("institute", spelled, &["--rho", "0.5"]);
    assert_eq!(again["repeat"], true);
    assert_eq!(again["cost"]["rho"], "0");
    assert_eq!(again["rows"], answer["rows"]);
    assert_eq!(again["left"]["rho"], "1");

    // Asked for afresh, it is paid for and drawn anew.
    let fresh = federation.query("ministry", BY_AREA, &["--rho", "100", "--fresh"]);
    assert_eq!(fresh["repeat"], false);
    assert_ne!(fresh["rows"], answer["rows"]);
    let budget = federation.as_planner("ministry", &["budget"]);
    let shown = String::from_utf8(budget.stdout).expect("UTF-8");
    for agency in ["north", "middle", "south"] {
        assert!(shown.contains(agency), "{shown}");
    }

    // A repeat that wants more accuracy than was paid for is a question of its own.
    let finer = federation.query("ministry", BY_AREA, &["--rho", "150"]);
    assert_eq!(finer["repeat"], false);
}

/// Incomes 100, 200, 300, 400 and 600, and one unknown, at three agencies that share nobody.
#[test]
fn the_statistics_of_poverty_come_from_all_agencies_together() {
    let federation = Federation::start(&Setup::small());
    let sql = "SELECT POVERTY_HEADCOUNT(income, 300) AS h, POVERTY_GAP(income, 300) AS g, VAR_POP(income) AS v, \
               COUNT(DISTINCT person_id) AS n, MEDIAN(income) AS m, MPI(1/2, income < 250, 1/2, area = 'hill', 1/2) AS d FROM people";
    let answer = federation.query("ministry", sql, &["--rho", "400"]);
    let row = &answer["rows"][0];
    near(&row["h"], 0.4);
    near(&row["g"], 0.2);
    near(&row["v"], 29_600.0);
    near(&row["n"], 6.0);
    // Known for five: two of them both poor and in the hills, the others neither.
    near(&row["d"], 0.4);
    // The rank is known to 0.3 people or better, so that it lies between 0.5 and 4.5 of five.
    let median = row["m"]["value"].as_f64().expect("a value");
    assert!((99.0..=601.0).contains(&median), "{median}");
    assert_eq!(row["n"]["noisy"], false);

    // Other lines, percentiles and cutoffs follow from what is published, and are free for everyone.
    let other = "SELECT POVERTY_GAP(income, 350) AS g, PERCENTILE(income, 0.25) AS q, \
                 MPI_HEADCOUNT(1, income < 250, 1/2, area = 'hill', 1/2) AS d FROM people";
    let free = federation.query("institute", other, &["--rho", "0.5"]);
    assert_eq!(
        (&free["repeat"], &free["cost"]["rho"], &free["left"]["rho"]),
        (&true.into(), &"0".into(), &"1".into())
    );
    assert_eq!(free["read_from"], answer["question"]);
    assert_eq!(free["release"], answer["release"]);
    near(&free["rows"][0]["g"], 450.0 / 350.0 / 5.0);
    near(&free["rows"][0]["d"], 0.4);
    let shown = federation.as_planner("institute", &["query", other, "--rho", "0.5"]);
    let shown = String::from_utf8(shown.stdout).expect("UTF-8");
    assert!(shown.contains("cost: nothing, read from the answer to"), "{shown}");
    // What does not follow is asked and paid for, and so is what is wanted afresh or at a higher price.
    for (sql, how) in [
        ("SELECT POVERTY_GAP(income, 350) AS g FROM people WHERE area = 'hill'", vec!["--rho", "0.1"]),
        ("SELECT SUM(income) FILTER (WHERE income > 150) AS s FROM people", vec!["--rho", "0.1"]),
        ("SELECT PERCENTILE(income, 0.25) AS q FROM people", vec!["--rho", "0.1", "--fresh"]),
    ] {
        let paid = federation.query("institute", sql, &how);
        assert_eq!((&paid["repeat"], &paid["read_from"]), (&false.into(), &serde_json::Value::Null), "{sql}");
    }
    // Flagged unless the noise is ten times its standard error.
    let faint = federation.query(
        "ministry",
        "SELECT POVERTY_HEADCOUNT(income, 50) AS h FROM people",
        &["--rho", "1", "--fresh"],
    );
    assert_eq!(faint["rows"][0]["h"]["noisy"], true, "nobody is poor: all noise");
}

#[test]
fn the_three_formats_show_the_same_answer_and_a_dry_run_costs_nothing() {
    let federation = Federation::start(&Setup::small());
    let sql = "SELECT area, SUM(income) AS total FROM people GROUP BY area ORDER BY area DESC LIMIT 1";
    let dry = federation.as_planner("ministry", &["query", sql, "--epsilon", "1", "--dry-run"]);
    let shown = String::from_utf8(dry.stdout).expect("UTF-8");
    assert!(dry.status.success() && shown.contains("nothing was asked or charged"), "{shown}");

    let answer = federation.query("ministry", sql, &["--error", "100"]);
    let row = &answer["rows"][0];
    assert_eq!(answer["rows"].as_array().map(Vec::len), Some(1));
    assert_eq!(row["area"], "plain");
    near(&row["total"], 1300.0);
    // The wanted half-width was bought.
    let half = 1.959_963_984_540_054 * row["total"]["standard_error"].as_f64().expect("an error");
    assert!(half <= 100.0 && half > 95.0, "{half}");

    let csv = federation.as_planner("ministry", &["query", sql, "--error", "100", "--format", "csv"]);
    let text = String::from_utf8(csv.stdout).expect("UTF-8");
    let value = row["total"]["value"].as_f64().expect("a value").to_string();
    assert!(
        text.starts_with("area,total,total_standard_error,total_low,total_high,total_noisy\nplain,"),
        "{text}"
    );
    assert!(text.contains(&value), "{text} has not {value}");
    let table = federation.as_planner("ministry", &["query", sql, "--error", "100"]);
    let text = String::from_utf8(table.stdout).expect("UTF-8");
    assert!(
        text.contains("plain") && text.contains("cost: nothing") && text.contains("all 3 agencies"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_questions_at_once_are_all_answered() {
    let federation = std::sync::Arc::new(Federation::start(&Setup::small()));
    let mut asking = tokio::task::JoinSet::new();
    for least in 0..20 {
        let federation = federation.clone();
        asking.spawn(async move {
            let sql = format!("SELECT COUNT(*) FROM people WHERE income > {least}");
            federation.ask("ministry", &sql, "1").await
        });
    }
    while let Some(answer) = asking.join_next().await {
        assert!(!answer.expect("no panic").expect("an answer").repeat);
    }
}

#[test]
fn the_deepest_question_that_is_accepted_is_answered_and_harms_no_node() {
    let federation = Federation::start(&Setup::small());
    let nest = |open: &str, core: &str, close: &str, depth: usize| {
        format!("{}{core}{}", open.repeat(depth), close.repeat(depth))
    };
    let shapes: [&dyn Fn(usize) -> String; 6] = [
        &|n| {
            format!(
                "SELECT SUM({}) FROM people",
                nest("CASE WHEN area = 'hill' THEN income ELSE ", "income", " END", n)
            )
        },
        &|n| format!("SELECT SUM({}) FROM people", nest("COALESCE(", "income", ", 1)", n)),
        &|n| format!("SELECT SUM({}) FROM people", nest("LEAST(income, ", "1", ")", n)),
        &|n| format!("SELECT SUM(income{}) FROM people", " + 1".repeat(n)),
        &|n| format!("SELECT COUNT(*) FROM people WHERE {}area = 'hill'", "NOT ".repeat(n)),
        &|n| {
            format!(
                "SELECT COUNT(*) FROM people WHERE area = 'hill'{}",
                " OR income > 1 AND income < 9".repeat(n)
            )
        },
    ];
    for shape in shapes {
        // Planned on as deep a stack as the binary gives itself.
        let deepest = std::thread::scope(|scope| {
            let plans = |n: usize| {
                let (sql, rho) = (shape(n), "0.01".parse().expect("a rho"));
                let manifest = federation.manifest.clone();
                let work = move || almoner_query::plan(&manifest, &sql, rho).is_ok();
                let thread = std::thread::Builder::new().stack_size(64 << 20).spawn_scoped(scope, work);
                thread.expect("a thread").join().expect("planning ends")
            };
            (1..2_000).step_by(1).take_while(|n| plans(*n)).last().expect("one level is planned")
        });
        let sql = shape(deepest);
        let answer = federation.query("ministry", &sql, &["--rho", "0.01"]);
        assert_eq!(answer["participants"], serde_json::json!([1, 2, 3]), "{deepest} levels of {}", shape(1));
        println!("{deepest} levels of {}", shape(1));
    }
}

#[test]
fn over_budget_questions_are_refused_before_anything_is_charged() {
    let federation = Federation::start(&Setup::small());
    let poor = federation.as_planner("institute", &["query", BY_AREA, "--rho", "2"]);
    assert!(complaint(&poor).contains("budget-planner"), "{}", complaint(&poor));
    let half = federation.query("institute", BY_AREA, &["--rho", "0.6"]);
    assert_eq!(half["repeat"], false);
    let poor = federation.as_planner("institute", &["query", BY_AREA, "--rho", "0.7", "--fresh"]);
    assert!(complaint(&poor).contains("budget-planner"), "{}", complaint(&poor));
}

#[test]
fn without_a_quorum_nothing_is_released_and_the_absent_cost_nothing() {
    let mut federation = Federation::start(&Setup::small());
    federation.kill_node("south");
    let refused = federation.as_planner("ministry", &["query", BY_AREA, "--rho", "1"]);
    let text = complaint(&refused);
    assert!(text.contains("quorum"), "{text}");
    federation.spawn_node("south", &[]);
    federation.wait_for("south");
    let answer = federation.query("ministry", BY_AREA, &["--rho", "499.9"]);
    assert_eq!(answer["participants"], serde_json::json!([1, 2, 3]), "nothing was lost to the refused round");
}

#[test]
fn an_agency_that_is_down_is_named_and_the_others_answer() {
    let mut setup = Setup::small();
    setup.constitution =
        setup.constitution.replace("quorum = 3\ncolluders = 1", "quorum = 2\ncolluders = 0\nwitnesses = 1");
    let mut federation = Federation::start(&setup);
    federation.kill_node("south");
    let answer = federation.query("ministry", "SELECT COUNT(*) AS people FROM people", &["--rho", "50"]);
    assert_eq!(answer["absent"], serde_json::json!(["south"]));
    assert_eq!(answer["participants"], serde_json::json!([1, 2]));
    near(&answer["rows"][0]["people"], 5.0);
}

#[test]
fn a_table_that_no_ready_agency_holds_is_not_answered_from_noise() {
    let mut setup = Setup::small();
    setup.constitution =
        setup.constitution.replace("quorum = 3\ncolluders = 1", "quorum = 2\ncolluders = 0\nwitnesses = 1");
    setup.tables = setup.tables.replace("rows_per_unit = 1\n", "rows_per_unit = 1\nagencies = [\"south\"]\n");
    let mut federation = Federation::start(&setup);
    let sql = "SELECT COUNT(*) AS people FROM people";
    // The other two hold no such table: they add noise and no person.
    near(&federation.query("ministry", sql, &["--rho", "50"])["rows"][0]["people"], 1.0);
    federation.kill_node("south");
    let refused = federation.as_planner("ministry", &["query", sql, "--rho", "50", "--fresh"]);
    assert!(complaint(&refused).contains("holders"), "{}", complaint(&refused));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_auditor_recomputes_every_published_sum_and_finds_a_changed_number() {
    let federation = Federation::start(&Setup::small());
    federation.ask("ministry", BY_AREA, "10").await.expect("an answer");
    federation.ask("institute", "SELECT COUNT(*) FROM people", "0.5").await.expect("an answer");

    let mut client = federation.coordinator_client("court-of-audit");
    let listed =
        client.list_releases(v1::ListReleasesRequest { from: 0 }).await.expect("a list").into_inner();
    assert_eq!(listed.releases.len(), 2);
    for line in listed.releases {
        let evidence = evidence(&mut client, line.spec_hash).await;
        let verified = verify_evidence(&federation.manifest, &evidence).expect("sound evidence");
        assert_eq!(verified.participants.len(), 3);

        let mut changed = evidence.clone();
        changed.release.as_mut().expect("there").total[0] += 1;
        assert_eq!(
            verify_evidence(&federation.manifest, &changed).expect_err("changed"),
            EvidenceError::Total
        );
        let mut changed = evidence.clone();
        changed.masked[1].values[0] ^= 1;
        assert_eq!(verify_evidence(&federation.manifest, &changed).expect_err("changed"), EvidenceError::Sum);
        let mut changed = evidence;
        changed.release.as_mut().expect("there").readies.swap(0, 1);
        assert!(verify_evidence(&federation.manifest, &changed).is_err());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_role_may_call_only_what_belongs_to_it() {
    let federation = Federation::start(&Setup::small());
    let (spec, _) = federation.question("ministry", BY_AREA, "1");
    let signed = federation.sign("ministry", &spec);
    let prepare = v1::PrepareRequest { spec: Some(signed.clone()), attempt: 0 };
    for outsider in ["ministry", "court-of-audit", "south"] {
        let mut node = federation.node_client(outsider, "north");
        assert_eq!(refusal(node.prepare(prepare.clone()).await), Refusal::Role, "{outsider} prepares");
        assert_eq!(
            refusal(node.release(v1::ReleaseRequest::default()).await),
            Refusal::Role,
            "{outsider} releases"
        );
    }
    for outsider in ["ministry", "south"] {
        let mut node = federation.node_client(outsider, "north");
        let request = v1::AccountRequest { planner: "ministry".into() };
        assert_eq!(refusal(node.account(request).await), Refusal::Role, "{outsider} asks for an account");
    }
    let account = v1::AccountRequest { planner: "ministry".into() };
    let seen =
        federation.node_client("court-of-audit", "north").account(account).await.expect("an auditor may");
    assert_eq!(seen.into_inner().total_charged, 0);

    let ask = v1::AskRequest { spec: Some(signed), fresh: false, new_attempt: false };
    for outsider in ["court-of-audit", "south", "coordinator"] {
        let mut client = federation.coordinator_client(outsider);
        assert_eq!(
            refusal(wait_for_answer(&mut client, ask.clone()).await),
            Refusal::Role,
            "{outsider} asks"
        );
        assert_eq!(
            refusal(client.budget(v1::BudgetRequest {}).await),
            Refusal::Role,
            "{outsider} sees a budget"
        );
    }
    // A planner cannot ask in another planner's name, nor read the evidence.
    let mut client = federation.coordinator_client("institute");
    assert_eq!(refusal(wait_for_answer(&mut client, ask).await), Refusal::Role);
    let list = v1::ListReleasesRequest { from: 0 };
    assert_eq!(refusal(client.list_releases(list).await), Refusal::Role);
    let evidence = v1::GetEvidenceRequest { spec_hash: vec![0; 32] };
    assert_eq!(refusal(client.get_evidence(evidence).await), Refusal::Role);
}

#[test]
fn a_data_officer_sees_what_does_not_fit_before_serving() {
    let mut setup = Setup::small();
    setup.tables = setup.tables.replace("rows_per_unit = 1", "rows_per_unit = 2");
    let odd = "person_id,area,income\n1,hill,100\n1,hill,200\n1,plain,300\n,hill,5\n2,valley,2000\n3,plain,\n4,plain,n/a\n5,hill,-1\n";
    setup.agencies[0].files = vec![("people.csv".to_owned(), odd.to_owned())];
    let federation = Federation::make(&setup);
    let check = |agency: &str| {
        let config = federation.path(&format!("{agency}.toml"));
        Command::new(ALMONER)
            .args(["node", "check", "--config"])
            .arg(config)
            .output()
            .expect("the binary runs")
    };

    let odd = check("north");
    let text = String::from_utf8(odd.stdout).expect("UTF-8");
    assert_eq!(odd.status.code(), Some(2), "{text}");
    for said in [
        "table people: 8 rows in 1 files, 5 units",
        "1 of 8 rows of people have no unit id",
        "1 of 5 units of people have more rows than rows_per_unit, and 1 rows are left out",
        "1 fields of people.income cannot be read",
        "2 values of people.income are not 0 to 1000: they count as the nearer end",
        "1 values of people.area are not one of 2 texts: they are in no group",
        "income                    33.33 % missing, 2 not 0 to 1000",
    ] {
        assert!(text.contains(said), "{said:?} is not in\n{text}");
    }

    let fine = check("south");
    let text = String::from_utf8(fine.stdout).expect("UTF-8");
    assert!(fine.status.success() && text.ends_with("Everything fits the manifest.\n"), "{text}");

    std::fs::write(federation.path("data/middle/people.csv"), "person_id,area\n1,hill\n").expect("a file");
    let lacking = check("middle");
    let text = String::from_utf8(lacking.stderr).expect("UTF-8");
    assert!(lacking.status.code() == Some(1) && text.contains("income"), "{text}");
}
