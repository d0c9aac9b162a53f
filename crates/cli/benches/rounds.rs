//! A whole federation on loopback: how much a round costs beyond the slowest node's own query, and what becomes of
//! many questions at once. Five node processes, a coordinator, mutual TLS, witnesses, ledgers with fsync.
//!
//! `cargo bench -p almoner --bench rounds [-- ROWS]`; ROWS at each agency, 100,000 without it.

#[path = "../../../tests/support/mod.rs"]
mod support;

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use almoner_api::v1;
use almoner_engine::Source;
use almoner_federation::Name;
use almoner_query::Plan;
use support::client::wait_for_answer;
use support::{AgencySetup, Federation, Setup};
use tokio::task::JoinSet;

const AGENCIES: [&str; 5] = ["north", "east", "south", "west", "middle"];
const AREAS: usize = 1_000;
/// Rounds that a median is taken of.
const ROUNDS: usize = 21;
/// Questions asked at once.
const AT_ONCE: usize = 20;

fn main() {
    let rows = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(100_000);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    println!(
        "{} agencies with {rows} rows each, {AREAS} cells, all processes on this machine",
        AGENCIES.len()
    );
    for slot_ms in [1, 50] {
        runtime.block_on(measure(rows, slot_ms));
    }
}

async fn measure(rows: usize, slot_ms: u32) {
    let federation = Federation::start(&setup(rows, slot_ms));
    let sources = sources(&federation).await;
    println!("\nREADY slot of {slot_ms} ms");
    let (mut alone, mut rounds) = (Vec::new(), Vec::new());
    let mut client = federation.coordinator_client("ministry");
    for round in 0..ROUNDS {
        let sql = question(round);
        alone.push(slowest(&sources, &federation.question("ministry", &sql, "0.001").1).await);
        let began = Instant::now();
        wait_for_answer(&mut client, request(&federation, &sql)).await.expect("an answer");
        rounds.push(began.elapsed());
    }
    let (query, round) = (median(&mut alone), median(&mut rounds));
    println!(
        "the slowest node's own query: {} ms; a round: {} ms; beyond it: {} ms",
        ms(query),
        ms(round),
        ms(round.saturating_sub(query))
    );

    let began = Instant::now();
    for at in 0..AT_ONCE {
        let sql = question(100 + at);
        wait_for_answer(&mut client, request(&federation, &sql)).await.expect("an answer");
    }
    let in_turn = began.elapsed();
    let (began, mut asked) = (Instant::now(), JoinSet::new());
    for at in 0..AT_ONCE {
        let (mut client, request) = (client.clone(), request(&federation, &question(200 + at)));
        asked.spawn(async move {
            let began = Instant::now();
            wait_for_answer(&mut client, request).await.map(|_| began.elapsed())
        });
    }
    let mut latencies = Vec::new();
    while let Some(answered) = asked.join_next().await {
        latencies.push(answered.expect("no panic").expect("an answer"));
    }
    let at_once = began.elapsed();
    println!(
        "{AT_ONCE} questions in turn: {} ms; at once: {} ms ({:.2} times as fast; median answer after {} ms, last {} ms)",
        ms(in_turn),
        ms(at_once),
        in_turn.as_secs_f64() / at_once.as_secs_f64(),
        ms(median(&mut latencies)),
        ms(latencies.last().copied().unwrap_or_default()),
    );
}

/// Each agency's own query over the same files, all at the same time as in a round; the last one's time.
async fn slowest(sources: &[Arc<Source>], plan: &Plan) -> Duration {
    let (began, mut running) = (Instant::now(), JoinSet::new());
    for source in sources {
        let (source, plan) = (source.clone(), plan.clone());
        running.spawn(async move { source.cells(&plan).await.map(|_| ()) });
    }
    while let Some(answered) = running.join_next().await {
        answered.expect("no panic").expect("an answer");
    }
    began.elapsed()
}

async fn sources(federation: &Federation) -> Vec<Arc<Source>> {
    let mut sources = Vec::new();
    for agency in AGENCIES {
        let name: Name = agency.parse().expect("a name");
        let folder = federation.path(&format!("data/{agency}"));
        let source = Source::open(&folder, &federation.manifest, &name, &[1; 32]).await;
        sources.push(Arc::new(source.expect("the files are sound")));
    }
    sources
}

fn request(federation: &Federation, sql: &str) -> v1::AskRequest {
    let (spec, _) = federation.question("ministry", sql, "0.001");
    v1::AskRequest { spec: Some(federation.sign("ministry", &spec)), fresh: true, new_attempt: false }
}

/// No two are the same, so that none is answered from a publication.
fn question(number: usize) -> String {
    format!("SELECT area, COUNT(*) FROM people WHERE income < {} GROUP BY area", 500 + number)
}

fn setup(rows: usize, slot_ms: u32) -> Setup {
    let area = |number: usize| format!("a{number:04}");
    let domain: Vec<String> = (0..AREAS).map(|number| format!("\"{}\"", area(number))).collect();
    let agencies = AGENCIES.iter().enumerate().map(|(agency, name)| {
        let mut csv = "person_id,area,income\n".to_owned();
        for row in 0..rows {
            let person = agency * rows + row;
            let (place, income) = (person * 7_919 % AREAS, person * 104_729 % 1_000);
            writeln!(csv, "{person},{},{income}", area(place)).expect("writing to a string");
        }
        AgencySetup {
            name: (*name).into(),
            sector: Some("residence"),
            files: vec![("people.csv".to_owned(), csv)],
        }
    });
    Setup {
        constitution: "[unit]\nkind = \"person\"\ncolumn = \"person_id\"\npopulation = 10000000\n\n\
            [policy]\ndelta = 1e-9\ntotal_rho = 1000\nquorum = 5\ncolluders = 1\nmin_honest = 2\n"
            .into(),
        tables: format!(
            "[[sector]]\nname = \"residence\"\nagencies_per_unit = 1\n\n\
             [[table]]\nname = \"people\"\nrows_per_unit = 1\n\
             [[table.column]]\nname = \"area\"\ntype = \"text\"\ndomain = [{}]\n\
             [[table.column]]\nname = \"income\"\ntype = \"integer\"\nmin = 0\nmax = 1000\n",
            domain.join(", ")
        ),
        planners: vec![("ministry", "500")],
        agencies: agencies.collect(),
        node_limits: format!("[limits]\nready_slot_ms = {slot_ms}\nqueries_at_once = 4\n"),
        coordinator_limits: String::new(),
    }
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn ms(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64() * 1e3)
}
