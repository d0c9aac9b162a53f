//! The agency's rules, checked against the manifest, and what they say of a question.

use std::collections::BTreeSet;

use almoner_federation::{Manifest, PicoRho};
use almoner_query::{Plan, Spec};

use crate::facts::Facts;
use crate::hours::Hours;
use crate::scope::{RuleRefusal, Scope, columns};
use crate::tables::{ApproveTables, Purpose, RulesTable};

/// What the rules say of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It may be answered.
    Approved,
    /// The data officer decides.
    Queue,
    /// It is never answered.
    Refused(RuleRefusal),
}

/// An agency's rules, whose names are all in the manifest. They only tighten: what they approve is still subject to
/// manifest, limits and budget.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    pub(crate) scope: Scope,
    pub(crate) denied: BTreeSet<(String, String)>,
    pub(crate) purpose_required: bool,
    pub(crate) hours: Option<Hours>,
    pub(crate) approve: Approve,
}

/// What is answered without the data officer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Approve {
    Everything,
    /// What lies within one of these at no more than its price; nothing where there is none.
    Any(BTreeSet<(Scope, Option<PicoRho>)>),
}

/// Longest canonical text of an agency's rules, as much as a ledger's POLICY entry holds.
pub const MAX_RULES_BYTES: usize = 16 * 1024;

impl Rules {
    /// Checks the tables of a node.toml against the manifest.
    ///
    /// # Errors
    /// In words for the writer of the file: a name that the manifest does not have, since a rule with a slip of the
    /// pen would silently be none; a list that allows nothing; hours that are none;
    /// rules whose canonical text is longer than [`MAX_RULES_BYTES`].
    pub fn check(rules: &RulesTable, approve: &ApproveTables, manifest: &Manifest) -> Result<Rules, String> {
        let RulesTable { planners, tables, columns, columns_denied, aggregates, purpose, hours } = rules;
        let scope = |table: &str, checked: Result<Scope, String>| {
            checked.map_err(|message| format!("{table}: {message}"))
        };
        let own = Scope::check(
            planners.as_deref(),
            tables.as_deref(),
            columns.as_deref(),
            aggregates.as_deref(),
            manifest,
        );
        let approve = match approve {
            ApproveTables::Everything => Approve::Everything,
            ApproveTables::Nothing => Approve::Any(BTreeSet::new()),
            ApproveTables::Any(all) => {
                let checked = all.iter().map(|one| {
                    let checked = Scope::check(
                        one.planners.as_deref(),
                        one.tables.as_deref(),
                        one.columns.as_deref(),
                        one.aggregates.as_deref(),
                        manifest,
                    );
                    Ok((scope("[[approve]]", checked)?, one.most_rho))
                });
                Approve::Any(checked.collect::<Result<_, String>>()?)
            }
        };
        let checked = Rules {
            scope: scope("[rules]", own)?,
            denied: self::columns(columns_denied, manifest)
                .map_err(|message| format!("[rules]: columns_denied: {message}"))?,
            purpose_required: *purpose == Purpose::Required,
            hours: hours.as_ref().map(Hours::check).transpose()?,
            approve,
        };
        if checked.canonical().len() > MAX_RULES_BYTES {
            return Err(format!("the rules take more than {MAX_RULES_BYTES} bytes; name fewer columns"));
        }
        Ok(checked)
    }

    /// What they say of a question at a moment, in seconds since 1970: a pure function of what is public. `plan` is
    /// this party's own plan of `spec`.
    pub fn judge(&self, spec: &Spec, plan: &Plan, now_s: u64) -> Verdict {
        match self.judge_at_any_hour(&Facts::of(spec, plan)) {
            Verdict::Refused(refusal) => Verdict::Refused(refusal),
            _ if self.hours.as_ref().is_some_and(|hours| !hours.hold(now_s)) => {
                Verdict::Refused(RuleRefusal::Hours)
            }
            verdict => verdict,
        }
    }

    /// What they say of a question but for the hours, which are for the node alone: an entry's time is when the
    /// answer was ready, not when the question came.
    pub fn judge_at_any_hour(&self, facts: &Facts<'_>) -> Verdict {
        if let Err(refusal) = self.pass(facts) {
            return Verdict::Refused(refusal);
        }
        let approved = match &self.approve {
            Approve::Everything => true,
            Approve::Any(all) => all.iter().any(|(scope, most)| {
                scope.holds(facts).is_ok() && most.is_none_or(|most| facts.price <= most)
            }),
        };
        if approved { Verdict::Approved } else { Verdict::Queue }
    }

    fn pass(&self, facts: &Facts<'_>) -> Result<(), RuleRefusal> {
        self.scope.holds(facts)?;
        if !self.denied.is_disjoint(&facts.uses.columns) {
            return Err(RuleRefusal::Column);
        }
        if self.purpose_required && !facts.has_purpose {
            return Err(RuleRefusal::Purpose);
        }
        Ok(())
    }
}
