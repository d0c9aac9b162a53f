//! `--dry-run`: everything that is known before data are touched.

use almoner_privacy::epsilon;
use almoner_query::Plan;

use crate::planner::Planner;

/// Prints plan, price and expected errors.
pub(crate) fn print(planner: &Planner, plan: &Plan) {
    let delta = planner.manifest.policy.delta;
    println!("question   {}", plan.canonical_sql());
    println!(
        "price      rho {} (epsilon {:.4} at delta {delta:e}); nothing was asked or charged",
        plan.price(),
        epsilon(plan.price(), delta)
    );
    println!("groups     {}", plan.cells());
    println!("expected standard error of each output, by the privacy noise alone:");
    for expected in plan.expected() {
        let scope =
            expected.for_cell_of.map_or(String::new(), |rows| format!(" in a group of {rows:.0} rows"));
        println!("  {:<32} {:.4}{scope}", expected.name, expected.standard_error);
    }
}
