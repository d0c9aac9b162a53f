//! Which territories a question touches, and that it says so wherever it must.

use almoner_federation::Manifest;
use almoner_query::{PLACEMENT_COLUMN, Plan, plan};

use super::{RHO, manifest, refused};

/// The manifest of these tests with counties as territories, number 0 being `A`, 1 `B` and 2 `it's`, and a second
/// table that has them.
pub fn divided() -> Manifest {
    let mut text = include_str!("federation.toml").to_owned();
    text += r#"
[[table]]
name = "visits"
rows_per_unit = 3
column = [
  { name = "County", type = "text", domain = ["A", "B", "it's"] },
  { name = "home", type = "text", domain = ["A", "B", "it's"] },
]

[territory]
column = "county"
rho = 0.5
"#;
    Manifest::parse(&text, "federation.toml").expect("the manifest is sound")
}

fn touching(sql: &str) -> Plan {
    plan(&divided(), sql, RHO).unwrap_or_else(|error| panic!("{sql}: {error}"))
}

fn touched(condition: &str) -> Option<Vec<u16>> {
    touching(&format!("SELECT COUNT(*) FROM persons WHERE {condition}")).territories().map(<[u16]>::to_vec)
}

#[test]
fn a_condition_tells_which_territories_it_lets_through() {
    for (condition, territories) in [
        ("county = 'A'", &[0][..]),
        ("'B' = county", &[1]),
        ("county = 'it''s'", &[2]),
        ("COUNTY = 'A'", &[0]),
        ("\"county\" = 'A'", &[0]),
        ("persons.county = 'A'", &[0]),
        ("((county) = ('A'))", &[0]),
        ("county IN ('it''s', 'A', 'A')", &[0, 2]),
        ("county = 'B' OR county = 'A'", &[0, 1]),
        ("county = 'B' OR county IN ('B', 'it''s')", &[1, 2]),
        // With anything beside it, at any depth.
        ("county = 'A' AND age > 3", &[0]),
        ("poor AND (age > 3 AND county = 'A')", &[0]),
        ("(county = 'A' AND poor) OR (county = 'B' AND NOT poor)", &[0, 1]),
        ("(county = 'A' OR county = 'B') AND (county = 'B' OR county = 'it''s')", &[1]),
        ("county IN ('A', 'B') AND (poor OR age > 3)", &[0, 1]),
        ("county IN ('A', 'B') AND (poor OR county = 'A')", &[0, 1]),
        ("county = 'A' AND name = 'B'", &[0]),
        ("county = 'A' AND county = COALESCE(name, 'B')", &[0]),
        // A constant is what it says.
        ("county = 'A' OR FALSE", &[0]),
        ("county = 'A' AND TRUE", &[0]),
        // Exclusions take away from what stands beside them.
        ("county IN ('A', 'B') AND county <> 'A'", &[1]),
        ("county IN ('A', 'B') AND county NOT IN ('B', 'C')", &[0]),
        // Negations of the unknown are unknown: NULL passes neither.
        ("NOT (county <> 'A')", &[0]),
        ("NOT NOT county = 'A'", &[0]),
        ("NOT (NOT (NOT (county <> 'B')))", &[1]),
        ("NOT (county NOT IN ('A', 'B'))", &[0, 1]),
        ("NOT (county <> 'A' OR poor)", &[0]),
        ("NOT (county <> 'A' AND county <> 'B')", &[0, 1]),
    ] {
        assert_eq!(touched(condition).as_deref(), Some(territories), "{condition}");
    }
}

#[test]
fn whatever_may_let_through_more_touches_all() {
    for condition in [
        // Not what it looks like.
        "county = 'A' OR 1 = 1",
        "county = 'A' OR TRUE",
        "county = 'A' OR poor",
        "county = 'A' OR age > 3",
        "county = 'A' OR name = 'A'",
        "county = 'A' OR county IS NULL",
        "county = 'A' OR county IS NOT NULL",
        "(county = 'A' AND poor) OR NOT poor",
        "NOT (county = 'A')",
        "NOT (county = 'A' AND poor)",
        "NOT (county <> 'A' AND poor)",
        "county <> 'A'",
        "county NOT IN ('A', 'B')",
        "NOT (county IN ('A', 'B'))",
        // Whoever lives in a county that is none is placed elsewhere or nowhere.
        "county = 'a'",
        "county = 'A '",
        "county = ' A'",
        "county = 'C'",
        "county = ''",
        "county IN ('A', 'a')",
        "county IN ('A', 'C')",
        "county = 'A' OR county = 'B '",
        // The texts that are no territory are not told apart.
        "county IN ('A', 'C') AND county <> 'C'",
        // Nobody.
        "county = 'A' AND county = 'B'",
        "county IN ('A', 'B') AND county = 'it''s'",
        "county = 'A' AND FALSE",
        // All.
        "county IN ('A', 'B', 'it''s')",
        "county = 'A' OR county <> 'A'",
        "TRUE",
        // Functions, CASE, other columns.
        "COALESCE(county, 'A') = 'A'",
        "CASE WHEN county = 'A' THEN TRUE ELSE poor END",
        "CASE county WHEN 'A' THEN TRUE ELSE FALSE END",
        "CASE WHEN poor THEN 'A' ELSE county END = 'A'",
        "county = name",
        "name = county",
        "county = county",
        "name = 'A'",
        "'A' = 'A'",
        "'A' IN ('A', 'B')",
        "county = CASE WHEN poor THEN 'A' ELSE 'B' END",
    ] {
        assert_eq!(touched(condition), None, "{condition}");
    }
    // A list can hold no NULL, and the column has no order.
    for condition in
        ["county IN ('A', NULL)", "county = NULL", "county LIKE 'A'", "county BETWEEN 'A' AND 'A'"]
    {
        refused(&format!("SELECT COUNT(*) FROM persons WHERE {condition}"));
    }
}

#[test]
fn only_the_condition_tells() {
    for sql in [
        "SELECT COUNT(*) FROM persons",
        "SELECT county, COUNT(*) FROM persons GROUP BY county",
        "SELECT COUNT(*) FILTER (WHERE county = 'A') AS a FROM persons",
        "SELECT COUNT(DISTINCT person_id) FILTER (WHERE county = 'A') AS a FROM persons",
        // Another column of the same values, and a table without the column.
        "SELECT COUNT(*) FROM visits WHERE home = 'A'",
        "SELECT COUNT(*) FROM residents WHERE district = 'D00'",
    ] {
        let plan = touching(sql);
        assert_eq!(plan.territories(), None, "{sql}");
        assert!(!plan.describe().contains(PLACEMENT_COLUMN) && !plan.describe().contains("territories:"));
    }
    // Without territories nothing is divided.
    let plain = plan(&manifest(), "SELECT COUNT(*) FROM persons WHERE county = 'A'", RHO).expect("a plan");
    assert_eq!(plain.territories(), None);
    assert!(!plain.describe().contains(PLACEMENT_COLUMN));
}

#[test]
fn sets_touch_what_their_parts_touch_together() {
    let units = |table: &str, condition: &str| format!("SELECT person_id FROM {table}{condition}");
    let (a, b) = (units("persons", " WHERE county = 'A'"), units("visits", " WHERE County = 'B'"));
    let count = |sets: String| format!("SELECT COUNT(*) FROM ({sets})");
    for word in ["UNION", "INTERSECT", "EXCEPT"] {
        let plan = touching(&count(format!("{a} {word} {b}")));
        assert_eq!(plan.territories(), Some(&[0, 1][..]), "{word}");
        // Also the part that is taken away: whom it takes away is nobody's business elsewhere.
        for source in plan.sources() {
            assert!(source.sql.contains("WHERE (\"placed in\" IN (0, 1)) AND ("), "{}", source.sql);
        }
        for all in [
            units("persons", ""),
            units("persons", " WHERE county <> 'A'"),
            units("residents", ""),
            units("visits", " WHERE home = 'A'"),
            units("persons", " WHERE county IN ('it''s', 'B')"),
        ] {
            for sets in [format!("{a} {word} {all}"), format!("{all} {word} {a}")] {
                let plan = touching(&count(sets.clone()));
                assert_eq!(plan.territories(), None, "{sets}");
                assert!(!plan.describe().contains(PLACEMENT_COLUMN), "{sets}");
            }
        }
    }
    let same = touching(&count(format!("{a} INTERSECT SELECT person_id FROM visits WHERE County IN ('A')")));
    assert_eq!(same.territories(), Some(&[0][..]));
}

#[test]
fn every_source_of_a_restricted_question_reads_placed_rows_only() {
    let outputs = [
        "COUNT(*)",
        "COUNT(*), SUM(income), MEDIAN(income), GINI(balance, age)",
        "COUNT(DISTINCT person_id)",
        "COUNT(DISTINCT person_id) AS n, COUNT(DISTINCT person_id) FILTER (WHERE county = 'B' OR poor) AS p",
        "STDDEV(income), POVERTY_GAP(income, 4000)",
        "MPI(1/3, poor, 1/2, age < 6, 1/2)",
    ];
    for outputs in outputs {
        for keys in ["", " GROUP BY poor", " GROUP BY county, age"] {
            let plan = touching(&format!(
                "SELECT {outputs} FROM persons WHERE county = 'B' OR (county = 'A' AND poor){keys}"
            ));
            let sources = plan.sources();
            assert!(!sources.is_empty());
            for source in sources {
                let placed = "FROM \"persons\"\n    WHERE (\"placed in\" IN (0, 1)) AND (";
                assert_eq!(source.sql.matches(placed).count(), 1, "{}", source.sql);
                assert_eq!(source.sql.matches("FROM \"").count(), 1, "{}", source.sql);
            }
            assert!(plan.describe().contains("\nterritories: 'A', 'B'; "), "{}", plan.describe());
            // Whoever plans the normal form reads the same rows.
            let again = touching(plan.canonical_sql());
            assert_eq!((again.hash(), again.territories()), (plan.hash(), plan.territories()));
        }
    }
}

#[test]
fn nobody_can_ask_about_the_placement_itself() {
    for name in [PLACEMENT_COLUMN, "placed_in", "PLACED IN"] {
        let sql = format!("SELECT COUNT(*) FROM persons WHERE \"{name}\" = 1");
        let error = plan(&divided(), &sql, RHO).expect_err("no such column").to_string();
        assert!(error.contains("column"), "{error}");
    }
    let named = include_str!("federation.toml").replace("name = \"poor\"", "name = \"placed in\"");
    let error = Manifest::parse(&named, "federation.toml").expect_err("no SQL name").to_string();
    assert!(error.contains("is not an SQL name"), "{error}");
    let unit = include_str!("federation.toml").replace("\"person_id\"", "\"placed in\"");
    assert!(Manifest::parse(&unit, "federation.toml").is_err());
}

/// A restricted question leaves out rows of units that are placed elsewhere, so that it never equals one that reads
/// all rows, whatever their conditions have in common.
#[test]
fn an_answer_serves_only_questions_about_the_same_territories() {
    let manifest = divided();
    let serves = |published: &str, asked: &str| {
        let (published, asked) = (touching(published), touching(asked));
        let found = published.read_as(&manifest, &asked);
        if let Some(found) = &found {
            assert_eq!(found.territories(), asked.territories());
            assert_eq!(found.family(), asked.family());
        }
        found.is_some()
    };
    let about = |what: &str, condition: &str| format!("SELECT {what} FROM persons{condition}");
    let conditions = [
        "",
        " WHERE county = 'A'",
        " WHERE county IN ('A', 'B')",
        " WHERE county = 'A' AND TRUE",
        " WHERE county = 'A' OR 1 = 1",
        " WHERE NOT (county <> 'A')",
        " WHERE county IN ('A', 'a')",
        " WHERE county IN ('A', 'B', 'it''s')",
        " WHERE county = 'B'",
    ];
    for (i, one) in conditions.iter().enumerate() {
        for (j, other) in conditions.iter().enumerate() {
            let found = serves(&about("COUNT(*)", one), &about("COUNT(*) AS n", other));
            assert_eq!(found, i == j, "{one} for {other}");
        }
    }
    // Another spelling of the same condition is the same question.
    assert!(serves(
        &about("MEDIAN(income)", " WHERE county = 'A'"),
        &about("gini(INCOME)", " where (COUNTY='A')")
    ));
    let grouped = "SELECT county, COUNT(*) FROM persons GROUP BY county";
    assert!(!serves(grouped, "SELECT county, COUNT(*) FROM persons WHERE county = 'A' GROUP BY county"));
    // Two manifests, one of which knows no territories, are two federations: their hashes differ.
    let sql = about("COUNT(*)", " WHERE county = 'A'");
    assert_ne!(touching(&sql).hash(), plan(&super::manifest(), &sql, RHO).expect("a plan").hash());
}

#[test]
fn the_largest_partition_is_planned_and_described_shortly() {
    let names: Vec<String> = (0..4_096).map(|number| format!("\"P{number}\"")).collect();
    let text = include_str!("federation.toml")
        .replace("domain = [\"A\", \"B\", \"it's\"]", &format!("domain = [{}]", names.join(", ")))
        + "\n[territory]\ncolumn = \"county\"\nrho = 0.5\n";
    let manifest = Manifest::parse(&text, "federation.toml").expect("sound");
    let listed: Vec<String> = (0..400).map(|number| format!("county = 'P{}'", number * 3)).collect();
    let sql = format!("SELECT COUNT(*) FROM persons WHERE {}", listed.join(" OR "));
    let plan = plan(&manifest, &sql, RHO).expect("within the bounds of a question");
    let touched = plan.territories().expect("some");
    assert!(touched.len() == 400 && touched.iter().zip(0u16..).all(|(number, at)| *number == at * 3));
    assert!(plan.describe().contains("territories: 400 values with SHA-256 "));
}
