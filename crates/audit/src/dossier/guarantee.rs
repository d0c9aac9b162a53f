//! The promise in numbers: rho, and the epsilons that it amounts to.

use std::collections::BTreeMap;

use almoner_federation::{Manifest, Name, PeriodLength, PicoRho};
use almoner_privacy::epsilon;
use serde::Serialize;

use crate::report::{NodeLine, Report};

/// A zCDP loss, and the epsilon at the manifest's delta, at 1e-6 and at 1e-9 (Canonne, Kamath and Steinke, NeurIPS
/// 2020, Proposition 7). For display alone.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Loss {
    pub(super) rho: f64,
    pub(super) epsilon: f64,
    pub(super) epsilon_at_1e6: f64,
    pub(super) epsilon_at_1e9: f64,
}

impl Loss {
    pub(super) fn of(rho: f64, delta: f64) -> Loss {
        // The nearest pico-rho: the one that the number was made from, as long as it is below 9,000 rho.
        let pico = PicoRho::new((rho * 1e12).round() as u64);
        let at = |delta| epsilon(pico, delta);
        Loss { rho, epsilon: at(delta), epsilon_at_1e6: at(1e-6), epsilon_at_1e9: at(1e-9) }
    }
}

/// What is promised to every unit, and what has been lost of it.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Guarantee {
    pub(super) delta: f64,
    /// What the manifest lets all questions together cost, for ever.
    pub(super) planned: Loss,
    /// The largest account over the ledgers.
    pub(super) realised: Loss,
    /// `(n - t)/(q - t)` times these: the most if the coordinator chooses participants so that ledgers fill unevenly.
    pub(super) planned_if_coordinator_lies: Loss,
    pub(super) realised_if_coordinator_lies: Loss,
    /// One agency's records when everybody else is compromised: `rho h/m^2` with the least m of a table. Sketches can
    /// cost more than this.
    pub(super) planned_alone: Loss,
    /// The same over the published releases, each by its own plan, for an agency that took part in all.
    pub(super) realised_alone: Loss,
    /// How many of them count distinct units by sketches.
    pub(super) sketched: u64,
    pub(super) period: Option<Period>,
    pub(super) territory: Option<TerritoryFacts>,
}

/// The limit that counts anew with each period.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Period {
    pub(super) length: PeriodLength,
    pub(super) limit: Loss,
    /// By how much the accounts grew in each period, the most over the ledgers; oldest first.
    pub(super) grown: Vec<(String, f64)>,
    /// Whether a ledger had so many charges that only some points of time are known.
    pub(super) thinned: bool,
}

/// The territories by which budgets are counted apart.
#[derive(Debug, Clone, Serialize)]
pub(super) struct TerritoryFacts {
    pub(super) column: String,
    pub(super) count: u64,
    pub(super) limit: Loss,
    /// In how many of them one unit can be placed.
    pub(super) placements: u32,
    /// Each ledger's charges added up, beside what one unit lost at most.
    pub(super) apart: Vec<(Name, f64, f64)>,
}

impl Guarantee {
    pub(super) fn of(manifest: &Manifest, report: &Report) -> Guarantee {
        let policy = &manifest.policy;
        let loss = |rho| Loss::of(rho, policy.delta);
        let honest = f64::from(policy.honest_shares());
        let uneven = (manifest.agencies.len() as f64 - f64::from(policy.colluders)) / honest;
        let least = manifest.tables.iter().map(|table| manifest.overlap(table)).min().unwrap_or(1).max(1);
        let (planned, realised) =
            (policy.total_rho.as_f64(), report.nodes.iter().map(|node| node.charged_rho).fold(0.0, f64::max));
        Guarantee {
            delta: policy.delta,
            planned: loss(planned),
            realised: loss(realised),
            planned_if_coordinator_lies: loss(planned * uneven),
            realised_if_coordinator_lies: loss(realised * uneven),
            planned_alone: loss(planned * honest / f64::from(least).powi(2)),
            realised_alone: loss(report.releases.iter().map(|line| line.alone_rho).sum()),
            sketched: report.releases.iter().filter(|line| line.sketched).count() as u64,
            period: policy.period.map(|period| Period {
                length: period.length,
                limit: loss(period.rho.as_f64()),
                grown: grown(&report.nodes, period.length),
                thinned: report.nodes.iter().any(|node| node.charges > node.spent_over_time.len() as u64),
            }),
            territory: manifest.territory.as_ref().map(|territory| TerritoryFacts {
                column: territory.column.clone(),
                count: territory.names.len() as u64,
                limit: loss(territory.rho.as_f64()),
                placements: manifest.placements(),
                apart: report
                    .nodes
                    .iter()
                    .map(|node| (node.agency.clone(), node.spent_rho, node.charged_rho))
                    .collect(),
            }),
        }
    }
}

/// By period, the largest growth of an account over the ledgers.
fn grown(nodes: &[NodeLine], length: PeriodLength) -> Vec<(String, f64)> {
    let mut most: BTreeMap<u32, f64> = BTreeMap::new();
    for node in nodes {
        let (mut own, mut before): (BTreeMap<u32, f64>, f64) = (BTreeMap::new(), 0.0);
        for (at_s, rho) in &node.spent_over_time {
            let entry = own.entry(length.number(*at_s)).or_default();
            // To the pico-rho of which ledgers count whole ones.
            *entry = ((*entry + (rho - before).max(0.0)) * 1e12).round() / 1e12;
            before = before.max(*rho);
        }
        for (period, grown) in own {
            let entry = most.entry(period).or_default();
            *entry = entry.max(grown);
        }
    }
    most.into_iter().map(|(period, grown)| (length.show(period), grown)).collect()
}
