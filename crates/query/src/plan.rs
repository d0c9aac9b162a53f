//! The plan: cells, blocks, noise and price of one question, all known before any data are touched.

use std::sync::Arc;

use almoner_federation::{Digest, Manifest, PicoRho};

use crate::QueryError;
use crate::aggregate::Aggregate;
use crate::canonical;
use crate::expr::Expr;
use crate::keys::Domain;
use crate::layout::{Content, Layout, Measure, layout, sketches};
use crate::noise::{Block, Facts, SketchBlock, blocks, sketch_blocks};
use crate::parse::parse;
use crate::question::{Order, OutputValue, Question, Understood, understand};
use crate::sets;
use crate::source::{SourceQuery, Units, sources, units};
use crate::territory::Touched;
use crate::uses::Uses;

/// Most coordinates of a released vector.
const MAX_DIMENSION: usize = 1 << 20;

/// A checked plan. It can only be made by [`plan`], from a manifest and SQL text.
#[derive(Debug, Clone)]
pub struct Plan {
    pub(crate) draft: Arc<Draft>,
    pub(crate) rho_limit: PicoRho,
    pub(crate) price: PicoRho,
    pub(crate) blocks: Vec<Block>,
    pub(crate) sketches: Vec<SketchBlock>,
}

/// Everything about a question but its noise and price.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    pub(crate) canonical: String,
    /// Whose rows are read, in the manifest's spelling.
    pub(crate) tables: Vec<String>,
    pub(crate) uses: Uses,
    /// Canonical text of WHERE.
    pub(crate) condition: Option<String>,
    /// The territories whose units' rows are read; `None` for all rows.
    pub(crate) touched: Option<Touched>,
    pub(crate) facts: Facts,
    pub(crate) keys: Vec<NamedKey>,
    pub(crate) cells: usize,
    pub(crate) layout: Layout,
    /// In how many buckets of one sketch a unit can be.
    pub(crate) buckets_of_a_unit: u32,
    /// Canonical text of each measure or sketch, in the order of the layout's.
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
    let draft = match understand(&parsed, manifest)? {
        Understood::Rows(question) => rows(manifest, question)?,
        Understood::Sets(sets) => sets::draft(manifest, &sets)?,
    };
    // Nodes plan the normal form, which can be longer and nest deeper than what the planner wrote.
    parse(&draft.canonical).map_err(|error| QueryError::TooLarge {
        message: format!("the normal form of the question cannot be read back ({error})"),
        remedy: "shorten its lists or nest it less".into(),
    })?;
    Ok(draft)
}

/// A question about the rows of one table.
fn rows(manifest: &Manifest, question: Question<'_>) -> Result<Draft, QueryError> {
    let table = question.table;
    let facts = Facts::of(manifest, table);
    let counts_units = question.outputs.iter().any(|output| {
        matches!(&output.value, OutputValue::Measured(measured) if measured.aggregate == Aggregate::Units)
    });
    let (layout, measures, sources) = if counts_units && facts.overlap > 1 {
        sets::check_key(manifest)?;
        let (layout, filters) = sketches(&question, facts.sketch_words())?;
        let what = |filter: &Option<Expr>| {
            let filter = filter.as_ref().map(|filter| canonical::expression(filter, table));
            filter.map_or("all units".to_owned(), |filter| format!("units where {filter}"))
        };
        let source = |(index, filter): (usize, &Option<Expr>)| {
            units(&question, filter.as_ref(), Units::Sketched { sketches: vec![index] })
        };
        let measures = filters.iter().map(what).collect();
        (layout, measures, filters.iter().enumerate().map(source).collect())
    } else {
        let layout = layout(&question, facts.most_steps())?;
        let measures = layout.measures.iter().map(|measure| canonical::measure(measure, table)).collect();
        let sources = sources(&question, &layout);
        (layout, measures, sources)
    };
    let cells = cells(&question, layout.width)?;
    Ok(Draft {
        canonical: canonical::question(&question),
        tables: vec![table.name.clone()],
        uses: Uses::of_rows(&question),
        condition: question.condition.as_ref().map(|condition| canonical::expression(condition, table)),
        touched: question.touched,
        buckets_of_a_unit: facts.cells_of_a_unit(cells),
        facts,
        keys: question
            .keys
            .iter()
            .map(|key| NamedKey { text: canonical::expression(&key.expr, table), domain: key.domain.clone() })
            .collect(),
        cells,
        measures,
        layout,
        order: question.order,
        limit: question.limit,
        sources,
    })
}

/// How many cells the keys span, if they times `width` are no more than a vector may hold.
pub(crate) fn cells(question: &Question<'_>, width: usize) -> Result<usize, QueryError> {
    let cells = question.keys.iter().try_fold(1usize, |cells, key| {
        cells.checked_mul(key.domain.len()).filter(|cells| cells.checked_mul(width).is_some())
    });
    if let Some(cells) = cells.filter(|cells| cells * width <= MAX_DIMENSION) {
        return Ok(cells);
    }
    if question.keys.is_empty() {
        return Err(QueryError::TooLarge {
            message: format!("the answer would take {width} numbers, more than {MAX_DIMENSION}"),
            remedy: "ask for fewer aggregates or sets, or of fewer units in the manifest".into(),
        });
    }
    let domains: Vec<String> = question
        .keys
        .iter()
        .map(|key| format!("{} of {}", key.domain.len(), canonical::expression(&key.expr, question.table)))
        .collect();
    Err(QueryError::TooLarge {
        message: format!(
            "the keys span more than {MAX_DIMENSION} numbers: {}, times {width} for the aggregates",
            domains.join(" times "),
        ),
        remedy: "group by fewer keys, by bands, or by a CASE over ranges".into(),
    })
}

/// Adds noise and price to a draft.
pub(crate) fn priced(draft: &Arc<Draft>, rho: PicoRho) -> Result<Plan, QueryError> {
    let blocks = blocks(&draft.layout.measures, draft.cells, &draft.facts, rho)?;
    let sketches = sketch_blocks(&draft.layout.sketches, &draft.facts, draft.buckets_of_a_unit, rho)?;
    let price = blocks
        .iter()
        .map(|block| block.cost)
        .chain(sketches.iter().map(|sketch| sketch.cost))
        .try_fold(PicoRho::ZERO, PicoRho::checked_add)
        .expect("each block costs at most its part of rho, a 64-bit number");
    Ok(Plan { draft: Arc::clone(draft), rho_limit: rho, price, blocks, sketches })
}

impl Plan {
    /// The question's normal form: one text for all spellings that differ in case, spaces, comments or
    /// parentheses. Planning it again gives this same plan.
    pub fn canonical_sql(&self) -> &str {
        &self.draft.canonical
    }

    /// The tables whose rows it asks about, in the manifest's spelling: one, unless units of several are compared.
    pub fn tables(&self) -> &[String] {
        &self.draft.tables
    }

    /// The columns that it looks at, and the kinds of its aggregates.
    pub fn uses(&self) -> &Uses {
        &self.draft.uses
    }

    /// The numbers, ascending, of the territories that it touches: at least one, not all. It then reads only rows of units that
    /// are placed in them, and charges them alone. `None` when it touches all, and without `[territory]`.
    pub fn territories(&self) -> Option<&[u16]> {
        self.draft.touched.as_ref().map(|touched| touched.numbers.as_slice())
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

    /// Coordinates per cell; for a plan of sketches, words of 64 bits.
    pub fn width(&self) -> usize {
        self.draft.layout.width
    }

    /// `cells * width`, at most 2^20. Coordinate `c` of cell `i` has index `i * width + c`.
    pub fn dimension(&self) -> usize {
        self.cells() * self.width()
    }

    /// The blocks in the order of their coordinates; every coordinate belongs to one. A plan of sketches has none.
    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// The sketches, where distinct units are counted over agencies that hold the same ones: the vector is then bits
    /// that combine by XOR, and nothing else is released with them.
    pub fn sketches(&self) -> &[SketchBlock] {
        &self.sketches
    }

    /// How many buckets each sketch has in each cell: a power of two.
    pub fn buckets(&self) -> u64 {
        self.draft.facts.buckets()
    }

    /// The standard deviation of one node's noise share at an index of the vector, in scaled steps.
    ///
    /// # Panics
    /// When the index is not below [`Plan::dimension`], or the plan has sketches.
    pub fn sigma_of(&self, index: usize) -> u64 {
        self.block_at(index).sigma
    }

    /// The number of bits by which the cells are shifted to the left before noise, at an index of the vector.
    ///
    /// # Panics
    /// When the index is not below [`Plan::dimension`], or the plan has sketches.
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
    pub fn sources(&self) -> &[SourceQuery] {
        &self.draft.sources
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

    /// Multiplies every encoded cell by 2^[`shift`](Plan::shift_of), in place and in the ring, so that noise can be
    /// added; the plan has checked that no bits of the totals are lost.
    pub fn scale(&self, cells: &mut [i64]) {
        for (index, cell) in cells.iter_mut().enumerate() {
            *cell = cell.wrapping_shl(self.shift_of(index));
        }
    }

    /// SHA-256 of [`Plan::describe`]: equal for every party that planned the same thing.
    pub fn hash(&self) -> Digest {
        Digest::of(self.describe().as_bytes())
    }
}
