//! `almoner node serve` and `almoner coordinator serve`.

use std::path::PathBuf;

use almoner_coordinator::CoordinatorConfig;
use almoner_node::{NodeConfig, Step, SystemClock};
use clap::Subcommand;

use crate::cli_error::CliError;
use crate::ledger::PolicyCommand;
use crate::officer::OfficerCommand;

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
    pub(crate) async fn run(self) -> Result<(), CliError> {
        let (config, crash_drill) = match self {
            NodeCommand::Init { config, officer } => {
                let config = NodeConfig::read(&config)?;
                let officer = officer.unwrap_or_else(|| config.keys.join("officer.key"));
                let path = almoner_node::init(&config, &officer, &SystemClock)?;
                println!(
                    "Began the ledger {}. It is this node's memory of every answer: keep it.",
                    path.display()
                );
                return Ok(());
            }
            NodeCommand::Policy(command) => return command.run(),
            NodeCommand::Officer(command) => return command.run(),
            NodeCommand::Serve { config, crash_drill } => (NodeConfig::read(&config)?, crash_drill),
        };
        let node = almoner_node::open(&config, crash_drill).await?;
        tracing::info!(agency = %config.agency, listen = %config.listen, manifest = %config.manifest.hash(), "serving");
        almoner_node::serve(&config, node, stopped()).await?;
        Ok(())
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
