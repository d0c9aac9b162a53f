//! What rules look at in a question.

use almoner_federation::{Name, PicoRho};
use almoner_query::{Plan, Spec, Uses};

/// All that rules look at in a question, but for the hour at which it comes. Nothing in it is secret.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// Who asks.
    pub planner: &'a Name,
    /// Whether the question says what it is for: [`gives_purpose`].
    pub has_purpose: bool,
    /// What is asked about, in the manifest's spelling.
    pub tables: &'a [String],
    /// Which columns it uses, and which kinds of aggregates.
    pub uses: &'a Uses,
    /// The plan's price.
    pub price: PicoRho,
}

impl<'a> Facts<'a> {
    /// Those of a question, from this party's own plan of it.
    pub fn of(spec: &'a Spec, plan: &'a Plan) -> Facts<'a> {
        Facts {
            planner: &spec.planner,
            has_purpose: gives_purpose(&spec.purpose),
            tables: plan.tables(),
            uses: plan.uses(),
            price: plan.price(),
        }
    }
}

/// Whether a purpose has a letter or a digit in it.
pub fn gives_purpose(purpose: &str) -> bool {
    purpose.chars().any(char::is_alphanumeric)
}
