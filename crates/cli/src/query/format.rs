//! An answer as a table, as CSV, as JSON: the same numbers, each with its error.

use almoner_privacy::epsilon;
use almoner_query::{AnswerValue, Estimate};
use comfy_table::{CellAlignment, Table, presets};
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::budget::Left;
use crate::cli_error::CliError;
use crate::output;
use crate::planner::Planner;
use crate::query::Format;
use crate::query::ask::Answered;

/// Prints an answer to standard output.
pub(crate) fn print(
    planner: &Planner,
    answered: &Answered,
    left: Option<&Left>,
    format: Format,
) -> Result<(), CliError> {
    match format {
        Format::Table => {
            let limit = planner.manifest.policy.quality_limit;
            let mut lines = footer(planner, answered, left);
            if estimates(answered).any(|estimate| estimate.is_noisy(limit)) {
                let percent = fixed(100.0 * limit, 0);
                lines.insert(
                    0,
                    format!("{FLAG} noise dominates: a standard error above {percent} % of the value"),
                );
            }
            output::print(&format!("{}\n{}\n", table(answered, limit), lines.join("\n")))
        }
        Format::Csv => {
            // The numbers alone go to standard output; that some agency's are missing must not go unsaid.
            let absent = absent(planner, answered);
            if !absent.is_empty() {
                eprintln!("WITHOUT {}: their records are not counted", absent.join(", "));
            }
            output::print(&as_csv(answered, planner.manifest.policy.quality_limit)?)
        }
        Format::Json => output::print(&format!("{:#}\n", as_json(planner, answered, left))),
    }
}

/// Marks what is mostly noise.
const FLAG: &str = "(!)";

fn estimates(answered: &Answered) -> impl Iterator<Item = &Estimate> {
    answered.answer.rows.iter().flatten().filter_map(AnswerValue::estimate)
}

/// The answer as text with one column per output: value and 95 % interval, flagged where the relative
/// standard error is above `limit`.
fn table(answered: &Answered, limit: f64) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_HORIZONTAL_ONLY);
    let headers = answered.answer.columns.iter().map(|column| {
        if column.is_key { column.name.clone() } else { format!("{} [95 % interval]", column.name) }
    });
    table.set_header(headers);
    for row in &answered.answer.rows {
        table.add_row(row.iter().map(|value| match value {
            AnswerValue::Key(label) => label.clone(),
            AnswerValue::Estimate(estimate) if estimate.is_noisy(limit) => {
                format!("{} {FLAG}", show(estimate))
            }
            AnswerValue::Estimate(estimate) => show(estimate),
        }));
    }
    for (index, column) in answered.answer.columns.iter().enumerate() {
        if let (false, Some(shown)) = (column.is_key, table.column_mut(index)) {
            shown.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// What the answer cost, who took part, and what is left.
pub(crate) fn footer(planner: &Planner, answered: &Answered, left: Option<&Left>) -> Vec<String> {
    let delta = planner.manifest.policy.delta;
    let price = answered.release.plan.price();
    let mut lines = vec![
        "intervals speak of the privacy noise alone, not of errors in the records".to_owned(),
        if answered.repeat {
            let published = published(answered.release.published_at_s);
            let source = match read_from(answered) {
                Some(question) => format!("read from the answer to {question:?}, published"),
                None => "published".to_owned(),
            };
            format!(
                "cost: nothing, {source} {published} for rho {price}; --fresh asks the data as they are now"
            )
        } else {
            format!("cost: rho {price} (epsilon {:.4} at delta {delta:e})", epsilon(price, delta))
        },
    ];
    if let Some(left) = left {
        lines.push(format!("left: rho {} (epsilon {:.3})", left.rho, epsilon(left.rho, delta)));
    }
    let took_part = answered.release.participants.len();
    lines.push(match absent(planner, answered) {
        names if names.is_empty() => format!("all {took_part} agencies took part"),
        names => format!(
            "{took_part} agencies took part; WITHOUT {}: their records are not counted",
            names.join(", ")
        ),
    });
    lines
}

/// The other question for which the release was published.
fn read_from(answered: &Answered) -> Option<&str> {
    let published = answered.release.spec.sql.as_str();
    (published != answered.question).then_some(published)
}

/// A moment in UTC, to the minute.
fn published(at_s: u64) -> String {
    let moment = i64::try_from(at_s).ok().and_then(|at_s| OffsetDateTime::from_unix_timestamp(at_s).ok());
    moment.map_or("before".to_owned(), |at| {
        format!("on {} at {:02}:{:02} UTC", at.date(), at.hour(), at.minute())
    })
}

fn absent(planner: &Planner, answered: &Answered) -> Vec<String> {
    let named = answered.absent.iter().filter_map(|node| planner.manifest.agency(*node));
    named.map(|agency| agency.name.to_string()).collect()
}

/// A number with as many decimals as its error leaves meaningful: two digits of the standard error.
pub(crate) fn show(estimate: &Estimate) -> String {
    let Some(value) = estimate.value else { return "too noisy to tell".to_owned() };
    let decimals = decimals(estimate.standard_error);
    format!(
        "{} [{}, {}]",
        fixed(value, decimals),
        fixed(estimate.low, decimals),
        fixed(estimate.high, decimals)
    )
}

fn decimals(standard_error: f64) -> usize {
    if !standard_error.is_finite() || standard_error <= 0.0 {
        return 2;
    }
    (1.0 - standard_error.log10().floor()).clamp(0.0, 9.0) as usize
}

pub(crate) fn fixed(value: f64, decimals: usize) -> String {
    if value.is_infinite() {
        return if value > 0.0 { "∞".to_owned() } else { "-∞".to_owned() };
    }
    let text = format!("{value:.decimals$}");
    let (sign, digits) = text.strip_prefix('-').map_or(("", text.as_str()), |digits| ("-", digits));
    let (whole, fraction) =
        digits.split_once('.').map_or((digits, None), |(whole, part)| (whole, Some(part)));
    let mut grouped = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    let fraction = fraction.map(|part| format!(".{part}")).unwrap_or_default();
    format!("{sign}{grouped}{fraction}")
}

fn as_csv(answered: &Answered, limit: f64) -> Result<String, CliError> {
    let mut header = Vec::new();
    for column in &answered.answer.columns {
        header.push(column.name.clone());
        if !column.is_key {
            header.extend(
                ["standard_error", "low", "high", "noisy"].map(|part| format!("{}_{part}", column.name)),
            );
        }
    }
    let mut records = vec![header];
    for row in &answered.answer.rows {
        let mut record = Vec::new();
        for value in row {
            match value {
                AnswerValue::Key(label) => record.push(label.clone()),
                AnswerValue::Estimate(estimate) => {
                    let numbers = [
                        estimate.value,
                        Some(estimate.standard_error),
                        Some(estimate.low),
                        Some(estimate.high),
                    ];
                    // An unknown or unbounded number is an empty field: no tool then mistakes it for one.
                    let finite = numbers.map(|number| number.filter(|number| number.is_finite()));
                    record.extend(
                        finite.map(|number| number.map(|number| number.to_string()).unwrap_or_default()),
                    );
                    record.push(estimate.is_noisy(limit).to_string());
                }
            }
        }
        records.push(record);
    }
    output::csv(records)
}

fn as_json(planner: &Planner, answered: &Answered, left: Option<&Left>) -> Value {
    let delta = planner.manifest.policy.delta;
    let price = answered.release.plan.price();
    let rows: Vec<Value> = answered
        .answer
        .rows
        .iter()
        .map(|row| {
            let named = answered.answer.columns.iter().zip(row).map(|(column, value)| {
                let value = match value {
                    AnswerValue::Key(label) => json!(label),
                    // serde_json writes infinities as null: unknown and unbounded read alike.
                    AnswerValue::Estimate(estimate) => json!({
                        "value": estimate.value,
                        "standard_error": estimate.standard_error,
                        "low": estimate.low,
                        "high": estimate.high,
                        "noisy": estimate.is_noisy(planner.manifest.policy.quality_limit),
                    }),
                };
                (column.name.clone(), value)
            });
            Value::Object(named.collect())
        })
        .collect();
    json!({
        "question": answered.question,
        "read_from": read_from(answered),
        "query_id": answered.release.spec.query_id,
        "release": answered.release.spec_hash,
        "published_at_s": answered.release.published_at_s,
        "repeat": answered.repeat,
        "cost": { "rho": if answered.repeat { "0".to_owned() } else { price.to_string() }, "epsilon": if answered.repeat { 0.0 } else { epsilon(price, delta) }, "delta": delta },
        "price": { "rho": price, "epsilon": epsilon(price, delta) },
        "left": left.map(|left| json!({ "rho": left.rho, "epsilon": epsilon(left.rho, delta) })),
        "participants": answered.release.participants.iter().map(|node| node.0).collect::<Vec<_>>(),
        "absent": absent(planner, answered),
        "interval": "95 % by the privacy noise alone",
        "rows": rows,
    })
}
