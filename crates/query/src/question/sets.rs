//! Questions about sets of units: `SELECT COUNT(*) FROM (SELECT unit FROM a INTERSECT SELECT unit FROM b)`.

use std::cell::Cell;

use almoner_federation::Manifest;
use sqlparser::ast::{
    self, GroupByExpr, Select, SelectItem, SetExpr, SetOperator, SetQuantifier, TableFactor,
};
use sqlparser::keywords::Keyword;

use super::clauses::{from, refuse_around, refuse_clauses};
use super::{Question, alias_of};
use crate::QueryError;
use crate::error::Position;
use crate::lower::{Lowering, as_aggregate, unsupported};
use crate::places::{Places, START, of_expr, of_item};
use crate::territory::Touched;

/// Most different sets of units in one question: each union of some of them may need a sketch.
const MAX_SETS: usize = 4;

/// How to write one.
const USAGE: &str = "write SELECT COUNT(*) FROM (SELECT unit FROM a WHERE ... INTERSECT SELECT unit FROM b WHERE ...), \
                     with UNION, INTERSECT or EXCEPT";

/// How many units an expression over sets has.
pub(crate) struct Sets<'m> {
    /// The output's alias.
    pub(crate) name: Option<String>,
    /// The different sets, each as a question without outputs.
    pub(crate) sets: Vec<Question<'m>>,
    pub(crate) tree: Tree,
}

/// An expression over sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Tree {
    /// Index into the sets.
    Set(usize),
    Operation(SetOperator, Box<Tree>, Box<Tree>),
}

impl Tree {
    /// Whether a unit is in it that is in these sets.
    pub(crate) fn holds(&self, in_set: &impl Fn(usize) -> bool) -> bool {
        match self {
            Tree::Set(index) => in_set(*index),
            Tree::Operation(operator, left, right) => {
                let (left, right) = (left.holds(in_set), right.holds(in_set));
                match operator {
                    SetOperator::Union => left || right,
                    SetOperator::Intersect => left && right,
                    SetOperator::Except | SetOperator::Minus => left && !right,
                }
            }
        }
    }
}

/// The expression over sets in a question's FROM.
pub(super) fn of_sets(select: &Select) -> Option<&ast::Query> {
    match select.from.as_slice() {
        [from] if from.joins.is_empty() => match &from.relation {
            TableFactor::Derived { lateral: false, subquery, sample: None, .. } => Some(subquery),
            _ => None,
        },
        _ => None,
    }
}

/// Understands a question about sets.
///
/// # Errors
/// Whatever is not one count over set operations, by name and place.
pub(super) fn sets<'m>(
    query: &ast::Query,
    select: &Select,
    expression: &ast::Query,
    manifest: &'m Manifest,
    places: &Places,
) -> Result<Sets<'m>, QueryError> {
    let name = counted(select, manifest)?;
    let plain = select.selection.is_none()
        && ungrouped(select)
        && query.order_by.is_none()
        && query.limit_clause.is_none();
    if !plain {
        return Err(unsupported(START, "a clause beside a count of sets", USAGE));
    }
    let mut reader = Reader { manifest, places, sets: Vec::new() };
    let tree = reader.query(expression)?;
    if matches!(tree, Tree::Set(_)) {
        // SQL would count rows here, and no planner should wonder which is meant.
        let instead = format!("write SELECT COUNT(DISTINCT {}) FROM table", manifest.unit.column);
        return Err(unsupported(START, "a subquery without a set operation", instead));
    }
    let mut sets = reader.sets;
    // Whoever a set leaves out or lets in, she is placed where one of them reads. Each reads all of these, so that a
    // unit is found in two sets whose rows are of different territories.
    let touched = Touched::union(manifest, sets.iter().map(|set| set.touched.as_ref()));
    sets.iter_mut().for_each(|set| set.touched.clone_from(&touched));
    Ok(Sets { name, sets, tree })
}

fn ungrouped(select: &Select) -> bool {
    matches!(&select.group_by, GroupByExpr::Expressions(keys, modifiers) if keys.is_empty() && modifiers.is_empty())
}

/// The alias of the one output, which counts.
fn counted(select: &Select, manifest: &Manifest) -> Result<Option<String>, QueryError> {
    let wrong = |at: Position| unsupported(at, "this over a set of units", USAGE);
    let [item] = select.projection.as_slice() else { return Err(wrong(START)) };
    let (tree, alias) = match item {
        SelectItem::UnnamedExpr(tree) => (tree, None),
        SelectItem::ExprWithAlias { expr, alias } => (expr, Some(alias_of(alias, of_expr(expr))?)),
        _ => return Err(wrong(of_item(item))),
    };
    let text = as_aggregate(tree).map(|function| function.to_string().to_uppercase());
    let unit = manifest.unit.column.to_uppercase();
    let counts = [format!("COUNT(DISTINCT {unit})"), format!("COUNT({unit})"), "COUNT(*)".into()];
    if !text.is_some_and(|text| counts.contains(&text)) {
        return Err(wrong(of_expr(tree)));
    }
    Ok(alias)
}

struct Reader<'m, 'p> {
    manifest: &'m Manifest,
    places: &'p Places,
    sets: Vec<Question<'m>>,
}

impl Reader<'_, '_> {
    fn query(&mut self, query: &ast::Query) -> Result<Tree, QueryError> {
        if query.order_by.is_some() || query.limit_clause.is_some() {
            return Err(unsupported(
                START,
                "ORDER BY or LIMIT inside a set",
                "leave it out: sets have no order",
            ));
        }
        refuse_around(query, self.places)?;
        self.expression(&query.body)
    }

    fn expression(&mut self, expression: &SetExpr) -> Result<Tree, QueryError> {
        match expression {
            SetExpr::Select(select) => self.set(select),
            SetExpr::Query(query) => self.query(query),
            SetExpr::SetOperation { left, op, set_quantifier, right } => {
                if !matches!(set_quantifier, SetQuantifier::None | SetQuantifier::Distinct) {
                    let at = self.places.word(&[Keyword::ALL]);
                    return Err(unsupported(at, "ALL", "leave it out: a unit is in a set once"));
                }
                let (left, right) = (self.expression(left)?, self.expression(right)?);
                let operator = if *op == SetOperator::Minus { SetOperator::Except } else { *op };
                Ok(Tree::Operation(operator, Box::new(left), Box::new(right)))
            }
            _ => Err(unsupported(START, "this in a set operation", USAGE)),
        }
    }

    /// `SELECT unit FROM table [WHERE]`.
    fn set(&mut self, select: &Select) -> Result<Tree, QueryError> {
        refuse_clauses(select, self.places)?;
        let (table, qualifiers) = from(select, self.manifest)?;
        let unit = &self.manifest.unit.column;
        let lowering = Lowering { table, qualifiers, unit_column: unit, weight: Cell::new(0) };
        let [item] = select.projection.as_slice() else {
            return Err(unsupported(START, "a set of anything but units", format!("SELECT {unit} alone")));
        };
        let is_unit = matches!(item, SelectItem::UnnamedExpr(tree) if lowering.names_the_unit(tree));
        if !is_unit || !ungrouped(select) {
            let what = "a set of anything but units";
            return Err(unsupported(
                of_item(item),
                what,
                format!("write SELECT {unit} FROM table WHERE ..."),
            ));
        }
        let condition = select.selection.as_ref().map(|tree| lowering.predicate(tree)).transpose()?;
        let same = |set: &Question<'_>| set.table.name == table.name && set.condition == condition;
        let known = self.sets.iter().position(same);
        if known.is_none() && self.sets.len() == MAX_SETS {
            return Err(QueryError::TooLarge {
                message: format!("the question compares more than {MAX_SETS} sets"),
                remedy: "ask about fewer in one question".into(),
            });
        }
        Ok(Tree::Set(known.unwrap_or_else(|| {
            self.sets.push(Question {
                table,
                unit,
                outputs: Vec::new(),
                touched: Touched::of(self.manifest, table, condition.as_ref()),
                condition,
                keys: Vec::new(),
                order: Vec::new(),
                limit: None,
            });
            self.sets.len() - 1
        })))
    }
}
