//! Whether a ledger's policy is within the manifest that it names.

use almoner_federation::{Agency, Manifest, Role};
use almoner_ledger::{Policy, TerritoryLimit};

/// What is wrong with it, each in words.
pub(crate) fn faults(policy: &Policy, manifest: &Manifest, agency: &Agency) -> Vec<String> {
    let limits = &policy.limits;
    let mut faults = Vec::new();
    let mut unless = |holds: bool, text: String| {
        if !holds {
            faults.push(text);
        }
    };
    let most = manifest.policy.total_rho;
    unless(
        limits.total <= most,
        format!("its total of {} rho is more than the manifest's {most}", limits.total),
    );
    for (name, rho) in &limits.planners {
        let allowed = manifest.planner(name).map(|planner| planner.rho);
        let text = format!("planner {name} may spend {rho} rho, which the manifest does not allow");
        unless(allowed.is_some_and(|allowed| *rho <= allowed), text);
    }
    unless(limits.period == manifest.policy.period, "its limit of a period is not the manifest's".into());
    let territory = TerritoryLimit::of(manifest);
    unless(limits.territory == territory, "its limit of territories is not the manifest's".into());
    unless(policy.officer == agency.officer_key, "its officer's key is not the manifest's".into());
    let mut auditors: Vec<_> = manifest.auditors.iter().map(|auditor| auditor.signing_key).collect();
    if !manifest.policy.changes_need_auditor {
        auditors.clear();
    }
    unless(policy.auditors == auditors, "its auditors' keys are not those that the manifest asks for".into());
    let origin = manifest.identity(Role::Agency, &agency.name).key_name();
    unless(policy.origin == origin, format!("it is the policy of {}", policy.origin));
    faults
}
