//! How many units an expression over sets has, by inclusion and exclusion over sketches of unions.

use almoner_federation::{Exact, Manifest};

use crate::QueryError;
use crate::canonical;
use crate::layout::{Column, ColumnValue, Estimator, Layout};
use crate::noise::Facts;
use crate::plan::{Draft, cells};
use crate::question::{Sets, Tree};
use crate::source::{Units, units};
use crate::text::bare;
use crate::uses::Uses;

/// What the output is called without an alias.
const DEFAULT_NAME: &str = "COUNT(*)";

/// Refuses sketches where the agencies share no key for them.
pub(crate) fn check_key(manifest: &Manifest) -> Result<(), QueryError> {
    if manifest.unit.sketch_key_sha256.is_some() {
        return Ok(());
    }
    Err(QueryError::Invalid {
        at: crate::places::START,
        message: "the agencies have agreed on no key for counting distinct units that several of them hold".into(),
        remedy: "let them make one with `almoner keys sketch` and name its hash in the manifest; or ask a table that \
                 only agencies of one sector with agencies_per_unit = 1 hold"
            .into(),
    })
}

/// Everything about a question over sets but its noise and price.
pub(crate) fn draft(manifest: &Manifest, asked: &Sets<'_>) -> Result<Draft, QueryError> {
    check_key(manifest)?;
    let [first, ..] = asked.sets.as_slice() else { return Err(nobody()) };
    let facts = Facts::of(manifest, first.table);
    let mut layout = Layout::default();
    // One sketch for each union, in this order.
    let unions = unions(&asked.tree, asked.sets.len());
    if unions.is_empty() {
        return Err(nobody());
    }
    let terms = unions.iter().map(|(_, factor)| (layout.add_sketch(facts.sketch_words()), *factor)).collect();
    let name = asked.name.clone().unwrap_or_else(|| DEFAULT_NAME.into());
    let estimator = Estimator::Distinct(terms);
    layout.columns.push(Column { name, value: ColumnValue::Estimate { estimator, magnitude: Exact::ONE } });
    let text = |index: usize| set(asked, index, manifest);
    let measures = unions
        .iter()
        .map(|(union, _)| union.iter().map(|index| text(*index)).collect::<Vec<_>>().join(" UNION "));
    let sources = asked.sets.iter().enumerate().filter_map(|(index, set)| {
        let holds = |sketch: &usize| unions[*sketch].0.contains(&index);
        let into: Vec<usize> = (0..unions.len()).filter(holds).collect();
        (!into.is_empty()).then(|| units(set, None, Units::Sketched { sketches: into }))
    });
    let mut tables: Vec<String> = asked.sets.iter().map(|set| set.table.name.clone()).collect();
    tables.sort();
    tables.dedup();
    let canonical = canonical(asked, manifest);
    Ok(Draft {
        condition: Some(canonical.clone()),
        canonical,
        tables,
        uses: Uses::of_sets(&asked.sets),
        touched: first.touched.clone(),
        // A unit is in one bucket of each sketch, whoever holds it and in however many rows.
        buckets_of_a_unit: 1,
        facts,
        keys: Vec::new(),
        cells: cells(first, layout.width)?,
        measures: measures.collect(),
        sources: sources.collect(),
        layout,
        order: Vec::new(),
        limit: None,
    })
}

fn nobody() -> QueryError {
    QueryError::Invalid {
        at: crate::places::START,
        message: "no unit can be in this set".into(),
        remedy: "check its EXCEPT and INTERSECT".into(),
    }
}

/// The unions of sets of which the units add up to those of the expression, each with its factor.
///
/// With `f(T)` whether a unit in exactly the sets `T` is counted, the factors `c` must give `f(T)` as the sum of
/// `c(S)` over all `S` that meet `T`. With `h(U)` the sum of `c` within `U`, `f(T) = h(all) - h(all less T)`, so that
/// `h(U) = f(all) - f(all less U)` and `c` is its Moebius inverse.
fn unions(tree: &Tree, sets: usize) -> Vec<(Vec<usize>, i32)> {
    let all = (1u32 << sets) - 1;
    let f = |mask: u32| i32::from(tree.holds(&|index| mask & (1 << index) != 0));
    let h = |mask: u32| f(all) - f(all & !mask);
    let factor = |union: u32| -> i32 {
        let inside = (0..=all).filter(|mask| mask & !union == 0);
        inside
            .map(|mask| if (union ^ mask).count_ones().is_multiple_of(2) { h(mask) } else { -h(mask) })
            .sum()
    };
    let members = |union: u32| (0..sets).filter(|index| union & (1 << index) != 0).collect();
    (1..=all).map(|union| (members(union), factor(union))).filter(|(_, factor)| *factor != 0).collect()
}

/// The normal form of one set.
fn set(asked: &Sets<'_>, index: usize, manifest: &Manifest) -> String {
    format!("SELECT {} {}", bare(&manifest.unit.column, false), canonical::from(&asked.sets[index]))
}

/// The normal form of the question.
fn canonical(asked: &Sets<'_>, manifest: &Manifest) -> String {
    let name = asked.name.as_ref().filter(|name| *name != DEFAULT_NAME);
    let name = name.map_or(String::new(), |name| format!(" AS {}", bare(name, true)));
    format!("SELECT {DEFAULT_NAME}{name} FROM ({})", expression(asked, &asked.tree, manifest))
}

fn expression(asked: &Sets<'_>, tree: &Tree, manifest: &Manifest) -> String {
    match tree {
        Tree::Set(index) => set(asked, *index, manifest),
        Tree::Operation(operator, left, right) => {
            // Every operation's sides stand in parentheses, so that no precedence is to be remembered.
            let side = |tree: &Tree| match tree {
                Tree::Set(_) => expression(asked, tree, manifest),
                Tree::Operation(..) => format!("({})", expression(asked, tree, manifest)),
            };
            format!("{} {operator} {}", side(left), side(right))
        }
    }
}

#[cfg(test)]
mod tests {
    use sqlparser::ast::SetOperator::{Except, Intersect, Union};

    use super::*;

    /// For every expression over three sets of two operations, and every unit's membership: the factors of the unions
    /// that hold the unit add up to whether the expression does.
    #[test]
    fn the_factors_count_every_unit_as_the_expression_does() {
        let set = |index| Box::new(Tree::Set(index));
        for inner in [Union, Intersect, Except] {
            for outer in [Union, Intersect, Except] {
                let pair = Box::new(Tree::Operation(inner, set(0), set(1)));
                for tree in [
                    Tree::Operation(outer, pair.clone(), set(2)),
                    Tree::Operation(outer, set(2), pair.clone()),
                    Tree::Operation(outer, set(0), pair.clone()),
                ] {
                    let unions = unions(&tree, 3);
                    for mask in 0u32..8 {
                        let counted: i32 = unions
                            .iter()
                            .filter(|(union, _)| union.iter().any(|index| mask & (1 << index) != 0))
                            .map(|(_, factor)| factor)
                            .sum();
                        let holds = tree.holds(&|index| mask & (1 << index) != 0);
                        assert_eq!(counted, i32::from(holds), "{tree:?} {mask:03b}");
                    }
                }
            }
        }
    }

    #[test]
    fn two_sets_need_the_sketches_of_the_text_books() {
        let operation = |operator| Tree::Operation(operator, Box::new(Tree::Set(0)), Box::new(Tree::Set(1)));
        assert_eq!(unions(&operation(Union), 2), [(vec![0, 1], 1)]);
        assert_eq!(unions(&operation(Intersect), 2), [(vec![0], 1), (vec![1], 1), (vec![0, 1], -1)]);
        assert_eq!(unions(&operation(Except), 2), [(vec![1], -1), (vec![0, 1], 1)]);
    }
}
