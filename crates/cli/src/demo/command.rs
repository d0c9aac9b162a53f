//! `almoner demo`: one federation on this machine, from its keys to its answers.

use std::path::PathBuf;
use std::time::Instant;

use almoner_api::Refusal;
use almoner_federation::PicoRho;
use clap::Args;

use crate::budget;
use crate::cli_error::CliError;
use crate::demo::party::Parties;
use crate::demo::processes::Processes;
use crate::demo::{PEOPLE, Scenario, folder, prefecture, show};
use crate::planner::Planner;
use crate::query::{self, Spend};

#[derive(Args)]
pub(crate) struct DemoCommand {
    /// How many people the made-up prefecture has.
    #[arg(long, default_value_t = PEOPLE, value_parser = clap::value_parser!(u32).range(1_000..=5_000_000))]
    people: u32,
    /// Seed of the made-up population; the noise is never seeded.
    #[arg(long, default_value_t = 20_201_123)]
    seed: u64,
    /// Run over this folder of CSV files instead, one file an agency.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// With --data: the column that names person or household.
    #[arg(long, value_name = "COLUMN", requires = "data")]
    unit: Option<String>,
    /// With --data: no person or household is in two files.
    #[arg(long, requires = "data")]
    disjoint: bool,
    /// Leave everything running when the questions are answered, until interrupted.
    #[arg(long)]
    keep: bool,
}

impl DemoCommand {
    pub(crate) async fn run(self) -> Result<(), CliError> {
        let began = Instant::now();
        let failed = |source| CliError::Write { path: std::env::temp_dir(), source };
        let dir = tempfile::Builder::new().prefix("almoner-demo-").tempdir().map_err(failed)?;
        let data = dir.path().join("data");
        let scenario = match &self.data {
            None => {
                println!("Making {} people of a rural prefecture, who do not exist.", self.people);
                prefecture::scenario(self.seed, self.people, &data)?
            }
            Some(folder) => folder::scenario(folder, self.unit.as_deref(), self.disjoint, &data)?,
        };
        scenario.notes.iter().for_each(|note| println!("NOTE: {note}"));
        let parties = Parties::make(&scenario, dir.path())?;
        let names: Vec<&str> = scenario.agencies.iter().map(|(name, _)| name.as_str()).collect();
        println!(
            "Starting {} node processes ({}) and a coordinator on loopback, all with mutual TLS.",
            names.len(),
            names.join(", ")
        );
        let mut processes = Processes::start(&parties, dir.path())?;
        let asked = tokio::select! {
            asked = ask_everything(&scenario, &parties, &mut processes) => asked,
            _ = tokio::signal::ctrl_c() => Err(CliError::Demo("interrupted".into())),
        };
        asked?;
        println!("\nDone in {:.1} s.", began.elapsed().as_secs_f64());
        if self.keep {
            show::how_to_query(&parties);
            let _ = tokio::signal::ctrl_c().await;
        }
        Ok(())
    }
}

/// Every question of the scenario, then one that is too dear, then one asked before.
async fn ask_everything(
    scenario: &Scenario,
    parties: &Parties,
    processes: &mut Processes,
) -> Result<(), CliError> {
    processes.wait_until_all_listen().await?;
    let planner = parties.planner_files().open()?;
    let before = budget::left(&planner).await?;
    show::budget("Budget before the first question", &planner, &before);

    let mut last_release = None;
    for question in &scenario.questions {
        show::question(&question.title, &question.sql);
        let answered = ask(&planner, &question.sql, question.rho).await?;
        show::answer(&planner, &answered, &question.truth)?;
        last_release = Some(answered.release.spec_hash);
    }
    let after = budget::left(&planner).await?;
    show::budget("\nBudget after the last question", &planner, &after);
    if let Some(release) = last_release {
        show::what_each_party_saw(parties, &planner, release).await?;
    }

    let (sql, rho) = &scenario.too_much;
    show::question("A question that costs more than is left", sql);
    match ask(&planner, sql, *rho).await {
        Err(CliError::Refused(refusal @ (Refusal::BudgetPlanner | Refusal::BudgetTotal))) => {
            println!("rho {rho} asked, rho {} left. Refused ({}): {refusal}", after.rho, refusal.word());
        }
        Err(error) => return Err(error),
        Ok(_) => return Err(CliError::Demo("a question over the budget was answered".into())),
    }

    let question = &scenario.questions[0];
    show::question("The first question once more", &question.sql);
    let again = ask(&planner, &question.sql, question.rho).await?;
    let unchanged = budget::left(&planner).await?;
    if !again.repeat || unchanged.rho != after.rho {
        return Err(CliError::Demo("a repeat was charged".into()));
    }
    println!("Served from the publication, the same to the last digit, free: rho {} left.", unchanged.rho);
    Ok(())
}

async fn ask(planner: &Planner, sql: &str, rho: PicoRho) -> Result<query::Answered, CliError> {
    let spend = Spend { rho: Some(rho), ..Spend::default() };
    let plan = spend.plan(&planner.manifest, &planner.name, sql)?;
    let asked = query::prepare(planner, plan, "The demo")?;
    query::ask(planner, &asked, false, false).await
}
