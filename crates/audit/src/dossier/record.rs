//! The fields that registries of differential-privacy deployments ask for, in their order.

use almoner_federation::Manifest;
use serde::Serialize;

use super::text::day;
use crate::report::Report;

/// A field and what is to be entered.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) value: String,
}

/// The record. Fields follow the OpenDP Deployments Registry: product, variant, privacy loss, model, accounting,
/// implementation. What neither manifest nor audit tells is said to be open.
pub(super) fn fields(manifest: &Manifest, report: &Report) -> Vec<Field> {
    let policy = &manifest.policy;
    let kind = manifest.unit.kind;
    let curators: Vec<&str> = manifest.agencies.iter().map(|agency| agency.legal_name.as_str()).collect();
    let tables: Vec<&str> = manifest.tables.iter().map(|table| table.name.as_str()).collect();
    let published = match (report.releases.first(), report.releases.last()) {
        (Some(first), Some(last)) => {
            format!("{} releases, from {} to {}", report.releases.len(), day(first.at_s), day(last.at_s))
        }
        _ => "nothing published yet".into(),
    };
    let fields = [
        ("Name", manifest.federation.to_string()),
        ("Data curators", curators.join("; ")),
        ("Data product type", "Summary statistics: counts, sums, means, distributions, distinct units".into()),
        ("Data product region and sector", "Open: the agencies should state it".into()),
        ("Intended use", "Each release states its own purpose, signed by its planner; see the releases".into()),
        ("Publication dates", published),
        ("Variant of differential privacy", "Zero-concentrated (zCDP), unbounded: add or remove".into()),
        ("Data domain", format!("Tables {}, with the columns and ranges declared in the manifest", tables.join(", "))),
        (
            "Unprotected quantities",
            "The questions, who asked and why, who took part, times, and whether an agency's files changed since an \
             earlier round"
                .into(),
        ),
        ("Privacy unit", format!("One {kind}, with all records at all agencies")),
        ("Privacy loss", format!("rho {} in all; epsilon is shown at delta {}", policy.total_rho, policy.delta)),
        (
            "Model",
            "Distributed: each agency adds its share of noise to its own totals, and a secure sum shows the total alone"
                .into(),
        ),
        (
            "Actors",
            format!(
                "{} agencies, of which any {} may collude with everyone below; coordinator {}, {} planners and {} \
                 auditors, none of them trusted for privacy",
                manifest.agencies.len(),
                policy.colluders,
                manifest.coordinator.name,
                manifest.planners.len(),
                manifest.auditors.len()
            ),
        ),
        ("Release type", "Many releases".into()),
        ("Data source type", "Agencies may load new files; budgets go on".into()),
        ("Access type", "Interactive, for the planners that the manifest names".into()),
        ("Post-processing", "Estimates and intervals from the noisy totals; it costs nothing".into()),
        ("Composition", "Prices in rho are added up for ever, in every agency's own ledger, in integers".into()),
        (
            "Pre-processing",
            "Values are clamped and rows bounded by what the manifest declares, which must not have been chosen by \
             looking at the data; nobody can verify that"
                .into(),
        ),
        (
            "Mechanisms",
            "Discrete Gaussian noise in exact integers; randomised bits for sketches of distinct units".into(),
        ),
        ("Implementation", "Almoner".into()),
    ];
    fields.into_iter().map(|(name, value)| Field { name: name.into(), value }).collect()
}
