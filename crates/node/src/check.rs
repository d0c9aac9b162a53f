//! Holds an agency's data against the manifest before they are served. Exact counts of the data: nothing of this ever
//! leaves the machine.

use std::fmt;

use almoner_engine::{LoadReport, Source, SourceError, TableReport};
use almoner_federation::{Column, ColumnType, PicoRho, Table, show_date};
use almoner_query::{Conclusions, plan, quoted, text_literal};

use crate::data::open_source;
use crate::node::read_key;
use crate::{NodeConfig, NodeError};

/// Columns of one statement: a question has at most 200 outputs, and a column takes two.
const COLUMNS_AT_ONCE: usize = 50;

/// What there is to say of an agency's data.
#[derive(Debug, Clone)]
pub struct DataCheck {
    /// How they were read and bounded.
    pub report: LoadReport,
    /// In the order of the report's tables.
    tables: Vec<Vec<ColumnCheck>>,
}

/// One column, over the rows that bounding left.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ColumnCheck {
    name: String,
    /// What is declared of its values.
    declared: String,
    /// Rows with a value.
    values: u64,
    /// Values out of the declared range or domain; `None` where nothing is declared, or it cannot be asked.
    outside: Option<u64>,
    /// Whether values out of it have no group, or count as its ends.
    is_domain: bool,
}

/// Opens the tables as the node would and counts what does not fit the manifest.
///
/// # Errors
/// Whatever would keep the node from serving these data.
pub async fn check(config: &NodeConfig) -> Result<DataCheck, NodeError> {
    let source = open_source(config, &read_key(&config.keys.join("bounding.key"))?).await?;
    let report = source.report().clone();
    let mut tables = Vec::with_capacity(report.tables.len());
    for about in &report.tables {
        let table = config.manifest.tables.iter().find(|table| table.name == about.table);
        let table = table.expect("the source reports on the manifest's tables");
        let mut columns = Vec::with_capacity(table.columns.len());
        for some in table.columns.chunks(COLUMNS_AT_ONCE) {
            columns.extend(columns_of(config, &source, table, some).await?);
        }
        tables.push(columns);
    }
    Ok(DataCheck { report, tables })
}

/// Asks the source like a planner would, but takes the cells themselves.
async fn columns_of(
    config: &NodeConfig,
    source: &Source,
    table: &Table,
    columns: &[Column],
) -> Result<Vec<ColumnCheck>, NodeError> {
    let outputs = columns.iter().enumerate().flat_map(|(i, column)| {
        let name = quoted(&column.name);
        let values = format!("COUNT(*) FILTER (WHERE {name} IS NOT NULL) AS v{i}");
        let outside = outside(&name, &column.kind);
        [Some(values), outside.map(|outside| format!("COUNT(*) FILTER (WHERE {outside}) AS o{i}"))]
    });
    let outputs: Vec<String> = outputs.flatten().collect();
    let sql = format!("SELECT {} FROM {}", outputs.join(", "), quoted(&table.name));
    // The price is of no account: nothing is released.
    let free = PicoRho::new(u64::from(u32::MAX) * 1_000_000);
    let failed = |error: almoner_query::QueryError| {
        NodeError::Source(SourceError::Answer { detail: error.to_string() })
    };
    let plan = plan(&config.manifest, &sql, free).map_err(failed)?;
    let mut cells = source.cells(&plan).await?.values;
    plan.encode(&mut cells);
    plan.scale(&mut cells);
    let answer = Conclusions::new(&plan, 0).answer(&cells).map_err(failed)?;
    let count = |name: String| {
        let place = answer.columns.iter().position(|column| column.name == name)?;
        let value = answer.rows.first()?.get(place)?.estimate()?.value?;
        Some(value.round() as u64)
    };
    let checked = columns.iter().enumerate().map(|(i, column)| ColumnCheck {
        name: column.name.clone(),
        declared: declared(&column.kind),
        values: count(format!("v{i}")).unwrap_or_default(),
        outside: count(format!("o{i}")),
        is_domain: matches!(column.kind, ColumnType::Text { .. }),
    });
    Ok(checked.collect())
}

/// The condition that a value is out of what is declared.
fn outside(name: &str, kind: &ColumnType) -> Option<String> {
    let beyond = |low: String, high: String| Some(format!("{name} < {low} OR {name} > {high}"));
    match kind {
        ColumnType::Text { domain } => {
            let texts: Vec<String> = domain.as_ref()?.iter().map(|text| text_literal(text)).collect();
            Some(format!("{name} NOT IN ({})", texts.join(", ")))
        }
        ColumnType::Integer { min, max, .. } => beyond(min.to_string(), max.to_string()),
        ColumnType::Number { min, max, .. } => {
            // A literal has at most 18 digits on either side of its point.
            let literal = |end: f64| {
                let text = end.to_string();
                let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
                (whole.trim_start_matches('-').len() <= 18 && fraction.len() <= 18).then_some(text.clone())
            };
            beyond(literal(min.to_f64().value())?, literal(max.to_f64().value())?)
        }
        ColumnType::Boolean => None,
        ColumnType::Date { min, max } => {
            let day = |day: i32| format!("DATE '{}'", show_date(day));
            beyond(day(*min), day(*max))
        }
    }
}

fn declared(kind: &ColumnType) -> String {
    match kind {
        ColumnType::Text { domain: Some(domain) } => format!("one of {} texts", domain.len()),
        ColumnType::Integer { min, max, .. } => format!("{min} to {max}"),
        ColumnType::Number { min, max, .. } => {
            format!("{} to {}", min.to_f64().value(), max.to_f64().value())
        }
        ColumnType::Date { min, max } => format!("{} to {}", show_date(*min), show_date(*max)),
        kind => kind.word().to_owned(),
    }
}

impl DataCheck {
    /// What the data officer should look at, each with what to do; empty when everything fits.
    pub fn advice(&self) -> Vec<String> {
        let mut advice = Vec::new();
        for (about, columns) in self.report.tables.iter().zip(&self.tables) {
            let table = &about.table;
            if about.rows_read == 0 {
                advice.push(format!("table {table} is empty: if that is a mistake, export it again"));
            }
            if about.rows_without_unit > 0 {
                advice.push(format!(
                    "{} of {} rows of {table} have no unit id and count nowhere: fill the id in where you know it",
                    about.rows_without_unit, about.rows_read
                ));
            }
            if about.units_over_bound > 0 {
                advice.push(format!(
                    "{} of {} units of {table} have more rows than rows_per_unit, and {} rows are left out: answers are \
                     too low by them; deliver fewer rows a unit, or agree on a larger rows_per_unit, which makes all \
                     noise larger",
                    about.units_over_bound, about.units, about.rows_over_bound
                ));
            }
            for (column, read) in columns.iter().zip(&about.columns) {
                advice.extend(column.advice(table, kept(about), read.unreadable));
            }
        }
        advice
    }
}

/// Rows that bounding left.
fn kept(about: &TableReport) -> u64 {
    about.rows_read.saturating_sub(about.rows_without_unit).saturating_sub(about.rows_over_bound)
}

impl ColumnCheck {
    fn advice(&self, table: &str, rows: u64, unreadable: u64) -> Vec<String> {
        let mut advice = Vec::new();
        let name = &self.name;
        if unreadable > 0 {
            advice.push(format!(
                "{unreadable} fields of {table}.{name} cannot be read as what is declared and count as missing: look \
                 for decimal commas, words for missing values, or a wrong type in the manifest"
            ));
        }
        if rows > 0 && self.values == 0 {
            advice.push(format!(
                "{table}.{name} has no value in any row: check the export, or whether you hold it at all"
            ));
        }
        if let Some(outside) = self.outside.filter(|outside| *outside > 0) {
            advice.push(format!(
                "{outside} values of {table}.{name} are not {}: they {}; correct them, or agree on {}",
                self.declared,
                if self.is_domain { "are in no group" } else { "count as the nearer end" },
                if self.is_domain {
                    "a domain that has them"
                } else {
                    "a wider range, which makes noise larger"
                },
            ));
        }
        advice
    }
}

impl fmt::Display for DataCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.report)?;
        for (about, columns) in self.report.tables.iter().zip(&self.tables) {
            let rows = kept(about);
            writeln!(f, "columns of {}, over the {rows} rows that count:", about.table)?;
            for column in columns {
                let missing = rows.saturating_sub(column.values);
                let share = if rows == 0 { 0.0 } else { missing as f64 * 100.0 / rows as f64 };
                write!(f, "  {:24} {:>6.2} % missing", column.name, share)?;
                match column.outside {
                    Some(outside) => writeln!(f, ", {outside} not {}", column.declared)?,
                    None => writeln!(f, ", {}", column.declared)?,
                }
            }
        }
        let advice = self.advice();
        if advice.is_empty() {
            return writeln!(f, "Everything fits the manifest.");
        }
        writeln!(f, "To look at:")?;
        advice.iter().try_for_each(|one| writeln!(f, "  - {one}"))
    }
}
