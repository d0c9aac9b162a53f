//! `almoner ledger`: a node's ledger as files for auditors, copies of it, and what it says.

mod change;
mod copies;
mod export;
mod verify;

use std::path::PathBuf;

use almoner_coordinator::CoordinatorConfig;
use almoner_node::{NodeConfig, ledger_path};
use clap::{Args, Subcommand};

use crate::cli_error::CliError;

pub(crate) use change::{Change, PolicyCommand};

#[derive(Subcommand)]
pub(crate) enum LedgerCommand {
    /// Write a ledger, or the registry, up to the checkpoint that its server signed last, as static files that auditors and
    /// ordinary log tools read; its server may run.
    Export {
        #[command(flatten)]
        of: Of,
        /// Where to: a new folder, or one of an earlier export, which is then brought up to date.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// Read a ledger, a registry or a backup whole, recompute tree and sums, and say what it holds; the node may run.
    Verify {
        /// The file, such as state/ledger.sqlite.
        file: PathBuf,
    },
    /// Make a consistent copy; the node may run.
    Backup {
        /// The agency's node.toml.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// The new file.
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
    },
    /// Put a copy in the place of a lost or damaged ledger; the node must be stopped.
    Restore {
        /// The copy that `almoner ledger backup` made.
        file: PathBuf,
        /// The agency's node.toml.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
}

/// Whose log.
#[derive(Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Of {
    /// The agency's node.toml.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The coordinator's coordinator.toml, for the registry and its releases.
    #[arg(long, value_name = "FILE")]
    coordinator: Option<PathBuf>,
}

impl LedgerCommand {
    pub(crate) fn run(self) -> Result<(), CliError> {
        match self {
            LedgerCommand::Export { of: Of { config: Some(config), .. }, out } => {
                export::node(&NodeConfig::read(&config)?, &out)
            }
            LedgerCommand::Export { of: Of { coordinator: Some(config), .. }, out } => {
                export::registry(&CoordinatorConfig::read(&config)?, &out)
            }
            LedgerCommand::Export { .. } => unreachable!("clap requires one of the two"),
            LedgerCommand::Verify { file } => verify::run(&file),
            LedgerCommand::Backup { config, to } => {
                copies::backup(&ledger_path(&NodeConfig::read(&config)?), &to)
            }
            LedgerCommand::Restore { file, config } => copies::restore(&NodeConfig::read(&config)?, &file),
        }
    }
}
