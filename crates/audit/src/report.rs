//! What an audit reports: for people, and as JSON.

use std::fmt;

use almoner_federation::{Digest, Name};
use serde::Serialize;

use crate::finding::Finding;

/// Everything an audit saw. It holds public things only.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// What is wrong; empty when nothing was found.
    pub findings: Vec<Finding>,
    /// What was checked, in words, and how often.
    pub checked: Vec<(String, u64)>,
    /// What could not be checked with what was given.
    pub unverified: Vec<String>,
    /// What nobody can check.
    pub unverifiable: Vec<String>,
    /// Every ledger.
    pub nodes: Vec<NodeLine>,
    /// The registry, if there is one.
    pub registry: Option<LogLine>,
    /// The verified releases, oldest first.
    pub releases: Vec<ReleaseLine>,
}

/// One log as it was audited.
#[derive(Debug, Clone, Serialize)]
pub struct LogLine {
    /// Its name.
    pub origin: String,
    /// How many entries.
    pub size: u64,
    /// The root over them.
    pub root: Digest,
    /// Who cosigned exactly this checkpoint.
    pub cosigners: Vec<String>,
}

/// One agency's ledger.
#[derive(Debug, Clone, Serialize)]
pub struct NodeLine {
    /// The agency.
    pub agency: Name,
    /// Its log.
    pub log: LogLine,
    /// What any unit may lose, in rho.
    pub limit_rho: f64,
    /// What any unit has lost at most, in rho.
    pub charged_rho: f64,
    /// All charges added up, in rho: more than `charged_rho` where territories are counted apart.
    pub spent_rho: f64,
    /// How many attempts were charged.
    pub charges: u64,
    /// How many of them were never published.
    pub lost: u64,
    /// Each planner.
    pub planners: Vec<PlannerLine>,
    /// Every policy that was in force.
    pub policies: Vec<PolicyLine>,
    /// Seconds since 1970 and rho lost by then, at most 2,000 points.
    pub spent_over_time: Vec<(u64, f64)>,
}

/// A planner's account in one ledger.
#[derive(Debug, Clone, Serialize)]
pub struct PlannerLine {
    /// The planner.
    pub planner: Name,
    /// Its limit, in rho; 0 for one that the policy in force does not name.
    pub limit_rho: f64,
    /// Its charges, in rho.
    pub charged_rho: f64,
}

/// A policy of a ledger.
#[derive(Debug, Clone, Serialize)]
pub struct PolicyLine {
    /// Since when, Unix seconds.
    pub at_s: u64,
    /// Whether it raised a limit.
    pub grant: bool,
    /// Whether an auditor signed it, too.
    pub countersigned: bool,
    /// Under which manifest.
    pub manifest: Digest,
    /// What any unit may lose, in rho.
    pub total_rho: f64,
    /// The agency's own rules.
    pub rules: String,
}

/// A verified release.
#[derive(Debug, Clone, Serialize)]
pub struct ReleaseLine {
    /// The registry's entry.
    pub number: u64,
    /// When it was published, Unix seconds.
    pub at_s: u64,
    /// Who asked.
    pub planner: Name,
    /// What for.
    pub purpose: String,
    /// What.
    pub sql: String,
    /// Its price, in rho.
    pub price_rho: f64,
    /// What it costs a unit's records at one agency when everybody else is compromised, in rho.
    pub alone_rho: f64,
    /// Whether it counts distinct units by sketches.
    pub sketched: bool,
    /// How many agencies took part.
    pub participants: u32,
    /// Which try it was, from 0.
    pub attempt: u32,
    /// Under which manifest.
    pub manifest: Digest,
    /// How noise was added.
    pub mechanism: String,
}

/// Whether everything could be looked at, and there was something.
pub(crate) fn is_complete(checked: &[(String, u64)], unverified: &[String]) -> bool {
    unverified.is_empty() && checked.iter().any(|(_, times)| *times > 0)
}

/// What an audit without findings says.
pub(crate) fn verdict(is_complete: bool) -> &'static str {
    if is_complete {
        "Nothing was found wrong."
    } else {
        "Nothing was found wrong in what could be looked at."
    }
}

impl Report {
    /// Whether everything could be looked at, and there was something.
    pub fn is_complete(&self) -> bool {
        is_complete(&self.checked, &self.unverified)
    }

    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Ledgers")?;
        for node in &self.nodes {
            writeln!(
                f,
                "  {:<20} {:>9} entries, cosigned by {}; {:.6} of {:.6} rho charged in {} rounds, {} of them lost",
                node.agency,
                node.log.size,
                node.log.cosigners.len(),
                node.charged_rho,
                node.limit_rho,
                node.charges,
                node.lost
            )?;
        }
        if let Some(registry) = &self.registry {
            writeln!(
                f,
                "  {:<20} {:>9} entries, cosigned by {}; {} releases",
                "registry",
                registry.size,
                registry.cosigners.len(),
                self.releases.len()
            )?;
        }
        writeln!(f, "Checked")?;
        for (what, times) in &self.checked {
            writeln!(f, "  {times:>9}  {what}")?;
        }
        writeln!(f, "Not verified")?;
        for what in self.unverified.iter().chain(&self.unverifiable) {
            writeln!(f, "  - {what}")?;
        }
        match self.findings.len() {
            0 => writeln!(f, "{}", verdict(self.is_complete())),
            count => {
                writeln!(f, "{count} findings")?;
                self.findings.iter().try_for_each(|finding| writeln!(f, "  - {finding}"))
            }
        }
    }
}
