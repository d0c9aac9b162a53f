//! What is left of each part of an audit once it is done: a ledger's books go before the next one's come.

use almoner_federation::Name;

use crate::check::{NodeChecked, Releases};
use crate::report::{LogLine, NodeLine, PlannerLine, PolicyLine};

/// How often everything was checked.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    entries: u64,
    positions: u64,
    policies: u64,
    charges: u64,
    questions: u64,
    priced: u64,
    judged: u64,
}

impl Tally {
    /// The entries of the registry.
    pub(crate) fn registry(&mut self, log: &LogLine) {
        self.entries += log.size;
    }

    /// A ledger and the different positions in it that somebody was shown.
    pub(crate) fn node(&mut self, log: &LogLine, checked: &NodeChecked, positions: usize) {
        self.entries += log.size;
        self.positions += positions as u64;
        self.policies += checked.policies.len() as u64;
        self.charges += checked.charges;
        self.priced += checked.priced;
        self.judged += checked.judged;
    }

    /// The different questions.
    pub(crate) fn questions(&mut self, count: usize) {
        self.questions = count as u64;
    }

    /// In words.
    pub(crate) fn checked(&self, releases: &Releases) -> Vec<(String, u64)> {
        let words = releases.uniform.values().map(|uniform| uniform.words()).sum();
        [
            ("entries hashed into their logs' signed trees", self.entries),
            ("signed positions compared with those trees", self.positions),
            ("policies and grants, signed and within their manifests", self.policies),
            ("charges after their reservations, with sums within every limit", self.charges),
            ("questions signed by their planners, and planned again", self.questions),
            ("prices and territories equal to the auditor's own", self.priced),
            ("reservations that the agency's own rules allow or its officer approved", self.judged),
            (
                "releases with all signatures, quorum, commitments, charges and witnesses",
                releases.lines.len() as u64,
            ),
            ("published totals equal to the sums of the masked vectors", releases.summed),
            ("masked words tested for being uniform", words),
        ]
        .map(|(what, times)| (what.to_owned(), times))
        .into()
    }
}

/// What a report says of a ledger.
pub(crate) fn node_line(log: LogLine, agency: Name, checked: NodeChecked) -> NodeLine {
    let limits = checked.books.policy().map(|policy| &policy.limits);
    let limit_of = |planner: &Name| limits.and_then(|limits| limits.planners.get(planner)).copied();
    let mut planners: Vec<PlannerLine> = checked
        .books
        .charged_planners()
        .map(|(planner, charged)| PlannerLine {
            planner: planner.clone(),
            limit_rho: limit_of(planner).unwrap_or_default().as_f64(),
            charged_rho: charged.as_f64(),
        })
        .collect();
    let silent = limits.iter().flat_map(|limits| &limits.planners);
    for (planner, limit) in silent {
        if planners.iter().all(|line| line.planner != *planner) {
            planners.push(PlannerLine {
                planner: planner.clone(),
                limit_rho: limit.as_f64(),
                charged_rho: 0.0,
            });
        }
    }
    NodeLine {
        agency,
        log,
        limit_rho: limits.map_or_else(Default::default, |limits| limits.total).as_f64(),
        charged_rho: checked.books.charged_total().as_f64(),
        spent_rho: checked.charged_rho.as_f64(),
        charges: checked.charges,
        lost: checked.lost,
        planners,
        policies: checked
            .policies
            .iter()
            .map(|entry| PolicyLine {
                at_s: entry.at_s,
                grant: entry.grant,
                countersigned: entry.signed.auditor.is_some(),
                manifest: entry.signed.policy.manifest_hash,
                total_rho: entry.signed.policy.limits.total.as_f64(),
                rules: entry.signed.policy.rules.clone(),
            })
            .collect(),
        spent_over_time: checked.spent.into_iter().map(|(at_s, rho)| (at_s, rho.as_f64())).collect(),
    }
}
