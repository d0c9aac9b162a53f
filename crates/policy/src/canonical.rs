//! The one text of an agency's rules that its officer signs: the tables of a node.toml, with everything in one order
//! and spelling. The parser of node.toml reads it back.

use std::collections::BTreeSet;

use almoner_federation::{Manifest, PicoRho};

use crate::rules::{Approve, MAX_RULES_BYTES, Rules};
use crate::scope::{Scope, column_text, list};
use crate::tables::RulesFile;

/// Most characters of a message about a text that somebody else wrote.
const MAX_MESSAGE: usize = 200;

impl Rules {
    /// The rules as canonical text: the same for all orders, repetitions and spellings in the file, and empty where
    /// nothing is restricted. Nothing in it is secret.
    pub fn canonical(&self) -> String {
        let Rules { scope, denied, purpose_required, hours, approve } = self;
        let mut tables = Vec::new();
        // A key of no table stands before all tables.
        if matches!(approve, Approve::Any(all) if all.is_empty()) {
            tables.push("approve = \"nothing\"\n".to_owned());
        }
        let mut rules = scope.text();
        if !denied.is_empty() {
            rules += &list("columns_denied", denied.iter().map(column_text));
        }
        if *purpose_required {
            rules += "purpose = \"required\"\n";
        }
        if let Some(hours) = hours {
            rules += &format!("hours = {hours}\n");
        }
        if !rules.is_empty() {
            tables.push(format!("[rules]\n{rules}"));
        }
        if let Approve::Any(all) = approve {
            let text = |(scope, most): &(Scope, Option<PicoRho>)| {
                let most = most.map_or(String::new(), |most| format!("most_rho = \"{most}\"\n"));
                format!("[[approve]]\n{}{most}", scope.text())
            };
            tables.extend(all.iter().map(text).collect::<BTreeSet<String>>());
        }
        tables.join("\n")
    }

    /// Reads [`Rules::canonical`]'s text back, and nothing else.
    ///
    /// # Errors
    /// In at most 200 characters, for whoever holds a ledger: a text longer than [`MAX_RULES_BYTES`]; one that no
    /// node.toml could have; a name that the manifest does not have; a text in another order or spelling.
    pub fn read(canonical: &str, manifest: &Manifest) -> Result<Rules, String> {
        let short = |message: &str| message.chars().take(MAX_MESSAGE).collect::<String>();
        if canonical.len() > MAX_RULES_BYTES {
            return Err(format!("the rules take more than {MAX_RULES_BYTES} bytes"));
        }
        // Canonical text names every column. To write them out for a hostile one could take long.
        if canonical.contains('*') {
            return Err(
                "the rules are not in their canonical form: they leave columns to be written out".into()
            );
        }
        let file: RulesFile = toml::from_str(canonical).map_err(|error| short(error.message()))?;
        let rules = Rules::check(&file.rules, &file.approve, manifest).map_err(|message| short(&message))?;
        if rules.canonical() == canonical {
            Ok(rules)
        } else {
            Err("the rules are not in their canonical form".into())
        }
    }
}
