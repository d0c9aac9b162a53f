//! A coordinator that lies, planners that forge, certificates that are wrong: each gets a clear no, and
//! nothing is charged or leaked by it.

mod support;

use almoner_api::{Refusal, to_signed, to_wire, v1};
use almoner_federation::{Digest, NodeId, PicoRho};
use almoner_query::{Plan, Spec};
use almoner_secure_sum::{Collecting, Question, Ready, Ring, Roster, Signed};
use std::sync::Arc;
use support::client::{now_s, refusal};
use support::{Federation, Setup, complaint};

const COUNT: &str = "SELECT area, COUNT(*) FROM people GROUP BY area";

async fn prepare(
    federation: &Federation,
    agency: &str,
    spec: &v1::Signed,
    attempt: u32,
) -> Result<v1::Signed, tonic::Status> {
    let request = v1::PrepareRequest { spec: Some(spec.clone()), attempt };
    let reply = federation.node_client("coordinator", agency).prepare(request).await?;
    Ok(reply.into_inner().ready.expect("a READY"))
}

/// All the values of a node's answer to one Release, with its receipt.
async fn release(
    federation: &Federation,
    agency: &str,
    request: v1::ReleaseRequest,
) -> Result<(Vec<u64>, v1::Signed), tonic::Status> {
    let mut stream = federation.node_client("coordinator", agency).release(request).await?.into_inner();
    let (mut values, mut receipt) = (Vec::new(), None);
    while let Some(chunk) = stream.message().await? {
        values.extend(chunk.values);
        receipt = receipt.or(chunk.output);
    }
    Ok((values, receipt.expect("a receipt")))
}

async fn charged(federation: &Federation, agency: &str) -> (u64, u64) {
    let request = v1::AccountRequest { planner: "ministry".into() };
    let reply = federation.node_client("coordinator", agency).account(request).await.expect("an account");
    let account = reply.into_inner();
    (account.total_charged, account.total_reserved)
}

/// The sum of masked vectors, as a coordinator makes it.
fn sum(parts: &[&Vec<u64>]) -> Vec<i64> {
    let cells = 0..parts[0].len();
    cells.map(|at| parts.iter().fold(0u64, |sum, part| sum.wrapping_add(part[at])).cast_signed()).collect()
}

/// A coordinator's view of one attempt after all three nodes are READY.
struct Round {
    query_id: Vec<u8>,
    question: Question,
    readies: Vec<(NodeId, Signed<Ready>)>,
    roster: Arc<Roster>,
}

impl Round {
    async fn prepare(federation: &Federation, asked: &(Spec, Plan), attempt: u32) -> Round {
        let (spec, plan) = asked;
        let signed = federation.sign("ministry", spec);
        let mut readies = Vec::new();
        for (number, agency) in ["north", "middle", "south"].into_iter().enumerate() {
            let ready = prepare(federation, agency, &signed, attempt).await.expect("READY");
            readies.push((NodeId(number as u32 + 1), to_signed(ready).expect("well formed")));
        }
        let question = Question {
            spec_hash: Digest::of(&signed.body),
            plan_hash: plan.hash(),
            cost: plan.price(),
            ring: Ring::Z64,
            cells: plan.dimension(),
            attempt,
            quorum: 2,
            colluders: 1,
        };
        let roster = Arc::new(Roster::of(&federation.manifest).expect("a roster"));
        Round { query_id: spec.query_id.0.to_vec(), question, readies, roster }
    }

    /// The Releases for a context over `nodes`, as this coordinator chooses to make it.
    fn releases(&self, federation: &Federation, nodes: &[u32]) -> Vec<(u32, v1::ReleaseRequest)> {
        let mut collecting = Collecting::new(self.roster.clone(), self.question).expect("a question");
        for (node, ready) in self.readies.iter().filter(|(node, _)| nodes.contains(&node.0)) {
            collecting.receive(*node, ready, now_s()).expect("its own READY");
        }
        let round = collecting.release(&federation.signing_key("coordinator"), now_s()).expect("a context");
        let request = |node: &u32| {
            let release = round.release_for(NodeId(*node)).expect("a participant");
            let request = v1::ReleaseRequest {
                query_id: self.query_id.clone(),
                context: Some(to_wire(&release.context)),
                proof: release.proof.iter().map(|hash| hash.0.to_vec()).collect(),
            };
            (*node, request)
        };
        nodes.iter().map(request).collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_that_the_planner_did_not_sign_or_the_node_cannot_confirm_is_refused() {
    let federation = Federation::start(&Setup::small());
    let (good, _) = federation.question("ministry", COUNT, "1");

    let forged = federation.sign("coordinator", &good);
    assert_eq!(
        refusal(prepare(&federation, "north", &forged, 0).await),
        Refusal::Signature,
        "signed by another"
    );
    let mut changed = federation.sign("ministry", &good);
    let last = changed.body.len() - 1;
    changed.body[last] ^= 1;
    assert_eq!(
        refusal(prepare(&federation, "north", &changed, 0).await),
        Refusal::Signature,
        "changed on the way"
    );
    let mut cut = federation.sign("ministry", &good);
    cut.body.truncate(40);
    assert_eq!(refusal(prepare(&federation, "north", &cut, 0).await), Refusal::Malformed, "cut short");

    // The planner colludes and signs whatever the coordinator wants; the node plans for itself.
    let mut lies = Vec::new();
    let mut lie = good.clone();
    lie.plan_hash = Digest::of(b"a plan with less noise");
    lies.push((lie, Refusal::PlanMismatch, "another plan"));
    let mut lie = good.clone();
    lie.rho = PicoRho::new(good.rho.get() + 1);
    lies.push((lie, Refusal::PlanMismatch, "another price for the same plan"));
    let mut lie = good.clone();
    lie.sql = good.sql.replace("COUNT(*)", "COUNT( * )");
    lies.push((lie, Refusal::PlanMismatch, "not in canonical form"));
    let mut lie = good.clone();
    lie.sql = "SELECT COUNT(*) FROM secrets".into();
    lies.push((lie, Refusal::Plan, "a table that is not declared"));
    let mut lie = good.clone();
    lie.sql = "SELECT person_id, COUNT(*) FROM people GROUP BY person_id".into();
    lies.push((lie, Refusal::Plan, "the units themselves"));
    let mut lie = good.clone();
    lie.manifest_hash = Digest::of(b"another roster");
    lies.push((lie, Refusal::Manifest, "another manifest"));
    let mut lie = good.clone();
    lie.federation = "elsewhere".parse().expect("a name");
    lies.push((lie, Refusal::Manifest, "another federation"));
    let mut lie = good.clone();
    lie.issued_at_s -= 7 * 86_400;
    lies.push((lie, Refusal::Stale, "signed a week ago"));
    let mut lie = good.clone();
    lie.issued_at_s += 86_400;
    lies.push((lie, Refusal::Stale, "signed tomorrow"));
    let mut lie = good.clone();
    lie.planner = "nobody".parse().expect("a name");
    lies.push((lie, Refusal::Planner, "an unknown planner"));
    for (lie, expected, what) in lies {
        let signed = federation.sign("ministry", &lie);
        assert_eq!(refusal(prepare(&federation, "north", &signed, 0).await), expected, "{what}");
    }
    let signed = federation.sign("ministry", &good);
    assert_eq!(refusal(prepare(&federation, "north", &signed, 99).await), Refusal::Attempts);
    let (dear, _) = federation.question("institute", COUNT, "1.5");
    let dear = federation.sign("institute", &dear);
    assert_eq!(refusal(prepare(&federation, "north", &dear, 0).await), Refusal::BudgetPlanner);
    assert_eq!(charged(&federation, "north").await, (0, 0), "no refusal reserves or charges anything");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_attempt_gets_the_same_ready_and_another_question_under_its_number_gets_none() {
    let federation = Federation::start(&Setup::small());
    let (spec, plan) = federation.question("ministry", COUNT, "1");
    let signed = federation.sign("ministry", &spec);
    let first = prepare(&federation, "north", &signed, 0).await.expect("READY");
    let second = prepare(&federation, "north", &signed, 0).await.expect("READY");
    assert_eq!(first, second);
    assert_eq!(charged(&federation, "north").await, (0, plan.price().get()));
    let mut other = spec.clone();
    other.issued_at_s -= 1;
    let other = federation.sign("ministry", &other);
    assert_eq!(refusal(prepare(&federation, "north", &other, 0).await), Refusal::Conflict);
    let key = federation.manifest.agencies[0].signing_key;
    let ready = to_signed::<Ready>(first).expect("well formed").verify(&key).expect("signed by north");
    assert_eq!((ready.cost, ready.plan_hash), (plan.price(), plan.hash()), "the node's own plan");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn different_participant_sets_give_uniform_bytes_and_a_second_context_is_refused() {
    let mut federation = Federation::start(&Setup::small());
    let round = Round::prepare(&federation, &federation.question("ministry", COUNT, "1"), 0).await;
    let price = round.question.cost.get();

    // A quorum of two where the manifest says three.
    let few = round.releases(&federation, &[1, 2]);
    assert_eq!(refusal(release(&federation, "north", few[0].1.clone()).await), Refusal::Context);
    assert_eq!(charged(&federation, "north").await, (0, price), "reserved, not charged");

    // A proof that is not this node's, a context of somebody else's making, a READY never given.
    let honest = round.releases(&federation, &[1, 2, 3]);
    let mut wrong = honest[0].1.clone();
    wrong.proof = honest[1].1.proof.clone();
    assert_eq!(refusal(release(&federation, "north", wrong).await), Refusal::Context, "another's proof");
    let mut wrong = honest[0].1.clone();
    let body = wrong.context.as_ref().expect("a context").body.clone();
    wrong.context = Some(v1::Signed::new(body.clone(), &federation.signing_key("ministry").sign(&body)));
    assert_eq!(refusal(release(&federation, "north", wrong).await), Refusal::Signature, "another's context");
    let mut wrong = honest[0].1.clone();
    wrong.query_id = vec![9; 16];
    assert_eq!(refusal(release(&federation, "north", wrong).await), Refusal::Unprepared, "never prepared");
    let mut wrong = honest[0].1.clone();
    wrong.proof = vec![vec![0; 31]];
    assert_eq!(refusal(release(&federation, "north", wrong).await), Refusal::Malformed, "a short hash");

    // The honest one: charged once, byte-identical on retry, and the sum is plausible only when whole.
    let (first, receipt) = release(&federation, "north", honest[0].1.clone()).await.expect("masked");
    assert_eq!(charged(&federation, "north").await, (price, 0));
    let (again, receipt_again) = release(&federation, "north", honest[0].1.clone()).await.expect("masked");
    assert_eq!((&first, &receipt), (&again, &receipt_again));
    assert_eq!(charged(&federation, "north").await, (price, 0), "a retry is free");
    // Nor does a power failure change a byte.
    federation.kill_node("north");
    federation.spawn_node("north", &[]);
    federation.wait_for("north");
    let (again, receipt_again) = release(&federation, "north", honest[0].1.clone()).await.expect("masked");
    assert_eq!((&first, &receipt), (&again, &receipt_again));
    assert_eq!(charged(&federation, "north").await, (price, 0), "a retry after a crash is free");

    // A second context over the same READYs, now with one more READY drawn for attempt 1.
    let other = Round::prepare(&federation, &federation.question("ministry", COUNT, "1"), 1).await;
    let mut mixed = other.releases(&federation, &[1, 2, 3])[0].1.clone();
    mixed.query_id = round.query_id.clone();
    assert_eq!(refusal(release(&federation, "north", mixed).await), Refusal::Unprepared);

    let (second, _) = release(&federation, "middle", honest[1].1.clone()).await.expect("masked");
    let (third, _) = release(&federation, "south", honest[2].1.clone()).await.expect("masked");
    let sum = |parts: &[&Vec<u64>]| -> Vec<i64> {
        let cells = 0..first.len();
        cells
            .map(|at| parts.iter().fold(0u64, |sum, part| sum.wrapping_add(part[at])).cast_signed())
            .collect()
    };
    // Noise at rho = 1 keeps a count of people within a few thousand scaled steps; a uniform value is
    // below 2^40 with probability 2^-23 a coordinate, and two coordinates must be so: below 1e-13.
    let plausible = |values: Vec<i64>| values.iter().all(|value| value.unsigned_abs() < 1 << 40);
    assert!(plausible(sum(&[&first, &second, &third])));
    for part in
        [vec![&first], vec![&second], vec![&first, &second], vec![&first, &third], vec![&second, &third]]
    {
        assert!(!plausible(sum(&part)), "a partial sum must be uniform");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_attempt_at_one_question_draws_fresh_noise_and_is_charged() {
    let federation = Federation::start(&Setup::small());
    let asked =
        federation.question("ministry", "SELECT area, AVG(income) FROM people GROUP BY area", "0.001");
    let mut totals = Vec::new();
    for attempt in 0..2 {
        let round = Round::prepare(&federation, &asked, attempt).await;
        let mut vectors = Vec::new();
        for ((_, request), agency) in
            round.releases(&federation, &[1, 2, 3]).into_iter().zip(["north", "middle", "south"])
        {
            vectors.push(release(&federation, agency, request).await.expect("masked").0);
        }
        totals.push(sum(&vectors.iter().collect::<Vec<_>>()));
    }
    // Were the noise reused, a coordinator that leaves one agency out of the second attempt would read
    // that agency's part off the difference. Four coordinates with noise of some 27,000 steps agree by
    // chance with probability below 1e-18.
    assert_ne!(totals[0], totals[1]);
    let price = asked.1.price().get();
    assert_eq!(charged(&federation, "north").await, (2 * price, 0), "each attempt has its price");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_shows_nothing_of_its_data_before_the_masked_vector() {
    // Two federations with the same keys that differ in one person: every READY field but the nonce,
    // the times and the keyed snapshot is the same. No witnesses: one who remembers the first would stop
    // the second.
    let fields = |federation: &Federation, ready: v1::Signed| {
        let key = federation.manifest.agencies[0].signing_key;
        let ready =
            to_signed::<Ready>(ready).expect("well formed").verify(&key).expect("signed").into_message();
        (ready.manifest_hash, ready.attempt, ready.cost, ready.plan_hash, ready.ledger_size, ready.node)
    };
    let mut federation = Federation::start(&Setup::small().without_witnesses());
    let (spec, _) = federation.question("ministry", COUNT, "1");
    let with = fields(
        &federation,
        prepare(&federation, "north", &federation.sign("ministry", &spec), 0).await.expect("READY"),
    );
    let folder = federation.path("data/north/people.csv");
    federation.kill_node("north");
    std::fs::remove_dir_all(federation.path("state/north")).expect("the state folder");
    support::run(&["node", "init", "--config", &federation.path("north.toml").display().to_string()]);
    std::fs::write(folder, "person_id,area,income\n1,hill,NaN\n1,hill,9223372036854775807\n,plain,5\n")
        .expect("data");
    federation.spawn_node("north", &[]);
    federation.wait_for("north");
    let without = fields(
        &federation,
        prepare(&federation, "north", &federation.sign("ministry", &spec), 0).await.expect("READY"),
    );
    assert_eq!(with, without);
}

#[test]
fn a_node_under_another_manifest_or_with_broken_files_does_not_start_and_says_why() {
    let mut federation = Federation::make(&Setup::small());
    let manifest = std::fs::read_to_string(federation.path("federation.toml")).expect("the manifest");
    let data = "data/north/people.csv";
    let original = std::fs::read_to_string(federation.path(data)).expect("the data");
    let good_config = std::fs::read_to_string(federation.path("north.toml")).expect("the configuration");
    let refused = |federation: &mut Federation, file: &str, text: &str, told: &str| {
        let path = federation.path(file);
        let before = std::fs::read_to_string(&path).expect("a file");
        std::fs::write(&path, text).expect("a changed file");
        let log = federation.path("north.log");
        let _ = std::fs::remove_file(&log);
        federation.spawn_node("north", &[]);
        federation.wait_for_end("north");
        let shown = federation.log("north");
        assert!(shown.contains(told), "{file} should give {told:?}: {shown}");
        std::fs::write(&path, before).expect("the file as it was");
    };
    let changed = manifest.replace("total_rho = 1000", "total_rho = 999999");
    refused(&mut federation, "federation.toml", &changed, "not the pinned manifest");
    refused(&mut federation, "north.toml", &format!("{good_config}colour = 1\n"), "unknown field");
    refused(
        &mut federation,
        "north.toml",
        &good_config.replace("agency = \"north\"", "agency = \"west\""),
        "no agency",
    );
    let limits = format!("{good_config}[limits]\nmin_anchors = 1\n");
    refused(&mut federation, "north.toml", &limits, "min_anchors");
    let limits = format!("{good_config}[data_limits]\nmemory_mb = 1\nscratch = \"scratch\"\n");
    refused(&mut federation, "north.toml", &limits, "memory_mb must be 16 to 16000000");
    let limits = format!("{good_config}[data_limits]\nmemory_mb = 1000\n");
    refused(&mut federation, "north.toml", &limits, "missing field `scratch`");
    refused(&mut federation, data, "person_id,area\n1,hill\n", "income");
    refused(&mut federation, data, &format!("{original}7,hill\n"), "people.csv:5");
    refused(&mut federation, data, "", "people.csv");
    let other_key = std::fs::read_to_string(federation.path("keys/south/signing.key")).expect("a key");
    refused(&mut federation, "keys/north/signing.key", &other_key, "not the signing key of this agency");
    let other_key = std::fs::read_to_string(federation.path("keys/south/mask.key")).expect("a key");
    refused(&mut federation, "keys/north/mask.key", &other_key, "not the mask key of this agency");
    refused(&mut federation, "keys/north/sealing.key", "short", "64 hexadecimal digits");
    let elsewhere = good_config.replace("state = \"state/north\"", "state = \"state/nroth\"");
    refused(&mut federation, "north.toml", &elsewhere, "there is no ledger");
    let ledger = federation.path("state/north/ledger.sqlite");
    let before = std::fs::read(&ledger).expect("a ledger");
    for wal in ["state/north/ledger.sqlite-wal", "state/north/ledger.sqlite-shm"] {
        let _ = std::fs::remove_file(federation.path(wal));
    }
    std::fs::write(&ledger, "").expect("an emptied ledger");
    refused(&mut federation, "north.toml", &good_config, "holds no entry");
    std::fs::write(&ledger, before).expect("the ledger as it was");
    let other_key = std::fs::read_to_string(federation.path("keys/south/sealing.key")).expect("a key");
    refused(&mut federation, "keys/north/sealing.key", &other_key, "sealing key");
}

#[test]
fn a_planner_with_a_wrong_or_expired_certificate_or_bad_sql_is_told_so() {
    let federation = Federation::start(&Setup::small());
    let unknown = federation.as_planner("ministry", &["query", "SELECT wage FROM people", "--rho", "1"]);
    let text = complaint(&unknown);
    assert!(text.contains("wage"), "{text}");
    let unknown = federation.as_planner("ministry", &["query", "SELECT COUNT(*) FROM peple", "--rho", "1"]);
    assert!(complaint(&unknown).contains("people"), "{}", complaint(&unknown));
    let wrong = federation.as_planner("court-of-audit", &["query", COUNT, "--rho", "1"]);
    assert!(complaint(&wrong).contains("not a planner"), "{}", complaint(&wrong));
    let node = federation.as_planner("north", &["budget"]);
    assert!(complaint(&node).contains("not a planner"), "{}", complaint(&node));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_expired_foreign_or_missing_certificate_gets_no_connection() {
    let federation = Federation::start(&Setup::small());
    let account = v1::AccountRequest { planner: "ministry".into() };
    let good = federation.node_client("coordinator", "north").account(account.clone()).await;
    assert!(good.is_ok(), "the coordinator's own certificate works");

    // The coordinator's identity, vouched for by the right authority, but until yesterday.
    let day = time::Duration::days(1);
    let now = time::OffsetDateTime::now_utc();
    let authority = (federation.path("authority/ca.pem"), federation.path("authority/ca.key"));
    federation.forge_certificate("coordinator", "expired", Some(&authority), now - day * 9, now - day);
    let refused = federation.node_client("expired", "north").account(account.clone()).await;
    assert!(Refusal::from_status(&refused.expect_err("expired")).is_none(), "TLS itself refuses");

    // The same identity by an authority of the caller's own.
    federation.forge_certificate("coordinator", "foreign", None, now - day, now + day);
    let refused = federation.node_client("foreign", "north").account(account.clone()).await;
    assert!(Refusal::from_status(&refused.expect_err("foreign")).is_none(), "TLS itself refuses");

    // A sound certificate of the authority for nobody in the manifest.
    federation.forge_certificate("stranger", "stranger", Some(&authority), now - day, now + day);
    assert_eq!(refusal(federation.node_client("stranger", "north").account(account).await), Refusal::Role);
}
