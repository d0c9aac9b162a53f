//! Auditors and data officers at work on a federation of real processes: exports, audits, copies, approvals and
//! changes of policy, each with the commands that they would type.

mod support;

use std::process::{Command, Output};

use serde_json::Value;
use support::{ALMONER, Federation, Setup, complaint, run};

const AGENCIES: [&str; 3] = ["north", "middle", "south"];

fn almoner(args: &[&str]) -> Output {
    Command::new(ALMONER).args(args).output().expect("the binary under test runs")
}

impl Federation {
    fn at(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// Exports every ledger and the registry, while their servers run.
    fn export(&self, to: &str) {
        run(&["ledger", "export", "--coordinator", &self.at("coordinator.toml"), "--out", &self.at(to)]);
        for agency in AGENCIES {
            let config = self.at(&format!("{agency}.toml"));
            run(&["ledger", "export", "--config", &config, "--out", &self.at(to)]);
        }
    }

    /// The exit code and the report of an audit of exported files.
    fn audit(&self, dir: &str) -> (i32, Value) {
        let output = almoner(&["audit", "--offline", "--dir", &self.at(dir), "--format", "json"]);
        let report = serde_json::from_slice(&output.stdout);
        let failed = || format!("no report: {}", String::from_utf8_lossy(&output.stderr));
        (output.status.code().expect("it ended"), report.unwrap_or_else(|_| panic!("{}", failed())))
    }
}

fn by_territory() -> Setup {
    let mut setup = Setup::small();
    setup.constitution +=
        "witnesses = 0\nperiod = \"year\"\nperiod_rho = 900\n[territory]\ncolumn = \"area\"\nrho = 800\n";
    setup
}

#[test]
fn an_audit_of_exported_files_proves_what_was_asked_and_what_it_cost() {
    let federation = Federation::start(&by_territory());
    let count = "SELECT COUNT(*) FROM people";
    let hill = format!("{count} WHERE area = 'hill'");
    let planned = federation.query("ministry", &hill, &["--rho", "20", "--dry-run"]);
    assert_eq!(planned["territories"], serde_json::json!(["hill"]), "{planned:#}");
    let planned = federation.query("ministry", count, &["--rho", "20", "--dry-run"]);
    assert_eq!(planned["territories"], serde_json::json!(["hill", "plain"]), "{planned:#}");
    let dry = |sql: &str| {
        let output = federation.as_planner("ministry", &["query", sql, "--rho", "20", "--dry-run"]);
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    assert!(dry(&hill).contains("charged to 1 of 2 territories: hill\n"), "{}", dry(&hill));
    assert!(dry(count).contains("charged to all 2 territories\n"), "{}", dry(count));
    federation.query("ministry", count, &["--rho", "10", "--purpose", "The yearly report"]);
    federation.query("ministry", &format!("{count} WHERE area = 'hill'"), &["--rho", "20"]);
    federation.query("ministry", &format!("{count} WHERE area = 'plain' AND income > 100"), &["--rho", "30"]);
    federation.export("mirror");
    let (code, report) = federation.audit("mirror");
    assert_eq!((code, &report["findings"]), (0, &serde_json::json!([])), "{report:#}");
    assert_eq!(report["releases"].as_array().map(Vec::len), Some(3));
    assert_eq!(report["releases"][0]["purpose"], "The yearly report");
    for node in report["nodes"].as_array().expect("nodes") {
        // Nobody lives on the hill and on the plain: what both cost, no one pays.
        let (spent, lost) = (&node["spent_rho"], node["charged_rho"].as_f64().expect("a number"));
        let spent = spent.as_f64().expect("a number");
        assert!(spent > 59.0 && spent <= 60.0 && lost > 39.0 && lost <= 40.0, "{node:#}");
    }

    // A second export goes on from the first, and a later audit from what it remembers.
    federation.query("ministry", &format!("{count} WHERE income > 200"), &["--rho", "1"]);
    federation.export("mirror");
    let (code, report) = federation.audit("mirror");
    assert_eq!((code, report["releases"].as_array().map(Vec::len)), (0, Some(4)), "{report:#}");

    // One byte of one release, one ledger left out, one entry changed.
    let releases = federation.path("mirror/registry/releases/00000");
    let release = std::fs::read_dir(releases).expect("releases").next().expect("one").expect("read").path();
    let whole = std::fs::read(&release).expect("a release");
    let mut changed = whole.clone();
    changed[700] ^= 1;
    std::fs::write(&release, changed).expect("written");
    let (code, report) = federation.audit("mirror");
    assert_eq!((code, report["findings"][0]["code"].as_str()), (2, Some("evidence")), "{report:#}");
    std::fs::write(&release, whole).expect("written");
    let bundle = federation.path("mirror/nodes/south/tile/entries");
    let bundle = std::fs::read_dir(bundle).expect("bundles").next().expect("one").expect("read").path();
    let bundle = if bundle.is_dir() {
        std::fs::read_dir(bundle).expect("bundles").next().expect("one").expect("read").path()
    } else {
        bundle
    };
    let mut bytes = std::fs::read(&bundle).expect("entries");
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&bundle, bytes).expect("written");
    let (code, report) = federation.audit("mirror");
    let found = report["findings"].as_array().expect("findings");
    assert!(code == 2 && found.iter().any(|f| f["code"] == "log-root" && f["log"] == "south"), "{report:#}");
    std::fs::remove_dir_all(federation.path("mirror/nodes/south")).expect("removed");
    let (code, report) = federation.audit("mirror");
    assert_eq!(code, 2, "a release shows that the ledger should be there: {report:#}");
}

#[test]
fn a_copy_comes_back_only_where_nothing_newer_is_left() {
    let mut federation = Federation::start(&by_territory());
    let count = "SELECT COUNT(*) FROM people";
    let config = federation.at("north.toml");
    let (copy, ledger) = (federation.at("copy.sqlite"), federation.at("state/north/ledger.sqlite"));
    federation.query("ministry", count, &["--rho", "1"]);
    run(&["ledger", "backup", "--config", &config, "--to", &copy]);
    run(&["ledger", "verify", &ledger]);
    run(&["ledger", "verify", &copy]);
    let twice = almoner(&["ledger", "backup", "--config", &config, "--to", &copy]);
    assert!(!twice.status.success(), "a copy overwrites nothing");
    federation.query("ministry", &format!("{count} WHERE income > 100"), &["--rho", "1"]);

    let running = complaint(&almoner(&["ledger", "restore", &copy, "--config", &config]));
    assert!(running.contains("in use"), "{running}");
    federation.kill_node("north");
    let older = complaint(&almoner(&["ledger", "restore", &copy, "--config", &config]));
    assert!(older.contains("would spend the same budget twice"), "{older}");
    // Where the ledger itself is gone, what was signed of it tells, and no new one begins in its place.
    let aside = federation.path("aside.sqlite");
    std::fs::rename(&ledger, &aside).expect("moved");
    let lost = complaint(&almoner(&["ledger", "restore", &copy, "--config", &config]));
    assert!(
        lost.contains("this node signed a ledger of") && lost.contains("the same budget twice"),
        "{lost}"
    );
    let anew = complaint(&almoner(&["node", "init", "--config", &config]));
    assert!(anew.contains("shows that this node had a ledger"), "{anew}");
    // An older one put in its place by hand is not served, and not a word of it is exported.
    std::fs::copy(&copy, &ledger).expect("put back");
    let refused = complaint(&almoner(&["node", "serve", "--config", &config]));
    assert!(refused.contains("has forgotten charges"), "{refused}");
    let out = federation.at("older");
    let refused = complaint(&almoner(&["ledger", "export", "--config", &config, "--out", &out]));
    assert!(refused.contains("nothing of it is exported"), "{refused}");
    assert!(!federation.path("older/nodes").exists());
    for ending in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{ledger}{ending}"));
    }
    std::fs::rename(&aside, &ledger).expect("moved back");
    // What is as new as the ledger may come back over a damaged one.
    let newest = federation.at("newest.sqlite");
    run(&["ledger", "backup", "--config", &config, "--to", &newest]);
    let mut bytes = std::fs::read(&ledger).expect("the ledger");
    let middle = bytes.len() / 2;
    bytes[middle..middle + 2_000].fill(0x5a);
    std::fs::write(&ledger, bytes).expect("damaged");
    run(&["ledger", "restore", &newest, "--config", &config]);
    federation.spawn_node("north", &[]);
    federation.wait_for("north");
    federation.query("ministry", &format!("{count} WHERE income > 300"), &["--rho", "1"]);
    federation.export("mirror");
    let (code, report) = federation.audit("mirror");
    assert_eq!(code, 0, "{report:#}");
}

#[test]
fn a_data_officer_approves_and_denies_single_questions() {
    let mut setup = by_territory();
    setup.node_limits = "approve = \"nothing\"\n[rules]\npurpose = \"required\"\n".into();
    let mut federation = Federation::start(&setup);
    let ask = |federation: &Federation, more: &[&str]| {
        let args =
            [&["query", "SELECT COUNT(*) FROM people", "--rho", "5", "--format", "json"], more].concat();
        federation.as_planner("ministry", &args)
    };
    assert!(complaint(&ask(&federation, &[])).contains("rule-purpose"), "no purpose was given");
    let purpose = ["--purpose", "School meals"];
    let told = complaint(&ask(&federation, &purpose));
    assert!(told.contains("queued (middle, north, south): "), "{told}");

    let decide = |federation: &Federation, verb: &str| {
        for agency in AGENCIES {
            let config = federation.at(&format!("{agency}.toml"));
            let listed = run(&["node", "queue", "--config", &config, "--format", "json"]).stdout;
            let listed: Value = serde_json::from_slice(&listed).expect("JSON");
            let waiting = listed["waiting"].as_array().expect("a list");
            assert_eq!(waiting.len(), 1, "{listed:#}");
            assert_eq!(waiting[0]["purpose"], "School meals");
            let question = waiting[0]["question"].as_str().expect("a number");
            run(&["node", verb, &question[..8], "--config", &config]);
        }
    };
    decide(&federation, "approve");
    let answered = ask(&federation, &purpose);
    assert!(answered.status.success(), "{}", String::from_utf8_lossy(&answered.stderr));
    // An approval is for one release.
    let fresh = [&purpose[..], &["--fresh"]].concat();
    assert!(complaint(&ask(&federation, &fresh)).contains("queued"));
    decide(&federation, "deny");
    assert!(complaint(&ask(&federation, &fresh)).contains("denied"));
    federation.export("mirror");
    let (code, report) = federation.audit("mirror");
    assert_eq!((code, report["releases"].as_array().map(Vec::len)), (0, Some(1)), "{report:#}");

    // One agency's rules refuse for good what waits at the others: both are said.
    federation.kill_node("south");
    let file = federation.path("south.toml");
    let text = std::fs::read_to_string(&file).expect("node.toml");
    let text = text.replace("purpose = \"required\"", "purpose = \"required\"\nplanners = [\"institute\"]");
    std::fs::write(file, text).expect("written");
    run(&["node", "policy", "--config", &federation.at("south.toml"), "--sign"]);
    federation.spawn_node("south", &[]);
    federation.wait_for("south");
    let told = complaint(&ask(&federation, &["--purpose", "Another", "--fresh"]));
    assert!(told.contains("queued (middle, north): ") && told.contains("rule-planner (south): "), "{told}");
    assert!(told.contains("refused (queued)"), "what most say: {told}");
}

#[test]
fn a_policy_changes_with_the_signatures_that_the_manifest_asks_for() {
    let mut setup = Setup::small();
    setup.constitution += "witnesses = 0\nchanges_need_auditor = true\n";
    let mut federation = Federation::start(&setup);
    let count = "SELECT COUNT(*) FROM people";
    federation.query("ministry", count, &["--rho", "1"]);
    federation.kill_node("north");
    let config = federation.at("north.toml");
    let before = std::fs::read_to_string(&config).expect("node.toml");
    std::fs::write(&config, format!("{before}[limits]\ntotal_rho = 300\n")).expect("written");
    let refused = complaint(&almoner(&["node", "serve", "--config", &config]));
    assert!(refused.contains("almoner node policy"), "{refused}");

    let policy = |more: &[&str]| almoner(&[&["node", "policy", "--config", config.as_str()], more].concat());
    let shown = String::from_utf8(policy(&[]).stdout).expect("UTF-8");
    assert!(shown.contains("* total rho: 1000 -> 300"), "{shown}");
    assert!(complaint(&policy(&["--sign"])).contains("auditor"));
    let change = federation.at("change.json");
    run(&["node", "policy", "--config", &config, "--sign", "--out", &change]);
    assert!(complaint(&policy(&["--apply", &change])).contains("an auditor"));
    run(&["audit", "countersign", &change, "--keys", &federation.at("keys/court-of-audit")]);
    run(&["node", "policy", "--config", &config, "--apply", &change]);
    let again = complaint(&policy(&["--apply", &change]));
    assert!(again.contains("signed"), "a signature is for one place in the ledger: {again}");
    federation.spawn_node("north", &[]);
    federation.wait_for("north");
    federation.query("ministry", &format!("{count} WHERE income > 100"), &["--rho", "1"]);

    // Back to the manifest's total: that raises a limit, and is a grant.
    federation.kill_node("north");
    std::fs::write(&config, before).expect("written");
    run(&["node", "policy", "--config", &config, "--sign", "--out", &change]);
    run(&["audit", "countersign", &change, "--keys", &federation.at("keys/court-of-audit")]);
    run(&["node", "policy", "--config", &config, "--apply", &change]);
    // The node has not signed it yet, and the export does not sign in its place.
    let out = federation.at("mirror");
    let told = run(&["ledger", "export", "--config", &config, "--out", &out]).stdout;
    let told = String::from_utf8(told).expect("UTF-8");
    assert!(told.contains("1 entries are after the checkpoint that the node signed last"), "{told}");
    assert!(told.contains("run the node, or use `almoner audit` against it"), "{told}");
    federation.spawn_node("north", &[]);
    federation.wait_for("north");
    federation.export("mirror");
    let (code, report) = federation.audit("mirror");
    assert_eq!(code, 0, "{report:#}");
    let north = report["nodes"].as_array().expect("nodes").iter().find(|node| node["agency"] == "north");
    let policies = north.expect("audited")["policies"].as_array().expect("policies").clone();
    let told: Vec<_> = policies.iter().map(|p| (p["grant"] == true, p["countersigned"] == true)).collect();
    assert_eq!(told, [(false, false), (false, true), (true, true)]);
}

#[test]
fn an_audit_over_the_network_fetches_verifies_and_cosigns() {
    let mut federation = Federation::start(&Setup::small());
    let count = "SELECT COUNT(*) FROM people";
    federation.query("ministry", count, &["--rho", "1"]);
    let (manifest, keys) = (federation.at("federation.toml"), federation.at("keys/court-of-audit"));
    let dir = federation.at("evidence");
    let of = ["--manifest", &manifest, "--keys", &keys, "--dir", &dir];
    let audit = || {
        let output = almoner(&[&["audit", "--format", "json"], &of[..]].concat());
        let report = serde_json::from_slice(&output.stdout);
        let report: Value = report.unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
        (output.status.code().expect("it ended"), report)
    };
    let (code, report) = audit();
    assert_eq!((code, report["releases"].as_array().map(Vec::len)), (0, Some(1)), "{report:#}");

    // A second question, fetched on top of the first; the watch cosigns what is sound.
    federation.query("ministry", &format!("{count} WHERE area = 'hill'"), &["--rho", "2"]);
    let watched = run(&[&["audit", "watch", "--times", "1"], &of[..]].concat());
    assert!(watched.stdout.is_empty(), "{}", String::from_utf8_lossy(&watched.stdout));
    let (code, report) = audit();
    assert_eq!((code, report["releases"].as_array().map(Vec::len)), (0, Some(2)), "{report:#}");
    for node in report["nodes"].as_array().expect("nodes") {
        let cosigners = node["log"]["cosigners"].as_array().expect("a list");
        assert!(
            cosigners.iter().any(|name| name == "court-of-audit.auditor.test.almoner.internal"),
            "{node:#}"
        );
    }
    // What an agency exports belongs to the same history, and is a whole audit by itself, with what each remembers.
    federation.export("exported");
    for (agency, of) in [("north", "middle"), ("north", "south"), ("south", "north")] {
        let kept = std::fs::read(federation.path(&format!("state/{agency}/witness/{of}.checkpoint")));
        let exported = std::fs::read(federation.path(&format!("exported/nodes/{agency}/remembered/{of}")));
        assert_eq!(exported.expect("exported"), kept.expect("remembered"), "{agency} of {of}");
    }
    let (code, report) = federation.audit("exported");
    assert_eq!((code, report["releases"].as_array().map(Vec::len)), (0, Some(2)), "{report:#}");
    let compared = almoner(&["audit", "--offline", "--dir", &dir, "--compare", &federation.at("exported")]);
    assert_eq!(compared.status.code(), Some(0), "{}", String::from_utf8_lossy(&compared.stdout));

    // The dossier of it.
    let (page, json) = (federation.at("dossier.html"), federation.at("dossier.json"));
    run(&["audit", "dossier", "--offline", "--dir", &dir, "--out", &page, "--json", &json]);
    let page = std::fs::read_to_string(page).expect("a page");
    assert!(page.contains("id=\"guarantee\"") && page.contains("hill"), "the promise and the questions");
    let dossier: Value = serde_json::from_slice(&std::fs::read(json).expect("a file")).expect("JSON");
    assert!(dossier.is_object());

    // An agency that does not answer is said, and is no finding; a planner may not audit.
    federation.kill_node("south");
    let (code, report) = audit();
    assert_eq!((code, &report["findings"]), (3, &serde_json::json!([])), "{report:#}");
    assert!(report["unverified"].to_string().contains("the ledger of south"), "{report:#}");
    let planner = federation.at("keys/ministry");
    let refused = complaint(&almoner(&["audit", "--manifest", &manifest, "--keys", &planner, "--dir", &dir]));
    assert!(refused.contains("is not an auditor"), "{refused}");
}
