//! What was measured, side by side.

use almoner_federation::PicoRho;
use comfy_table::{CellAlignment, Table, presets};

use crate::bench::BenchError;
use crate::bench::recipe::Statistic;
use crate::bench::releases::{Measured, Shares};
use crate::cli_error::CliError;
use crate::output;
use crate::query::fixed;

/// One output of one cell at one rho.
pub(super) struct Line {
    rho: PicoRho,
    measured: Measured,
    published: Option<f64>,
    /// Whether the exact value is as near to the published one as the recipe says.
    met: bool,
}

/// Joins what was measured with what was published.
pub(super) fn lines(
    statistic: &Statistic,
    rho: PicoRho,
    measured: Vec<Measured>,
) -> Result<Vec<Line>, BenchError> {
    for published in &statistic.published {
        for name in published.values.keys() {
            if !measured.iter().any(|one| one.keys == published.at && one.column == *name) {
                return Err(BenchError::Statistic {
                    sql: statistic.sql.clone(),
                    message: format!("no output {name:?} at {:?} answers a published value", published.at),
                    remedy: "name output columns by their aliases, and the cell's keys in `at`",
                });
            }
        }
    }
    let line = |measured: Measured| {
        let here = statistic.published.iter().find(|published| published.at == measured.keys);
        let published = here.and_then(|published| published.values.get(&measured.column)).copied();
        let allowed = |published: f64| statistic.within * published.abs() + statistic.rounded_to * 0.501;
        let off = |published: f64, exact: f64| (exact - published).abs() > allowed(published);
        let met = published.is_none_or(|value| measured.exact.is_some_and(|exact| !off(value, exact)));
        Line { rho, measured, published, met }
    };
    Ok(measured.into_iter().map(line).collect())
}

/// Whether every published value was met.
pub(super) fn all_met(lines: &[Line]) -> Result<(), CliError> {
    let published = lines.iter().filter(|line| line.published.is_some()).count();
    let missed = lines.iter().filter(|line| !line.met).count();
    if missed == 0 { Ok(()) } else { Err(BenchError::Missed { missed, published }.into()) }
}

const HEADER: [&str; 13] = [
    "output",
    "at",
    "rho",
    "exact",
    "published",
    "mean",
    "rmse",
    "coverage %",
    "curator rmse",
    "ratio",
    "local rmse",
    "least",
    "lost",
];

impl Line {
    /// What lies in the columns of [`HEADER`], all numbers with this form.
    fn fields(&self, show: impl Fn(f64) -> String) -> Vec<String> {
        let one = &self.measured;
        let known = |value: Option<f64>| value.map_or_else(String::new, &show);
        let measured = |value: f64| known(Some(value).filter(|value| value.is_finite()));
        let mark = if self.met { "" } else { " OFF" };
        vec![
            one.column.clone(),
            one.keys.join(", "),
            self.rho.to_string(),
            known(one.exact),
            known(self.published) + mark,
            measured(one.federation.mean()),
            measured(one.federation.error()),
            measured(100.0 * one.federation.coverage()),
            measured(one.central.error()),
            measured(one.federation.error() / one.central.error()),
            measured(one.local.error()),
            known(one.least),
            (self.lost()).to_string(),
        ]
    }

    /// Releases in which noise left no value.
    fn lost(&self) -> u32 {
        let most = self.measured.central.known().max(self.measured.federation.known());
        most - self.measured.federation.known()
    }
}

/// For reading, with everything pooled by output and by rho at the end.
pub(super) fn table(lines: &[Line], shares: Shares, releases: u32) -> String {
    let mut table = Table::new();
    table.load_preset(presets::ASCII_MARKDOWN).set_header(HEADER);
    for line in lines {
        table.add_row(line.fields(significant));
    }
    right_aligned(&mut table, 3);
    let mut pooled = Table::new();
    pooled.load_preset(presets::ASCII_MARKDOWN);
    pooled.set_header(["pooled over cells", "rho", "cells", "coverage %", "ratio to the curator"]);
    let mut groups: Vec<(&str, PicoRho)> = Vec::new();
    for line in lines {
        let group = (line.measured.column.as_str(), line.rho);
        if !groups.contains(&group) {
            groups.push(group);
        }
    }
    let mut rhos: Vec<PicoRho> = groups.iter().map(|(_, rho)| *rho).collect();
    rhos.sort();
    rhos.dedup();
    let by_output = groups.iter().map(|(column, rho)| (Some(*column), *rho));
    for (column, rho) in by_output.chain(rhos.into_iter().map(|rho| (None, rho))) {
        let members = lines
            .iter()
            .filter(|line| line.rho == rho && column.is_none_or(|name| line.measured.column == name))
            .filter(|line| line.measured.federation.known() > 0 && line.measured.central.known() > 0);
        let (mut cells, mut coverage, mut squares) = (0usize, 0.0, 0.0);
        for line in members {
            cells += 1;
            coverage += line.measured.federation.coverage();
            squares += (line.measured.federation.error() / line.measured.central.error()).powi(2);
        }
        let count = cells as f64;
        pooled.add_row([
            column.unwrap_or("everything").to_owned(),
            rho.to_string(),
            cells.to_string(),
            fixed(100.0 * coverage / count, 2),
            fixed((squares / count).sqrt(), 3),
        ]);
    }
    right_aligned(&mut pooled, 2);
    format!(
        "{table}\n{pooled}\n{releases} releases each; {} agencies, of whom {} honest ones carry the promise: \
         the noise alone makes a ratio of {:.3}, and local noise {:.1} times a curator's\n",
        shares.all,
        shares.honest,
        (f64::from(shares.all) / f64::from(shares.honest)).sqrt(),
        f64::from(shares.all).sqrt(),
    )
}

fn right_aligned(table: &mut Table, from: usize) {
    for column in table.column_iter_mut().skip(from) {
        column.set_cell_alignment(CellAlignment::Right);
    }
}

/// Six significant digits.
fn significant(value: f64) -> String {
    if value == 0.0 {
        return "0".into();
    }
    let decimals = (5.0 - value.abs().log10().floor()).clamp(0.0, 12.0) as usize;
    fixed(value, decimals)
}

/// For further work: every number in full.
pub(super) fn csv(lines: &[Line]) -> Result<String, CliError> {
    let header = HEADER.map(str::to_owned).to_vec();
    let lines = lines.iter().map(|line| line.fields(|value| value.to_string()));
    output::csv(std::iter::once(header).chain(lines))
}
