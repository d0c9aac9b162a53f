//! The dossier: what a federation promises, what it has spent of it, and what an audit saw, on one page for anybody.
//!
//! It computes nothing that decides: every number comes from the manifest or the audit's [`Report`], and epsilon from
//! `almoner_privacy`. Everything here is public.

mod chart;
mod facts;
mod guarantee;
mod page;
mod record;
#[cfg(test)]
mod tests;
mod text;

use almoner_federation::{Digest, Manifest, Name};
use serde::Serialize;

use crate::finding::Finding;
use crate::report::{LogLine, NodeLine, ReleaseLine, Report};
use facts::{TableFacts, Trust, Unit};
use guarantee::{Guarantee, Loss};
use record::Field;

/// A federation's privacy dossier. Serialized, it holds everything, and each number exactly as the report does.
#[derive(Debug, Clone, Serialize)]
pub struct Dossier {
    made_at_s: u64,
    federation: Name,
    epoch: u32,
    manifest: Digest,
    findings: Vec<Finding>,
    unit: Unit,
    tables: Vec<TableFacts>,
    guarantee: Guarantee,
    trust: Trust,
    nodes: Vec<NodeLine>,
    registry: Option<LogLine>,
    releases: Vec<Released>,
    planners: Vec<PlannerTotal>,
    record: Vec<Field>,
    checked: Vec<(String, u64)>,
    unverified: Vec<String>,
    unverifiable: Vec<String>,
}

/// A release with its price as an epsilon.
#[derive(Debug, Clone, Serialize)]
struct Released {
    #[serde(flatten)]
    line: ReleaseLine,
    loss: Loss,
}

/// A planner over all ledgers.
#[derive(Debug, Clone, Serialize)]
struct PlannerTotal {
    planner: Name,
    /// What the manifest allows; 0 for one that it does not name.
    limit_rho: f64,
    /// The largest of its accounts over the ledgers.
    charged: Loss,
    releases: u64,
    /// The prices of its releases added up.
    released_rho: f64,
}

impl Dossier {
    /// The dossier of the federation under `manifest`, of which `report` is the audit, made at `made_at_s` (Unix
    /// seconds). The same input gives the same dossier. The report may also hold ledgers and releases under earlier
    /// manifests; what is planned is told by this one alone.
    pub fn of(manifest: &Manifest, report: &Report, made_at_s: u64) -> Dossier {
        let delta = manifest.policy.delta;
        let with_loss =
            |line: &ReleaseLine| Released { loss: Loss::of(line.price_rho, delta), line: line.clone() };
        Dossier {
            made_at_s,
            federation: manifest.federation.clone(),
            epoch: manifest.epoch,
            manifest: manifest.hash(),
            findings: report.findings.clone(),
            unit: Unit::of(manifest),
            tables: facts::tables(manifest),
            guarantee: Guarantee::of(manifest, report),
            trust: Trust::of(manifest),
            nodes: report.nodes.clone(),
            registry: report.registry.clone(),
            releases: report.releases.iter().map(with_loss).collect(),
            planners: planners(manifest, report),
            record: record::fields(manifest, report),
            checked: report.checked.clone(),
            unverified: report.unverified.clone(),
            unverifiable: report.unverifiable.clone(),
        }
    }

    /// The dossier as one XHTML-compatible HTML page that needs nothing else: no script, no other file. Texts of others
    /// are escaped and bounded; the newest 1,000 releases, 1,000 findings and 24 charts are shown, and the rest
    /// is counted.
    pub fn html(&self) -> String {
        page::html(self)
    }
}

/// Every planner of the manifest in its order, then those that only ledgers or releases name.
fn planners(manifest: &Manifest, report: &Report) -> Vec<PlannerTotal> {
    let charged = || report.nodes.iter().flat_map(|node| &node.planners);
    let mut names: Vec<&Name> = manifest.planners.iter().map(|planner| &planner.name).collect();
    let mut known: std::collections::BTreeSet<&Name> = names.iter().copied().collect();
    let others = charged().map(|line| &line.planner).chain(report.releases.iter().map(|line| &line.planner));
    names.extend(others.filter(|name| known.insert(name)));
    let total = |planner: &Name| {
        let releases = || report.releases.iter().filter(|line| line.planner == *planner);
        let accounts = charged().filter(|line| line.planner == *planner);
        PlannerTotal {
            planner: planner.clone(),
            limit_rho: manifest.planner(planner).map_or(0.0, |planner| planner.rho.as_f64()),
            charged: Loss::of(
                accounts.map(|line| line.charged_rho).fold(0.0, f64::max),
                manifest.policy.delta,
            ),
            releases: releases().count() as u64,
            released_rho: releases().map(|line| line.price_rho).sum(),
        }
    };
    names.into_iter().map(total).collect()
}
