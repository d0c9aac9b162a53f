//! Plans pinned word for word in `tests/golden/*.txt`. When a plan is meant to change, run the tests once
//! with `ALMONER_BLESS=1` in the environment: it rewrites the files, and the difference is read in review.

use std::path::PathBuf;

use almoner_query::plan;

use super::{RHO, planned, territories};

const QUESTIONS: [(&str, &str); 19] = [
    ("count", "SELECT COUNT(*) FROM persons"),
    (
        "count_by_county",
        "SELECT county, COUNT(*) AS people FROM persons WHERE age >= 18 GROUP BY county ORDER BY people DESC LIMIT 2",
    ),
    ("sum_by_band", "SELECT age, SUM(income) FROM persons GROUP BY age"),
    (
        "average_with_count_and_sum",
        "SELECT county, poor, AVG(income) AS mean, COUNT(income) AS n, SUM(income) AS total FROM persons GROUP BY county, poor ORDER BY mean",
    ),
    ("average_beside_all_rows", "SELECT COUNT(*), AVG(balance) FROM persons"),
    (
        "filters",
        "SELECT COUNT(*) FILTER (WHERE poor) AS poor, COUNT(*) FILTER (WHERE NOT poor) AS others, COUNT(name) FROM persons",
    ),
    (
        "expressions",
        "SELECT SUM(GREATEST(4000 - income, 0)) AS gap, AVG(CASE WHEN poor THEN 1 ELSE 0 END) AS share, SUM(COALESCE(balance, 0) * 12) AS yearly, SUM(income / GREATEST(children, 1)) AS per_child FROM persons WHERE born BETWEEN '1950-01-01' AND DATE '1999-12-31' AND county IN ('A', 'it''s')",
    ),
    ("years", "SELECT EXTRACT(YEAR FROM born) AS year, COUNT(*) FROM persons GROUP BY year"),
    (
        "case_key",
        "SELECT CASE WHEN income < 1000 THEN 'low' WHEN income < 5000 THEN 'middle' ELSE 'high' END AS class, income > 90000 AS rich, children, COUNT(*) FROM persons GROUP BY 1, 2, children",
    ),
    ("number_bands", "SELECT income, COUNT(*) FROM persons GROUP BY income"),
    ("long_domain_disjoint", "SELECT district, sex, COUNT(*) FROM residents GROUP BY district, sex"),
    (
        "spread_with_mean",
        "SELECT county, AVG(balance), STDDEV(balance) AS sd, VAR_POP(balance), COUNT(balance) AS n, SUM(balance) AS total FROM persons GROUP BY county",
    ),
    (
        "poverty",
        "SELECT POVERTY_HEADCOUNT(income, 4000) AS h, POVERTY_SEVERITY(income, 4000) AS s, EMPHASIS(POVERTY_GAP(income, CASE WHEN county = 'A' THEN 4000 ELSE 3000 END, children + 2), 4) AS g FROM persons",
    ),
    (
        "distribution",
        "SELECT MEDIAN(balance), AT_RISK_OF_POVERTY(balance), GINI(balance) FILTER (WHERE poor) AS g, DECILES(balance), PERCENTILE(children, 0.9, weight => age) AS p90 FROM persons",
    ),
    (
        "deprivation",
        "SELECT MPI(1/3, poor, 1/2, age < 6, 1/6, income < 4000, 1/3) AS mpi, MPI_INTENSITY(0.5, poor, 3, age < 6, 1, income < 4000, 2) AS a FROM persons",
    ),
    ("units", "SELECT sex, COUNT(DISTINCT person_id) AS n FROM residents GROUP BY sex"),
    (
        "distinct_units",
        "SELECT poor, COUNT(DISTINCT person_id) AS n, COUNT(DISTINCT person_id) FILTER (WHERE income < 4000) AS low FROM persons GROUP BY poor",
    ),
    (
        "sets_of_units",
        "SELECT COUNT(*) AS n FROM (SELECT person_id FROM persons WHERE income < 4000 INTERSECT SELECT person_id FROM residents)",
    ),
    ("degenerate", "SELECT AVG(fixed), SUM(fixed * 0), SUM(1) FROM persons"),
];

/// Under the manifest with territories.
const TERRITORIES: [(&str, &str); 2] = [
    (
        "territory",
        "SELECT poor, COUNT(*) AS n, MEDIAN(income) FROM persons WHERE age >= 18 AND (county = 'it''s' OR county = 'A') GROUP BY poor",
    ),
    (
        "territory_sets",
        "SELECT COUNT(*) FROM (SELECT person_id FROM persons WHERE county = 'A' EXCEPT SELECT person_id FROM visits WHERE county IN ('B'))",
    ),
];

/// Every question with the plan's description.
fn described() -> Vec<(&'static str, String)> {
    let plain = QUESTIONS.map(|(name, sql)| (name, planned(sql).describe()));
    let divided = territories::divided();
    let restricted = |sql: &str| plan(&divided, sql, RHO).expect("a plan").describe();
    plain.into_iter().chain(TERRITORIES.map(|(name, sql)| (name, restricted(sql)))).collect()
}

#[test]
fn plans_are_those_of_the_golden_files() {
    let bless = std::env::var_os("ALMONER_BLESS").is_some();
    let mut stale = Vec::new();
    for (name, described) in described() {
        let path: PathBuf =
            [env!("CARGO_MANIFEST_DIR"), "tests", "golden", &format!("{name}.txt")].iter().collect();
        if bless {
            std::fs::write(&path, &described).expect("the golden folder can be written");
        } else if std::fs::read_to_string(&path).ok().as_deref() != Some(&described) {
            stale.push(format!("{}\n{described}", path.display()));
        }
    }
    assert!(stale.is_empty(), "differs (ALMONER_BLESS=1 rewrites):\n{}", stale.join("\n"));
}

#[test]
fn every_golden_file_has_its_question() {
    let folder: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests", "golden"].iter().collect();
    for entry in std::fs::read_dir(folder).expect("the golden folder exists") {
        let name = entry.expect("an entry can be read").file_name().into_string().expect("names are ASCII");
        assert!(
            QUESTIONS.iter().chain(&TERRITORIES).any(|(known, _)| format!("{known}.txt") == name),
            "{name} belongs to no question"
        );
    }
}
