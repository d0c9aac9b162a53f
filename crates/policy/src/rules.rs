//! The agency's rules, checked against the manifest, and what they say of a question.

use std::collections::BTreeSet;
use std::fmt::Write;

use almoner_federation::{Digest, Manifest, PicoRho};
use almoner_query::{Plan, Spec};

use crate::hours::Hours;
use crate::scope::{RuleRefusal, Scope, column_text, columns};
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
    scope: Scope,
    denied: BTreeSet<(String, String)>,
    purpose_required: bool,
    hours: Option<Hours>,
    approve: Approve,
}

/// What is answered without the data officer.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Approve {
    Everything,
    /// What lies within one of these at no more than its price; nothing where there is none.
    Any(Vec<(Scope, Option<PicoRho>)>),
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
            ApproveTables::Nothing => Approve::Any(Vec::new()),
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
        if let Err(refusal) = self.pass(spec, plan, now_s) {
            return Verdict::Refused(refusal);
        }
        let approved = match &self.approve {
            Approve::Everything => true,
            Approve::Any(all) => all.iter().any(|(scope, most)| {
                scope.holds(spec, plan).is_ok() && most.is_none_or(|most| plan.price() <= most)
            }),
        };
        if approved { Verdict::Approved } else { Verdict::Queue }
    }

    fn pass(&self, spec: &Spec, plan: &Plan, now_s: u64) -> Result<(), RuleRefusal> {
        self.scope.holds(spec, plan)?;
        if !self.denied.is_disjoint(&plan.uses().columns) {
            return Err(RuleRefusal::Column);
        }
        if self.purpose_required && !spec.purpose.chars().any(char::is_alphanumeric) {
            return Err(RuleRefusal::Purpose);
        }
        if self.hours.as_ref().is_some_and(|hours| !hours.hold(now_s)) {
            return Err(RuleRefusal::Hours);
        }
        Ok(())
    }

    /// The rules as canonical text: the same for all orders, repetitions and spellings in the file. Nothing in it is
    /// secret.
    pub fn canonical(&self) -> String {
        let Rules { scope, denied, purpose_required, hours, approve } = self;
        let mut text = format!("almoner rules 1\nallowed: {}\n", scope.text());
        let denied: Vec<String> = denied.iter().map(column_text).collect();
        // Each with a blank before it: a line that allows or denies nothing ends at its colon.
        let mut line = |name: &str, value: &str| {
            let blank = if value.is_empty() { "" } else { " " };
            writeln!(text, "{name}:{blank}{value}").expect("a string takes any text");
        };
        line("columns denied", &denied.join(" "));
        line("purpose", if *purpose_required { "required" } else { "optional" });
        line("hours", &hours.as_ref().map_or("any".into(), Hours::to_string));
        match approve {
            Approve::Everything => line("approve", "everything"),
            Approve::Any(all) => {
                let text = |(scope, most): &(Scope, Option<PicoRho>)| {
                    let most = most.map_or("*".into(), |most| most.to_string());
                    format!("{}; rho {most}", scope.text())
                };
                let sorted: BTreeSet<String> = all.iter().map(text).collect();
                if sorted.is_empty() {
                    line("approve", "nothing");
                }
                sorted.iter().for_each(|one| line("approve", one));
            }
        }
        text
    }

    /// SHA-256 of [`Rules::canonical`].
    pub fn hash(&self) -> Digest {
        Digest::of(self.canonical().as_bytes())
    }
}
