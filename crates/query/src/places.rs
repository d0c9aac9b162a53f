//! Where things stand in the SQL text. The parser's own spans are computed by recursion over the whole
//! tree below a node, which a hostile text can make deep; here the walk to the first token is a loop.

use sqlparser::ast::{
    Expr, Ident, ObjectName, ObjectNamePart, Select, SelectItem, SelectItemQualifiedWildcardKind, SetExpr,
    TableFactor,
};
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Location, Span, Token, TokenWithSpan};

use crate::error::Position;

/// The beginning of the text: the place of whatever has no better one.
pub(crate) const START: Position = Position { line: 1, column: 1 };

/// The words of a question with their places.
pub(crate) struct Places {
    tokens: Vec<TokenWithSpan>,
}

impl Places {
    pub(crate) fn new(tokens: Vec<TokenWithSpan>) -> Places {
        Places { tokens }
    }

    /// The place of the first of these keywords in the text, for clauses whose place the parser drops.
    pub(crate) fn word(&self, words: &[Keyword]) -> Position {
        let wanted = |token: &&TokenWithSpan| matches!(&token.token, Token::Word(word) if words.contains(&word.keyword));
        self.tokens.iter().find(wanted).map_or(START, |token| start(token.span))
    }
}

/// The place where a span begins.
pub(crate) fn start(span: Span) -> Position {
    place(span.start)
}

/// A parser's location; it writes line 0 for none.
pub(crate) fn place(location: Location) -> Position {
    if location.line == 0 { START } else { Position { line: location.line, column: location.column } }
}

/// The place of a name.
pub(crate) fn of_name(name: &ObjectName) -> Position {
    let first = name.0.first().and_then(|part| match part {
        ObjectNamePart::Identifier(ident) => Some(ident),
        ObjectNamePart::Function(_) => None,
    });
    first.map_or(START, of_ident)
}

/// The place of an identifier.
pub(crate) fn of_ident(ident: &Ident) -> Position {
    start(ident.span)
}

/// The place of a SELECT.
pub(crate) fn of_select(select: &Select) -> Position {
    start(select.select_token.0.span)
}

/// The place of what stands in FROM.
pub(crate) fn of_table(table: &TableFactor) -> Position {
    match table {
        TableFactor::Table { name, .. } | TableFactor::Function { name, .. } => of_name(name),
        TableFactor::Derived { subquery, .. } => of_body(&subquery.body),
        _ => START,
    }
}

/// The place of an output.
pub(crate) fn of_item(item: &SelectItem) -> Position {
    match item {
        SelectItem::UnnamedExpr(expr)
        | SelectItem::ExprWithAlias { expr, .. }
        | SelectItem::ExprWithAliases { expr, .. } => of_expr(expr),
        SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) => of_name(name),
        SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::Expr(expr), _) => of_expr(expr),
        SelectItem::Wildcard(options) => start(options.wildcard_token.0.span),
    }
}

fn of_body(body: &SetExpr) -> Position {
    match body {
        SetExpr::Select(select) => of_select(select),
        _ => START,
    }
}

/// The place of an expression's first word, or of its first part's where the parser keeps no more.
pub(crate) fn of_expr(expr: &Expr) -> Position {
    let mut here = expr;
    loop {
        here = match here {
            Expr::Identifier(ident) => return of_ident(ident),
            Expr::CompoundIdentifier(parts) => return parts.first().map_or(START, of_ident),
            Expr::Value(value) => return start(value.span),
            Expr::TypedString(literal) => return start(literal.value.span),
            Expr::Function(function) => return of_name(&function.name),
            Expr::Case { case_token, .. } => return start(case_token.0.span),
            Expr::Wildcard(token) => return start(token.0.span),
            Expr::QualifiedWildcard(name, _) => return of_name(name),
            Expr::Subquery(query) => return of_body(&query.body),
            Expr::Exists { subquery, .. } => return of_body(&subquery.body),
            Expr::BinaryOp { left, .. } | Expr::AnyOp { left, .. } | Expr::AllOp { left, .. } => left,
            Expr::IsDistinctFrom(left, _) | Expr::IsNotDistinctFrom(left, _) => left,
            Expr::CompoundFieldAccess { root, .. } => root,
            Expr::JsonAccess { value, .. } => value,
            Expr::Interval(interval) => &interval.value,
            Expr::AtTimeZone { timestamp, .. } => timestamp,
            Expr::IsFalse(inner)
            | Expr::IsNotFalse(inner)
            | Expr::IsTrue(inner)
            | Expr::IsNotTrue(inner)
            | Expr::IsNull(inner)
            | Expr::IsNotNull(inner)
            | Expr::IsUnknown(inner)
            | Expr::IsNotUnknown(inner)
            | Expr::Nested(inner) => inner,
            Expr::InList { expr, .. }
            | Expr::InSubquery { expr, .. }
            | Expr::InUnnest { expr, .. }
            | Expr::Between { expr, .. }
            | Expr::Like { expr, .. }
            | Expr::ILike { expr, .. }
            | Expr::SimilarTo { expr, .. }
            | Expr::RLike { expr, .. }
            | Expr::UnaryOp { expr, .. }
            | Expr::Convert { expr, .. }
            | Expr::Cast { expr, .. }
            | Expr::Extract { expr, .. }
            | Expr::Ceil { expr, .. }
            | Expr::Floor { expr, .. }
            | Expr::Position { expr, .. }
            | Expr::Substring { expr, .. }
            | Expr::Trim { expr, .. }
            | Expr::Overlay { expr, .. }
            | Expr::Collate { expr, .. }
            | Expr::IsNormalized { expr, .. } => expr,
            Expr::Tuple(parts) => match parts.first() {
                Some(first) => first,
                None => return START,
            },
            Expr::GroupingSets(sets) | Expr::Cube(sets) | Expr::Rollup(sets) => {
                match sets.first().and_then(|set| set.first()) {
                    Some(first) => first,
                    None => return START,
                }
            }
            _ => return START,
        };
    }
}
