//! How long an audit takes: `cargo bench -p almoner-audit --bench offline [ROUNDS [RELEASES]]`.
//!
//! One ledger of 100,000 rounds, two entries each, with the registry that knows them and every signed question, and
//! apart from it a small federation with all evidence of its releases.

// Of the tests' support only honest federations are needed.
#[allow(dead_code)]
#[path = "../tests/audit/support.rs"]
mod support;

use std::time::Instant;

use almoner_audit::{AskedQuestion, Mirror, audit};
use almoner_federation::checkpoint::Checkpoint;
use almoner_federation::{Digest, Manifest, PicoRho, QueryId, Role};
use almoner_ledger::{
    About, Accounts, Books, Entry, Limits, Policy, Position, RegistryStep, Step, TerritoryLimit, Touched,
};
use almoner_query::{Spec, plan};

use support::{NOW, Round, SQL, World, key, manifest_text, name};

/// Writes the ledger of `north` and the registry of `rounds` charged rounds, with or without their questions.
fn generate(mirror: &Mirror, rounds: u64, with_questions: bool) {
    let text = manifest_text(4, 1, "1000000");
    let manifest = Manifest::parse(&text, "bench").expect("a good manifest");
    mirror.keep_manifest(&text).expect("room");
    let agency = &manifest.agencies[0];
    let origin = manifest.identity(Role::Agency, &agency.name).key_name();
    let policy = Policy {
        origin: origin.clone(),
        manifest_hash: manifest.hash(),
        limits: Limits {
            total: manifest.policy.total_rho,
            planners: manifest.planners.iter().map(|p| (p.name.clone(), p.rho)).collect(),
            period: manifest.policy.period,
            territory: TerritoryLimit::of(&manifest),
        },
        release: almoner_ledger::ReleaseLimits::default(),
        rules: String::new(),
        officer: agency.officer_key,
        auditors: manifest.auditors.iter().map(|auditor| auditor.signing_key).collect(),
    };
    let (mut books, mut accounts) = (Books::new(), Accounts::default());
    let mut ledger = mirror.node(&agency.name).writer(0).expect("a new folder");
    let mut registry = mirror.registry().writer(0).expect("a new folder");
    let mut size = 0;
    let mut append = |books: &mut Books, entry: &Entry| {
        ledger.push(&entry.encode());
        size += 1;
        // Only signed policies are for a root, and the one here is the first.
        books.apply(entry, Position { size, root: Digest([0; 32]) }).expect("fits");
    };
    let first = books.policy_entry(policy.sign(books.position(), &key(101)), NOW);
    append(&mut books, &first);
    let rho = PicoRho::new(1_000_000_000);
    let plans: Vec<_> = SQL.iter().map(|sql| plan(&manifest, sql, rho).expect("a plain question")).collect();
    let planner = key(201);
    let mut questions = Vec::new();
    for number in 0..rounds {
        let which = number as usize % SQL.len();
        let (sql, plan) = (SQL[which], &plans[which]);
        let mut query = [0; 16];
        query[8..].copy_from_slice(&number.to_be_bytes());
        let spec = Spec {
            federation: manifest.federation.clone(),
            manifest_hash: manifest.hash(),
            query_id: QueryId(query),
            planner: name("ministry"),
            sql: sql.into(),
            rho,
            plan_hash: plan.hash(),
            purpose: "the monthly report on incomes".into(),
            issued_at_s: NOW + number,
        };
        let body = spec.encode();
        let (spec_hash, context) = (Digest::of(&body), Digest::of(&number.to_be_bytes()));
        let about = || About { spec_hash, planner: spec.planner.clone(), cost: plan.price() };
        let reserve = Step::Reserve { touched: Touched::of(plan.territories()), approval: None };
        for step in [reserve, Step::Charge { context }] {
            let entry = books.round_entry(step, NOW + number, (spec.query_id, 0), about()).expect("fits");
            append(&mut books, &entry);
        }
        let step = RegistryStep::Charge { attempt: 0, context };
        let entry = accounts.next(step, spec_hash, &spec.planner, plan.price(), NOW + number);
        let entry = entry.expect("sums fit").expect("is new");
        accounts.apply(number, &entry).expect("fits");
        registry.push(&entry.encode());
        if with_questions {
            questions.push(AskedQuestion { signature: planner.sign(&body), body });
        }
    }
    ledger.flush().expect("room");
    registry.flush().expect("room");
    mirror.keep_questions(&agency.name, &questions).expect("room");
    let office = manifest.identity(Role::Coordinator, &manifest.coordinator.name).key_name();
    for (folder, origin, key, (size, root)) in [
        (mirror.node(&agency.name), origin, key(1), ledger.position()),
        (mirror.registry(), office, key(200), registry.position()),
    ] {
        let note = Checkpoint { origin, size, root }.sign(&key).expect("signs");
        folder.keep_checkpoint(&note.to_string()).expect("room");
    }
}

/// Of this process so far, in MiB.
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()).unwrap_or(0) / 1024
}

/// Begins the peak anew, where the system can.
fn forget_peak() {
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

fn timed(what: &str, mirror: &Mirror) {
    forget_peak();
    let begun = Instant::now();
    let report = audit(mirror, &[]).expect("readable");
    let seconds = begun.elapsed().as_secs_f64();
    assert!(report.is_clean(), "{report}");
    let entries: u64 = report.nodes.iter().map(|node| node.log.size).sum();
    println!("{what:>32} {entries:>10} {:>9} {seconds:>9.2} {:>9}", report.releases.len(), peak_mib());
}

fn main() {
    let numbers: Vec<u64> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let rounds = numbers.first().copied().unwrap_or(100_000);
    let releases = numbers.get(1).copied().unwrap_or(90);
    println!("{:>32} {:>10} {:>9} {:>9} {:>9}", "", "entries", "releases", "seconds", "peak MiB");
    for (what, with_questions) in
        [("one ledger and the registry", false), ("with all signed questions", true)]
    {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mirror = Mirror::new(folder.path());
        generate(&mirror, rounds, with_questions);
        timed(what, &mirror);
    }
    let mut world = World::new(6, None, None);
    for number in 0..releases {
        let round = Round { planner: if number % 2 == 0 { "city" } else { "ministry" }, ..Round::of(SQL[0]) };
        world.round(&round);
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    timed("six ledgers with their releases", &world.write(folder.path()));
}
