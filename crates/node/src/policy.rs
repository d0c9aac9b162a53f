//! What the ledger may spend, the manifest's limits and this agency's own, whichever are smaller, and under which rules:
//! for the data officer to sign.

use almoner_federation::Role;
use almoner_ledger::{Limits, Policy, ReleaseLimits, TerritoryLimit};

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
            territory: TerritoryLimit::of(manifest),
        },
        release: ReleaseLimits {
            query: config.limits.query_rho,
            quorum: config.limits.quorum,
            anchors: config.limits.anchors.clone(),
            min_anchors: config.limits.min_anchors,
        },
        rules: config.rules.canonical(),
        officer: agency.officer_key,
        auditors: if manifest.policy.changes_need_auditor { auditors.collect() } else { Vec::new() },
    }
}
