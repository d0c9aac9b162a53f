//! No restored backup answers twice for free: the other agencies remember every charge, and a node whose ledger has
//! forgotten one ends before it answers anything.

mod support;

use std::path::Path;
use std::time::{Duration, Instant};

use almoner_api::{Refusal, v1};
use almoner_audit::verify_release;
use almoner_federation::checkpoint::{Checkpoint, SignedCheckpoint, UnverifiedCheckpoint};
use almoner_federation::merkle::{Tree, leaf_hash, verify_consistency};
use almoner_federation::note::KeyName;
use almoner_federation::{Digest, Role};
use almoner_query::Spec;
use support::client::{now_s, refusal, wait_for_answer};
use support::{Federation, Setup, run};
use tokio::time::sleep;

const COUNT: &str = "SELECT area, COUNT(*) FROM people GROUP BY area";
const AGENCIES: [&str; 3] = ["north", "middle", "south"];

async fn account(federation: &Federation, agency: &str) -> v1::AccountReply {
    let request = v1::AccountRequest { planner: "ministry".into() };
    federation.node_client("coordinator", agency).account(request).await.expect("an account").into_inner()
}

fn origin(federation: &Federation, agency: &str) -> KeyName {
    federation.manifest.identity(Role::Agency, &agency.parse().expect("a name")).key_name()
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("the folder") {
        let entry = entry.expect("an entry");
        let to = to.join(entry.file_name());
        match entry.file_type().expect("its type").is_dir() {
            true => copy_folder(&entry.path(), &to),
            false => drop(std::fs::copy(entry.path(), to).expect("a copy")),
        }
    }
}

fn put_back(from: &Path, to: &Path) {
    std::fs::remove_dir_all(to).expect("the present state");
    copy_folder(from, to);
}

fn stop(federation: &mut Federation) {
    AGENCIES.iter().for_each(|agency| federation.kill_node(agency));
}

fn start(federation: &mut Federation) {
    AGENCIES.iter().for_each(|agency| federation.spawn_node(agency, &[]));
    AGENCIES.iter().for_each(|agency| federation.wait_for(agency));
}

/// Waits for the node to end and returns what it told its data officer.
fn ended(federation: &mut Federation, agency: &str) -> String {
    assert_eq!(federation.wait_for_end(agency), Some(1), "{}", federation.log(agency));
    let log = federation.log(agency);
    let told = log.lines().rfind(|line| line.starts_with("error: ")).expect("a last word").to_owned();
    for part in ["has forgotten charges", "answers nothing", "agree with the other agencies"] {
        assert!(told.contains(part), "{part:?}: {told}");
    }
    told
}

/// The checkpoint that `witness` has on its disk for `agency`.
fn on_disk(federation: &Federation, witness: &str, agency: &str) -> Checkpoint {
    let path = federation.path(&format!("state/{witness}/witness/{agency}.checkpoint"));
    let note = std::fs::read_to_string(path).expect("it cosigned");
    UnverifiedCheckpoint::parse(&note).expect("a note").claimed().clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_backup_ends_its_node_and_answers_nothing_twice() {
    let mut federation = Federation::start(&Setup::small());
    federation.ask("ministry", COUNT, "1").await.expect("an answer");
    stop(&mut federation);
    let (state, copy) = (federation.path("state/north"), federation.path("copy"));
    copy_folder(&state, &copy);

    start(&mut federation);
    federation.ask("ministry", COUNT, "1").await.expect("an answer after all were restarted");
    let before = account(&federation, "north").await;
    assert_eq!(
        on_disk(&federation, "middle", "north").size,
        before.ledger_size,
        "remembered with the charge"
    );
    stop(&mut federation);

    put_back(&copy, &state);
    AGENCIES.iter().for_each(|agency| federation.spawn_node(agency, &[]));
    let told = ended(&mut federation, "north");
    assert!(told.contains(&format!("of {} entries", before.ledger_size)), "{told}");
    // No round begins: the quorum lacks north, and the others were restarted too and wait for its memory of them.
    ["middle", "south"].iter().for_each(|agency| federation.wait_for(agency));
    let refused = refusal(federation.ask("ministry", COUNT, "1").await);
    assert!(matches!(refused, Refusal::Quorum | Refusal::Unwitnessed), "{refused:?}");
    let after = account(&federation, "middle").await;
    // It may have heard north before north ended, and reserved: that expires.
    assert_eq!(after.total_charged, before.total_charged, "nothing more is charged");
    // However often it is tried.
    federation.spawn_node("north", &[]);
    ended(&mut federation, "north");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ledger_begun_anew_is_refused_and_the_true_one_is_welcome_again() {
    let mut federation = Federation::start(&Setup::small());
    federation.ask("ministry", COUNT, "1").await.expect("an answer");
    federation.kill_node("north");
    let (state, copy) = (federation.path("state/north"), federation.path("copy"));
    copy_folder(&state, &copy);
    std::fs::remove_dir_all(&state).expect("the state folder");
    run(&["node", "init", "--config", &federation.path("north.toml").display().to_string()]);
    federation.spawn_node("north", &[]);
    let told = ended(&mut federation, "north");
    assert!(told.contains("ends after 1 entries"), "{told}");

    put_back(&copy, &state);
    federation.spawn_node("north", &[]);
    federation.wait_for("north");
    federation.ask("ministry", COUNT, "1").await.expect("an answer");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_honest_memory_is_enough_when_the_other_witness_lies() {
    for lie in ["an old checkpoint", "none"] {
        let mut federation = Federation::start(&Setup::small());
        federation.ask("ministry", COUNT, "1").await.expect("an answer");
        stop(&mut federation);
        let copy = federation.path("copy");
        copy_folder(&federation.path("state/north"), &copy);
        let memory = federation.path("state/south/witness/north.checkpoint");
        let old = std::fs::read(&memory).expect("south cosigned");
        start(&mut federation);
        federation.ask("ministry", COUNT, "1").await.expect("an answer");
        stop(&mut federation);
        put_back(&copy, &federation.path("state/north"));
        match lie {
            "none" => std::fs::remove_file(&memory).expect("the memory"),
            _ => std::fs::write(&memory, &old).expect("the memory"),
        }

        // The liar alone is not enough to be heard.
        federation.spawn_node("south", &[]);
        federation.wait_for("south");
        federation.spawn_node("north", &[]);
        federation.wait_for("north");
        let asked = prepare(&federation, "north", &federation.question("ministry", COUNT, "1").0).await;
        assert_eq!(refusal(asked), Refusal::Unwitnessed, "{lie}");
        federation.spawn_node("middle", &[]);
        let told = ended(&mut federation, "north");
        assert!(told.contains("middle cosigned"), "{lie}: {told}");
    }
}

async fn prepare(
    federation: &Federation,
    agency: &str,
    spec: &Spec,
) -> Result<tonic::Response<v1::PrepareReply>, tonic::Status> {
    let request = v1::PrepareRequest { spec: Some(federation.sign("ministry", spec)), attempt: 0 };
    federation.node_client("coordinator", agency).prepare(request).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_waits_for_the_others_at_start_and_shows_what_it_has_meanwhile() {
    let mut setup = Setup::small();
    setup.node_limits = "[limits]\nwitness_timeout_s = 1\n".into();
    let mut federation = Federation::make(&setup);
    federation.spawn_node("north", &[]);
    federation.wait_for("north");
    let (spec, _) = federation.question("ministry", COUNT, "1");
    assert_eq!(refusal(prepare(&federation, "north", &spec).await), Refusal::Unwitnessed);
    assert_eq!(account(&federation, "north").await.ledger_size, 1, "accounts and logs are shown");
    let mut log = federation.log_client("court-of-audit", "north");
    assert_eq!(
        refusal(log.get_checkpoint(v1::GetCheckpointRequest {}).await),
        Refusal::Unwitnessed,
        "what may be an older ledger is not signed"
    );
    let request = v1::GetEntriesRequest { from: 0, to: 1 };
    let mut entries = log.get_entries(request).await.expect("entries").into_inner();
    assert_eq!(entries.message().await.expect("a page").expect("one page").entries.len(), 1);
    let mut witness = federation.witness_client("south", "north");
    let request = v1::RememberedRequest { origin: origin(&federation, "south").to_string() };
    assert_eq!(witness.remembered(request).await.expect("its memory").into_inner().note, "");

    federation.spawn_node("middle", &[]);
    federation.wait_for("middle");
    assert_eq!(refusal(prepare(&federation, "north", &spec).await), Refusal::Unwitnessed, "one of two");
    federation.spawn_node("south", &[]);
    let began = Instant::now();
    while prepare(&federation, "north", &spec).await.is_err() {
        assert!(began.elapsed() < Duration::from_secs(60), "{}", federation.log("north"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_waits_for_its_witnesses_and_is_charged_once() {
    // Two of three take part, and both of the others must cosign each charge.
    let mut setup = Setup::small();
    setup.constitution =
        setup.constitution.replace("quorum = 3\ncolluders = 1", "quorum = 2\ncolluders = 0\nwitnesses = 2");
    setup.node_limits = "[limits]\nwitness_timeout_s = 1\n".into();
    let mut federation = Federation::start(&setup);
    federation.ask("ministry", COUNT, "1").await.expect("an answer");
    federation.kill_node("south");
    let (spec, plan) = federation.question("ministry", COUNT, "1");
    let (signed, price) = (federation.sign("ministry", &spec), plan.price().get());
    let mut client = federation.coordinator_client("ministry");
    let request = v1::AskRequest { spec: Some(signed.clone()), fresh: true, new_attempt: false };
    let asking = tokio::spawn(async move { wait_for_answer(&mut client, request).await });
    // Both are charged, and are refused cosignatures for longer than one Release waits.
    let began = Instant::now();
    while !federation.log("coordinator").contains("Unwitnessed") {
        assert!(began.elapsed() < Duration::from_secs(30), "{}", federation.log("coordinator"));
        sleep(Duration::from_millis(50)).await;
    }
    assert!(!asking.is_finished(), "nothing is answered");
    for agency in ["north", "middle"] {
        assert_eq!(account(&federation, agency).await.total_charged, 2 * price, "{agency}");
    }
    let read = std::fs::read_to_string(federation.path("state/middle/witness/north.checkpoint"));
    assert!(read.is_ok(), "the one that is there has cosigned");

    federation.spawn_node("south", &[]);
    let answer = asking.await.expect("no panic").expect("an answer");
    let release = answer.release.expect("a release");
    verify_release(&federation.manifest, &release).expect("sound, with two witnesses for each charge");
    assert_eq!(release.checkpoints.len(), 2);
    for agency in ["north", "middle"] {
        assert_eq!(account(&federation, agency).await.total_charged, 2 * price, "{agency} is charged once");
    }
    let again = federation.ask_signed("ministry", signed, false).await.expect("an answer");
    assert!(again.repeat);
}

/// A checkpoint of `agency`, signed with the key of `signer`.
fn checkpoint(federation: &Federation, agency: &str, signer: &str, size: u64, root: Digest) -> String {
    let checkpoint = Checkpoint { origin: origin(federation, agency), size, root };
    checkpoint.sign(&federation.signing_key(signer)).expect("a short note").to_string()
}

async fn cosign(
    federation: &Federation,
    caller: &str,
    note: String,
    old_size: u64,
    proof: &[Digest],
) -> Result<v1::CosignReply, tonic::Status> {
    let request = v1::CosignRequest {
        checkpoint: Some(v1::Checkpoint { note }),
        old_size,
        proof: Some(v1::Proof::new(proof)),
    };
    Ok(federation.witness_client(caller, "middle").cosign(request).await?.into_inner())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_speaks_for_another_agencys_ledger() {
    let federation = Federation::start(&Setup::small());
    federation.ask("ministry", COUNT, "1").await.expect("an answer");
    let true_one = on_disk(&federation, "middle", "north");
    let (size, root) = (true_one.size, true_one.root);
    let north = origin(&federation, "north").to_string();

    // The coordinator, a planner and an auditor ask for no cosignatures; south not in north's name.
    let note = || checkpoint(&federation, "north", "north", size, root);
    for caller in ["coordinator", "ministry", "court-of-audit"] {
        assert_eq!(refusal(cosign(&federation, caller, note(), size, &[]).await), Refusal::Role, "{caller}");
    }
    assert_eq!(refusal(cosign(&federation, "south", note(), size, &[]).await), Refusal::Signature);
    assert_eq!(refusal(cosign(&federation, "middle", note(), size, &[]).await), Refusal::Role, "of itself");
    // A stolen certificate without the signing key.
    let forged = checkpoint(&federation, "north", "south", size + 1, Digest([7; 32]));
    assert_eq!(refusal(cosign(&federation, "north", forged, size, &[]).await), Refusal::Signature);
    let cut = "rubbish".to_owned();
    assert_eq!(refusal(cosign(&federation, "north", cut, size, &[]).await), Refusal::Signature);
    let much = vec![Digest([0; 32]); 66];
    assert_eq!(refusal(cosign(&federation, "north", note(), size, &much).await), Refusal::Malformed);
    assert_eq!(on_disk(&federation, "middle", "north"), true_one, "nothing of that is remembered");

    // The same again is the same answer; smaller is none; another history is evidence.
    let once = cosign(&federation, "north", note(), size, &[]).await.expect("the same");
    assert_eq!(once, cosign(&federation, "north", note(), 0, &[]).await.expect("the same"));
    let smaller = checkpoint(&federation, "north", "north", 1, Digest([7; 32]));
    let reply = cosign(&federation, "north", smaller, size, &[]).await.expect("a reply");
    assert_eq!((reply.checkpoint, reply.remembered), (None, size));
    let fork = checkpoint(&federation, "north", "north", size, Digest([7; 32]));
    assert_eq!(refusal(cosign(&federation, "north", fork.clone(), size, &[]).await), Refusal::Fork);
    let evidence = federation.path("state/middle/witness/north.fork");
    assert!(std::fs::read_to_string(evidence).expect("evidence").ends_with(&fork));
    assert!(federation.log("middle").contains("rolled back or forked"));

    // What is remembered is told to the ledger's agency and to auditors.
    for (caller, allowed) in [
        ("north", true),
        ("court-of-audit", true),
        ("south", false),
        ("middle", false),
        ("coordinator", false),
        ("ministry", false),
    ] {
        let request = v1::RememberedRequest { origin: north.clone() };
        let told = federation.witness_client(caller, "middle").remembered(request).await;
        match allowed {
            true => {
                let note = told.expect("its memory").into_inner().note;
                let read = UnverifiedCheckpoint::parse(&note).expect("a note");
                assert_eq!(*read.claimed(), true_one, "{caller}");
            }
            false => assert_eq!(refusal(told), Refusal::Role, "{caller}"),
        }
    }
}

/// The present checkpoint of a log, verified.
async fn present(federation: &Federation, log: &str) -> SignedCheckpoint {
    let mut client = federation.log_client("court-of-audit", log);
    let note = client.get_checkpoint(v1::GetCheckpointRequest {}).await.expect("a checkpoint");
    let read = UnverifiedCheckpoint::parse(&note.into_inner().note).expect("a note");
    let (role, key) = match federation.manifest.agency_named(&log.parse().expect("a name")) {
        Some(agency) => (Role::Agency, agency.signing_key),
        None => (Role::Coordinator, federation.manifest.coordinator.signing_key),
    };
    let name = federation.manifest.identity(role, &log.parse().expect("a name")).key_name();
    read.verify(&name, &key).expect("signed by its log")
}

async fn entries(federation: &Federation, log: &str, from: u64, to: u64) -> Vec<Vec<u8>> {
    let mut client = federation.log_client("court-of-audit", log);
    let mut pages =
        client.get_entries(v1::GetEntriesRequest { from, to }).await.expect("entries").into_inner();
    let mut entries = Vec::new();
    while let Some(page) = pages.message().await.expect("a page") {
        assert!(page.entries.len() <= 64);
        entries.extend(page.entries);
    }
    entries
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn auditors_read_logs_check_that_they_grow_and_cosign() {
    let federation = Federation::start(&Setup::small());
    let mut asked = Vec::new();
    for _ in 0..2 {
        let (spec, _) = federation.question("ministry", COUNT, "1");
        asked.push(federation.sign("ministry", &spec));
        federation.ask_signed("ministry", asked[asked.len() - 1].clone(), true).await.expect("an answer");
    }
    let auditor = federation.manifest.auditors[0].clone();
    let name = federation.manifest.identity(Role::Auditor, &auditor.name).key_name();
    for log in ["north", "coordinator"] {
        let shown = present(&federation, log).await;
        let Checkpoint { size, root, .. } = *shown.checkpoint();
        assert!(size >= 4, "{log}");
        let all = entries(&federation, log, 0, size).await;
        let mut tree = Tree::new();
        all.iter().for_each(|entry| tree.push(leaf_hash(entry)));
        assert_eq!((tree.size(), tree.root()), (size, root), "{log}");
        assert_eq!(entries(&federation, log, 1, 3).await, all[1..3]);
        let mut client = federation.log_client("court-of-audit", log);
        for (old_size, new_size) in [(0, size), (1, size), (2, 3), (size, size)] {
            let request = v1::GetConsistencyRequest { old_size, new_size };
            let proof = client.get_consistency(request).await.expect("a proof").into_inner();
            let proof = proof.digests().expect("digests");
            let at = |size| tree.root_at(size).expect("so many");
            assert!(verify_consistency(old_size, at(old_size), new_size, at(new_size), &proof));
        }
        let beyond = v1::GetConsistencyRequest { old_size: 0, new_size: size + 1 };
        assert_eq!(refusal(client.get_consistency(beyond).await), Refusal::Malformed);
        let beyond = v1::GetEntriesRequest { from: 0, to: size + 1 };
        assert_eq!(refusal(client.get_entries(beyond).await), Refusal::Malformed);

        // A cosignature is seen by the next who looks, and only under the caller's own name and key.
        let mut given = shown.clone();
        let key = federation.signing_key("court-of-audit");
        given.add(&shown.cosign(&name, &key, now_s()).expect("a time"), &auditor.signing_key).expect("room");
        client.add_cosignature(v1::Checkpoint { note: given.to_string() }).await.expect("taken");
        let known = [(name.clone(), auditor.signing_key)];
        assert_eq!(present(&federation, log).await.cosigners(&known).expect("sound").len(), 1, "{log}");
        let mut wrong = shown.clone();
        let key = federation.signing_key("ministry");
        let line = shown.cosign(&name, &key, now_s()).expect("a time");
        wrong.add(&line, &key.verifying_key()).expect("its own key");
        let wrong = v1::Checkpoint { note: wrong.to_string() };
        assert_eq!(refusal(client.add_cosignature(wrong).await), Refusal::Signature);
        let bare =
            v1::Checkpoint { note: shown.bare(&key_of(&federation, log)).expect("signed").to_string() };
        assert_eq!(refusal(client.add_cosignature(bare).await), Refusal::Signature, "no cosignature");
        for caller in ["ministry", "south"] {
            let mut client = federation.log_client(caller, log);
            assert_eq!(refusal(client.get_checkpoint(v1::GetCheckpointRequest {}).await), Refusal::Role);
        }
    }
    // The node's last entry is a charge that both others cosigned.
    let known: Vec<_> = federation
        .manifest
        .agencies
        .iter()
        .map(|agency| (origin(&federation, agency.name.as_str()), agency.signing_key))
        .collect();
    let cosigners = present(&federation, "north").await.cosigners(&known).expect("sound");
    assert_eq!(cosigners.len(), 2);

    let size = present(&federation, "north").await.checkpoint().size;
    let mut client = federation.log_client("court-of-audit", "north");
    let request = v1::GetEntriesRequest { from: 0, to: size };
    let mut stream = client.get_questions(request).await.expect("questions").into_inner();
    let mut told = Vec::new();
    while let Some(question) = stream.message().await.expect("a question") {
        told.push(question);
    }
    assert_eq!(told, asked, "each once, in the order of its RESERVE");
    let mut registry = federation.log_client("court-of-audit", "coordinator");
    let status = registry.get_questions(request).await.expect_err("elsewhere");
    assert_eq!(status.code(), tonic::Code::Unimplemented);
}

fn key_of(federation: &Federation, log: &str) -> almoner_federation::VerifyingKey {
    match federation.manifest.agency_named(&log.parse().expect("a name")) {
        Some(agency) => agency.signing_key,
        None => federation.manifest.coordinator.signing_key,
    }
}
