//! The whole plan as text: what golden files hold, what the plan's hash covers, and what an auditor reads.
//! Whatever decides an answer, its privacy or its price stands here, in integers and exact decimals.

use std::fmt::Write;

use almoner_federation::{Digest, lp};

use crate::keys::Domain;
use crate::layout::{Column, ColumnValue, Estimator};
use crate::plan::Plan;
use crate::text::{decimal, text_literal};

/// The longest domain that is written out.
const MAX_WRITTEN: usize = 50;

impl Plan {
    /// The complete plan as text, the same for everybody who plans the same question.
    pub fn describe(&self) -> String {
        let mut out = String::new();
        self.write(&mut out).expect("a string takes any text");
        out
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        let (draft, facts) = (&self.draft, &self.draft.facts);
        writeln!(out, "almoner plan 1")?;
        writeln!(out, "question: {}", draft.canonical)?;
        writeln!(
            out,
            "table: {}, at most {} rows of a unit at each of at most {} agencies; {} units",
            draft.table, facts.rows_per_unit, facts.overlap, facts.population
        )?;
        writeln!(out, "noise: {} honest shares among {} agencies", facts.honest_shares, facts.agencies)?;
        writeln!(out, "limit: {} rho, price: {} rho", self.rho_limit, self.price)?;
        writeln!(out, "vector: {} cells of {} = {}", self.cells(), self.width(), self.dimension())?;
        for key in &draft.keys {
            writeln!(out, "key {}: {}", key.text, domain(&key.domain))?;
        }
        for (block, what) in self.blocks.iter().zip(&draft.measures) {
            let last = block.first + block.count - 1;
            let coordinates =
                if block.count == 1 { format!("c{last}") } else { format!("c{}, c{last}", block.first) };
            writeln!(out, "block {coordinates}: {what}")?;
            writeln!(
                out,
                "  row bound {}, sensitivity {}, shift {}, sigma {}, cost {} rho",
                block.row_bound, block.d2, block.shift, block.sigma, block.cost
            )?;
        }
        for column in &draft.layout.columns {
            writeln!(out, "output {}: {}", column.name, self.formula(column))?;
        }
        for order in &draft.order {
            let direction = if order.descending { "descending" } else { "ascending" };
            writeln!(out, "order: output {} {direction}", order.output + 1)?;
        }
        if let Some(limit) = draft.limit {
            writeln!(out, "limit: {limit} rows")?;
        }
        writeln!(out, "source for DataFusion:\n{}", draft.source)
    }

    fn formula(&self, column: &Column) -> String {
        match &column.value {
            ColumnValue::Key(key) => format!("key {}", self.draft.keys[*key].text),
            ColumnValue::Estimate { estimator: Estimator::Linear(terms), .. } => {
                let terms: Vec<String> =
                    terms.iter().map(|(at, weight)| format!("c{at} * {}", decimal(weight))).collect();
                terms.join(" + ")
            }
            ColumnValue::Estimate { estimator: Estimator::Mean { first, low, high }, .. } => {
                let (a, b) = (first, first + 1);
                format!("{} + ({} - {0}) * c{b} / (c{a} + c{b})", decimal(low), decimal(high))
            }
        }
    }
}

fn domain(domain: &Domain) -> String {
    match domain {
        Domain::Booleans => "false, true".into(),
        Domain::Integers { first, count } => format!("{first} to {}", first + *count as i64 - 1),
        Domain::Texts(values) => listed(values.iter().map(|value| text_literal(value)).collect()),
        Domain::Bands { .. } => listed((0..domain.len()).map(|index| domain.label(index)).collect()),
    }
}

fn listed(values: Vec<String>) -> String {
    if values.len() <= MAX_WRITTEN {
        return values.join(", ");
    }
    let items: Vec<&[u8]> = values.iter().map(|value| value.as_bytes()).collect();
    format!("{} values with SHA-256 {}", values.len(), Digest::of(&lp(&items)))
}
