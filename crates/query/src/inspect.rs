//! What is refused before the parser sees it: texts that are too long or nest too deeply, and constructs
//! whose grammar recurses without a bound, or reads the same words again at every level.
//!
//! After this the parser meets one SELECT over words, literals, parentheses, CASE and the known functions.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan};

use crate::QueryError;
use crate::lower::unsupported;
use crate::parse::{MAX_NESTING, syntax};
use crate::places::{START, start};
use crate::refuse;

/// Most words and operators. Each may add one level to the parser's tree, and a tree is dropped by
/// recursion; commas, parentheses and literals are free, so that a list of 10,000 codes is none.
const MAX_WORDS: usize = 2_000;

/// Most SELECTs where sets of units are compared.
const MAX_SELECTS: usize = 16;

/// Functions whose arguments stand twice in the source query, or in what engines make of it, so that
/// each level of nesting doubles it.
const DOUBLING: [&str; 3] = ["COALESCE", "LEAST", "GREATEST"];
/// Deepest nesting of those.
const MAX_DOUBLING: usize = 4;

/// Looks at every word of a question once.
///
/// # Errors
/// `Syntax` when it is empty, too long or too deep; `Unsupported` or `Unknown` for what no question holds.
pub(crate) fn inspect(tokens: &[TokenWithSpan]) -> Result<(), QueryError> {
    let mut tokens =
        tokens.iter().filter(|token| !matches!(token.token, Token::Whitespace(_) | Token::EOF)).peekable();
    match tokens.peek() {
        None => return Err(syntax(START, "the question is empty".into())),
        Some(first) if keyword(first) == Keyword::WITH => {}
        Some(first) if keyword(first) != Keyword::SELECT => {
            let (what, instead) = ("a statement other than SELECT", "ask SELECT keys, aggregates FROM table");
            return Err(unsupported(start(first.span), what, instead));
        }
        Some(_) => {}
    }
    let (mut words, mut nesting, mut selects) = (0usize, 0usize, 0usize);
    // For each open parenthesis, whether it holds the arguments of a function that doubles them.
    let (mut doubling, mut doubles) = (Vec::new(), false);
    // Whether sets of units are compared, which takes several SELECTs in the parentheses after FROM.
    let (mut sets, mut after_from) = (false, false);
    while let Some(token) = tokens.next() {
        let at = start(token.span);
        words += usize::from(is_word_or_operator(&token.token));
        if words > MAX_WORDS {
            return Err(syntax(at, format!("the question has more than {MAX_WORDS} words and operators")));
        }
        nesting = match (&token.token, keyword(token)) {
            (Token::LParen, _) | (_, Keyword::CASE) => nesting + 1,
            (Token::RParen, _) | (_, Keyword::END) => nesting.saturating_sub(1),
            _ => nesting,
        };
        match &token.token {
            Token::LParen => doubling.push(std::mem::take(&mut doubles)),
            Token::RParen => drop(doubling.pop()),
            _ => doubles = DOUBLING.contains(&word(token).to_uppercase().as_str()),
        }
        if doubling.iter().filter(|doubles| **doubles).count() > MAX_DOUBLING {
            let message = format!("{} nest deeper than {MAX_DOUBLING} levels", DOUBLING.join(", "));
            return Err(syntax(at, message));
        }
        if nesting > MAX_NESTING {
            return Err(syntax(at, format!("the question nests deeper than {MAX_NESTING} levels")));
        }
        selects += usize::from(keyword(token) == Keyword::SELECT);
        sets |= after_from && token.token == Token::LParen;
        after_from = keyword(token) == Keyword::FROM;
        if let Some((what, instead)) = refused(token, selects, sets) {
            return Err(unsupported(at, what, instead));
        }
        let next = tokens.peek();
        if token.token == Token::Period && !next.is_some_and(|next| is_name(&next.token)) {
            return Err(unsupported(
                at,
                "this after a dot",
                "write table.column, in double quotes if it is a keyword",
            ));
        }
        let called = next.is_some_and(|next| next.token == Token::LParen);
        if let Token::Word(word) = &token.token
            && called
            && !BEFORE_PARENTHESIS.contains(&word.keyword)
            && !refuse::is_known(&word.value.to_uppercase())
        {
            return Err(refuse::function(&word.value.to_uppercase(), at));
        }
    }
    Ok(())
}

/// Words of the grammar after which a parenthesis is no function call.
const BEFORE_PARENTHESIS: &[Keyword] = &[
    Keyword::ALL,
    Keyword::AND,
    Keyword::BETWEEN,
    Keyword::BY,
    Keyword::CASE,
    Keyword::DISTINCT,
    Keyword::ELSE,
    Keyword::EXCEPT,
    Keyword::FILTER,
    Keyword::FROM,
    Keyword::HAVING,
    Keyword::ILIKE,
    Keyword::IN,
    Keyword::INTERSECT,
    Keyword::LIKE,
    Keyword::LIMIT,
    Keyword::NOT,
    Keyword::OFFSET,
    Keyword::OR,
    Keyword::SELECT,
    Keyword::THEN,
    Keyword::UNION,
    Keyword::WHEN,
    Keyword::WHERE,
];

/// What a single word or sign gives away, with the nearest thing that works.
fn refused(token: &TokenWithSpan, selects: usize, sets: bool) -> Option<(&'static str, &'static str)> {
    match token.token {
        Token::DoubleColon => return Some(("a cast", "columns already have the manifest's types")),
        Token::LBracket | Token::LBrace => {
            return Some(("a nested value", "use the columns that the manifest declares"));
        }
        _ => {}
    }
    Some(match keyword(token) {
        Keyword::SELECT | Keyword::UNION | Keyword::EXCEPT | Keyword::INTERSECT
            if sets && selects <= MAX_SELECTS =>
        {
            return None;
        }
        Keyword::SELECT if selects > 1 => {
            ("a second SELECT", "ask one question of one table; list literals in IN (...)")
        }
        Keyword::WITH => ("WITH (a common table expression)", "ask one SELECT of one table"),
        Keyword::UNION => ("UNION", "ask one question at a time, or group by a CASE"),
        Keyword::EXCEPT => ("EXCEPT", "filter rows with WHERE"),
        Keyword::INTERSECT => ("INTERSECT", "filter rows with WHERE"),
        Keyword::JOIN => ("JOIN", "ask each table by itself"),
        Keyword::LATERAL => ("LATERAL", "ask one table"),
        Keyword::INTERVAL => ("an interval", "write the resulting DATE literal"),
        Keyword::ARRAY | Keyword::STRUCT | Keyword::MAP => {
            ("a nested value", "use the columns that the manifest declares")
        }
        _ => return None,
    })
}

/// Whether this can follow a dot: a name that begins no construct of its own, or a star.
fn is_name(token: &Token) -> bool {
    match token {
        Token::Word(word) => {
            !BEFORE_PARENTHESIS.contains(&word.keyword)
                && (word.quote_style.is_some()
                    || !refuse::FUNCTIONS.contains(&word.value.to_uppercase().as_str()))
        }
        Token::Mul => true,
        _ => false,
    }
}

/// The text of a word; empty for anything else.
fn word(token: &TokenWithSpan) -> &str {
    match &token.token {
        Token::Word(word) => &word.value,
        _ => "",
    }
}

/// The keyword that an unquoted word is.
fn keyword(token: &TokenWithSpan) -> Keyword {
    match &token.token {
        Token::Word(word) => word.keyword,
        _ => Keyword::NoKeyword,
    }
}

fn is_word_or_operator(token: &Token) -> bool {
    !matches!(
        token,
        Token::Comma | Token::LParen | Token::RParen | Token::Number(..) | Token::SingleQuotedString(_)
    )
}
