//! One meaning, one text; another meaning, another text; and the text plans to the same plan.

use almoner_query::plan;

use super::{RHO, manifest, planned};

fn canonical(sql: &str) -> String {
    planned(sql).canonical_sql().to_owned()
}

#[test]
fn spellings_of_one_meaning_share_one_text() {
    let groups: [&[&str]; 15] = [
        &[
            "SELECT COUNT(*) FROM (SELECT person_id FROM persons WHERE poor UNION (SELECT person_id FROM residents EXCEPT SELECT person_id FROM persons))",
            "select count( distinct Person_ID ) from ((select p.PERSON_id from persons p where (poor)) union distinct ((select person_id from residents) except select person_id from PERSONS)) as t",
            "SELECT COUNT(person_id) FROM (SELECT person_id FROM persons WHERE NOT NOT poor UNION (SELECT person_id FROM residents EXCEPT SELECT person_id FROM persons)) AS t",
        ],
        &[
            "SELECT county, COUNT(*) FROM persons GROUP BY county",
            "select COUNTY,count( * )\n\tfrom PERSONS group by persons.County;",
            "SELECT p.county, (COUNT(*)) FROM persons AS p GROUP BY 1 -- a remark",
            "SELECT \"county\" AS county, COUNT(*) /* another */ FROM \"persons\" GROUP BY ((county))",
            "SELECT county, COUNT(1) FROM persons GROUP BY county, county",
        ],
        &[
            "SELECT COUNT(*) AS n FROM persons",
            "SELECT COUNT(*) N FROM persons",
            "SELECT COUNT(*) AS \"n\" FROM persons",
        ],
        &[
            "SELECT COUNT(*) FROM persons WHERE age != 3 AND (poor AND county = 'A')",
            "SELECT COUNT(*) FROM persons WHERE (age <> 3.0 AND poor) AND (county = ('A'))",
        ],
        &["SELECT SUM((income * 2) + 1) FROM persons", "SELECT SUM(income*2.00+1) FROM persons"],
        &[
            "SELECT SUM(- - income) FROM persons",
            "SELECT SUM(income) FROM persons",
            "SELECT SUM(+income) FROM persons",
        ],
        &["SELECT COUNT(*) FROM persons WHERE NOT NOT poor", "SELECT COUNT(*) FROM persons WHERE poor"],
        &[
            "SELECT COUNT(*) FROM persons WHERE NOT poor IS NULL",
            "SELECT COUNT(*) FROM persons WHERE poor IS NOT NULL",
        ],
        &[
            "SELECT COUNT(*) FROM persons WHERE born < '2000-02-29'",
            "SELECT COUNT(*) FROM persons WHERE born < DATE '2000-02-29'",
        ],
        &[
            "SELECT COUNT(*) FROM persons WHERE date_part('YEAR', born) = 2000",
            "SELECT COUNT(*) FROM persons WHERE EXTRACT(year FROM born) = 2e3",
        ],
        &[
            "SELECT SUM(CASE WHEN poor THEN 1 ELSE NULL END) FROM persons",
            "SELECT SUM(CASE WHEN poor THEN 1 END) FROM persons",
        ],
        &[
            "SELECT county, COUNT(*) AS n FROM persons GROUP BY county ORDER BY COUNT(*) DESC, county ASC",
            "SELECT county, COUNT(*) AS n FROM persons GROUP BY county ORDER BY n DESC, 1",
            "SELECT county, COUNT(*) AS n FROM persons GROUP BY county ORDER BY 2 DESC, persons.county",
        ],
        &["SELECT COUNT(*) FROM persons LIMIT ALL", "SELECT COUNT(*) FROM persons"],
        &[
            "SELECT SUM(LEAST(income)) FROM persons",
            "SELECT SUM(COALESCE(income)) FROM persons",
            "SELECT SUM(income) FROM persons",
        ],
        &[
            "SELECT COUNT(*) FROM persons WHERE age NOT IN (1, 2)",
            "SELECT COUNT(*) FROM persons WHERE NOT (age IN (1,2))",
        ],
    ];
    for group in groups {
        let first = planned(group[0]);
        for sql in group {
            let other = planned(sql);
            assert_eq!(other.canonical_sql(), first.canonical_sql(), "{sql}");
            assert_eq!(other.hash(), first.hash(), "{sql}");
        }
    }
}

#[test]
fn other_meanings_have_other_texts() {
    let all = [
        "SELECT COUNT(*) FROM persons",
        "SELECT COUNT(*) FROM residents",
        "SELECT COUNT(*) AS n FROM persons",
        "SELECT COUNT(*) AS \"N\" FROM persons",
        "SELECT COUNT(age) FROM persons",
        "SELECT COUNT(*) FROM persons WHERE poor",
        "SELECT COUNT(*) FILTER (WHERE poor) FROM persons",
        "SELECT COUNT(*) FROM persons WHERE NOT poor",
        "SELECT COUNT(*) FROM persons WHERE poor OR age > 3 AND county = 'A'",
        "SELECT COUNT(*) FROM persons WHERE (poor OR age > 3) AND county = 'A'",
        "SELECT COUNT(*) FROM persons WHERE age > 3",
        "SELECT COUNT(*) FROM persons WHERE age >= 3",
        "SELECT COUNT(*) FROM persons WHERE county = 'a'",
        "SELECT COUNT(*) FROM persons WHERE county = 'A'",
        "SELECT COUNT(*) FROM persons WHERE county = 'A '",
        "SELECT SUM(income - balance - 1) FROM persons",
        "SELECT SUM(income - (balance - 1)) FROM persons",
        "SELECT SUM(income * balance / 2) FROM persons",
        "SELECT SUM(income * (balance / 2)) FROM persons",
        "SELECT SUM(-income * 2) FROM persons",
        "SELECT SUM(-(income * 2)) FROM persons",
        "SELECT county, COUNT(*) FROM persons GROUP BY county",
        "SELECT county, COUNT(*) FROM persons GROUP BY county ORDER BY 2",
        "SELECT county, COUNT(*) FROM persons GROUP BY county ORDER BY 2 DESC",
        "SELECT county, COUNT(*) FROM persons GROUP BY county ORDER BY 2 DESC LIMIT 1",
        "SELECT county, COUNT(*) FROM persons GROUP BY county, poor",
        "SELECT county, COUNT(*) FROM persons GROUP BY poor, county",
    ];
    for (i, left) in all.iter().enumerate() {
        for right in &all[i + 1..] {
            assert_ne!(canonical(left), canonical(right), "{left} / {right}");
            assert_ne!(planned(left).hash(), planned(right).hash(), "{left} / {right}");
        }
    }
}

#[test]
fn the_normal_form_plans_to_the_same_plan() {
    for sql in [
        "SELECT \"Order\" / 2 > 3 AS \"SELECT\", COUNT(*) AS \"a\"\"b c\" FROM persons GROUP BY 1 ORDER BY \"a\"\"b c\"",
        "SELECT COUNT(*) FROM persons WHERE name = 'O''Brien; DROP TABLE persons; --'",
        "SELECT SUM(-(-5 - income) * -(2.50)) FROM persons WHERE NOT (age BETWEEN -1 AND 3 + 4) AND (poor OR age + 1 IS NULL)",
        "SELECT CASE county WHEN 'A' THEN 'x' WHEN 'B' THEN 'y' END AS c, AVG(LEAST(income, 0.000000000000000001)) FROM persons GROUP BY c",
        "SELECT COALESCE(county, '?'), COUNT(*) FROM persons WHERE (CASE WHEN poor THEN age ELSE 1 END) IN (1, 2.5, -3) GROUP BY 1",
        "SELECT poor = TRUE AS p, COUNT(*) FILTER (WHERE NOT (poor AND age = 1 OR FALSE)) AS n FROM persons GROUP BY p",
        "SELECT SUM(income - (balance - (1 - age)) / 4) FROM persons WHERE (age = 1) = (poor = TRUE)",
        "SELECT EXTRACT(MONTH FROM COALESCE(born, DATE '1999-01-31')) AS m, COUNT(*) FROM persons GROUP BY m",
    ] {
        let once = planned(sql);
        let again = plan(&manifest(), once.canonical_sql(), RHO)
            .unwrap_or_else(|error| panic!("{}: {error}", once.canonical_sql()));
        assert_eq!(again.canonical_sql(), once.canonical_sql());
        assert_eq!(again.describe(), once.describe());
    }
}

#[test]
fn the_source_is_never_the_planners_text() {
    let plan = planned("SELECT COUNT(*) FROM persons WHERE name = 'x'' OR TRUE --' /* secret */");
    let source = &plan.sources()[0].sql;
    assert!(source.contains("(\"name\" = 'x'' OR TRUE --')"), "{source}");
    assert!(!source.contains("secret"), "{source}");
}

/// A value that may be a division by zero is not there in every row.
#[test]
fn a_count_of_quotients_is_no_count_of_rows() {
    for (sql, rows) in [
        ("SELECT COUNT(1 / COALESCE(children, 0)) FROM persons", false),
        ("SELECT COUNT(COALESCE(children, 0) / 2) FROM persons", true),
        ("SELECT COUNT(CASE WHEN poor THEN 1 ELSE 1 / COALESCE(age, 0) END) FROM persons", false),
    ] {
        let planned = plan(&manifest(), sql, RHO);
        let counts_rows = planned.is_ok_and(|plan| plan.canonical_sql().contains("COUNT(*)"));
        assert_eq!(counts_rows, rows, "{sql}");
    }
}
