//! The whole plan as text: what golden files hold, what the plan's hash covers, and what an auditor reads.
//! Whatever decides an answer, its privacy or its price stands here, in integers and exact decimals.

use std::fmt::Write;

use almoner_federation::{Digest, Exact, lp};

use crate::aggregate::Summary;
use crate::keys::Domain;
use crate::layout::{Column, ColumnValue, Estimator, Term};
use crate::plan::Plan;
use crate::source::{Shape, Units};
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
            draft.tables.join(", "),
            facts.rows_per_unit,
            facts.overlap,
            facts.population
        )?;
        if let Some(touched) = &draft.touched {
            let territories = listed(touched.names.clone());
            writeln!(out, "territories: {territories}; rows of units placed elsewhere are not read")?;
        }
        writeln!(out, "noise: {} honest shares among {} agencies", facts.honest_shares, facts.agencies)?;
        writeln!(out, "limit: {} rho, price: {} rho", self.rho_limit, self.price)?;
        writeln!(out, "vector: {} cells of {} = {}", self.cells(), self.width(), self.dimension())?;
        for key in &draft.keys {
            writeln!(out, "key {}: {}", key.text, domain(&key.domain))?;
        }
        for (block, what) in self.blocks.iter().zip(&draft.measures) {
            let (first, last) = (block.first, block.first + block.count - 1);
            let coordinates = match block.count {
                1 => format!("c{last}"),
                2 => format!("c{first}, c{last}"),
                _ => format!("c{first} to c{last}"),
            };
            writeln!(out, "block {coordinates}: {what}")?;
            writeln!(
                out,
                "  row bound {}, sensitivity {}, shift {}, sigma {}, cost {} rho",
                block.row_bound, block.d2, block.shift, block.sigma, block.cost
            )?;
        }
        for (sketch, what) in self.sketches.iter().zip(&draft.measures) {
            let (first, last) = (sketch.first, sketch.first + sketch.words - 1);
            writeln!(out, "sketch w{first} to w{last}, bits combined by XOR: {what}")?;
            writeln!(
                out,
                "  {} buckets, a unit in {} of them, flip {}/2^64, cost {} rho",
                facts.buckets(),
                draft.buckets_of_a_unit,
                sketch.flip,
                sketch.cost
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
        for source in &draft.sources {
            match &source.shape {
                Shape::Sums { .. } => writeln!(out, "source:\n{}", source.sql)?,
                Shape::Units(Units::Counted { coordinate }) => {
                    writeln!(out, "source, different units for c{coordinate}:\n{}", source.sql)?;
                }
                Shape::Units(Units::Sketched { sketches }) => {
                    writeln!(out, "source, units of sketches {sketches:?}:\n{}", source.sql)?;
                }
                Shape::Histogram { first, bins } => writeln!(
                    out,
                    "source, histogram of {bins} bins for c{first} to c{}:\n{}",
                    first + bins - 1,
                    source.sql
                )?,
            }
        }
        Ok(())
    }

    fn formula(&self, column: &Column) -> String {
        let estimator = match &column.value {
            ColumnValue::Key(key) => return format!("key {}", self.draft.keys[*key].text),
            ColumnValue::Estimate { estimator, .. } => estimator,
        };
        match estimator {
            Estimator::Linear(terms) => sum(terms.iter().map(|(at, weight)| (*at, weight))),
            Estimator::Ratio { terms, low, span } => {
                let part = |part: fn(&Term) -> &Exact| sum(terms.iter().map(|term| (term.at, part(term))));
                let numerator = part(|term| &term.numerator);
                let ratio = format!("({numerator}) / ({})", part(|term| &term.denominator));
                if low.is_zero() && span.is_one() {
                    return ratio;
                }
                format!("{} + {} * {ratio}", decimal(low), decimal(span))
            }
            Estimator::Spread { first, kind, range } => {
                format!("{kind:?} from c{first} to c{}, range {}", first + 2, decimal(range))
            }
            Estimator::Distribution { first, summary } => format!("{} of c{first}...", named(summary)),
            Estimator::Distinct(terms) => {
                let term = |(sketch, factor): &(usize, i32)| format!("{factor:+} units of sketch {sketch}");
                terms.iter().map(term).collect::<Vec<_>>().join(" ")
            }
            Estimator::Read { first, statistic } => format!("{statistic:?} of c{first}..."),
            Estimator::Scores { first, what, from, top } => {
                format!("{what:?} of c{first}... at {from} of {top}")
            }
        }
    }
}

/// Totals times their factors, those that are 0 left out.
fn sum<'a>(terms: impl Iterator<Item = (usize, &'a Exact)>) -> String {
    let terms = terms.filter(|(_, factor)| !factor.is_zero());
    let terms = terms.map(|(at, factor)| match factor.is_one() {
        true => format!("c{at}"),
        false => format!("c{at} * {}", decimal(factor)),
    });
    let all = terms.collect::<Vec<String>>().join(" + ");
    if all.is_empty() { "0".into() } else { all }
}

fn named(summary: &Summary) -> String {
    match summary {
        Summary::Quantile(share) => format!("quantile {}", decimal(share)),
        Summary::AtRisk(share) => format!("share below {} of the median", decimal(share)),
        Summary::RiskThreshold(share) => format!("{} of the median", decimal(share)),
        Summary::AtRiskGap(share) => format!("median gap to {} of the median", decimal(share)),
        Summary::MedianGap(line) => format!("median gap to {}", decimal(line)),
        Summary::Gini => "Gini".into(),
        Summary::S80S20 => "S80/S20".into(),
        Summary::Palma => "Palma".into(),
        Summary::Lorenz => "Lorenz curve".into(),
        Summary::Deciles => "deciles".into(),
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
