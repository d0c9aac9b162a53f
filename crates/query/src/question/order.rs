//! ORDER BY: by an output's position, its name, or the expression that it is.

use sqlparser::ast::{self, OrderByKind, Value};
use sqlparser::keywords::Keyword;

use super::{Order, Output, OutputValue, position};
use crate::QueryError;
use crate::aggregate::Measured;
use crate::keys::Key;
use crate::lower::{Lowering, as_aggregate, invalid, unsupported};
use crate::near::{echo, near};
use crate::places::{Places, of_expr};

/// ORDER BY, which works on the released values.
pub(super) fn order(
    query: &ast::Query,
    outputs: &[Output],
    keys: &[Key],
    lowering: &Lowering<'_>,
    places: &Places,
) -> Result<Vec<Order>, QueryError> {
    let Some(order_by) = &query.order_by else { return Ok(Vec::new()) };
    let at = places.word(&[Keyword::ORDER]);
    let OrderByKind::Expressions(items) = &order_by.kind else {
        return Err(unsupported(at, "ORDER BY ALL", "name the outputs"));
    };
    if order_by.interpolate.is_some() {
        return Err(unsupported(at, "INTERPOLATE", "leave it out"));
    }
    let mut found = Vec::with_capacity(items.len());
    for item in items {
        if item.options.nulls_first.is_some() || item.with_fill.is_some() {
            let at = places.word(&[Keyword::NULLS, Keyword::FILL]);
            return Err(unsupported(
                at,
                "NULLS FIRST, NULLS LAST and WITH FILL",
                "unknown values stand last",
            ));
        }
        let output = ordered_output(&item.expr, outputs, keys, lowering)?;
        found.push(Order { output, descending: item.options.asc == Some(false) });
    }
    Ok(found)
}

/// The output that a tree of ORDER BY means: by position, by name, or by being the same expression.
fn ordered_output(
    tree: &ast::Expr,
    outputs: &[Output],
    keys: &[Key],
    lowering: &Lowering<'_>,
) -> Result<usize, QueryError> {
    let at = of_expr(tree);
    let missing = |name: &str| QueryError::Unknown {
        at,
        kind: "output",
        name: echo(name),
        near: near(name, outputs.iter().map(|output| output.name.as_str())),
    };
    if let ast::Expr::Value(value) = tree {
        return match &value.value {
            Value::Number(digits, _) => position(digits, outputs.len(), at),
            _ => Err(invalid(at, "a constant orders nothing", "name an output")),
        };
    }
    if let ast::Expr::Identifier(name) = tree {
        let named = outputs.iter().position(|output| output.name.eq_ignore_ascii_case(&name.value));
        if let Some(output) = named {
            return Ok(output);
        }
        if lowering.table.column(&name.value).is_none() {
            return Err(missing(&name.value));
        }
    }
    let wanted = match as_aggregate(tree) {
        Some(function) => {
            // How much its error counts does not make it another output.
            let Measured { aggregate, weight, filter, .. } = *lowering.measured(function)?;
            outputs.iter().position(|output| {
                matches!(&output.value, OutputValue::Measured(m)
                    if m.aggregate == aggregate && m.weight == weight && m.filter == filter)
            })
        }
        None => {
            let expr = lowering.expression(tree)?.expr;
            outputs
                .iter()
                .position(|output| matches!(&output.value, OutputValue::Key(k) if keys[*k].expr == expr))
        }
    };
    wanted.ok_or_else(|| missing(&tree.to_string()))
}
