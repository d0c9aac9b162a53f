//! How much a planner wants to spend: as rho, as epsilon, or as the error it should buy.

use almoner_federation::{Manifest, Name, PicoRho};
use almoner_query::{ErrorGoal, Plan, plan, rho_for_error};
use clap::Args;

use crate::cli_error::CliError;

/// Without any of these, a hundredth of the planner's allowance is spent.
const DEFAULT_PART: u64 = 100;

#[derive(Args, Default)]
#[group(multiple = false)]
pub(crate) struct Spend {
    /// Spend at most this zCDP rho.
    #[arg(long)]
    pub rho: Option<PicoRho>,
    /// Spend at most this epsilon, at the manifest's delta.
    #[arg(long)]
    pub epsilon: Option<f64>,
    /// Spend the least that gives this 95 % half-width: a number in the output's unit, or a share such
    /// as 5% of an average group.
    #[arg(long)]
    pub error: Option<ErrorGoal>,
}

impl Spend {
    /// The plan of `sql` at the wanted price.
    pub(crate) fn plan(&self, manifest: &Manifest, planner: &Name, sql: &str) -> Result<Plan, CliError> {
        let rho = match (self.rho, self.epsilon, self.error) {
            (Some(rho), _, _) => rho,
            (_, Some(epsilon), _) => almoner_privacy::rho_for_epsilon(epsilon, manifest.policy.delta)
                .ok_or_else(|| CliError::Usage {
                    message: format!("no rho gives epsilon {epsilon} at delta {:e}", manifest.policy.delta),
                    remedy: "give an epsilon above 0",
                })?,
            (_, _, Some(goal)) => rho_for_error(manifest, sql, goal)?,
            (None, None, None) => {
                let allowance = manifest.planner(planner).map_or(PicoRho::ZERO, |planner| planner.rho);
                PicoRho::new((allowance.get() / DEFAULT_PART).max(1))
            }
        };
        Ok(plan(manifest, sql, rho)?)
    }
}
