//! Two copies of one node's state that live at the same time: only the first of them gets its charges witnessed, the other
//! ends before it answers, and audits name what it signed.

mod support;

use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use almoner_api::{Refusal, to_signed, to_wire, v1};
use almoner_audit::question_of;
use almoner_federation::{Digest, NodeId};
use almoner_query::{Plan, Spec};
use almoner_secure_sum::{Collecting, Roster};
use serde_json::Value;
use support::client::{now_s, refusal};
use support::{ALMONER, AgencySetup, Federation, Setup, run};

const COUNT: &str = "SELECT area, COUNT(*) FROM people GROUP BY area";
const PARTICIPANTS: [(u32, &str); 3] = [(1, "north"), (2, "middle"), (3, "south")];

/// Five agencies, of which one may lie: three of four others cosign each charge, by default.
fn five() -> Setup {
    let mut setup = Setup::small();
    for (name, person) in [("east", "7"), ("west", "8")] {
        let people = format!("person_id,area,income\n{person},plain,500\n");
        setup.agencies.push(AgencySetup {
            name: name.into(),
            sector: Some("residence"),
            files: vec![("people.csv".into(), people)],
        });
    }
    setup
}

/// The context of a coordinator that asks `north` at either copy: the Release for it.
async fn begin(federation: &Federation, asked: &(Spec, Plan), north: &str) -> v1::ReleaseRequest {
    let (spec, plan) = asked;
    let signed = federation.sign("ministry", spec);
    let question = question_of(&federation.manifest, plan, Digest::of(&signed.body), 0);
    let roster = Arc::new(Roster::of(&federation.manifest).expect("a roster"));
    let mut collecting = Collecting::new(roster, question).expect("a question");
    for (number, agency) in PARTICIPANTS {
        let at = if agency == "north" { north } else { agency };
        let request = v1::PrepareRequest { spec: Some(signed.clone()), attempt: 0 };
        let reply = federation.node_client_of("coordinator", agency, at).prepare(request).await;
        let ready = reply.expect("READY").into_inner().ready.expect("a READY");
        collecting.receive(NodeId(number), &to_signed(ready).expect("sound"), now_s()).expect("sound");
    }
    let round = collecting.release(&federation.signing_key("coordinator"), now_s()).expect("a context");
    let release = round.release_for(NodeId(1)).expect("a participant");
    v1::ReleaseRequest {
        query_id: spec.query_id.0.to_vec(),
        context: Some(to_wire(&release.context)),
        proof: release.proof.iter().map(|hash| hash.0.to_vec()).collect(),
    }
}

/// How many numbers of its masked vector a copy of north sends.
async fn answer(
    federation: &Federation,
    at: &str,
    request: v1::ReleaseRequest,
) -> Result<usize, tonic::Status> {
    let mut client = federation.node_client_of("coordinator", "north", at);
    let mut stream = client.release(request).await?.into_inner();
    let mut values = 0;
    while let Some(chunk) = stream.message().await? {
        values += chunk.values.len();
    }
    Ok(values)
}

/// The findings of an audit of exported files, compared with those of `others`.
fn findings(dir: &str, others: &[&str]) -> Vec<Value> {
    let compare = others.iter().flat_map(|other| ["--compare", other]);
    let args = ["audit", "--offline", "--format", "json", "--dir", dir].into_iter().chain(compare);
    let output = Command::new(ALMONER).args(args).output().expect("the binary under test runs");
    let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
    report["findings"].as_array().expect("a list").clone()
}

fn names_a_fork(findings: &[Value]) -> bool {
    findings.iter().any(|finding| finding["code"] == "log-fork" && finding["log"] == "north")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_live_copies_only_the_first_answers_and_audits_name_the_fork() {
    let mut federation = Federation::start(&five());
    assert_eq!(federation.manifest.policy.witnesses, 3);
    federation.ask("ministry", COUNT, "1").await.expect("an answer");

    // A copy of everything that north keeps, made and started while it runs; nothing newer is remembered of it.
    let root = federation.path("");
    let at = |name: &str| root.join(name).display().to_string();
    std::fs::create_dir_all(federation.path("state/second/witness")).expect("a folder");
    run(&["ledger", "backup", "--config", &at("north.toml"), "--to", &at("state/second/ledger.sqlite")]);
    let kept = std::fs::read_dir(federation.path("state/north/witness")).expect("its memory");
    let kept = kept.map(|entry| format!("witness/{}", entry.expect("a file").file_name().display()));
    for file in kept.chain(["ledger.checkpoint".to_owned()]) {
        std::fs::copy(at(&format!("state/north/{file}")), at(&format!("state/second/{file}")))
            .expect("copied");
    }
    federation.spawn_copy("second", "north");
    federation.wait_for("second");
    federation.wait_until_confirmed();

    // Both prepare, each for a question of its own: their ledgers part, and an auditor sees that of the second.
    let asked = [federation.question("ministry", COUNT, "1"), federation.question("ministry", COUNT, "2")];
    let first = begin(&federation, &asked[0], "north").await;
    let second = begin(&federation, &asked[1], "second").await;
    assert!(answer(&federation, "north", first.clone()).await.expect("witnessed") > 0);
    assert_eq!(refusal(answer(&federation, "second", second.clone()).await), Refusal::Unwitnessed);
    assert_eq!(federation.wait_for_end("second"), Some(1), "{}", federation.log("second"));
    let told = federation.log("second");
    assert!(told.contains("has forgotten charges") && told.contains("answers nothing"), "{told}");
    // However often it is tried; the first goes on.
    federation.spawn_copy("second", "north");
    assert_eq!(federation.wait_for_end("second"), Some(1));
    assert!(answer(&federation, "north", first).await.expect("the same again") > 0);
    federation.ask("ministry", COUNT, "3").await.expect("an answer");

    // What the second signed, and what a witness kept of it, each show the fork beside the first's own files.
    let export =
        |config: &str, out: &str| run(&["ledger", "export", "--config", &at(config), "--out", &at(out)]);
    run(&["ledger", "export", "--coordinator", &at("coordinator.toml"), "--out", &at("mirror")]);
    export("north.toml", "mirror");
    assert!(!names_a_fork(&findings(&at("mirror"), &[])));
    export("second.toml", "seconds");
    let found = findings(&at("mirror"), &[&at("seconds")]);
    assert!(names_a_fork(&found), "{found:#?}\n{}", federation.log("second"));
    let witness = ["middle", "south", "east", "west"].into_iter().find(|witness| {
        let began = Instant::now();
        let evidence = federation.path(&format!("state/{witness}/witness/north.fork"));
        while !evidence.exists() && began.elapsed() < Duration::from_secs(1) {
            std::thread::sleep(Duration::from_millis(20));
        }
        evidence.exists()
    });
    let told = export(&format!("{}.toml", witness.expect("one refused it")), "mirror").stdout;
    assert!(String::from_utf8_lossy(&told).contains("north SHOWED TWO HISTORIES"));
    assert!(names_a_fork(&findings(&at("mirror"), &[])));
}
