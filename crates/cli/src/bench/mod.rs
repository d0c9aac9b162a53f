//! `almoner bench accuracy`: how good the answers are over data that need no protection, such as a published
//! survey. Every statistic of a recipe is released again and again with fresh noise and held against the exact
//! value, published values, a trusted curator's noise and noise that every agency adds for itself.

mod distinct;
mod error;
mod federation;
mod recipe;
mod releases;
mod report;

use std::path::PathBuf;

use almoner_federation::PicoRho;
use clap::{Args, Subcommand, ValueEnum};

use crate::cli_error::CliError;
use crate::output;
use distinct::Distinct;
use federation::Federation;
use recipe::Recipe;
use releases::measure;

pub(crate) use error::BenchError;

#[derive(Subcommand)]
pub(crate) enum BenchCommand {
    /// Measure the error of every statistic of a recipe over a folder of CSV files.
    ///
    /// For data that need no protection alone: exact values are printed.
    Accuracy(Accuracy),
    /// Measure the error of counting distinct units that several agencies hold, over made-up units.
    Distinct(Distinct),
}

#[derive(Args)]
pub(crate) struct Accuracy {
    /// The folder with the data.
    folder: PathBuf,
    /// What to measure (docs/accuracy.md); FOLDER/recipe.toml when left out.
    #[arg(long)]
    recipe: Option<PathBuf>,
    /// How often each statistic is released.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(2..=100_000))]
    releases: u32,
    /// What one release may cost; several may be given.
    #[arg(long, default_values = ["0.005", "0.02", "0.1"])]
    rho: Vec<PicoRho>,
    /// How to print.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

/// How the measurements are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For reading.
    Table,
    /// One line per cell, output and rho, for further work.
    Csv,
}

impl BenchCommand {
    pub(crate) async fn run(self) -> Result<(), CliError> {
        match self {
            BenchCommand::Accuracy(accuracy) => accuracy.run().await,
            BenchCommand::Distinct(distinct) => distinct.run(),
        }
    }
}

impl Accuracy {
    async fn run(self) -> Result<(), CliError> {
        let path = self.recipe.unwrap_or_else(|| self.folder.join("recipe.toml"));
        let recipe = Recipe::read(&path)?;
        let federation = Federation::open(&self.folder, &recipe).await?;
        let mut lines = Vec::new();
        for statistic in &recipe.statistics {
            for rho in &self.rho {
                let plan = almoner_query::plan(&federation.manifest, &statistic.sql, *rho)?;
                let cells = federation.cells(&plan).await?;
                let releases = self.releases;
                let shares = federation.shares();
                let measuring = tokio::task::spawn_blocking(move || measure(&plan, &cells, shares, releases));
                let measured = measuring.await.map_err(|error| CliError::Runtime(error.into()))??;
                lines.extend(report::lines(statistic, *rho, measured)?);
            }
        }
        output::print(&match self.format {
            Format::Table => report::table(&lines, federation.shares(), self.releases),
            Format::Csv => report::csv(&lines)?,
        })?;
        // A benchmark whose published values are missed has found something.
        report::all_met(&lines)
    }
}
