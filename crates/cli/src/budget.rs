//! `almoner budget`: what was spent and what is left, by every party's own account.

use almoner_api::v1;
use almoner_federation::{NodeId, PicoRho};
use almoner_privacy::epsilon;
use clap::Args;

use crate::cli_error::CliError;
use crate::output;
use crate::planner::{Planner, PlannerFiles};

#[derive(Args)]
pub(crate) struct BudgetCommand {
    #[command(flatten)]
    files: PlannerFiles,
}

/// What a planner may still spend: the least that any reachable party would allow.
pub(crate) struct Left {
    pub reply: v1::BudgetReply,
    pub rho: PicoRho,
}

impl BudgetCommand {
    pub(crate) async fn run(self) -> Result<(), CliError> {
        let planner = self.files.open()?;
        let left = left(&planner).await?;
        output::print(&text(&planner, &left))
    }
}

/// Asks the coordinator, which asks every node.
pub(crate) async fn left(planner: &Planner) -> Result<Left, CliError> {
    let reply = planner
        .connect()?
        .budget(v1::BudgetRequest {})
        .await
        .map_err(|status| planner.failed(&status))?
        .into_inner();
    let own = reply.planner_limit.saturating_sub(reply.planner_charged);
    let all = reply.total_limit.saturating_sub(reply.total_charged);
    let nodes =
        reply.nodes.iter().filter(|node| node.reachable).map(|node| node.planner_left.min(node.total_left));
    let least = nodes.fold(own.min(all), u64::min);
    Ok(Left { reply, rho: PicoRho::new(least) })
}

fn text(planner: &Planner, left: &Left) -> String {
    let delta = planner.manifest.policy.delta;
    let shown = |pico: u64| {
        let rho = PicoRho::new(pico);
        format!("rho {rho} (epsilon {:.3})", epsilon(rho, delta))
    };
    let reply = &left.reply;
    let mut lines = vec![
        format!(
            "planner {} of federation {}, epsilon at delta {delta:e}",
            planner.name, planner.manifest.federation
        ),
        format!("  allowance            {}", shown(reply.planner_limit)),
        format!("  spent                {}", shown(reply.planner_charged)),
        format!("  spent by everybody   {} of {}", shown(reply.total_charged), shown(reply.total_limit)),
        format!("  left                 {}", shown(left.rho.get())),
        "by each agency's own ledger:".to_owned(),
    ];
    for account in &reply.nodes {
        let name = planner.manifest.agency(NodeId(account.node)).map_or("?", |agency| agency.name.as_str());
        lines.push(if account.reachable {
            format!("  {name:<24} left {}", shown(account.planner_left.min(account.total_left)))
        } else {
            format!("  {name:<24} does not answer")
        });
    }
    lines.join("\n") + "\n"
}
