//! `almoner audit watch`: goes on auditing, tells each new finding once, and cosigns what is sound.

use std::collections::HashSet;
use std::process::ExitCode;
use std::time::Duration;

use almoner_audit::Finding;
use clap::Args;

use super::Place;
use crate::cli_error::CliError;
use crate::output;

/// Most findings that are remembered as told.
const MAX_TOLD: usize = 100_000;

#[derive(Args)]
pub(crate) struct WatchCommand {
    #[command(flatten)]
    at: Place,
    /// Seconds between two audits.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    every: u64,
    /// End after this many audits, with the exit code of the last.
    #[arg(long)]
    times: Option<u64>,
}

impl WatchCommand {
    pub(crate) async fn run(self) -> Result<ExitCode, CliError> {
        let auditor = if self.at.offline { None } else { Some(self.at.auditor()?) };
        let mut told: HashSet<Finding> = HashSet::new();
        let mut done = 0;
        loop {
            let (mirror, missed) = self.at.open().await?;
            let report = super::report(&mirror, &[], missed)?;
            let new: Vec<&Finding> =
                report.findings.iter().filter(|finding| !told.contains(*finding)).collect();
            for finding in &new {
                output::print(&format!("{finding}\n"))?;
            }
            if told.len() < MAX_TOLD {
                told.extend(new.into_iter().cloned());
            }
            for missed in &report.unverified {
                tracing::debug!(missed, "not verified");
            }
            if let Some(auditor) = auditor.as_ref().filter(|_| report.is_clean()) {
                auditor.cosign(&mirror).await?;
            }
            tracing::info!(releases = report.releases.len(), findings = report.findings.len(), "audited");
            done += 1;
            if self.times.is_some_and(|times| done >= times) {
                return Ok(super::exit_code(&report));
            }
            tokio::time::sleep(Duration::from_secs(self.every)).await;
        }
    }
}
