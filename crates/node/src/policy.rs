//! What the ledger may spend: the manifest's limits and this agency's own, whichever are smaller, for the data officer
//! to sign.

use almoner_federation::{Digest, Manifest, Role, Territory, lp};
use almoner_ledger::{Limits, Policy, TerritoryLimit};

use crate::NodeConfig;

/// The policy that `config` asks the ledger to be under.
///
/// # Panics
/// Never: the configuration was checked against the manifest.
pub fn policy_of(config: &NodeConfig) -> Policy {
    let manifest = &config.manifest;
    let agency = manifest.agency_named(&config.agency).expect("NodeConfig::read found the agency");
    let total = config.limits.total_rho;
    let planners = manifest.planners.iter().map(|planner| (planner.name.clone(), planner.rho.min(total)));
    let auditors = manifest.auditors.iter().map(|auditor| auditor.signing_key);
    Policy {
        origin: manifest.identity(Role::Agency, &agency.name).key_name(),
        manifest_hash: manifest.hash(),
        limits: Limits {
            total,
            planners: planners.collect(),
            period: manifest.policy.period,
            territory: manifest.territory.as_ref().map(|territory| limit(manifest, territory)),
        },
        rules: String::new(),
        officer: agency.officer_key,
        auditors: if manifest.policy.changes_need_auditor { auditors.collect() } else { Vec::new() },
    }
}

fn limit(manifest: &Manifest, territory: &Territory) -> TerritoryLimit {
    let mut items = vec![b"almoner/1/territories".as_slice(), territory.column.as_bytes()];
    items.extend(territory.names.iter().map(|name| name.as_bytes()));
    TerritoryLimit {
        partition: Digest::of(&lp(&items)),
        count: territory.names.len() as u32,
        placements: manifest.placements(),
        rho: territory.rho,
    }
}
