//! `[rules]` and `[[approve]]` as they stand in node.toml, before they are checked against the manifest.

use std::fmt;

use almoner_federation::{Name, PicoRho};
use serde::Deserialize;
use serde::de::{Deserializer, Error, SeqAccess, Visitor};

/// A text of rules and nothing else.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RulesFile {
    pub(crate) rules: RulesTable,
    pub(crate) approve: ApproveTables,
}

/// The `[rules]` table; every field is optional and only tightens.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RulesTable {
    /// Who may ask; everybody in the manifest when left out.
    pub planners: Option<Vec<Name>>,
    /// What may be asked about; every table when left out.
    pub tables: Option<Vec<String>>,
    /// `table.column` or `table.*`: the only ones that a question may use; all when left out.
    pub columns: Option<Vec<String>>,
    /// `table.column` or `table.*` that no question may use.
    pub columns_denied: Vec<String>,
    /// The kinds of aggregates; all when left out.
    pub aggregates: Option<Vec<String>>,
    /// Whether a question must say what it is for.
    pub purpose: Purpose,
    /// When questions are answered; always when left out.
    pub hours: Option<HoursTable>,
}

/// Whether a question must say what it is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// It may be empty.
    #[default]
    Optional,
    /// It may not.
    Required,
}

/// Hours of the day in UTC.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HoursTable {
    /// `HH:MM`, included.
    pub from: String,
    /// `HH:MM`, excluded; at or before `from` it is of the next day.
    pub to: String,
    /// `mon` to `sun`: the days on which the hours begin; all when left out.
    pub days: Option<Vec<String>>,
}

/// One `[[approve]]` table: all conditions that are given must hold.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScopeTable {
    /// Who asks.
    pub planners: Option<Vec<Name>>,
    /// All tables that are asked about.
    pub tables: Option<Vec<String>>,
    /// `table.column` or `table.*`: all columns that are used.
    pub columns: Option<Vec<String>>,
    /// All kinds of aggregates.
    pub aggregates: Option<Vec<String>>,
    /// The price is no more than this.
    pub most_rho: Option<PicoRho>,
}

/// What is answered without asking the data officer.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum ApproveTables {
    /// Whatever passes the rules: neither `[[approve]]` nor `approve` is there.
    #[default]
    Everything,
    /// `approve = "nothing"`.
    Nothing,
    /// What matches one of the `[[approve]]` tables.
    Any(Vec<ScopeTable>),
}

impl<'de> Deserialize<'de> for ApproveTables {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = ApproveTables;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("approve = \"nothing\", or [[approve]] tables")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<ApproveTables, E> {
                match text {
                    "nothing" => Ok(ApproveTables::Nothing),
                    other => Err(E::invalid_value(serde::de::Unexpected::Str(other), &self)),
                }
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut all: A) -> Result<ApproveTables, A::Error> {
                let mut tables = Vec::new();
                while let Some(table) = all.next_element()? {
                    tables.push(table);
                }
                Ok(ApproveTables::Any(tables))
            }
        }
        deserializer.deserialize_any(Either)
    }
}
