//! From a wanted error to the smallest budget that meets it.

use std::str::FromStr;
use std::sync::Arc;

use almoner_federation::{Manifest, PicoRho};

use crate::QueryError;
use crate::near::echo;
use crate::plan::{Plan, draft, priced};

/// Half the width of a 95 % interval, in standard errors.
const HALF_WIDTH: f64 = 1.959_963_984_540_054;

/// The largest expected half-width of a 95 % interval that a planner accepts, in every output column,
/// with the noise of a round in which every agency takes part.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ErrorGoal {
    /// In the unit of the output: persons, yuan.
    Absolute(f64),
    /// As a fraction (0.05 for 5 %) of the answer of an average cell. With `n = population / cells`
    /// rows that is: for a count `n`; for a sum `n` times the largest absolute value of one row, and for
    /// anything else that largest value (1 for a share), from the declared ranges. Nothing of it is looked up
    /// in data.
    Relative(f64),
}

impl FromStr for ErrorGoal {
    type Err = QueryError;

    /// Reads `5%` or `50`.
    fn from_str(text: &str) -> Result<Self, QueryError> {
        let trimmed = text.trim();
        let (digits, relative) = match trimmed.strip_suffix('%') {
            Some(percent) => (percent.trim_end(), true),
            None => (trimmed, false),
        };
        let plain = digits.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        let number = digits.parse::<f64>().ok().filter(|number| plain && number.is_finite() && *number > 0.0);
        match number {
            Some(percent) if relative => Ok(ErrorGoal::Relative(percent / 100.0)),
            Some(number) => Ok(ErrorGoal::Absolute(number)),
            None => Err(QueryError::Goal(format!(
                "{:?} is not an error: write a share such as 5% or a number such as 50",
                echo(text)
            ))),
        }
    }
}

impl ErrorGoal {
    fn is_met(self, plan: &Plan) -> bool {
        plan.errors().into_iter().all(|(error, size)| {
            let half_width = HALF_WIDTH * error.standard_error;
            match self {
                ErrorGoal::Absolute(accepted) => half_width <= accepted,
                ErrorGoal::Relative(share) => half_width <= share * size,
            }
        })
    }
}

/// The smallest rho, to the pico (to 0.4 % where errors are simulated), whose [`plan`](crate::plan()) is
/// expected to meet the goal in every output column. The search is by halving, because more rho never means more noise.
///
/// # Errors
/// Those of planning; and when not even the federation's whole budget would do.
pub fn rho_for_error(manifest: &Manifest, sql: &str, goal: ErrorGoal) -> Result<PicoRho, QueryError> {
    let draft = Arc::new(draft(manifest, sql)?);
    let most = manifest.policy.total_rho;
    // What is too cheap for any noise does not meet the goal either.
    let meets = |rho: PicoRho| priced(&draft, rho).is_ok_and(|plan| goal.is_met(&plan));
    if !meets(most) {
        // An error that the whole budget meets with is worth more to the planner than a missed goal.
        let plan = priced(&draft, most)?;
        // Over rows that are spread evenly some statistics, such as the ratio to what the poorest have, may be lost.
        if let Some((lost, _)) = plan.errors().iter().find(|(error, _)| !error.standard_error.is_finite()) {
            return Err(QueryError::Goal(format!(
                "the error of {:?} cannot be told before the distribution's shape is known; ask for it with a rho, in a question of its own",
                echo(&lost.name)
            )));
        }
        if !plan.sketches().is_empty() {
            return Err(QueryError::Goal(
                "a count of distinct units over several agencies has an error of its own that no rho takes away, about the root of the count; accept a larger one"
                    .into(),
            ));
        }
        return Err(QueryError::Goal(format!(
            "not even the federation's whole budget of {most} rho would give so small an error; accept a larger one or ask for fewer outputs"
        )));
    }
    // `low` misses the goal, `high` meets it.
    let (mut low, mut high) = (0, most.get());
    // Simulated errors are known to a few percent, and more digits of rho would only cost time.
    let digits = |high: u64| if draft.simulates() { 1.max(high / 256) } else { 1 };
    while high - low > digits(high) {
        let middle = low + (high - low) / 2;
        if meets(PicoRho::new(middle)) { high = middle } else { low = middle }
    }
    Ok(PicoRho::new(high))
}
