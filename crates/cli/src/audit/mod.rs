//! `almoner audit`: what was asked, what it cost, and that no budget was passed, without trusting anyone's word.

mod countersign;
mod dossier;
mod fetch;
mod watch;

use std::path::PathBuf;
use std::process::ExitCode;

use almoner_audit::{Mirror, Report, audit};
use clap::{Args, Subcommand, ValueEnum};

use crate::cli_error::CliError;
use crate::output;

/// Exit code when something is wrong.
const FOUND: u8 = 2;

/// Exit code when nothing is wrong, but not everything could be looked at.
const INCOMPLETE: u8 = 3;

#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct AuditCommand {
    #[command(subcommand)]
    command: Option<AuditSubcommand>,
    #[command(flatten)]
    check: Check,
}

#[derive(Args)]
struct Check {
    #[command(flatten)]
    at: Place,
    /// Folders of other auditors, whose checkpoints must belong to the same history.
    #[arg(long, value_name = "DIR")]
    compare: Vec<PathBuf>,
    /// How to print the report.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// Where an audit's files are, and where they come from.
#[derive(Args, Clone)]
struct Place {
    /// The folder of manifests, ledgers, registry and releases: fetched into, exported by agencies, or both.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Fetch nothing.
    #[arg(long)]
    offline: bool,
    /// The federation's manifest.
    #[arg(long, env = "ALMONER_MANIFEST", value_name = "FILE")]
    manifest: Option<PathBuf>,
    /// The auditor's key folder.
    #[arg(long, env = "ALMONER_KEYS", value_name = "DIR")]
    keys: Option<PathBuf>,
}

#[derive(Subcommand)]
enum AuditSubcommand {
    /// Audit again and again, cosign what is sound, and report each new finding once.
    Watch(watch::WatchCommand),
    /// Audit a folder, and write what it shows as one page for everybody, and as JSON.
    Dossier(dossier::DossierCommand),
    /// Sign a change of an agency's policy beside its data officer.
    Countersign(countersign::CountersignCommand),
}

/// How a report is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For reading.
    Text,
    /// Everything, for programs.
    Json,
}

impl AuditCommand {
    pub(crate) async fn run(self) -> Result<ExitCode, CliError> {
        match self.command {
            Some(AuditSubcommand::Watch(command)) => command.run().await,
            Some(AuditSubcommand::Dossier(command)) => command.run().await,
            Some(AuditSubcommand::Countersign(command)) => command.run().map(|()| ExitCode::SUCCESS),
            None => self.check.run().await,
        }
    }
}

impl Check {
    async fn run(self) -> Result<ExitCode, CliError> {
        let (mirror, missed) = self.at.open().await?;
        let others: Vec<Mirror> = self.compare.into_iter().map(Mirror::new).collect();
        let report = report(&mirror, &others, missed)?;
        match self.format {
            Format::Text => output::print(&report.to_string())?,
            Format::Json => {
                let text = serde_json::to_string_pretty(&report).expect("a report is plain data");
                output::print(&(text + "\n"))?;
            }
        }
        Ok(exit_code(&report))
    }
}

/// 0, 2 or 3.
fn exit_code(report: &Report) -> ExitCode {
    match (report.is_clean(), report.is_complete()) {
        (false, _) => ExitCode::from(FOUND),
        (true, false) => ExitCode::from(INCOMPLETE),
        (true, true) => ExitCode::SUCCESS,
    }
}

/// Audits a folder; `missed` is what could not be fetched.
fn report(mirror: &Mirror, others: &[Mirror], missed: Vec<String>) -> Result<Report, CliError> {
    let root = mirror.root().to_owned();
    let mut report = audit(mirror, others).map_err(|source| CliError::Read { path: root, source })?;
    report.unverified.extend(missed);
    Ok(report)
}

impl Place {
    /// The folder, brought up to date unless it is to be offline, and what could not be fetched.
    async fn open(&self) -> Result<(Mirror, Vec<String>), CliError> {
        let dir = self.dir.as_ref().ok_or(CliError::Usage {
            message: "an audit needs a folder".into(),
            remedy: "give one with --dir; see `almoner audit --help`",
        })?;
        let mirror = Mirror::new(dir);
        if self.offline {
            return Ok((mirror, Vec::new()));
        }
        let auditor = self.auditor()?;
        let missed = auditor.fetch(&mirror).await?;
        Ok((mirror, missed))
    }

    fn auditor(&self) -> Result<fetch::Auditor, CliError> {
        match (&self.manifest, &self.keys) {
            (Some(manifest), Some(keys)) => fetch::Auditor::open(manifest, keys),
            _ => Err(CliError::Usage {
                message: "an audit over the network needs a manifest and the auditor's keys".into(),
                remedy: "give --manifest and --keys",
            }),
        }
    }
}
