//! Functions inside expressions, and aggregates around them.

use sqlparser::ast::{
    self, DuplicateTreatment, FunctionArg, FunctionArgExpr, FunctionArguments, ObjectNamePart, Value,
};

use super::{Lowered, Lowering, Typed, invalid, typed, unsupported};
use crate::QueryError;
use crate::error::Position;
use crate::expr::{Expr, Part, Type};
use crate::places::of_name;
use crate::refuse;

/// What is measured over the rows of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Aggregate {
    Count,
    Sum,
    Average,
}

impl Aggregate {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Aggregate::Count => "COUNT",
            Aggregate::Sum => "SUM",
            Aggregate::Average => "AVG",
        }
    }
}

/// The aggregate that an output is, without regard to parentheses around it.
pub(crate) fn as_aggregate(tree: &ast::Expr) -> Option<(Aggregate, &ast::Function)> {
    match tree {
        ast::Expr::Nested(inner) => as_aggregate(inner),
        ast::Expr::Function(function) => aggregate_named(&name_of(function)).map(|found| (found, function)),
        _ => None,
    }
}

fn aggregate_named(name: &str) -> Option<Aggregate> {
    [Aggregate::Count, Aggregate::Sum, Aggregate::Average].into_iter().find(|one| one.word() == name)
}

/// The function's name in capitals; with dots when it is qualified.
fn name_of(function: &ast::Function) -> String {
    let parts = function.name.0.iter().map(|part| match part {
        ObjectNamePart::Identifier(ident) => ident.value.to_uppercase(),
        ObjectNamePart::Function(_) => String::from("?"),
    });
    parts.collect::<Vec<_>>().join(".")
}

impl Lowering<'_> {
    fn function_at(&self, function: &ast::Function) -> Position {
        of_name(&function.name)
    }

    /// Refuses every decoration of a call that is not its plain argument list.
    fn plain_arguments<'f>(&self, function: &'f ast::Function) -> Result<&'f [FunctionArg], QueryError> {
        let at = self.function_at(function);
        let ast::Function {
            name: _,
            uses_odbc_syntax,
            parameters,
            args,
            filter: _,
            null_treatment,
            over,
            within_group,
        } = function;
        if over.is_some() {
            return Err(unsupported(at, "a window function (OVER)", "group by the keys of the window"));
        }
        if !within_group.is_empty() {
            return Err(unsupported(at, "WITHIN GROUP", "use COUNT, SUM or AVG"));
        }
        if null_treatment.is_some() || *uses_odbc_syntax || *parameters != FunctionArguments::None {
            return Err(unsupported(at, "this form of call", "write FUNCTION(arguments)"));
        }
        match args {
            FunctionArguments::List(list) => {
                if list.duplicate_treatment == Some(DuplicateTreatment::Distinct) {
                    let what = format!("{}(DISTINCT ...)", name_of(function));
                    return Err(unsupported(
                        at,
                        what,
                        "COUNT(*) counts rows; a unit has at most rows_per_unit",
                    ));
                }
                if !list.clauses.is_empty() {
                    return Err(unsupported(at, "a clause inside a call", "write FUNCTION(arguments)"));
                }
                Ok(&list.args)
            }
            FunctionArguments::Subquery(_) => {
                Err(unsupported(at, "a subquery", "ask one question of one table"))
            }
            FunctionArguments::None => Ok(&[]),
        }
    }

    fn argument<'f>(&self, argument: &'f FunctionArg, at: Position) -> Result<&'f ast::Expr, QueryError> {
        match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(tree)) => Ok(tree),
            FunctionArg::Unnamed(_) => Err(unsupported(at, "* in this place", "only COUNT(*) takes a star")),
            _ => Err(unsupported(at, "a named argument", "write the arguments in order")),
        }
    }

    /// A function of one row.
    pub(super) fn function(&self, function: &ast::Function, depth: usize) -> Lowered {
        let at = self.function_at(function);
        let name = name_of(function);
        if aggregate_named(&name).is_some() {
            return Err(unsupported(
                at,
                format!("{name} inside an expression or a condition"),
                "make each aggregate an output of its own and compute with the answers; AVG(x) is a ratio already",
            ));
        }
        if function.filter.is_some() {
            return Err(unsupported(at, format!("FILTER on {name}"), "filter COUNT, SUM or AVG"));
        }
        let arguments = self.plain_arguments(function)?;
        let trees =
            arguments.iter().map(|one| self.argument(one, at)).collect::<Result<Vec<&ast::Expr>, _>>()?;
        match (name.as_str(), trees.as_slice()) {
            ("COALESCE", [_, ..]) => {
                let (mut all, ty) = self.same_type(&trees, depth, false)?;
                typed(if all.len() == 1 { all.remove(0) } else { Expr::Coalesce(all) }, ty)
            }
            ("LEAST" | "GREATEST", [_, ..]) => {
                let mut all = Vec::with_capacity(trees.len());
                for tree in &trees {
                    all.push(self.number(tree, depth)?);
                }
                let expr = match (all.len(), name.as_str()) {
                    (1, _) => all.remove(0),
                    (_, "LEAST") => Expr::Least(all),
                    _ => Expr::Greatest(all),
                };
                typed(expr, Type::Number)
            }
            ("DATE_PART", [part, date]) => {
                let word = match part {
                    ast::Expr::Value(value) => match &value.value {
                        Value::SingleQuotedString(word) => word.to_uppercase(),
                        _ => String::new(),
                    },
                    _ => String::new(),
                };
                let known = [Part::Year, Part::Month, Part::Day].into_iter().find(|part| part.word() == word);
                match known {
                    Some(part) => self.part(part, date, depth),
                    None => Err(unsupported(at, "this part of a date", "take 'year', 'month' or 'day'")),
                }
            }
            ("COALESCE" | "LEAST" | "GREATEST" | "DATE_PART", _) => Err(invalid(
                at,
                format!("{name} does not take {} arguments", trees.len()),
                "write COALESCE(x, 0), LEAST(x, y), GREATEST(x, y) or DATE_PART('year', x)",
            )),
            _ => Err(refuse::function(&name, at)),
        }
    }

    /// An aggregate's argument (`None` for `COUNT(*)`) and filter.
    pub(crate) fn aggregate(
        &self,
        aggregate: Aggregate,
        function: &ast::Function,
    ) -> Result<(Option<Expr>, Option<Expr>), QueryError> {
        let at = self.function_at(function);
        let arguments = self.plain_arguments(function)?;
        let filter = function.filter.as_deref().map(|tree| self.predicate(tree)).transpose()?;
        let [argument] = arguments else {
            return Err(invalid(
                at,
                format!("{} takes one argument", aggregate.word()),
                "write COUNT(*), COUNT(x), SUM(x) or AVG(x)",
            ));
        };
        if aggregate == Aggregate::Count && *argument == FunctionArg::Unnamed(FunctionArgExpr::Wildcard) {
            return Ok((None, filter));
        }
        let tree = self.argument(argument, at)?;
        let Typed { expr, ty } = self.expression(tree)?;
        match (aggregate, ty) {
            (_, None) => Err(unsupported(at, "NULL as a value", "write COUNT(*)")),
            // A value that is never missing is counted as often as its row.
            (Aggregate::Count, Some(_)) => Ok(((!expr.never_null()).then_some(expr), filter)),
            (_, Some(Type::Number)) => Ok((Some(expr), filter)),
            (_, Some(Type::Boolean)) => Err(invalid(
                at,
                format!("{} needs a number, found a boolean", aggregate.word()),
                "write COUNT(*) FILTER (WHERE x) for how many, AVG(CASE WHEN x THEN 1 ELSE 0 END) for a share",
            )),
            (_, Some(ty)) => Err(invalid(
                at,
                format!("{} needs a number, found {}", aggregate.word(), ty.word()),
                "count it with COUNT(x), or group by it",
            )),
        }
    }
}
