//! The plan: cells, blocks, noise and price of one question, all known before any data are touched.

use std::sync::Arc;

use almoner_federation::{Digest, Manifest, PicoRho};

use crate::QueryError;
use crate::aggregate::Aggregate;
use crate::canonical;
use crate::keys::Domain;
use crate::layout::{Content, Layout, Measure, layout};
use crate::noise::{Block, Facts, blocks};
use crate::parse::parse;
use crate::question::{Order, OutputValue, Question, understand};
use crate::source::{Dialect, SourceQuery, sources};

/// Most coordinates of a released vector.
const MAX_DIMENSION: usize = 1 << 20;

/// A checked plan. It can only be made by [`plan`], from a manifest and SQL text.
#[derive(Debug, Clone)]
pub struct Plan {
    pub(crate) draft: Arc<Draft>,
    pub(crate) rho_limit: PicoRho,
    pub(crate) price: PicoRho,
    pub(crate) blocks: Vec<Block>,
}

/// Everything about a question but its noise and price.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    pub(crate) canonical: String,
    pub(crate) table: String,
    /// Canonical text of WHERE.
    pub(crate) condition: Option<String>,
    pub(crate) facts: Facts,
    pub(crate) keys: Vec<NamedKey>,
    pub(crate) cells: usize,
    pub(crate) layout: Layout,
    /// Canonical text of each measure, in the order of the layout's.
    pub(crate) measures: Vec<String>,
    pub(crate) order: Vec<Order>,
    pub(crate) limit: Option<u64>,
    pub(crate) sources: Vec<SourceQuery>,
}

/// A key's canonical text and its domain.
#[derive(Debug, Clone)]
pub(crate) struct NamedKey {
    pub(crate) text: String,
    pub(crate) domain: Domain,
}

/// Plans one question: a pure function of the manifest, the text and `rho`, the most it may cost.
/// Every block gets the part of `rho` that makes the errors of all together least (PROTOCOL C); the price is
/// the sum of what the blocks cost, at most `rho`.
///
/// # Errors
/// What is not SQL, not supported, unknown, unbounded, too large, or too cheap for any noise.
pub fn plan(manifest: &Manifest, sql: &str, rho: PicoRho) -> Result<Plan, QueryError> {
    priced(&Arc::new(draft(manifest, sql)?), rho)
}

pub(crate) fn draft(manifest: &Manifest, sql: &str) -> Result<Draft, QueryError> {
    let parsed = parse(sql)?;
    let question = understand(&parsed, manifest)?;
    let facts = Facts::of(manifest, question.table);
    refuse_overlapping_units(&question, &facts)?;
    let layout = layout(&question, facts.most_steps())?;
    let cells = question.keys.iter().try_fold(1usize, |cells, key| {
        cells.checked_mul(key.domain.len()).filter(|cells| cells.checked_mul(layout.width).is_some())
    });
    let Some(cells) = cells.filter(|cells| cells * layout.width <= MAX_DIMENSION) else {
        let domains: Vec<String> = question
            .keys
            .iter()
            .map(|key| {
                format!("{} of {}", key.domain.len(), canonical::expression(&key.expr, question.table))
            })
            .collect();
        return Err(QueryError::TooLarge {
            message: format!(
                "the keys span more than {MAX_DIMENSION} numbers: {}, times {} for the aggregates",
                domains.join(" times "),
                layout.width
            ),
            remedy: "group by fewer keys, by bands, or by a CASE over ranges".into(),
        });
    };
    let sources = sources(&question, &layout, Dialect::DataFusion);
    let canonical = canonical::question(&question);
    // Nodes plan the normal form, which can be longer and nest deeper than what the planner wrote.
    parse(&canonical).map_err(|error| QueryError::TooLarge {
        message: format!("the normal form of the question cannot be read back ({error})"),
        remedy: "shorten its lists or nest it less".into(),
    })?;
    Ok(Draft {
        canonical,
        table: question.table.name.clone(),
        condition: question
            .condition
            .as_ref()
            .map(|condition| canonical::expression(condition, question.table)),
        facts,
        keys: question
            .keys
            .iter()
            .map(|key| NamedKey {
                text: canonical::expression(&key.expr, question.table),
                domain: key.domain.clone(),
            })
            .collect(),
        cells,
        measures: layout.measures.iter().map(|measure| canonical::measure(measure, question.table)).collect(),
        layout,
        order: question.order,
        limit: question.limit,
        sources,
    })
}

/// Where several agencies hold the same unit, the sum of their counts is not the number of units.
fn refuse_overlapping_units(question: &Question<'_>, facts: &Facts) -> Result<(), QueryError> {
    let counted = question.outputs.iter().find(|output| {
        matches!(&output.value, OutputValue::Measured(measured) if measured.aggregate == Aggregate::Units)
    });
    match counted {
        Some(output) if facts.overlap > 1 => Err(QueryError::Unsupported {
            at: output.at,
            what: format!("COUNT(DISTINCT ...) where up to {} agencies hold the same unit", facts.overlap),
            instead: "ask a table that only agencies of one sector with agencies_per_unit = 1 hold".into(),
        }),
        _ => Ok(()),
    }
}

/// Adds noise and price to a draft.
pub(crate) fn priced(draft: &Arc<Draft>, rho: PicoRho) -> Result<Plan, QueryError> {
    let blocks = blocks(&draft.layout.measures, draft.cells, &draft.facts, rho)?;
    let price = blocks
        .iter()
        .try_fold(PicoRho::ZERO, |sum, block| sum.checked_add(block.cost))
        .expect("each block costs at most its part of rho, a 64-bit number");
    Ok(Plan { draft: Arc::clone(draft), rho_limit: rho, price, blocks })
}

impl Plan {
    /// The question's normal form: one text for all spellings that differ in case, spaces, comments or
    /// parentheses. Planning it again gives this same plan.
    pub fn canonical_sql(&self) -> &str {
        &self.draft.canonical
    }

    /// The table, in the manifest's spelling.
    pub fn table(&self) -> &str {
        &self.draft.table
    }

    /// The most the query may cost.
    pub fn rho_limit(&self) -> PicoRho {
        self.rho_limit
    }

    /// What it costs: the sum over the blocks, at most the limit.
    pub fn price(&self) -> PicoRho {
        self.price
    }

    /// How many cells the keys' domains span: 1 without keys.
    pub fn cells(&self) -> usize {
        self.draft.cells
    }

    /// Coordinates per cell.
    pub fn width(&self) -> usize {
        self.draft.layout.width
    }

    /// `cells * width`, at most 2^20. Coordinate `c` of cell `i` has index `i * width + c`.
    pub fn dimension(&self) -> usize {
        self.cells() * self.width()
    }

    /// The blocks in the order of their coordinates; every coordinate belongs to one.
    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// The standard deviation of one node's noise share at an index of the vector, in scaled steps.
    ///
    /// # Panics
    /// When the index is not below [`Plan::dimension`].
    pub fn sigma_of(&self, index: usize) -> u64 {
        self.block_at(index).sigma
    }

    /// The number of bits by which the cells are shifted to the left before noise, at an index of the vector.
    ///
    /// # Panics
    /// When the index is not below [`Plan::dimension`].
    pub fn shift_of(&self, index: usize) -> u32 {
        self.block_at(index).shift
    }

    fn block_at(&self, index: usize) -> &Block {
        assert!(index < self.dimension(), "the index lies within the plan's vector");
        self.block_of(index % self.width())
    }

    /// The measure of a coordinate within a cell.
    pub(crate) fn measure_at(&self, coordinate: usize) -> &Measure {
        let measures = &self.draft.layout.measures;
        &measures[measures.partition_point(|measure| measure.first <= coordinate) - 1]
    }

    /// The block of a coordinate within a cell.
    pub(crate) fn block_of(&self, coordinate: usize) -> &Block {
        let after = self.blocks.partition_point(|block| block.first <= coordinate);
        &self.blocks[after - 1]
    }

    /// The bounded aggregates over the manifest's table, whose rows are already bounded per unit, in the order
    /// in which they are to be run; what they leave out is zero.
    pub fn sources(&self, dialect: Dialect) -> &[SourceQuery] {
        match dialect {
            Dialect::DataFusion => &self.draft.sources,
        }
    }

    /// From the cells that the sources gave to those that are released: histograms become the weighted sums of
    /// their strategy, in place and modulo 2^64, everything else stays. Linear, so that the encoded cells of
    /// several agencies add up to the encoded cells of all.
    ///
    /// # Panics
    /// When there are not [`Plan::dimension`] cells.
    pub fn encode(&self, cells: &mut [i64]) {
        assert_eq!(cells.len(), self.dimension(), "as many cells as the plan's vector");
        for measure in &self.draft.layout.measures {
            let Content::Histogram { strategy, .. } = &measure.content else { continue };
            for cell in cells.chunks_exact_mut(self.draft.layout.width) {
                strategy.apply(&mut cell[measure.first..measure.first + strategy.bins()]);
            }
        }
    }

    /// SHA-256 of [`Plan::describe`]: equal for every party that planned the same thing.
    pub fn hash(&self) -> Digest {
        Digest::of(self.describe().as_bytes())
    }
}
