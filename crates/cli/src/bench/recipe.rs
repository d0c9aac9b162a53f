//! The recipe: a federation without keys, where its data lie, and what to measure.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use crate::bench::BenchError;
use crate::cli_error::CliError;
use crate::planner::read_text;

/// One recipe.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Recipe {
    /// To how many agencies the units are dealt out; without it each folder in the data's folder is an agency.
    pub agencies: Option<u32>,
    /// Agencies that may collude: the noise is `sqrt(n / (n - colluders))` times a central curator's.
    #[serde(default = "one")]
    pub colluders: u32,
    /// Whether the files have no column of the unit, every row being one.
    #[serde(default)]
    pub rows_are_units: bool,
    /// As in the manifest.
    pub unit: toml::Table,
    /// As in the manifest; without any, no unit is at two agencies when they are dealt out, and may be at all of
    /// them otherwise.
    #[serde(default)]
    pub sector: Vec<toml::Table>,
    /// As in the manifest, and with `file`, the CSV file to be dealt out (`<name>.csv` when left out).
    pub table: Vec<toml::Table>,
    /// What to measure.
    #[serde(rename = "statistic")]
    pub statistics: Vec<Statistic>,
}

fn one() -> u32 {
    1
}

/// One question.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Statistic {
    /// Without ORDER BY and LIMIT.
    pub sql: String,
    /// Values that others published.
    #[serde(default)]
    pub published: Vec<Published>,
    /// How far the exact value may be from a published one, relative to it: the cut into bins.
    #[serde(default)]
    pub within: f64,
    /// The last digit that was published, which may be off by half.
    #[serde(default)]
    pub rounded_to: f64,
}

/// The published values of one cell.
#[derive(Debug, Deserialize)]
pub(super) struct Published {
    /// The cell's keys, in the order of the output columns.
    #[serde(default)]
    pub at: Vec<String>,
    /// By output column.
    #[serde(flatten)]
    pub values: BTreeMap<String, f64>,
}

impl Recipe {
    /// Reads and checks a recipe.
    pub(super) fn read(path: &Path) -> Result<Recipe, CliError> {
        let wrong = |message: String, remedy: &str| BenchError::Input {
            path: path.to_owned(),
            message,
            remedy: remedy.to_owned(),
        };
        let recipe: Recipe = toml::from_str(&read_text(path)?)
            .map_err(|error| wrong(error.to_string().trim().to_owned(), "see docs/accuracy.md"))?;
        if recipe.statistics.is_empty() || recipe.table.is_empty() {
            return Err(wrong(
                "it has no table or no statistic".into(),
                "add a [[table]] and a [[statistic]] with sql = \"SELECT ...\"",
            )
            .into());
        }
        if recipe.agencies.is_some_and(|agencies| !(2..=100).contains(&agencies)) {
            return Err(wrong("agencies is not 2 to 100".into(), "deal the units out to 2 or more").into());
        }
        Ok(recipe)
    }
}
