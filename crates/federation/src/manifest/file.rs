//! The shape of `federation.toml`, field by field; unknown fields are refused.

use serde::Deserialize;
use toml::Spanned;

use crate::number::Literal;
use crate::{Digest, Name, PeriodLength, PicoRho, VerifyingKey};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ManifestFile {
    pub federation: Federation,
    pub coordinator: Coordinator,
    pub unit: Spanned<Unit>,
    pub policy: Spanned<Policy>,
    #[serde(default)]
    pub planner: Vec<Spanned<Planner>>,
    #[serde(default)]
    pub auditor: Vec<Spanned<Auditor>>,
    #[serde(default)]
    pub sector: Vec<Spanned<Sector>>,
    pub territory: Option<Spanned<Territory>>,
    pub agency: Vec<Spanned<Agency>>,
    pub table: Vec<Spanned<Table>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Federation {
    pub id: Name,
    pub epoch: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Coordinator {
    pub name: Name,
    pub endpoint: Spanned<String>,
    pub signing_key: VerifyingKey,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Unit {
    pub kind: UnitKind,
    pub column: String,
    pub population: u64,
    pub sketch_key_sha256: Option<Digest>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum UnitKind {
    Person,
    Household,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Policy {
    pub delta: f64,
    pub total_rho: PicoRho,
    pub quorum: u32,
    pub colluders: u32,
    pub min_honest: u32,
    pub quality_limit: Option<f64>,
    pub witnesses: Option<u32>,
    #[serde(default)]
    pub changes_need_auditor: bool,
    pub period: Option<PeriodLength>,
    pub period_rho: Option<PicoRho>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Planner {
    pub name: Name,
    pub signing_key: VerifyingKey,
    pub rho: PicoRho,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Auditor {
    pub name: Name,
    pub signing_key: VerifyingKey,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Territory {
    pub column: String,
    pub rho: PicoRho,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sector {
    pub name: Name,
    pub agencies_per_unit: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Agency {
    pub node: u32,
    pub name: Name,
    pub legal_name: String,
    pub sector: Option<Name>,
    pub endpoint: String,
    pub signing_key: VerifyingKey,
    pub officer_key: VerifyingKey,
    /// 64 hexadecimal digits, as any public key here.
    pub mask_key: VerifyingKey,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Table {
    pub name: String,
    pub rows_per_unit: u32,
    pub agencies: Option<Vec<Name>>,
    pub column: Vec<Spanned<Column>>,
}

/// Every field that any type of column may have; `check` refuses those that its type has no use for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Column {
    pub name: String,
    pub r#type: ColumnWord,
    pub domain: Option<Vec<String>>,
    pub min: Option<Literal>,
    pub max: Option<Literal>,
    pub resolution: Option<Literal>,
    pub bands: Option<Vec<Literal>>,
    pub bins: Option<Bins>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Bins {
    pub count: Option<u32>,
    pub scale: Option<ScaleWord>,
    pub from: Option<Literal>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum ScaleWord {
    Linear,
    Log,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum ColumnWord {
    Text,
    Integer,
    Number,
    Boolean,
    Date,
}
