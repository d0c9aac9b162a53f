//! What is not supported is refused by name, with its place and a way on.

use almoner_query::QueryError;

use super::refused;

/// SQL, what the error must name, where (line, column), and a part of the advice.
const REFUSED: &[(&str, &str, (u64, u64), &str)] = &[
    ("SELECT COUNT(*) FROM persons JOIN residents ON TRUE", "JOIN", (1, 30), "each table by itself"),
    ("SELECT COUNT(*) FROM persons, residents", "a join (a second table)", (1, 31), "each table"),
    ("SELECT COUNT(*) FROM (SELECT 1) AS t", "a SELECT without FROM", (1, 23), "FROM t"),
    ("SELECT COUNT(*) FROM persons WHERE age IN (SELECT 1)", "a second SELECT", (1, 44), "list literals"),
    ("SELECT COUNT(*) FROM persons WHERE EXISTS (SELECT 1)", "EXISTS", (1, 36), "one question"),
    ("SELECT county, COUNT(*)\nFROM persons GROUP BY county\nHAVING COUNT(*) > 5", "HAVING", (3, 1), "WHERE"),
    ("SELECT DISTINCT county FROM persons", "DISTINCT", (1, 8), "GROUP BY"),
    (
        "SELECT COUNT(DISTINCT county) FROM persons",
        "COUNT(DISTINCT ...)",
        (1, 8),
        "COUNT(DISTINCT person_id)",
    ),
    (
        "SELECT COUNT(DISTINCT person_id), COUNT(*) FROM persons",
        "COUNT beside COUNT(DISTINCT person_id)",
        (1, 35),
        "a question of its own",
    ),
    (
        "SELECT COUNT(*) FROM (SELECT person_id FROM persons UNION SELECT person_id FROM residents FOR UPDATE)",
        "FOR",
        (1, 91),
        "nothing",
    ),
    (
        "SELECT COUNT(*) FROM (SELECT person_id FROM persons UNION SELECT person_id FROM residents FETCH FIRST 5 ROWS ONLY)",
        "FETCH",
        (1, 91),
        "LIMIT",
    ),
    (
        "SELECT COUNT(*) FROM (SELECT person_id FROM persons)",
        "a subquery without a set operation",
        (1, 1),
        "COUNT(DISTINCT person_id)",
    ),
    (
        "SELECT SUM(age) FROM (SELECT person_id FROM persons)",
        "this over a set of units",
        (1, 8),
        "SELECT COUNT(*) FROM",
    ),
    (
        "SELECT COUNT(*) FROM (SELECT age FROM persons)",
        "a set of anything but units",
        (1, 30),
        "SELECT person_id",
    ),
    (
        "SELECT COUNT(*) FROM (SELECT person_id FROM persons UNION ALL SELECT person_id FROM residents)",
        "ALL",
        (1, 59),
        "once",
    ),
    (
        "SELECT COUNT(*) FROM (SELECT person_id FROM persons INTERSECT SELECT person_id FROM residents) WHERE 1 = 1",
        "a clause beside",
        (1, 1),
        "INTERSECT",
    ),
    (
        "SELECT COUNT(*) FROM (SELECT person_id FROM persons LIMIT 3)",
        "ORDER BY or LIMIT inside a set",
        (1, 1),
        "no order",
    ),
    ("SELECT SUM(DISTINCT age) FROM persons", "SUM(DISTINCT ...)", (1, 8), "COUNT"),
    ("SELECT SUM(age) OVER (PARTITION BY county) FROM persons", "OVER", (1, 17), "group by"),
    ("SELECT * FROM persons", "*", (1, 8), "COUNT(*)"),
    ("SELECT persons.* FROM persons", "*", (1, 8), "COUNT(*)"),
    ("SELECT COUNT(*) FROM persons UNION SELECT COUNT(*) FROM persons", "UNION", (1, 30), "one question"),
    ("SELECT COUNT(*) FROM persons EXCEPT SELECT 1", "EXCEPT", (1, 30), "WHERE"),
    ("WITH t AS (SELECT 1) SELECT COUNT(*) FROM t", "WITH (a common table expression)", (1, 1), "one SELECT"),
    ("SELECT MODE(income) FROM persons", "MODE", (1, 8), "MEDIAN(x)"),
    ("SELECT 1 + MAX(income) FROM persons", "MAX", (1, 12), "bands"),
    ("SELECT CORR(income, age) FROM persons", "CORR", (1, 8), "AVG(x * y)"),
    (
        "SELECT SUM(income) / COUNT(*) FROM persons",
        "SUM inside an expression or a condition",
        (1, 8),
        "AVG(x)",
    ),
    ("SELECT COUNT(*) FROM persons WHERE COUNT(*) > 1", "COUNT inside an expression", (1, 36), "output"),
    ("SELECT SUM(ABS(balance)) FROM persons", "ABS", (1, 12), "GREATEST(x, -x)"),
    ("SELECT SUM(FLOOR(income)) FROM persons", "FLOOR", (1, 12), "bands"),
    ("SELECT SUM(ROUND(income)) FROM persons", "ROUND", (1, 12), "bands"),
    ("SELECT SUM(NULLIF(income, 0)) FROM persons", "NULLIF", (1, 12), "CASE"),
    ("SELECT COUNT(*) FROM persons WHERE born < NOW()", "NOW", (1, 43), "literal"),
    ("SELECT COUNT(*) FROM persons WHERE name LIKE 'A%'", "pattern matching", (1, 36), "IN"),
    ("SELECT COUNT(*) FROM persons WHERE name || 'x' = 'y'", "the operator ||", (1, 36), "both columns"),
    ("SELECT COUNT(*) FROM persons WHERE age % 2 = 0", "the operator %", (1, 36), "CASE"),
    ("SELECT COUNT(*) FROM persons WHERE CAST(age AS TEXT) = '1'", "CAST", (1, 36), "types"),
    ("SELECT COUNT(*) FROM persons WHERE age::text = '1'", "a cast", (1, 39), "types"),
    ("SELECT COUNT(*) FROM persons WHERE poor IS TRUE", "IS TRUE and IS FALSE", (1, 36), "COALESCE"),
    ("SELECT COUNT(*) FROM persons WHERE age = NULL", "NULL as a value", (1, 42), "IS NULL"),
    ("SELECT COUNT(*) FROM persons WHERE name < 'M'", "an order on text values", (1, 36), "IN"),
    ("SELECT COUNT(*) FROM persons WHERE poor > FALSE", "an order on boolean values", (1, 36), "="),
    ("SELECT COUNT(*) FROM persons WHERE age IN (1, age)", "an expression in an IN list", (1, 47), "OR"),
    ("SELECT COUNT(*) FROM persons WHERE EXTRACT(HOUR FROM born) = 1", "EXTRACT(HOUR)", (1, 54), "YEAR"),
    ("SELECT COUNT(*) FROM persons WHERE age = $1", "a placeholder", (1, 42), "write the value"),
    (
        "SELECT COUNT(*) FROM persons WHERE born > TIMESTAMP '2000-01-01'",
        "this typed literal",
        (1, 53),
        "DATE",
    ),
    (
        "SELECT COUNT(*) FROM persons WHERE born > DATE '2000-01-01' + INTERVAL '1 day'",
        "an interval",
        (1, 63),
        "DATE",
    ),
    ("SELECT county, COUNT(*) FROM persons GROUP BY ROLLUP (county)", "ROLLUP", (1, 47), "one question"),
    ("SELECT COUNT(*) FROM persons ORDER BY 1 NULLS FIRST", "NULLS FIRST, NULLS LAST", (1, 41), "last"),
    ("SELECT COUNT(*) FROM persons LIMIT 3 OFFSET 1", "OFFSET", (1, 38), "LIMIT"),
    ("SELECT COUNT(*) FROM persons FETCH FIRST 3 ROWS ONLY", "FETCH", (1, 30), "LIMIT"),
    ("SELECT COUNT(*) FROM persons FOR UPDATE", "FOR", (1, 30), "nothing"),
    ("SELECT COUNT(*) INTO t FROM persons", "INTO", (1, 17), "--format csv"),
    ("SELECT COUNT(*) FROM public.persons", "a qualified table name", (1, 22), "alone"),
    ("SELECT 1", "a SELECT without FROM", (1, 1), "FROM"),
    ("INSERT INTO persons VALUES (1)", "a statement other than SELECT", (1, 1), "SELECT"),
    ("DROP TABLE persons", "a statement other than SELECT", (1, 1), "SELECT"),
    ("VALUES (1)", "a statement other than SELECT", (1, 1), "SELECT"),
];

#[test]
fn every_unsupported_construct_is_named_placed_and_answered() {
    let mut wrong = Vec::new();
    for (sql, named, place, advice) in REFUSED {
        let error = refused(sql);
        let right = matches!(&error, QueryError::Unsupported { at, what, instead }
            if what.starts_with(named) && (at.line, at.column) == *place && instead.contains(advice));
        if !right {
            wrong.push(format!("{sql}: {error}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn unknown_names_come_with_their_neighbours() {
    for (sql, text) in [
        (
            "SELECT COUNT(*) FROM person",
            "line 1, column 22: unknown table \"person\"; did you mean \"persons\"?",
        ),
        (
            "SELECT AVG(incmoe) FROM persons",
            "line 1, column 12: unknown column \"incmoe\"; did you mean \"income\"?",
        ),
        (
            "SELECT SUMM(income) FROM persons",
            "line 1, column 8: unknown function \"SUMM\"; did you mean \"SUM\"?",
        ),
        (
            "SELECT COUNT(*) FROM persons WHERE q.age = 1",
            "line 1, column 36: unknown table \"q\"; there is persons",
        ),
        (
            "SELECT COUNT(*) AS n FROM persons ORDER BY m",
            "line 1, column 44: unknown output \"m\"; there is n",
        ),
        ("SELECT COUNT(*) FROM zzz", "line 1, column 22: unknown table \"zzz\"; there is persons, residents"),
    ] {
        assert_eq!(refused(sql).to_string(), text, "{sql}");
    }
}

#[test]
fn wrong_types_and_missing_bounds_are_explained() {
    for (sql, message, remedy) in [
        ("SELECT SUM(county) FROM persons", "SUM needs a number, found a text", "COUNT(x)"),
        ("SELECT AVG(poor) FROM persons", "AVG needs a number, found a boolean", "FILTER (WHERE x)"),
        ("SELECT COUNT(*) FROM persons WHERE income", "expected a boolean, found a number", "x > 0"),
        ("SELECT COUNT(*) FROM persons WHERE age = '5'", "expected a number, found a text", "without quotes"),
        ("SELECT COUNT(*) FROM persons WHERE poor = 1", "expected a boolean", "comparison"),
        (
            "SELECT COUNT(*) FROM persons WHERE born = 'tomorrow'",
            "\"tomorrow\" is not a date",
            "DATE 'YYYY-MM-DD'",
        ),
        (
            "SELECT COUNT(*) FROM persons WHERE born = DATE '2001-02-29'",
            "\"2001-02-29\" is not a date",
            "DATE",
        ),
        (
            "SELECT SUM(income / children) FROM persons",
            "this divides by a value that may be 0",
            "GREATEST(x, 1)",
        ),
        (
            "SELECT COUNT(income / children) FROM persons",
            "this divides by a value that may be 0",
            "GREATEST(x, 1)",
        ),
        (
            "SELECT SUM(income*income*income*income * 1000000000000) FROM persons",
            "this can pass 10^30",
            "LEAST",
        ),
        (
            "SELECT COUNT(*) FROM persons WHERE income*income*income*income*income > 1",
            "beyond 2^450",
            "fewer columns",
        ),
        (
            "SELECT name, COUNT(*) FROM persons GROUP BY name",
            "\"name\" has no domain in the manifest",
            "CASE",
        ),
        (
            "SELECT balance, COUNT(*) FROM persons GROUP BY balance",
            "\"balance\" is a number without bands",
            "bands",
        ),
        ("SELECT income / 2, COUNT(*) FROM persons GROUP BY 1", "this key is not a whole number", "EXTRACT"),
        ("SELECT born, COUNT(*) FROM persons GROUP BY born", "a date has too many values", "EXTRACT"),
        ("SELECT \"Order\", COUNT(*) FROM persons GROUP BY 1", "more than 10000 values", "bands"),
        ("SELECT county, COUNT(*) FROM persons", "county is neither a key nor an aggregate", "GROUP BY"),
        ("SELECT county FROM persons GROUP BY county", "nothing is measured", "COUNT(*)"),
        ("SELECT COUNT(*), COUNT(*) FROM persons", "two outputs are named \"COUNT(*)\"", "AS"),
        ("SELECT COUNT(*) FROM persons GROUP BY 2", "there is no output number 2", "from 1 to 1"),
        ("SELECT COUNT(*) FROM persons GROUP BY 'x'", "a constant cannot be a key", "columns"),
        ("SELECT COUNT(*) AS n FROM persons GROUP BY n", "an aggregate cannot be a key", "columns"),
        ("SELECT COUNT(person_id) FROM persons", "identifies the privacy unit", "COUNT(*)"),
        ("SELECT COUNT(*) FROM persons LIMIT 1 + 1", "LIMIT needs a whole number", "LIMIT 10"),
        ("SELECT SUM(1e19) FROM persons", "\"1e19\" has too many digits", "18"),
        ("SELECT SUM(0.0000000000000000001) FROM persons", "too many digits", "18"),
        ("SELECT SUM(CASE WHEN poor THEN NULL END) FROM persons", "every result is NULL", "value"),
        ("SELECT SUM(COALESCE()) FROM persons", "COALESCE does not take 0 arguments", "COALESCE(x, 0)"),
        ("SELECT SUM(age, 1) FROM persons", "SUM does not take these arguments", "SUM(x)"),
        ("SELECT SUM(age, weight => 1) FROM persons", "SUM takes no weight", "SUM(x * weight)"),
        ("SELECT GINI() FROM persons", "GINI does not take these arguments", "GINI(x, weight)"),
        ("SELECT GINI(age, 1, 2) FROM persons", "GINI does not take these arguments", "GINI(x)"),
        ("SELECT AVG(age, poor) FROM persons", "a weight is a number", "column"),
        (
            "SELECT AVG(age, balance) FROM persons",
            "a weight must not be able to be negative",
            "GREATEST(w, 0)",
        ),
        ("SELECT AVG(age, 0) FROM persons", "nor always be 0", "GREATEST"),
        ("SELECT PERCENTILE(age, 1) FROM persons", "between 0 and 1", "0.9"),
        ("SELECT PERCENTILE(age, income) FROM persons", "the same for everyone", "0.6"),
        ("SELECT PERCENTILE(age, fixed) FROM persons", "the same for everyone", "0.6"),
        ("SELECT AT_RISK_OF_POVERTY(income, 0) FROM persons", "above 0", "0.6"),
        ("SELECT POVERTY_GAP(income, balance) FROM persons", "a line that may be -", "GREATEST(line, 1)"),
        ("SELECT POVERTY_GAP(income, 0) FROM persons", "a line that may be 0", "GREATEST(line, 1)"),
        ("SELECT MEDIAN_POVERTY_GAP(income, -5) FROM persons", "a line that may be -5", "positive"),
        ("SELECT MPI(1/3, poor) FROM persons", "does not take these arguments", "indicator1"),
        ("SELECT MPI(0, poor, 1) FROM persons", "the cutoff lies above 0", "1/3"),
        ("SELECT MPI(1.1, poor, 1) FROM persons", "the cutoff lies above 0", "1/3"),
        ("SELECT MPI(1/3, age, 1) FROM persons", "expected a boolean, found a number", "x > 0"),
        ("SELECT MPI(1/3, poor, 0) FROM persons", "is positive", "1/6"),
        (
            "SELECT MPI(1/3, poor, 0.12345, age > 3, 0.54321) FROM persons",
            "more than 4095 scores",
            "common denominator",
        ),
        (
            "SELECT POVERTY_HEADCOUNT(income, 200000) FROM persons",
            "the line may lie above 100000",
            "LEAST(line, 100000)",
        ),
        (
            "SELECT POVERTY_GAP(income, age * 900) FROM persons WHERE age > 0",
            "gap to a line that may be 0",
            "GREATEST",
        ),
        ("SELECT POVERTY_HEADCOUNT(income, age * 900) FROM persons", "the line may lie above", "LEAST(line"),
        ("SELECT MEDIAN_POVERTY_GAP(income, 100001) FROM persons", "the line may lie above", "larger range"),
        ("SELECT EMPHASIS(AVG(age), 2000) FROM persons", "an emphasis lies between", "counts"),
        ("SELECT EMPHASIS(EMPHASIS(AVG(age), 2), 2) FROM persons", "these arguments", "EMPHASIS(AVG(x), 4)"),
        ("SELECT EMPHASIS(AVG(age), 2) FILTER (WHERE poor) FROM persons", "these arguments", "EMPHASIS"),
        ("SELECT EMPHASIS(age, 2) FROM persons", "these arguments", "EMPHASIS"),
        ("SELECT LORENZ(income), COUNT(*) AS p FROM persons", "adds a column \"p\"", "AS"),
    ] {
        match refused(sql) {
            QueryError::Invalid { message: found, remedy: advice, .. } => {
                assert!(found.contains(message), "{sql}: {found}");
                assert!(advice.contains(remedy), "{sql}: {advice}");
            }
            other => panic!("{sql}: {other}"),
        }
    }
}

#[test]
fn too_many_cells_are_refused_with_their_sizes() {
    let sql = "SELECT COUNT(*), AVG(age) FROM residents GROUP BY district, age, sex, age + 1, age > 3";
    let error = refused(sql);
    assert!(matches!(error, QueryError::TooLarge { .. }), "{error}");
    assert!(error.to_string().contains("53 of district times 121 of age times 2 of sex"), "{error}");
}
