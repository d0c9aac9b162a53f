//! Text written to break the reader. Every test runs on the two megabytes of stack that a worker has.

use almoner_federation::PicoRho;
use almoner_query::{QueryError, plan};
use proptest::prelude::*;

use super::{RHO, manifest, planned, refused};

fn question(condition: &str) -> String {
    format!("SELECT COUNT(*) FROM persons WHERE {condition}")
}

#[test]
fn depth_and_length_are_bounded() {
    let deep: Vec<String> = vec![
        question(&format!("{}age{} = 1", "(".repeat(5_000), ")".repeat(5_000))),
        question(&format!("{}poor", "NOT ".repeat(1_500))),
        question(&format!("{}age = 1", "- ".repeat(1_500))),
        question(&format!("age{} = 1", " + 1".repeat(900))),
        question(&format!("age{} = 1", "+1".repeat(30_000))),
        question(&format!("poor{}", " IS NULL".repeat(950))),
        question(&format!("age = 1{}", "::int".repeat(600))),
        question(&format!("age{} = 1", "[1]".repeat(600))),
        question(&format!("{}age{} = 1", "CASE WHEN poor THEN ".repeat(400), " END".repeat(400))),
        question(&format!("{}age{} = 1", "LEAST(1, ".repeat(40), ")".repeat(40))),
        question(&format!("age = {}", "a.".repeat(900) + "b")),
        format!("SELECT COUNT(*) FROM persons {}", "UNION SELECT 1 ".repeat(600)),
        format!("SELECT COUNT(*) FROM persons {}", "JOIN persons ".repeat(900)),
        format!("{}SELECT 1{}", "(".repeat(900), ")".repeat(900)),
        question(&format!("{}INT{} 'x' = age", "ARRAY<".repeat(600), ">".repeat(600))),
        question(&format!("{}INT{} 'x' = age", "DECIMAL(".repeat(39), ")".repeat(39))),
        question(&format!("{}'x' = age", "INTERVAL ".repeat(600))),
        question(&format!("{}'x' = age", "DATE ".repeat(600))),
        format!("SELECT COUNT(*) FROM {}persons{}", "(".repeat(39), ")".repeat(39)),
        format!("SELECT COUNT(*) FROM {}persons{}", "(persons CROSS APPLY ".repeat(39), ")".repeat(39)),
        format!("SELECT COUNT(*) FROM {}persons{}", "(persons NATURAL ".repeat(39), ")".repeat(39)),
        format!("SELECT COUNT(*) FROM {}persons{}", "(persons STRAIGHT_JOIN ".repeat(39), ")".repeat(39)),
        format!("SELECT COUNT(*) FROM {}persons{}", "(persons CROSS ".repeat(39), ")".repeat(39)),
        "SELECT ".repeat(9_000),
        "'".repeat(60_000),
        "\"".repeat(60_001),
        "/*".repeat(30_000),
        " ".repeat(64 * 1024 + 1),
        question(&format!("name = '{}'", "x".repeat(64 * 1024))),
    ];
    for sql in deep {
        let error = refused(&sql).to_string();
        assert!(error.len() < 400, "an error repeats too much: {error}");
    }
}

/// Parsers that try a second reading where the first fails take twice as long for every level of these.
#[test]
fn what_nests_is_read_once() {
    let nested =
        |open: &str, close: &str| question(&format!("{}age = 1{}", open.repeat(29), close.repeat(29)));
    for (open, close) in [
        ("LEAST(1, ", ")"),
        ("COALESCE(", ", 1)"),
        ("NOT NOT IN (", ")"),
        ("NOT (", ")"),
        ("CASE WHEN ", " THEN poor END"),
        ("CASE ", " WHEN 1 THEN 2 END"),
        ("EXTRACT(YEAR FROM ", ")"),
        ("COUNT(*) FILTER (WHERE ", ")"),
        ("1 IN (", ")"),
        ("age.NOT IN (", ")"),
        ("age.age[", "]"),
        ("(", ")"),
    ] {
        // Only that it ends; without closing brackets the parser fails at the greatest depth.
        for sql in [nested(open, close), nested(open, ""), nested(open, ") oops")] {
            let _ = plan(&manifest(), &sql, RHO);
        }
    }
    let refused_function = refused(&nested("POSITION(", " IN 1)"));
    assert!(matches!(refused_function, QueryError::Unknown { .. }), "{refused_function}");
}

#[test]
fn what_is_long_but_flat_is_planned() {
    let codes: Vec<String> = (0..8_000).map(|i| i.to_string()).collect();
    planned(&question(&format!("age IN ({})", codes.join(","))));
    planned(&question(&vec!["age = 1"; 400].join(" OR ")));
    planned(&question(&vec!["(age = 1 OR poor)"; 300].join(" AND ")));
    planned(&question(&format!("age{} = 1", " + 1".repeat(50))));
}

#[test]
fn what_grows_when_it_is_rendered_is_bounded() {
    // LEAST tests each argument for NULL and so doubles its text at every level.
    let nested = |levels: usize| {
        format!("SELECT SUM({}income{}) FROM persons", "LEAST(age, ".repeat(levels), ")".repeat(levels))
    };
    let plan = planned(&nested(4));
    assert!(plan.sources()[0].sql.len() < 64 * 1024);
    refused(&nested(9));
}

#[test]
fn quotes_comments_and_other_alphabets_stay_inside_their_literals() {
    for text in [
        "'; DROP TABLE persons; --",
        "\\'; SELECT 1",
        "/* */ -- ",
        "ü'县'🙂",
        "\u{202e}abc",
        "%s{}\"",
        "\n\r\t",
    ] {
        let literal = format!("'{}'", text.replace('\'', "''"));
        let plan = planned(&question(&format!("name = {literal}")));
        let expected = format!("(\"name\" = {literal})");
        assert!(plan.sources()[0].sql.contains(&expected), "{text}");
        assert_eq!(planned(plan.canonical_sql()).hash(), plan.hash(), "{text}");
    }
    for sql in [
        "SELECT COUNT(*) FROM persons; DROP TABLE persons",
        "SELECT COUNT(*) FROM persons WHERE name = 'a' 'b'",
        "SELECT COUNT(*) FROM persons WHERE name = 'a\0b'",
        "SELECT COUNT(*) FROM persons WHERE name = \"x'; --\"",
        "SELECT COUNT(*) FROM persons WHERE имя = 'x'",
        "SELECT COUNT(*) AS \"\" FROM persons",
        "SELECT COUNT(*) FROM persons WHERE age = 1e999",
        "SELECT COUNT(*) FROM persons WHERE age = 0x10",
        "SELECT COUNT(*) FROM \"persons\"\"; DROP\"",
        "",
        ";",
        "-- nothing",
    ] {
        refused(sql);
    }
}

#[test]
fn a_syntax_error_tells_where() {
    match refused("SELECT COUNT(*)\nFROM persons\n  WHERE )") {
        QueryError::Syntax { at, message } => {
            assert_eq!((at.line, at.column), (3, 9), "{message}");
            assert!(message.starts_with("Expected: an expression"), "{message}");
        }
        other => panic!("{other}"),
    }
}

#[test]
fn budgets_at_the_ends_are_refused_or_planned() {
    let sql = "SELECT AVG(income), COUNT(*) FROM persons";
    for pico in [0, 1] {
        assert!(matches!(plan(&manifest(), sql, PicoRho::new(pico)), Err(QueryError::Noise(_))), "{pico}");
    }
    for pico in [2, 100_000, u64::MAX] {
        let plan = plan(&manifest(), sql, PicoRho::new(pico)).expect("there is such noise");
        assert!(plan.price() <= plan.rho_limit());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Any text is planned or refused; nothing panics, and an error is short.
    #[test]
    fn any_text_is_answered(sql in "\\PC{0,200}") {
        if let Err(error) = plan(&manifest(), &sql, RHO) {
            prop_assert!(error.to_string().len() < 1_500);
        }
    }

    /// Words of SQL in any order are planned or refused, and what is planned has a normal form.
    #[test]
    fn any_words_are_answered(words in prop::collection::vec(prop::sample::select(WORDS), 0..25)) {
        let sql = format!("SELECT {}", words.join(" "));
        if let Ok(planned) = plan(&manifest(), &sql, RHO) {
            let again = plan(&manifest(), planned.canonical_sql(), RHO).expect("a normal form can be planned");
            prop_assert_eq!(again.hash(), planned.hash());
        }
    }
}

const WORDS: &[&str] = &[
    "SELECT",
    "FROM",
    "persons",
    "WHERE",
    "GROUP",
    "BY",
    "ORDER",
    "LIMIT",
    "COUNT(*)",
    "SUM(",
    "AVG(",
    "age",
    "income",
    "county",
    "poor",
    "born",
    "(",
    ")",
    ",",
    "+",
    "-",
    "*",
    "/",
    "=",
    "<",
    "AND",
    "OR",
    "NOT",
    "CASE",
    "WHEN",
    "THEN",
    "ELSE",
    "END",
    "1",
    "0",
    "'A'",
    "NULL",
    "IS",
    "IN",
    "BETWEEN",
    "COALESCE(",
    "LEAST(",
    "AS",
    "x",
    "FILTER",
    "DISTINCT",
    "HAVING",
    ";",
    "--",
    "/*",
    "\"",
    "'",
    ".",
    "::",
    "EXTRACT(YEAR FROM",
];
