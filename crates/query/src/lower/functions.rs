//! Functions of one row.

use sqlparser::ast::{
    self, DuplicateTreatment, FunctionArg, FunctionArgExpr, FunctionArguments, ObjectNamePart, Value,
};

use super::aggregates::usage;
use super::{Lowered, Lowering, invalid, typed, unsupported};
use crate::QueryError;
use crate::error::Position;
use crate::expr::{Expr, Part, Type};
use crate::places::of_name;
use crate::refuse;

/// The function's name in capitals; with dots when it is qualified.
pub(super) fn name_of(function: &ast::Function) -> String {
    let parts = function.name.0.iter().map(|part| match part {
        ObjectNamePart::Identifier(ident) => ident.value.to_uppercase(),
        ObjectNamePart::Function(_) => String::from("?"),
    });
    parts.collect::<Vec<_>>().join(".")
}

impl Lowering<'_> {
    pub(super) fn function_at(&self, function: &ast::Function) -> Position {
        of_name(&function.name)
    }

    /// Refuses every decoration of a call that is not its plain argument list.
    pub(super) fn plain_arguments<'f>(
        &self,
        function: &'f ast::Function,
    ) -> Result<&'f [FunctionArg], QueryError> {
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
            return Err(unsupported(at, "WITHIN GROUP", "write PERCENTILE(x, 0.9) or MEDIAN(x)"));
        }
        if null_treatment.is_some() || *uses_odbc_syntax || *parameters != FunctionArguments::None {
            return Err(unsupported(at, "this form of call", "write FUNCTION(arguments)"));
        }
        match args {
            FunctionArguments::List(list) => {
                if list.duplicate_treatment == Some(DuplicateTreatment::Distinct) {
                    let what = format!("{}(DISTINCT ...)", name_of(function));
                    return Err(unsupported(at, what, "only COUNT counts distinct units"));
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

    pub(super) fn argument<'f>(
        &self,
        argument: &'f FunctionArg,
        at: Position,
    ) -> Result<&'f ast::Expr, QueryError> {
        match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(tree)) => Ok(tree),
            FunctionArg::Unnamed(_) => Err(unsupported(at, "* in this place", "only COUNT(*) takes a star")),
            _ => Err(unsupported(
                at,
                "a named argument",
                "write the arguments in order; only weight => w has a name",
            )),
        }
    }

    /// A function of one row.
    pub(super) fn function(&self, function: &ast::Function, depth: usize) -> Lowered {
        let at = self.function_at(function);
        let name = name_of(function);
        if usage(&name).is_some() {
            return Err(unsupported(
                at,
                format!("{name} inside an expression or a condition"),
                "make each aggregate an output of its own and compute with the answers; AVG(x) is a ratio already",
            ));
        }
        if function.filter.is_some() {
            return Err(unsupported(at, format!("FILTER on {name}"), "filter an aggregate"));
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
}
