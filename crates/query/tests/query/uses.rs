//! What a question uses, however it is written.

use std::collections::BTreeSet;

use almoner_query::{Family, Uses};

use super::planned;

/// `table.column table.column | FAMILY FAMILY`, sorted.
fn shown(uses: &Uses) -> String {
    let columns: Vec<String> =
        uses.columns.iter().map(|(table, column)| format!("{table}.{column}")).collect();
    let families: BTreeSet<String> = uses.families.iter().map(Family::to_string).collect();
    format!("{} | {}", columns.join(" "), families.into_iter().collect::<Vec<_>>().join(" "))
}

#[test]
fn every_mention_counts_wherever_it_stands() {
    for (sql, uses) in [
        ("SELECT COUNT(*) FROM persons", " | COUNT"),
        ("SELECT COUNT(income) FROM persons", "persons.income | COUNT"),
        ("SELECT COUNT(*) FROM persons WHERE income > 5", "persons.income | COUNT"),
        (
            "SELECT COUNT(*) FROM persons WHERE NOT (poor OR income IS NULL)",
            "persons.income persons.poor | COUNT",
        ),
        ("SELECT COUNT(*) FROM persons WHERE name IN ('a', 'b')", "persons.name | COUNT"),
        ("SELECT COUNT(*) FROM persons WHERE 5 BETWEEN 0 AND income", "persons.income | COUNT"),
        ("SELECT COUNT(*) FROM persons WHERE TRUE OR income > 5", "persons.income | COUNT"),
        ("SELECT COUNT(*) FILTER (WHERE income > 5) FROM persons", "persons.income | COUNT"),
        ("SELECT COUNT(*) FROM persons GROUP BY county", "persons.county | COUNT"),
        ("SELECT county AS c, COUNT(*) FROM persons GROUP BY c ORDER BY c", "persons.county | COUNT"),
        ("SELECT county, COUNT(*) FROM persons GROUP BY 1 ORDER BY county DESC", "persons.county | COUNT"),
        ("SELECT income > 5 AS age, COUNT(*) FROM persons GROUP BY income > 5", "persons.income | COUNT"),
        ("SELECT EXTRACT(YEAR FROM born) AS y, COUNT(*) FROM persons GROUP BY y", "persons.born | COUNT"),
        ("SELECT SUM(income * 0) FROM persons", "persons.income | SUM"),
        ("SELECT SUM(-balance) FROM persons", "persons.balance | SUM"),
        (
            "SELECT SUM(CASE county WHEN 'A' THEN children ELSE age END) FROM persons",
            "persons.age persons.children persons.county | SUM",
        ),
        ("SELECT SUM(CASE WHEN FALSE THEN income ELSE 1 END) FROM persons", "persons.income | SUM"),
        (
            "SELECT AVG(COALESCE(children, LEAST(age, GREATEST(income, 1)))) FROM persons",
            "persons.age persons.children persons.income | AVG",
        ),
        ("SELECT AVG(income, weight => children + 1) FROM persons", "persons.children persons.income | AVG"),
        ("SELECT STDDEV(income) FROM persons", "persons.income | SPREAD"),
        (
            "SELECT POVERTY_GAP(income, CASE WHEN poor THEN 3000 ELSE 4000 END) FROM persons",
            "persons.income persons.poor | POVERTY",
        ),
        (
            "SELECT MEDIAN(income), GINI(balance + 501) FROM persons",
            "persons.balance persons.income | DISTRIBUTION",
        ),
        ("SELECT MPI(1/2, poor, 1/2, children > 3, 1/2) FROM persons", "persons.children persons.poor | MPI"),
        ("SELECT EMPHASIS(AVG(income), 4), COUNT(*) FROM persons", "persons.income | AVG COUNT"),
        ("SELECT COUNT(DISTINCT person_id) FROM persons", "persons.person_id | UNITS"),
        (
            "SELECT COUNT(DISTINCT person_id) FILTER (WHERE poor) FROM persons",
            "persons.person_id persons.poor | UNITS",
        ),
        (
            "SELECT COUNT(*) FROM (SELECT person_id FROM persons WHERE income > 5 EXCEPT SELECT person_id FROM residents WHERE sex = 'f')",
            "persons.income persons.person_id residents.person_id residents.sex | UNITS",
        ),
    ] {
        assert_eq!(shown(planned(sql).uses()), uses, "{sql}");
    }
}

#[test]
fn spelling_hides_no_mention() {
    for sql in [
        "select sum(INCOME) from PERSONS",
        "SELECT SUM(\"income\") FROM \"persons\"",
        "SELECT SUM(persons.income) FROM persons",
        "SELECT SUM(p.income) AS harmless FROM persons AS p",
        "SELECT SUM(harmless.income) AS age FROM persons AS harmless",
        "SELECT /* age */ SUM((((income)))) -- age\nFROM persons",
        "SELECT SUM(income) AS age FROM persons ORDER BY age",
    ] {
        assert_eq!(shown(planned(sql).uses()), "persons.income | SUM", "{sql}");
    }
    assert_eq!(shown(planned("SELECT SUM(\"Order\") FROM persons").uses()), "persons.Order | SUM");
    // A text that looks like a column is none.
    assert_eq!(
        shown(planned("SELECT COUNT(*) FROM persons WHERE name = 'income'").uses()),
        "persons.name | COUNT"
    );
}

#[test]
fn the_normal_form_uses_the_same() {
    for sql in [
        "SELECT county AS c, SUM(CASE WHEN poor THEN income ELSE 0 END) AS s FROM persons WHERE age > 3 GROUP BY c ORDER BY s",
        "SELECT COUNT(*) FROM (SELECT person_id FROM persons WHERE poor INTERSECT SELECT person_id FROM residents)",
    ] {
        let plan = planned(sql);
        assert_eq!(planned(plan.canonical_sql()).uses(), plan.uses(), "{sql}");
    }
}

#[test]
fn families_read_back_and_errors_list_them() {
    for (family, word) in Family::ALL {
        assert_eq!(word.to_lowercase().parse(), Ok(family));
        assert_eq!(family.to_string(), word);
    }
    let error = "MEDIAN".parse::<Family>().expect_err("a name, not a family");
    assert!(error.contains("DISTRIBUTION"), "{error}");
}
