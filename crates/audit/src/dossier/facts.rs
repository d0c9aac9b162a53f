//! What the manifest declares: the unit, the tables with their bounds, and who is trusted.

use almoner_federation::{ColumnType, Manifest, Name, Table, show_date};
use serde::Serialize;

/// Whom the budget protects.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Unit {
    pub(super) kind: String,
    pub(super) column: String,
    pub(super) population: u64,
    pub(super) sketches: bool,
}

impl Unit {
    pub(super) fn of(manifest: &Manifest) -> Unit {
        Unit {
            kind: manifest.unit.kind.to_string(),
            column: manifest.unit.column.clone(),
            population: manifest.unit.population,
            sketches: manifest.unit.sketch_key_sha256.is_some(),
        }
    }
}

/// A table with what bounds one unit's part in it.
#[derive(Debug, Clone, Serialize)]
pub(super) struct TableFacts {
    pub(super) name: String,
    pub(super) rows_per_unit: u32,
    /// m: at how many agencies one unit may have rows.
    pub(super) overlap: u32,
    pub(super) holders: Vec<Name>,
    pub(super) columns: Vec<ColumnFacts>,
}

/// A column with its public bounds, in words.
#[derive(Debug, Clone, Serialize)]
pub(super) struct ColumnFacts {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) bounds: String,
}

/// The tables in the manifest's order.
pub(super) fn tables(manifest: &Manifest) -> Vec<TableFacts> {
    let of = |table: &Table| TableFacts {
        name: table.name.clone(),
        rows_per_unit: table.rows_per_unit,
        overlap: manifest.overlap(table),
        holders: table.holders.iter().cloned().collect(),
        columns: table
            .columns
            .iter()
            .map(|column| ColumnFacts {
                name: column.name.clone(),
                kind: column.kind.word().into(),
                bounds: bounds(&column.kind),
            })
            .collect(),
    };
    manifest.tables.iter().map(of).collect()
}

fn bounds(kind: &ColumnType) -> String {
    match kind {
        ColumnType::Text { domain: None } => "no domain: cannot be a group".into(),
        ColumnType::Text { domain: Some(domain) } => {
            format!("{} values: {}", domain.len(), domain.join(", "))
        }
        ColumnType::Integer { min, max, .. } => format!("{min} to {max}"),
        ColumnType::Number { min, max, resolution, .. } => format!("{min} to {max} in steps of {resolution}"),
        ColumnType::Boolean => "true or false".into(),
        ColumnType::Date { min, max } => format!("{} to {}", show_date(*min), show_date(*max)),
    }
}

/// Who must be honest, and who signs what.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Trust {
    pub(super) agencies: Vec<(Name, String)>,
    pub(super) quorum: u32,
    pub(super) colluders: u32,
    pub(super) honest_shares: u32,
    pub(super) witnesses: u32,
    pub(super) stops_old_copies: bool,
    pub(super) stops_second_copies: bool,
    pub(super) changes_need_auditor: bool,
    pub(super) coordinator: Name,
    pub(super) auditors: Vec<Name>,
}

impl Trust {
    pub(super) fn of(manifest: &Manifest) -> Trust {
        let (policy, witnessing) = (&manifest.policy, manifest.witnessing());
        Trust {
            agencies: manifest.agencies.iter().map(|a| (a.name.clone(), a.legal_name.clone())).collect(),
            quorum: policy.quorum,
            colluders: policy.colluders,
            honest_shares: policy.honest_shares(),
            witnesses: policy.witnesses,
            stops_old_copies: witnessing.stops_old_copies(),
            stops_second_copies: witnessing.stops_second_copies(),
            changes_need_auditor: policy.changes_need_auditor,
            coordinator: manifest.coordinator.name.clone(),
            auditors: manifest.auditors.iter().map(|auditor| auditor.name.clone()).collect(),
        }
    }
}
