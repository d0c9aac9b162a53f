//! `almoner`: one binary for every party of a federation. This file only names the commands.

mod audit;
mod bench;
mod budget;
mod cli_error;
mod demo;
mod keys;
mod ledger;
mod manifest;
mod officer;
mod output;
mod planner;
mod query;
mod serve;
mod words;

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use crate::cli_error::CliError;

/// Poverty statistics over many agencies' records, with the records left where they are.
#[derive(Parser)]
#[command(name = "almoner", version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make and show keys and certificates.
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// Draft a federation.toml, or check it and print the hash that every party pins.
    #[command(subcommand)]
    Manifest(manifest::ManifestCommand),
    /// Run an agency's node, and decide about its questions.
    #[command(subcommand)]
    Node(serve::NodeCommand),
    /// Export, verify, copy and restore a node's ledger.
    #[command(subcommand)]
    Ledger(ledger::LedgerCommand),
    /// Run the coordinator.
    #[command(subcommand)]
    Coordinator(serve::CoordinatorCommand),
    /// Ask a question in SQL.
    Query(query::QueryCommand),
    /// Show what was spent and what is left.
    Budget(budget::BudgetCommand),
    /// Verify ledgers, registry and releases, over the network or from files.
    ///
    /// Fetches what is new into a folder and audits everything there; with --offline it fetches nothing. Exits with 0 when
    /// nothing is wrong, 2 for findings, 3 when nothing is wrong but something could not be looked at, and 1 when the audit
    /// itself failed.
    Audit(audit::AuditCommand),
    /// Measure how good the answers are.
    #[command(subcommand)]
    Bench(bench::BenchCommand),
    /// Run a whole federation on this machine and ask it questions.
    Demo(demo::DemoCommand),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let filter =
        EnvFilter::try_from_env("ALMONER_LOG").unwrap_or_else(|_| EnvFilter::new("warn,almoner=info"));
    let colours = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(std::io::stderr).init();
    match run(cli.command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {}", cli_error::chain(&error));
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<ExitCode, CliError> {
    let done = match command {
        Command::Audit(command) => return block_on(command.run()),
        Command::Node(command) => return block_on(command.run()),
        Command::Keys(command) => Ok(command.run()?),
        Command::Manifest(command) => command.run(),
        Command::Ledger(command) => command.run(),
        Command::Coordinator(command) => block_on(command.run()),
        Command::Query(command) => block_on(command.run()),
        Command::Budget(command) => block_on(command.run()),
        Command::Bench(command) => block_on(command.run()),
        Command::Demo(command) => block_on(command.run()),
    };
    done.map(|()| ExitCode::SUCCESS)
}

/// Planning recurses over a question's tree, in the query engine more than once: so deep a stack lets the
/// deepest question that is accepted through. Only the pages that are touched cost memory.
const STACK_BYTES: usize = 64 << 20;

/// How long work that was under way may go on after the command itself has ended.
const LEAVE: Duration = Duration::from_secs(5);

fn block_on<T: Send + 'static>(
    task: impl Future<Output = Result<T, CliError>> + Send + 'static,
) -> Result<T, CliError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_stack_size(STACK_BYTES)
        .build()
        .map_err(CliError::Runtime)?;
    // On a worker, because the main thread's stack is the system's to choose.
    let ended = runtime.block_on(runtime.spawn(task)).map_err(|error| CliError::Runtime(error.into()));
    runtime.shutdown_timeout(LEAVE);
    ended?
}
