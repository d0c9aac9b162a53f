//! One SELECT as this system understands it: outputs, keys, condition, order.

mod clauses;
mod order;
mod sets;

use std::cell::Cell;

use almoner_federation::{Manifest, Table};
use sqlparser::ast::{self, GroupByExpr, Select, SelectItem, Value};
use sqlparser::keywords::Keyword;

use self::clauses::{from, limit, only_select, refuse_clauses};
use self::order::order;
pub(crate) use self::sets::{Sets, Tree};
use self::sets::{of_sets, sets};
use crate::QueryError;
use crate::aggregate::Measured;
use crate::canonical::{self, default_name};
use crate::error::Position;
use crate::expr::Expr;
use crate::keys::{Domain, Key};
use crate::lower::{Lowering, as_aggregate, invalid, unsupported};
use crate::near::echo;
use crate::parse::Parsed;
use crate::places::{Places, START, of_expr, of_item, start};
use crate::territory::Touched;

/// Most output columns.
const MAX_OUTPUTS: usize = 200;

/// The column that table-valued aggregates add: the share of people up to whom a row speaks.
pub(crate) const POINT_COLUMN: &str = "p";

/// A question with its names resolved and its types checked.
pub(crate) struct Question<'m> {
    pub(crate) table: &'m Table,
    /// The unit's column.
    pub(crate) unit: &'m str,
    pub(crate) outputs: Vec<Output>,
    /// WHERE.
    pub(crate) condition: Option<Expr>,
    /// The territories whose units' rows are read; `None` for all rows.
    pub(crate) touched: Option<Touched>,
    pub(crate) keys: Vec<Key>,
    pub(crate) order: Vec<Order>,
    pub(crate) limit: Option<u64>,
}

/// One column of the answer.
pub(crate) struct Output {
    /// Alias or canonical text; unique.
    pub(crate) name: String,
    pub(crate) value: OutputValue,
    pub(crate) at: Position,
}

pub(crate) enum OutputValue {
    /// Index into the keys.
    Key(usize),
    Measured(Box<Measured>),
}

/// One column of ORDER BY.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) output: usize,
    pub(crate) descending: bool,
}

/// What a planner can ask about.
pub(crate) enum Understood<'m> {
    /// The rows of one table.
    Rows(Question<'m>),
    /// How many units a set of them has.
    Sets(Sets<'m>),
}

/// Understands a parsed question.
///
/// # Errors
/// Everything that SQL allows and this system does not, by name and place.
pub(crate) fn understand<'m>(parsed: &Parsed, manifest: &'m Manifest) -> Result<Understood<'m>, QueryError> {
    let places = &parsed.places;
    let select = only_select(&parsed.query, places)?;
    refuse_clauses(select, places)?;
    if let Some(expression) = of_sets(select) {
        return sets(&parsed.query, select, expression, manifest, places).map(Understood::Sets);
    }
    let (table, qualifiers) = from(select, manifest)?;
    let lowering = Lowering { table, qualifiers, unit_column: &manifest.unit.column, weight: Cell::new(0) };
    let items = items(select, &lowering)?;
    let keys = keys(select, &items, &lowering, places)?;
    let outputs = outputs(items, &keys, &lowering)?;
    let condition = select.selection.as_ref().map(|tree| lowering.predicate(tree)).transpose()?;
    let order = order(&parsed.query, &outputs, &keys, &lowering, places)?;
    let limit = limit(&parsed.query, places)?;
    let unit = &manifest.unit.column;
    let touched = Touched::of(manifest, table, condition.as_ref());
    Ok(Understood::Rows(Question { table, unit, outputs, condition, touched, keys, order, limit }))
}

/// One item of SELECT before keys are known.
struct Item<'q> {
    tree: &'q ast::Expr,
    alias: Option<String>,
    lowered: ItemValue,
    at: Position,
}

enum ItemValue {
    Measured(Box<Measured>),
    Plain(Expr),
}

fn items<'q>(select: &'q Select, lowering: &Lowering<'_>) -> Result<Vec<Item<'q>>, QueryError> {
    if select.projection.len() > MAX_OUTPUTS {
        return Err(QueryError::TooLarge {
            message: format!("the question has more than {MAX_OUTPUTS} outputs"),
            remedy: "ask in several questions".into(),
        });
    }
    select.projection.iter().map(|item| self::item(item, lowering)).collect()
}

/// An alias as it is shown.
fn alias_of(alias: &ast::Ident, at: Position) -> Result<String, QueryError> {
    // As in PostgreSQL, a bare name is read in lower case.
    let bare = alias.quote_style.is_none();
    let name = if bare { alias.value.to_lowercase() } else { alias.value.clone() };
    if name.is_empty() || name.len() > 200 || name.contains('\0') {
        return Err(invalid(at, "an alias must have 1 to 200 bytes", "choose another"));
    }
    Ok(name)
}

fn item<'q>(item: &'q SelectItem, lowering: &Lowering<'_>) -> Result<Item<'q>, QueryError> {
    let (tree, alias) = match item {
        SelectItem::UnnamedExpr(tree) => (tree, None),
        SelectItem::ExprWithAlias { expr, alias } => (expr, Some(alias_of(alias, of_expr(expr))?)),
        SelectItem::ExprWithAliases { .. } => {
            let at = of_item(item);
            return Err(unsupported(at, "a list of aliases", "give each output one alias"));
        }
        SelectItem::QualifiedWildcard(..) | SelectItem::Wildcard(_) => {
            let at = of_item(item);
            return Err(unsupported(at, "*", "name the keys, and COUNT(*) for how many rows"));
        }
    };
    let at = of_expr(tree);
    let lowered = match as_aggregate(tree) {
        Some(function) => ItemValue::Measured(lowering.measured(function)?),
        None => {
            let lowered = lowering.expression(tree)?;
            ItemValue::Plain(lowered.expr)
        }
    };
    Ok(Item { tree, alias, lowered, at })
}

/// The trees of GROUP BY, each an expression, the alias of an output, or its position.
fn keys(
    select: &Select,
    items: &[Item<'_>],
    lowering: &Lowering<'_>,
    places: &Places,
) -> Result<Vec<Key>, QueryError> {
    let trees = match &select.group_by {
        GroupByExpr::All(_) => {
            let at = places.word(&[Keyword::GROUP]);
            return Err(unsupported(at, "GROUP BY ALL", "name the keys"));
        }
        GroupByExpr::Expressions(_, modifiers) if !modifiers.is_empty() => {
            let at = places.word(&[Keyword::GROUP]);
            return Err(unsupported(at, "a modifier of GROUP BY", "ask one question per grouping"));
        }
        GroupByExpr::Expressions(trees, _) => trees,
    };
    let mut keys: Vec<Key> = Vec::new();
    for tree in trees {
        let at = of_expr(tree);
        let referred = refers_to(tree, items, lowering)?;
        let tree = referred.map_or(tree, |item| items[item].tree);
        if as_aggregate(tree).is_some() {
            return Err(invalid(at, "an aggregate cannot be a key", "group by columns or conditions"));
        }
        let lowered = lowering.expression(tree)?;
        let constant = matches!(
            lowered.expr,
            Expr::Number(_) | Expr::Text(_) | Expr::Boolean(_) | Expr::Date(_) | Expr::Null
        );
        let (false, Some(ty)) = (constant, lowered.ty) else {
            return Err(invalid(at, "a constant cannot be a key", "group by columns or conditions"));
        };
        let domain = Domain::of(&lowered.expr, ty, lowering.table, at)?;
        let key = Key { expr: lowered.expr, domain };
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    Ok(keys)
}

/// The output that a tree of GROUP BY refers to by position or alias. As in PostgreSQL, a column of that
/// name comes first.
fn refers_to(
    tree: &ast::Expr,
    items: &[Item<'_>],
    lowering: &Lowering<'_>,
) -> Result<Option<usize>, QueryError> {
    match tree {
        ast::Expr::Nested(inner) => refers_to(inner, items, lowering),
        ast::Expr::Value(value) => match &value.value {
            Value::Number(digits, _) => position(digits, items.len(), start(value.span)).map(Some),
            _ => Ok(None),
        },
        ast::Expr::Identifier(name) if lowering.table.column(&name.value).is_none() => {
            let named = |item: &Item<'_>| {
                item.alias.as_ref().is_some_and(|alias| alias.eq_ignore_ascii_case(&name.value))
            };
            Ok(items.iter().position(named))
        }
        _ => Ok(None),
    }
}

/// The output at a position counted from 1.
fn position(digits: &str, outputs: usize, at: Position) -> Result<usize, QueryError> {
    match digits.parse::<usize>() {
        Ok(position) if (1..=outputs).contains(&position) => Ok(position - 1),
        _ => Err(invalid(
            at,
            format!("there is no output number {}", echo(digits)),
            format!("count the outputs from 1 to {outputs}"),
        )),
    }
}

fn outputs(items: Vec<Item<'_>>, keys: &[Key], lowering: &Lowering<'_>) -> Result<Vec<Output>, QueryError> {
    let table = lowering.table;
    let mut outputs: Vec<Output> = Vec::with_capacity(items.len());
    for Item { tree: _, alias, lowered, at } in items {
        let (value, default) = match lowered {
            ItemValue::Measured(measured) => {
                let default = canonical::measured(&measured, table, lowering.unit_column);
                (OutputValue::Measured(measured), default)
            }
            ItemValue::Plain(expr) => {
                let default = default_name(&expr, table);
                let key = keys.iter().position(|key| key.expr == expr).ok_or_else(|| {
                    invalid(
                        at,
                        format!("{} is neither a key nor an aggregate", echo(&default)),
                        "add it to GROUP BY, or wrap it in COUNT, SUM or AVG",
                    )
                })?;
                (OutputValue::Key(key), default)
            }
        };
        let name = alias.unwrap_or(default);
        if outputs.iter().any(|other| other.name.eq_ignore_ascii_case(&name)) {
            return Err(invalid(
                at,
                format!("two outputs are named {:?}", echo(&name)),
                "give one of them another name with AS",
            ));
        }
        outputs.push(Output { name, value, at });
    }
    let is_curve =
        |output: &&Output| matches!(&output.value, OutputValue::Measured(m) if m.aggregate.is_curve());
    if let (Some(curve), Some(named)) =
        (outputs.iter().find(is_curve), outputs.iter().find(|output| output.name == POINT_COLUMN))
    {
        return Err(invalid(
            named.at,
            format!("the output {:?} adds a column {POINT_COLUMN:?} of its own", echo(&curve.name)),
            "give this one another name with AS",
        ));
    }
    if !outputs.iter().any(|output| matches!(output.value, OutputValue::Measured(_))) {
        return Err(invalid(
            START,
            "nothing is measured",
            "add an aggregate such as COUNT(*); the values of a key are public, in the manifest",
        ));
    }
    Ok(outputs)
}
