//! Whole releases by one process that holds all rows, as JSON: what `benches/peers/peers.py` puts beside other systems.

use std::path::Path;
use std::time::Instant;

use almoner_engine::Source;
use almoner_federation::{Manifest, PicoRho};
use almoner_privacy::{NoiseSource, add_share, rho_for_epsilon};
use almoner_query::{AnswerValue, Plan, plan};
use serde_json::{Value, json};

/// What each question may cost: the rho that is (1, 1e-9)-differential privacy.
const EPSILON: f64 = 1.0;
const DELTA: f64 = 1e-9;

/// Loads the register of `folder` and prints one object a question: the seconds of each run from SQL text to noisy
/// cells, and from these to estimates with their intervals, the last answer, and the program's peak of memory so far.
pub async fn measure(folder: &Path) {
    let manifest = crate::manifest(1);
    let began = Instant::now();
    let (_dir, source) = crate::open(folder, &manifest).await;
    let load_s = began.elapsed().as_secs_f64();
    for (what, question, _) in &crate::QUESTIONS[2..] {
        let (mut seconds, mut estimating, mut last) = (Vec::new(), Vec::new(), None);
        for _ in 0..crate::RUNS {
            let began = Instant::now();
            let (plan, cells) = release(&source, &manifest, question).await;
            let noisy = Instant::now();
            last = Some(plan.answer(&cells, crate::AGENCIES).expect("an answer"));
            seconds.push((noisy - began).as_secs_f64());
            estimating.push(noisy.elapsed().as_secs_f64());
        }
        let row = |row: &Vec<AnswerValue>| row.iter().map(value).collect::<Value>();
        println!(
            "{}",
            json!({
                "question": what,
                "version": env!("CARGO_PKG_VERSION"),
                "load_s": load_s,
                "seconds": seconds,
                "estimating": estimating,
                "answer": last.iter().flat_map(|answer| &answer.rows).map(row).collect::<Value>(),
                "peak_kib": peak_kib(),
            })
        );
    }
}

/// Plans the question, computes its cells and adds the noise of all three agencies, as if each held a third.
async fn release(source: &Source, manifest: &Manifest, question: &str) -> (Plan, Vec<i64>) {
    let rho: PicoRho = rho_for_epsilon(EPSILON, DELTA).expect("a price");
    let plan = plan(manifest, question, rho).expect("a plan");
    let mut cells = source.cells(&plan).await.expect("cells").values;
    plan.encode(&mut cells);
    plan.scale(&mut cells);
    let mut noise = NoiseSource::from_system().expect("randomness");
    for _ in 0..crate::AGENCIES {
        add_share(&mut cells, |index| plan.sigma_of(index), &mut noise).expect("noise");
    }
    (plan, cells)
}

fn value(value: &AnswerValue) -> Value {
    match value {
        AnswerValue::Key(label) => json!(label),
        AnswerValue::Estimate(estimate) => json!(estimate.value),
    }
}

/// `None` where there is no `/proc`.
fn peak_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.trim().strip_suffix(" kB")?.parse().ok()
}
