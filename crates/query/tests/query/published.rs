//! Free answers: what follows from a release of another question, and what must be paid for.

use almoner_federation::PicoRho;
use almoner_query::{AnswerValue, Conclusions, Plan, plan};

use super::{RHO, manifest, planned};

const MPI: &str = "1/3, poor, 1/2, age < 18, 1/4, income < 100, 1/4";

fn read(published: &str, asked: &str) -> Option<Plan> {
    planned(published).read_as(&manifest(), &planned(asked))
}

#[test]
fn what_was_released_answers_other_questions() {
    let mpi = format!("MPI_HEADCOUNT({MPI})");
    let other_cutoff = mpi.replace("1/3", "1/2").replace("MPI_HEADCOUNT", "MPI_INTENSITY");
    for (published, asked) in [
        // The question itself, other spellings, other names, another order.
        ("COUNT(*)", "count( * ) AS n"),
        ("COUNT(*), SUM(income)", "SUM(income)"),
        // Any conclusion from one distribution.
        ("MEDIAN(income)", "PERCENTILE(income, 0.9), GINI(income), LORENZ(income)"),
        ("GINI(income, age)", "AT_RISK_OF_POVERTY(income, 0.5, weight => age)"),
        ("MEDIAN(income)", "POVERTY_HEADCOUNT(income, 4000), POVERTY_SEVERITY(income, 50 * 2)"),
        ("MEDIAN(income, age)", "POVERTY_GAP(income, 4000, age), AVG(income, age)"),
        ("MEDIAN(income)", "AVG(income), COUNT(income)"),
        ("S80_S20(COALESCE(income, 0))", "COUNT(*)"),
        ("PALMA(income) FILTER (WHERE poor)", "MEDIAN_POVERTY_GAP(income, 9) FILTER (WHERE poor)"),
        // Any cutoff, and any measure of the same indicators.
        (mpi.as_str(), other_cutoff.as_str()),
        // The lower of moments and powers that were released together.
        ("STDDEV(balance)", "AVG(balance), COUNT(balance), SUM(balance), VAR_POP(balance)"),
        (
            "POVERTY_SEVERITY(income, age + 1)",
            "POVERTY_HEADCOUNT(income, age + 1), POVERTY_GAP(income, age + 1)",
        ),
    ] {
        for around in
            ["SELECT {} FROM persons", "SELECT county, {} FROM persons WHERE age > 3 GROUP BY county"]
        {
            let (published, asked) = (around.replace("{}", published), around.replace("{}", asked));
            let found = read(&published, &asked).unwrap_or_else(|| panic!("{published} tells {asked}"));
            let (released, wanted) = (planned(&published), planned(&asked));
            assert_eq!(found.dimension(), released.dimension());
            assert_eq!(found.blocks(), released.blocks());
            assert_eq!(found.canonical_sql(), wanted.canonical_sql());
            let total = vec![1_000_000; released.dimension()];
            let names = |plan: &Plan, total: &[i64]| plan.answer(total, 3).expect("an answer").columns;
            assert_eq!(names(&found, &total), names(&wanted, &vec![0; wanted.dimension()]), "{asked}");
        }
    }
}

#[test]
fn what_does_not_follow_must_be_paid_for() {
    for (published, asked) in [
        ("SELECT COUNT(*) FROM persons", "SELECT COUNT(*) FROM residents"),
        ("SELECT COUNT(*) FROM persons", "SELECT COUNT(*) FROM persons WHERE poor"),
        ("SELECT COUNT(*) FROM persons WHERE poor", "SELECT COUNT(*) FROM persons WHERE NOT poor"),
        ("SELECT COUNT(*) FROM persons WHERE poor", "SELECT COUNT(*) FROM persons"),
        ("SELECT poor, COUNT(*) FROM persons GROUP BY poor", "SELECT COUNT(*) FROM persons"),
        ("SELECT COUNT(*) FROM persons", "SELECT SUM(income) FROM persons"),
        ("SELECT MEDIAN(income) FROM persons", "SELECT MEDIAN(balance) FROM persons"),
        ("SELECT MEDIAN(income) FROM persons", "SELECT MEDIAN(income, age) FROM persons"),
        ("SELECT MEDIAN(income) FROM persons", "SELECT MEDIAN(income) FILTER (WHERE poor) FROM persons"),
        // The line is each row's own; the rows without an income are not in the distribution.
        ("SELECT MEDIAN(income) FROM persons", "SELECT POVERTY_GAP(income, age + 1) FROM persons"),
        ("SELECT MEDIAN(income) FROM persons", "SELECT COUNT(*) FROM persons"),
        ("SELECT MEDIAN(income, age) FROM persons", "SELECT COUNT(income) FROM persons"),
        ("SELECT MEDIAN(income) FROM persons", "SELECT MEDIAN(income), SUM(income) FROM persons"),
        ("SELECT AVG(balance) FROM persons", "SELECT STDDEV(balance) FROM persons"),
        ("SELECT POVERTY_GAP(income, 9) FROM persons", "SELECT POVERTY_GAP(income, 8) FROM persons"),
        ("SELECT POVERTY_GAP(income, 9) FROM persons", "SELECT POVERTY_SEVERITY(income, 9) FROM persons"),
        ("SELECT POVERTY_HEADCOUNT(income, 9) FROM persons", "SELECT POVERTY_GAP(income, 9) FROM persons"),
        (
            "SELECT MPI(1/3, poor, 1/2, age < 18, 1/2) FROM persons",
            "SELECT MPI(1/3, poor, 1/3, age < 18, 2/3) FROM persons",
        ),
    ] {
        assert!(read(published, asked).is_none(), "{published} does not tell {asked}");
    }
}

#[test]
fn a_release_that_paid_less_does_not_serve() {
    let with = |sql: &str, rho: u64| plan(&manifest(), sql, PicoRho::new(rho)).expect("a plan");
    let rho = RHO.get();
    let (median, gini) = ("SELECT MEDIAN(income) FROM persons", "SELECT GINI(income) FROM persons");
    let serves = |published: &Plan, asked: &Plan| published.read_as(&manifest(), asked).is_some();
    assert!(serves(&with(median, rho), &with(gini, rho)));
    assert!(serves(&with(median, rho), &with(gini, rho / 2)));
    assert!(!serves(&with(median, rho - 1), &with(gini, rho)));
    // Together they paid enough, but hardly anything of it went to the count.
    let mostly = "SELECT EMPHASIS(MEDIAN(income), 1000), COUNT(*) FROM persons";
    assert!(!serves(&with(mostly, rho), &with("SELECT COUNT(*) FROM persons", rho)));
    assert!(serves(&with(mostly, rho), &with(gini, rho)));
}

/// Hand-computed over a population of children in 14 bins of one value each, from -1 to 12.
#[test]
fn poverty_is_read_from_a_distribution_of_single_values() {
    let released = planned("SELECT MEDIAN(children) FROM persons");
    let asked = "SELECT POVERTY_HEADCOUNT(children, 4) AS h, POVERTY_GAP(children, 4) AS g, \
                 POVERTY_SEVERITY(children, 4) AS s, AVG(children) AS mean, COUNT(children) AS n FROM persons";
    let read = read("SELECT MEDIAN(children) FROM persons", asked).expect("it follows");
    let mut cells = vec![0i64; released.dimension()];
    // One with -1, two with 1, three with 4, two with 12.
    for (value, people) in [(-1, 1), (1, 2), (4, 3), (12, 2)] {
        cells[(value + 1) as usize] = people;
    }
    released.encode(&mut cells);
    released.scale(&mut cells);
    let answer = Conclusions::new(&read, 0).answer(&cells).expect("as many cells");
    let found: Vec<f64> = answer.rows[0]
        .iter()
        .map(|value| match value {
            AnswerValue::Estimate(estimate) => estimate.value.expect("known"),
            AnswerValue::Key(_) => panic!("no keys"),
        })
        .collect();
    // Less than nothing is a gap of 1.
    let expected = [3.0 / 8.0, (1.0 + 2.0 * 0.75) / 8.0, (1.0 + 2.0 * 0.5625) / 8.0, 37.0 / 8.0, 8.0];
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() < 1e-9, "{found} {expected}");
    }
    let noisy = read.answer(&cells, 3).expect("as many cells");
    assert!(matches!(noisy.rows[0][0], AnswerValue::Estimate(estimate) if estimate.standard_error > 0.0));
}
