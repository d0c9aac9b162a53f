//! `almoner node serve` and `almoner coordinator serve`.

use std::path::PathBuf;
use std::process::ExitCode;

use almoner_coordinator::CoordinatorConfig;
use almoner_node::{NodeConfig, Step, SystemClock};
use clap::Subcommand;

use crate::cli_error::CliError;
use crate::ledger::PolicyCommand;
use crate::officer::OfficerCommand;
use crate::output;

/// Exit code of a check that found something.
const TO_LOOK_AT: u8 = 2;

#[derive(Subcommand)]
pub(crate) enum NodeCommand {
    /// Begin this agency's ledger: once, before the first serve.
    Init {
        /// The agency's node.toml.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// The data officer's key [default: officer.key among the node's keys].
        #[arg(long, value_name = "FILE")]
        officer: Option<PathBuf>,
    },
    /// Hold this agency's data against the manifest before they are served: types, ids, rows of a unit, ranges,
    /// domains, missing values. Prints exact counts, sends nothing; exit code 2 when there is something to look at.
    Check {
        /// The agency's node.toml.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Serve this agency's tables under the pinned manifest until interrupted.
    Serve {
        /// The agency's node.toml.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// Crash drill: stop dead at this step of the first round, as if the power failed.
        #[arg(long, value_name = "STEP", hide = true)]
        crash_drill: Option<Step>,
    },
    Policy(PolicyCommand),
    #[command(flatten)]
    Officer(OfficerCommand),
}

impl NodeCommand {
    pub(crate) async fn run(self) -> Result<ExitCode, CliError> {
        let (config, crash_drill) = match self {
            NodeCommand::Init { config, officer } => {
                let config = NodeConfig::read(&config)?;
                let officer = officer.unwrap_or_else(|| config.keys.join("officer.key"));
                let path = almoner_node::init(&config, &officer, &SystemClock)?;
                println!(
                    "Began the ledger {}. It is this node's memory of every answer: keep it.",
                    path.display()
                );
                return Ok(ExitCode::SUCCESS);
            }
            NodeCommand::Check { config } => {
                let check = almoner_node::check(&NodeConfig::read(&config)?).await?;
                output::print(&check.to_string())?;
                let fits = check.advice().is_empty();
                return Ok(if fits { ExitCode::SUCCESS } else { ExitCode::from(TO_LOOK_AT) });
            }
            NodeCommand::Policy(command) => return command.run().map(|()| ExitCode::SUCCESS),
            NodeCommand::Officer(command) => return command.run().map(|()| ExitCode::SUCCESS),
            NodeCommand::Serve { config, crash_drill } => (NodeConfig::read(&config)?, crash_drill),
        };
        let node = almoner_node::open(&config, crash_drill).await?;
        tracing::info!(agency = %config.agency, listen = %config.listen, manifest = %config.manifest.hash(), "serving");
        almoner_node::serve(&config, node, stopped()).await?;
        Ok(ExitCode::SUCCESS)
    }
}

#[derive(Subcommand)]
pub(crate) enum CoordinatorCommand {
    /// Answer planners and run rounds over the nodes until interrupted.
    Serve {
        /// The coordinator.toml.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
}

impl CoordinatorCommand {
    pub(crate) async fn run(self) -> Result<(), CliError> {
        let CoordinatorCommand::Serve { config } = self;
        let config = CoordinatorConfig::read(&config)?;
        let coordinator = almoner_coordinator::open(&config)?;
        tracing::info!(listen = %config.listen, manifest = %config.manifest.hash(), "serving");
        almoner_coordinator::serve(&config, coordinator, stopped()).await?;
        Ok(())
    }
}

/// Resolves at an interrupt or a request to terminate.
async fn stopped() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = interrupt => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    let _ = interrupt.await;
}
