//! Syntax tree to typed expression: names are resolved, types checked, and whatever is not supported is
//! refused by name, with its place and the nearest thing that works.

mod aggregates;
mod functions;

use std::cell::Cell;

use almoner_federation::{Exact, Table, parse_date, parse_exact};
use dashu::base::Abs;
use sqlparser::ast::{self, BinaryOperator, DateTimeField, Ident, UnaryOperator, Value};

use crate::QueryError;
use crate::error::Position;
use crate::expr::{At, Comparison, Expr, Operator, Part, Type};
use crate::near::{echo, near};
use crate::places::{START, of_expr, start};
use crate::{reach, refuse};

pub(crate) use aggregates::{AGGREGATES, as_aggregate};

/// Deepest expression; operands of one chain of AND or OR count as one level.
const MAX_DEPTH: usize = 64;

/// Most nodes of a question's expressions together once they are rendered (see [`Expr::weight`]).
const MAX_WEIGHT: u64 = 100_000;

/// Most decimals of a literal, and the power of ten that it may not pass.
const MAX_DECIMALS: usize = 18;

/// An expression with its type; `None` for NULL, which takes any.
pub(crate) struct Typed {
    pub(crate) expr: Expr,
    pub(crate) ty: Option<Type>,
}

/// Lowers the expressions of one question over one table.
pub(crate) struct Lowering<'a> {
    pub(crate) table: &'a Table,
    /// What the table may be called before a dot.
    pub(crate) qualifiers: Vec<String>,
    pub(crate) unit_column: &'a str,
    /// Nodes so far.
    pub(crate) weight: Cell<u64>,
}

pub(crate) fn unsupported(at: Position, what: impl Into<String>, instead: impl Into<String>) -> QueryError {
    QueryError::Unsupported { at, what: what.into(), instead: instead.into() }
}

pub(crate) fn invalid(at: Position, message: impl Into<String>, remedy: impl Into<String>) -> QueryError {
    QueryError::Invalid { at, message: message.into(), remedy: remedy.into() }
}

type Lowered = Result<Typed, QueryError>;

fn typed(expr: Expr, ty: Type) -> Lowered {
    Ok(Typed { expr, ty: Some(ty) })
}

impl Lowering<'_> {
    /// An expression of any type.
    pub(crate) fn expression(&self, tree: &ast::Expr) -> Lowered {
        let lowered = self.lower(tree, 0)?;
        let weight = self.weight.get().saturating_add(lowered.expr.weight());
        self.weight.set(weight);
        if weight > MAX_WEIGHT {
            return Err(QueryError::TooLarge {
                message: format!("the question's expressions grow beyond {MAX_WEIGHT} nodes"),
                remedy: "nest LEAST and GREATEST less deeply".into(),
            });
        }
        Ok(lowered)
    }

    /// A condition.
    pub(crate) fn predicate(&self, tree: &ast::Expr) -> Result<Expr, QueryError> {
        let lowered = self.expression(tree)?;
        self.expect(lowered, Type::Boolean, tree).map(|typed| typed.expr)
    }

    fn expect(&self, found: Typed, wanted: Type, tree: &ast::Expr) -> Lowered {
        match found.ty {
            Some(ty) if ty == wanted => Ok(found),
            Some(Type::Text) if wanted == Type::Date => self.as_date(found, tree),
            Some(ty) => Err(invalid(
                of_expr(tree),
                format!("expected {}, found {}", wanted.word(), ty.word()),
                match (wanted, ty) {
                    (Type::Boolean, Type::Number) => "write a comparison such as x > 0",
                    (Type::Number, Type::Text) => "write numbers without quotes",
                    (Type::Number, Type::Boolean) => "write CASE WHEN x THEN 1 ELSE 0 END",
                    (Type::Number, Type::Date) => "take a part of it, as in EXTRACT(YEAR FROM x)",
                    (Type::Date, _) => "write DATE 'YYYY-MM-DD'",
                    _ => "compare values of one type",
                },
            )),
            None => Err(unsupported(of_expr(tree), "NULL as a value", "write x IS NULL or x IS NOT NULL")),
        }
    }

    /// A text literal where a date is wanted.
    fn as_date(&self, found: Typed, tree: &ast::Expr) -> Lowered {
        match found.expr {
            Expr::Text(text) => typed(Expr::Date(self.date(&text, of_expr(tree))?), Type::Date),
            _ => Err(invalid(of_expr(tree), "expected a date, found a text", "write DATE 'YYYY-MM-DD'")),
        }
    }

    fn date(&self, text: &str, at: Position) -> Result<i32, QueryError> {
        parse_date(text).ok_or_else(|| {
            invalid(
                at,
                format!("{:?} is not a date", echo(text)),
                "write DATE 'YYYY-MM-DD', a day of the calendar",
            )
        })
    }

    fn lower(&self, tree: &ast::Expr, depth: usize) -> Lowered {
        if depth > MAX_DEPTH {
            return Err(invalid(
                of_expr(tree),
                format!("this nests deeper than {MAX_DEPTH} operations"),
                "ask for its parts as outputs of their own",
            ));
        }
        let depth = depth + 1;
        match tree {
            ast::Expr::Nested(inner) => self.lower(inner, depth),
            ast::Expr::Identifier(name) => self.column(name),
            ast::Expr::CompoundIdentifier(parts) => self.qualified(parts),
            ast::Expr::Value(value) => self.literal(value),
            ast::Expr::TypedString(literal) => self.typed_string(literal),
            ast::Expr::UnaryOp { op, expr } => self.unary(tree, *op, expr, depth),
            ast::Expr::BinaryOp { left, op, right } => self.binary(tree, left, op, right, depth),
            ast::Expr::Between { expr, negated, low, high } => {
                let parts = self.same_type(&[expr, low, high], depth, true)?.0;
                let [value, low, high] = parts.try_into().expect("three trees give three expressions");
                let between =
                    Expr::Between { value: Box::new(value), low: Box::new(low), high: Box::new(high) };
                typed(negate_if(*negated, between), Type::Boolean)
            }
            ast::Expr::InList { expr, list, negated } => {
                let trees: Vec<&ast::Expr> = std::iter::once(&**expr).chain(list).collect();
                let (mut parts, _) = self.same_type(&trees, depth, false)?;
                let value = Box::new(parts.remove(0));
                let constant = |e: &Expr| {
                    matches!(e, Expr::Number(_) | Expr::Text(_) | Expr::Boolean(_) | Expr::Date(_))
                };
                if let Some(odd) = parts.iter().position(|part| !constant(part)) {
                    return Err(unsupported(
                        of_expr(&list[odd]),
                        "an expression in an IN list",
                        "list literals, or write x = a OR x = b",
                    ));
                }
                typed(negate_if(*negated, Expr::In { value, list: parts }), Type::Boolean)
            }
            ast::Expr::IsNull(inner) => typed(Expr::IsNull(self.operand(inner, depth)?), Type::Boolean),
            ast::Expr::IsNotNull(inner) => {
                typed(negate_if(true, Expr::IsNull(self.operand(inner, depth)?)), Type::Boolean)
            }
            ast::Expr::Case { operand, conditions, else_result, .. } => {
                self.case(tree, operand.as_deref(), conditions, else_result.as_deref(), depth)
            }
            ast::Expr::Extract { field, expr, .. } => {
                let part = match field {
                    DateTimeField::Year => Part::Year,
                    DateTimeField::Month => Part::Month,
                    DateTimeField::Day => Part::Day,
                    other => {
                        let what = format!("EXTRACT({})", echo(&other.to_string()));
                        return Err(unsupported(of_expr(tree), what, "take YEAR, MONTH or DAY"));
                    }
                };
                self.part(part, expr, depth)
            }
            ast::Expr::Function(function) => self.function(function, depth),
            other => Err(refuse::expression(other)),
        }
    }

    fn operand(&self, tree: &ast::Expr, depth: usize) -> Result<Box<Expr>, QueryError> {
        let lowered = self.lower(tree, depth)?;
        match lowered.ty {
            Some(_) => Ok(Box::new(lowered.expr)),
            None => Err(unsupported(of_expr(tree), "NULL as a value", "write x IS NULL or x IS NOT NULL")),
        }
    }

    fn number(&self, tree: &ast::Expr, depth: usize) -> Result<Expr, QueryError> {
        let lowered = self.lower(tree, depth)?;
        self.expect(lowered, Type::Number, tree).map(|typed| typed.expr)
    }

    fn part(&self, part: Part, tree: &ast::Expr, depth: usize) -> Lowered {
        let lowered = self.lower(tree, depth)?;
        let date = Box::new(self.expect(lowered, Type::Date, tree)?.expr);
        typed(Expr::Part { part, date }, Type::Number)
    }

    /// Expressions that must agree in type. A text literal among dates is a date. With `ordered`, the
    /// type must have an order that every engine shares.
    fn same_type(
        &self,
        trees: &[&ast::Expr],
        depth: usize,
        ordered: bool,
    ) -> Result<(Vec<Expr>, Type), QueryError> {
        let lowered = trees.iter().map(|tree| self.lower(tree, depth)).collect::<Result<Vec<_>, _>>()?;
        let first = lowered.iter().filter_map(|one| one.ty).find(|ty| *ty != Type::Text);
        let wanted = first.unwrap_or(Type::Text);
        if ordered && matches!(wanted, Type::Text | Type::Boolean) {
            return Err(unsupported(
                of_expr(trees[0]),
                format!("an order on {} values", if wanted == Type::Text { "text" } else { "boolean" }),
                "use = or IN (...)",
            ));
        }
        let parts = lowered
            .into_iter()
            .zip(trees)
            .map(|(one, tree)| self.expect(one, wanted, tree).map(|typed| typed.expr))
            .collect::<Result<Vec<_>, _>>()?;
        Ok((parts, wanted))
    }

    fn column(&self, name: &Ident) -> Lowered {
        let at = start(name.span);
        if name.value.eq_ignore_ascii_case(self.unit_column) {
            return Err(invalid(
                at,
                format!("{:?} identifies the privacy unit and cannot be asked about", self.unit_column),
                format!("count units with COUNT(DISTINCT {}), rows with COUNT(*)", self.unit_column),
            ));
        }
        let columns = &self.table.columns;
        let found = columns.iter().position(|column| column.name.eq_ignore_ascii_case(&name.value));
        match found {
            Some(index) => typed(Expr::Column(index), Type::of(&columns[index].kind)),
            None => Err(QueryError::Unknown {
                at,
                kind: "column",
                name: echo(&name.value),
                near: near(&name.value, columns.iter().map(|column| column.name.as_str())),
            }),
        }
    }

    fn is_qualifier(&self, table: &Ident) -> bool {
        self.qualifiers.iter().any(|qualifier| qualifier.eq_ignore_ascii_case(&table.value))
    }

    fn qualified(&self, parts: &[Ident]) -> Lowered {
        match parts {
            [table, column] if self.is_qualifier(table) => self.column(column),
            [table, ..] => Err(QueryError::Unknown {
                at: start(table.span),
                kind: "table",
                name: echo(&table.value),
                near: near(&table.value, self.qualifiers.iter().map(String::as_str)),
            }),
            [] => Err(invalid(START, "an empty name", "write a column")),
        }
    }

    fn literal(&self, value: &ast::ValueWithSpan) -> Lowered {
        let at = start(value.span);
        match &value.value {
            Value::Number(digits, _) => typed(Expr::Number(number_literal(digits, at)?), Type::Number),
            Value::SingleQuotedString(text) if text.contains('\0') => {
                Err(invalid(at, "a text holds the character 0", "remove it"))
            }
            Value::SingleQuotedString(text) => typed(Expr::Text(text.clone()), Type::Text),
            Value::Boolean(value) => typed(Expr::Boolean(*value), Type::Boolean),
            Value::Null => Ok(Typed { expr: Expr::Null, ty: None }),
            Value::Placeholder(_) => {
                Err(unsupported(at, "a placeholder", "write the value into the question"))
            }
            _ => {
                Err(unsupported(at, "this kind of string literal", "write 'text', doubling any quote in it"))
            }
        }
    }

    fn typed_string(&self, literal: &ast::TypedString) -> Lowered {
        let at = start(literal.value.span);
        match (&literal.data_type, &literal.value.value) {
            (ast::DataType::Date, Value::SingleQuotedString(text)) => {
                typed(Expr::Date(self.date(text, at)?), Type::Date)
            }
            _ => Err(unsupported(at, "this typed literal", "write DATE 'YYYY-MM-DD'")),
        }
    }

    fn unary(&self, tree: &ast::Expr, op: UnaryOperator, inner: &ast::Expr, depth: usize) -> Lowered {
        match op {
            UnaryOperator::Plus => self.number(inner, depth).and_then(|expr| typed(expr, Type::Number)),
            UnaryOperator::Minus => {
                let negated = match self.number(inner, depth)? {
                    Expr::Number(value) => Expr::Number(-value),
                    Expr::Negate(twice) => *twice,
                    other => Expr::Negate(Box::new(other)),
                };
                typed(negated, Type::Number)
            }
            UnaryOperator::Not => {
                let lowered = self.lower(inner, depth)?;
                let condition = self.expect(lowered, Type::Boolean, inner)?.expr;
                typed(negate_if(true, condition), Type::Boolean)
            }
            other => Err(unsupported(
                of_expr(tree),
                format!("the operator {other}"),
                "use + - * /, NOT, comparisons",
            )),
        }
    }

    fn binary(
        &self,
        tree: &ast::Expr,
        left: &ast::Expr,
        op: &BinaryOperator,
        right: &ast::Expr,
        depth: usize,
    ) -> Lowered {
        use BinaryOperator as B;
        let arithmetic = |operator| {
            let (left, right) = (self.number(left, depth)?, self.number(right, depth)?);
            let at = of_expr(tree);
            let (left, right) = (Box::new(left), Box::new(right));
            let result = Expr::Arithmetic { operator, left, right, at: At(at) };
            reach::check(&result, self.table, at)?;
            typed(result, Type::Number)
        };
        let compare = |comparison: Comparison| {
            let (parts, _) = self.same_type(&[left, right], depth, comparison.orders())?;
            let [left, right] = parts.try_into().expect("two trees give two expressions");
            let (left, right) = (Box::new(left), Box::new(right));
            typed(Expr::Compare { comparison, left, right }, Type::Boolean)
        };
        match op {
            B::Plus => arithmetic(Operator::Add),
            B::Minus => arithmetic(Operator::Subtract),
            B::Multiply => arithmetic(Operator::Multiply),
            B::Divide => arithmetic(Operator::Divide),
            B::Eq => compare(Comparison::Equal),
            B::NotEq => compare(Comparison::NotEqual),
            B::Lt => compare(Comparison::Less),
            B::LtEq => compare(Comparison::LessOrEqual),
            B::Gt => compare(Comparison::Greater),
            B::GtEq => compare(Comparison::GreaterOrEqual),
            B::And | B::Or => self.chain(tree, op, depth),
            B::Modulo => {
                Err(unsupported(of_expr(tree), "the operator %", "list the wanted values with IN or CASE"))
            }
            B::StringConcat => Err(unsupported(of_expr(tree), "the operator ||", "group by both columns")),
            other => Err(unsupported(
                of_expr(tree),
                format!("the operator {}", echo(&other.to_string())),
                "use + - * /, comparisons, AND, OR, NOT",
            )),
        }
    }

    /// `a AND b AND c` as one list: the tree's left spine is walked, not recursed into.
    fn chain(&self, tree: &ast::Expr, op: &BinaryOperator, depth: usize) -> Lowered {
        let mut operands = Vec::new();
        let mut spine = tree;
        while let ast::Expr::BinaryOp { left, op: here, right } = spine {
            if here != op {
                break;
            }
            operands.push(&**right);
            spine = left;
        }
        operands.push(spine);
        let is_and = *op == BinaryOperator::And;
        let mut all = Vec::with_capacity(operands.len());
        for tree in operands.into_iter().rev() {
            let lowered = self.lower(tree, depth)?;
            match (self.expect(lowered, Type::Boolean, tree)?.expr, is_and) {
                (Expr::And(inner), true) | (Expr::Or(inner), false) => all.extend(inner),
                (other, _) => all.push(other),
            }
        }
        typed(if is_and { Expr::And(all) } else { Expr::Or(all) }, Type::Boolean)
    }

    fn case(
        &self,
        tree: &ast::Expr,
        operand: Option<&ast::Expr>,
        conditions: &[ast::CaseWhen],
        otherwise: Option<&ast::Expr>,
        depth: usize,
    ) -> Lowered {
        let whens: Vec<&ast::Expr> = conditions.iter().map(|when| &when.condition).collect();
        let (operand, whens) = match operand {
            Some(operand) => {
                let trees: Vec<&ast::Expr> = std::iter::once(operand).chain(whens).collect();
                let (mut parts, _) = self.same_type(&trees, depth, false)?;
                (Some(Box::new(parts.remove(0))), parts)
            }
            None => {
                let lower = |tree: &&ast::Expr| {
                    let lowered = self.lower(tree, depth)?;
                    self.expect(lowered, Type::Boolean, tree).map(|typed| typed.expr)
                };
                (None, whens.iter().map(lower).collect::<Result<Vec<_>, _>>()?)
            }
        };
        let results: Vec<&ast::Expr> = conditions.iter().map(|when| &when.result).chain(otherwise).collect();
        let (mut results, ty) = self.results(tree, &results, depth)?;
        // ELSE NULL says nothing.
        let otherwise =
            otherwise.and_then(|_| results.pop()).filter(|value| *value != Expr::Null).map(Box::new);
        let branches = whens.into_iter().zip(results).collect();
        typed(Expr::Case { operand, branches, otherwise }, ty)
    }

    /// Expressions of one type, among which NULL may stand.
    fn results(
        &self,
        whole: &ast::Expr,
        trees: &[&ast::Expr],
        depth: usize,
    ) -> Result<(Vec<Expr>, Type), QueryError> {
        let lowered = trees.iter().map(|tree| self.lower(tree, depth)).collect::<Result<Vec<_>, _>>()?;
        let types = || lowered.iter().filter_map(|one| one.ty);
        let Some(wanted) = types().find(|ty| *ty == Type::Date).or_else(|| types().next()) else {
            return Err(invalid(of_expr(whole), "every result is NULL", "give at least one a value"));
        };
        let mut parts = Vec::with_capacity(lowered.len());
        for (one, tree) in lowered.into_iter().zip(trees) {
            parts.push(if one.ty.is_none() { one.expr } else { self.expect(one, wanted, tree)?.expr });
        }
        Ok((parts, wanted))
    }
}

fn negate_if(negated: bool, condition: Expr) -> Expr {
    match (negated, condition) {
        (false, condition) => condition,
        (true, Expr::Not(inner)) => *inner,
        (true, condition) => Expr::Not(Box::new(condition)),
    }
}

/// A literal's exact value, at most 10^18 with at most 18 decimals, so that its normal form reads back.
pub(crate) fn number_literal(digits: &str, at: Position) -> Result<Exact, QueryError> {
    let power = Exact::from(10u64.pow(MAX_DECIMALS as u32));
    parse_exact(digits).filter(|value| (value * &power).is_int() && value.clone().abs() <= power).ok_or_else(
        || {
            invalid(
                at,
                format!("{:?} has too many digits", echo(digits)),
                "use at most 18 before and after the point",
            )
        },
    )
}
