//! SQL text to a syntax tree with positions, within bounds that keep every later recursion shallow.

use sqlparser::ast::Query;
use sqlparser::dialect::Dialect;
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Token, Tokenizer};

use crate::QueryError;
use crate::error::Position;
use crate::inspect::inspect;
use crate::near::echo;
use crate::places::{Places, START, place, start};

/// Longest question, in bytes.
pub(crate) const MAX_TEXT_BYTES: usize = 64 * 1024;

/// Deepest nesting of parentheses and `CASE`. It bounds what doubles at every level: LEAST and GREATEST
/// mention each argument twice in the source query, and engines rewrite COALESCE so.
pub(crate) const MAX_NESTING: usize = 10;

/// Deepest recursion of the parser, prefix operators included.
const MAX_RECURSION: usize = 50;

/// Standard SQL with FILTER on aggregates and nothing else. In other dialects, PostgreSQL's among them, the
/// parser tries a second reading where a first one fails, of a function's arguments and of words like NOT
/// or CASE, anew at every level of nesting: forty nested calls would take it years. Here every word has
/// one reading.
#[derive(Debug)]
struct Standard;

impl Dialect for Standard {
    fn is_identifier_start(&self, ch: char) -> bool {
        ch.is_alphabetic() || ch == '_'
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        ch.is_alphanumeric() || ch == '_'
    }

    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        ch == '"'
    }

    fn is_reserved_for_identifier(&self, _: Keyword) -> bool {
        true
    }

    fn supports_filter_during_aggregation(&self) -> bool {
        true
    }
}

/// A parsed question and the places of its words.
pub(crate) struct Parsed {
    pub(crate) query: Box<Query>,
    pub(crate) places: Places,
}

/// Reads exactly one query.
///
/// # Errors
/// `Syntax` with the place where reading stopped; `Unsupported` for what has no place in a question.
pub(crate) fn parse(sql: &str) -> Result<Parsed, QueryError> {
    if sql.len() > MAX_TEXT_BYTES {
        return Err(syntax(START, format!("the question is longer than {MAX_TEXT_BYTES} bytes")));
    }
    let dialect = Standard;
    let tokens = Tokenizer::new(&dialect, sql)
        .tokenize_with_location()
        .map_err(|error| syntax(place(error.location), echo(&error.message)))?;
    inspect(&tokens)?;
    let mut parser =
        Parser::new(&dialect).with_recursion_limit(MAX_RECURSION).with_tokens_with_locations(tokens.clone());
    let places = Places::new(tokens);
    let refuse = |error: ParserError| match error {
        ParserError::RecursionLimitExceeded => syntax(START, "the question nests too deeply".into()),
        ParserError::ParserError(message) | ParserError::TokenizerError(message) => {
            let (message, at) = split_place(&message);
            syntax(at, echo(message))
        }
    };
    let query = parser.parse_query().map_err(refuse)?;
    while parser.consume_token(&Token::SemiColon) {}
    let next = parser.peek_token();
    if next.token != Token::EOF {
        return Err(syntax(
            start(next.span),
            format!(
                "expected the end of the question, found {}; ask one question at a time",
                echo(&next.token.to_string())
            ),
        ));
    }
    Ok(Parsed { query, places })
}

pub(crate) fn syntax(at: Position, message: String) -> QueryError {
    QueryError::Syntax { at, message }
}

/// sqlparser ends its messages with ` at Line: L, Column: C`.
fn split_place(message: &str) -> (&str, Position) {
    let read = || {
        let (text, place) = message.rsplit_once(" at Line: ")?;
        let (line, column) = place.split_once(", Column: ")?;
        Some((text, Position { line: line.parse().ok()?, column: column.parse().ok()? }))
    };
    read().unwrap_or((message, START))
}
