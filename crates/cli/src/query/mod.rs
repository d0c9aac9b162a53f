//! `almoner query`: from SQL text to a table with honest error bars.

mod ask;
mod dry_run;
mod format;
mod price;
mod progress;

use almoner_query::MAX_PURPOSE_BYTES;
use clap::{Args, ValueEnum};

use crate::cli_error::CliError;
use crate::planner::PlannerFiles;

pub(crate) use ask::{Answered, Asked, ask, prepare};
pub(crate) use format::{fixed, footer, print, show};
pub(crate) use price::Spend;

#[derive(Args)]
pub(crate) struct QueryCommand {
    /// The question, such as "SELECT county, COUNT(*) FROM residents GROUP BY county".
    #[arg(required_unless_present = "resume")]
    sql: Option<String>,
    #[command(flatten)]
    spend: Spend,
    /// What the answer is wanted for, in a sentence: signed with the question, and kept in every ledger.
    #[arg(long, env = "ALMONER_PURPOSE", default_value = "", value_parser = purpose)]
    purpose: String,
    /// Show plan, price and expected errors; ask nobody, pay nothing.
    #[arg(long, conflicts_with = "resume")]
    dry_run: bool,
    /// Pay for fresh noise although the same question was published.
    #[arg(long)]
    fresh: bool,
    /// Finish the round of an earlier question, by its number, at no further charge.
    #[arg(long, value_name = "QUERY_ID", conflicts_with = "sql")]
    resume: Option<almoner_federation::QueryId>,
    /// With --resume: give the lost round up and pay for a new attempt without the lost agency.
    #[arg(long, requires = "resume")]
    new_attempt: bool,
    /// How to print the answer.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    #[command(flatten)]
    files: PlannerFiles,
}

/// How an answer is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For reading: value and 95 % interval.
    Table,
    /// One row per cell; each estimate with standard error and interval.
    Csv,
    /// Everything, with cost and participants.
    Json,
}

fn purpose(text: &str) -> Result<String, String> {
    if text.len() > MAX_PURPOSE_BYTES || text.chars().any(char::is_control) {
        return Err(format!("a purpose is one line of at most {MAX_PURPOSE_BYTES} bytes"));
    }
    Ok(text.to_owned())
}

impl QueryCommand {
    pub(crate) async fn run(self) -> Result<(), CliError> {
        let planner = self.files.open()?;
        let asked = match (self.resume, self.sql) {
            (Some(query), _) => Asked::saved(&planner, query)?,
            (None, Some(sql)) => {
                let plan = self.spend.plan(&planner.manifest, &planner.name, &sql)?;
                if self.dry_run {
                    return dry_run::print(&planner, &plan, self.format);
                }
                prepare(&planner, plan, &self.purpose)?
            }
            (None, None) => unreachable!("clap requires one of the two"),
        };
        let answered = ask(&planner, &asked, self.fresh, self.new_attempt).await?;
        let left = crate::budget::left(&planner).await.ok();
        print(&planner, &answered, left.as_ref(), self.format)
    }
}
