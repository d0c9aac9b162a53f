//! `--dry-run`: everything that is known before data are touched.

use std::fmt::Write;

use almoner_federation::Manifest;
use almoner_privacy::epsilon;
use almoner_query::Plan;
use serde_json::{Value, json};

use crate::cli_error::CliError;
use crate::output;
use crate::planner::Planner;
use crate::query::Format;

/// Prints plan, price, territories and expected errors.
///
/// # Errors
/// For CSV: a plan has no rows.
pub(crate) fn print(planner: &Planner, plan: &Plan, format: Format) -> Result<(), CliError> {
    match format {
        Format::Table => output::print(&as_text(&planner.manifest, plan)),
        Format::Json => output::print(&format!("{:#}\n", as_json(&planner.manifest, plan))),
        Format::Csv => Err(CliError::Usage {
            message: "a plan has no rows to print as CSV".into(),
            remedy: "use --format table or --format json with --dry-run",
        }),
    }
}

/// The names of the territories whose budgets the question is charged to; `None` when it is all of them, or there are none.
fn touched<'a>(manifest: &'a Manifest, plan: &Plan) -> Option<Vec<&'a str>> {
    let names = &manifest.territory.as_ref()?.names;
    let numbers = plan.territories()?;
    Some(numbers.iter().filter_map(|number| names.get(usize::from(*number))).map(String::as_str).collect())
}

fn as_text(manifest: &Manifest, plan: &Plan) -> String {
    let delta = manifest.policy.delta;
    let mut text = String::new();
    let _ = writeln!(text, "question   {}", plan.canonical_sql());
    let _ = writeln!(
        text,
        "price      rho {} (epsilon {:.4} at delta {delta:e}); nothing was asked or charged",
        plan.price(),
        epsilon(plan.price(), delta)
    );
    if let Some(territory) = &manifest.territory {
        let all = territory.names.len();
        let _ = match touched(manifest, plan) {
            Some(names) => {
                writeln!(text, "charged to {} of {all} territories: {}", names.len(), names.join(", "))
            }
            None => writeln!(text, "charged to all {all} territories"),
        };
    }
    let _ = writeln!(text, "groups     {}", plan.cells());
    let _ = writeln!(text, "expected standard error of each output, by the privacy noise alone:");
    for expected in plan.expected() {
        let scope =
            expected.for_cell_of.map_or(String::new(), |rows| format!(" in a group of {rows:.0} rows"));
        let _ = writeln!(text, "  {:<32} {:.4}{scope}", expected.name, expected.standard_error);
    }
    text
}

fn as_json(manifest: &Manifest, plan: &Plan) -> Value {
    let delta = manifest.policy.delta;
    let expected: Vec<Value> = plan
        .expected()
        .iter()
        .map(|expected| {
            json!({
                "name": expected.name,
                "standard_error": expected.standard_error,
                "in_a_group_of_rows": expected.for_cell_of,
            })
        })
        .collect();
    let territories = manifest.territory.as_ref().map(|territory| {
        let all = || territory.names.iter().map(String::as_str).collect();
        touched(manifest, plan).unwrap_or_else(all)
    });
    json!({
        "question": plan.canonical_sql(),
        "price": { "rho": plan.price(), "epsilon": epsilon(plan.price(), delta), "delta": delta },
        "territories": territories,
        "groups": plan.cells(),
        "expected": expected,
    })
}
