//! What the demo prints: answers beside the truth that only it knows, and what each party saw.

use almoner_api::v1::coordinator_client::CoordinatorClient;
use almoner_api::{MAX_MESSAGE_BYTES, TlsFiles, v1};
use almoner_audit::verify_evidence;
use almoner_federation::{Digest, Role};
use almoner_privacy::epsilon;
use almoner_query::{AnswerValue, Estimate};
use comfy_table::{CellAlignment, Table, presets};
use prost::Message;

use crate::budget::Left;
use crate::cli_error::CliError;
use crate::demo::Truth;
use crate::demo::party::Parties;
use crate::planner::Planner;
use crate::query::{Answered, fixed, footer, show};

/// An answer further than this many standard errors from the truth is a fault of ours: a right one is
/// with probability below 2e-9.
const FAULT: f64 = 6.0;

pub(super) fn question(title: &str, sql: &str) {
    println!("\n== {title}\n   {sql}");
}

pub(super) fn budget(title: &str, planner: &Planner, left: &Left) {
    let delta = planner.manifest.policy.delta;
    println!(
        "{title}: rho {} left of {} (epsilon {:.3} of {:.3} at delta {delta:e}); every node agrees: {}",
        left.rho,
        planner.manifest.policy.total_rho,
        epsilon(left.rho, delta),
        epsilon(planner.manifest.policy.total_rho, delta),
        left.reply.nodes.iter().all(|node| node.reachable && node.planner_left == left.rho.get()),
    );
}

/// Prints an answer with the truth beside each estimate.
///
/// # Errors
/// When a group or a value is missing, or an estimate is further from the truth than noise explains.
pub(super) fn answer(planner: &Planner, answered: &Answered, truth: &Truth) -> Result<(), CliError> {
    let columns = &answered.answer.columns;
    let mut table = Table::new();
    table.load_preset(presets::UTF8_HORIZONTAL_ONLY);
    let headers = columns.iter().flat_map(|column| {
        if column.is_key {
            vec![column.name.clone()]
        } else {
            vec![format!("{} [95 % interval]", column.name), "truth".to_owned()]
        }
    });
    table.set_header(headers);
    let (mut inside, mut all) = (0, 0);
    for row in &answered.answer.rows {
        let keys: Vec<&str> = row
            .iter()
            .filter_map(|value| match value {
                AnswerValue::Key(key) => Some(key.as_str()),
                AnswerValue::Estimate(_) => None,
            })
            .collect();
        let mut exact = truth.of(&keys.join(", ")).unwrap_or_default().iter();
        let mut cells: Vec<String> = Vec::new();
        for (column, value) in columns.iter().zip(row) {
            match value {
                AnswerValue::Key(key) => cells.push(key.clone()),
                AnswerValue::Estimate(estimate) => {
                    let truth =
                        exact.next().ok_or_else(|| CliError::Demo(format!("no truth for {keys:?}")))?;
                    check(&column.name, estimate, *truth)?;
                    all += 1;
                    inside += usize::from((estimate.low..=estimate.high).contains(truth));
                    cells.extend([show(estimate), fixed(*truth, 0)]);
                }
            }
        }
        table.add_row(cells);
    }
    for column in table.column_iter_mut().skip(columns.iter().filter(|column| column.is_key).count()) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    println!("{table}");
    println!("{inside} of {all} intervals cover the truth");
    for line in footer(planner, answered, None) {
        println!("{line}");
    }
    Ok(())
}

fn check(column: &str, estimate: &Estimate, truth: f64) -> Result<(), CliError> {
    // Half a unit is the rounding of a value to its declared step.
    let near =
        estimate.value.is_none_or(|value| (value - truth).abs() <= FAULT * estimate.standard_error + 0.5);
    if near { Ok(()) } else { Err(CliError::Demo(format!("{column}: {estimate:?} is too far from {truth}"))) }
}

/// What coordinator, agencies and auditor saw of one release, and whether its sum can be recomputed.
pub(super) async fn what_each_party_saw(
    parties: &Parties,
    planner: &Planner,
    release: Digest,
) -> Result<(), CliError> {
    let manifest = &planner.manifest;
    let server = manifest.identity(Role::Coordinator, &manifest.coordinator.name);
    let channel =
        TlsFiles::read(&parties.auditor_keys())?.channel(&manifest.coordinator.endpoint, &server)?;
    let mut client = CoordinatorClient::new(channel).max_decoding_message_size(MAX_MESSAGE_BYTES);
    let failed = |status: tonic::Status| planner.failed(&status);
    let request = v1::GetEvidenceRequest { spec_hash: release.0.to_vec() };
    let mut parts = client.get_evidence(request).await.map_err(failed)?.into_inner();
    let mut bytes = Vec::new();
    while let Some(part) = parts.message().await.map_err(failed)? {
        bytes.extend(part.data);
    }
    let evidence = v1::Evidence::decode(bytes.as_slice())
        .map_err(|_| CliError::Demo("the evidence cannot be read".into()))?;
    let verified = verify_evidence(manifest, &evidence)?;

    println!("\n== What each party saw of the last question (its first cell)");
    for (node, vector) in verified.participants.iter().zip(&evidence.masked) {
        let name = manifest.agency(*node).map_or("?", |agency| agency.name.as_str());
        let first = vector.values.first().copied().unwrap_or_default().cast_signed();
        println!("   {name:<20} its own records; it sent     {first:>21}   (uniform without all the others)");
    }
    let total = verified.total.first().copied().unwrap_or_default();
    println!(
        "   coordinator          those vectors and their sum  {total:>21}   (the noisy total, in scaled steps)"
    );
    println!("   planner              the table above, its error, its price");
    println!(
        "   auditor              all of this, every signature verified and the sum recomputed: it agrees"
    );
    Ok(())
}

/// How to go on asking.
pub(super) fn how_to_query(parties: &Parties) {
    let files = parties.planner_files();
    println!("\nEverything is still running; interrupt to end it. To ask, in another terminal:");
    println!("  export ALMONER_MANIFEST={}", files.manifest.display());
    println!("  export ALMONER_MANIFEST_SHA256={}", parties.manifest_sha256);
    println!("  export ALMONER_KEYS={}", files.keys.display());
    let program = std::env::current_exe().map_or("almoner".into(), |path| path.display().to_string());
    println!("  {program} query \"SELECT COUNT(*) FROM ...\" --rho 0.01");
    println!("  {program} budget");
}
