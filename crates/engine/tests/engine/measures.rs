//! Every measure of poverty from rows to conclusions, without noise, against values computed by hand.

use std::path::Path;

use almoner_federation::{Manifest, PicoRho};
use almoner_query::AnswerValue;

use crate::common::{csv, folder, manifest, manifest_of, open};

/// The answer that exact totals give at next to no noise.
async fn concluded(path: &Path, manifest: &Manifest, sql: &str) -> Vec<Vec<AnswerValue>> {
    let plan = almoner_query::plan(manifest, sql, PicoRho::new(10_000_000_000_000_000_000))
        .unwrap_or_else(|error| panic!("{sql}: {error}"));
    let source = open(path, manifest).await.expect("the folder is all right");
    let mut cells = source.cells(&plan).await.expect("the question can be answered").values;
    plan.encode(&mut cells);
    let scaled: Vec<i64> = cells.iter().enumerate().map(|(i, cell)| cell << plan.shift_of(i)).collect();
    plan.answer(&scaled, 2).expect("the plan's own total").rows
}

async fn values(path: &Path, manifest: &Manifest, sql: &str) -> Vec<Option<f64>> {
    let rows = concluded(path, manifest, sql).await;
    let value = |value: &AnswerValue| match value {
        AnswerValue::Estimate(estimate) => Some(estimate.value),
        AnswerValue::Key(_) => None,
    };
    rows.iter().flat_map(|row| row.iter().filter_map(value)).collect()
}

fn near(found: &[Option<f64>], expected: &[f64], off: f64) {
    assert_eq!(found.len(), expected.len(), "{found:?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.is_some_and(|found| (found - expected).abs() <= off), "{found:?} {expected}");
    }
}

/// Income 100, 200, 300, 400 and 1000 with weights 1, 2, 1, 1 and 0, and rows that must not count.
const ROWS: [&str; 8] = [
    "1,f,1,0,100,true,1990-01-01",
    "2,f,2,0,200,false,1990-01-01",
    "3,f,1,0,300,true,1990-01-01",
    "4,m,1,0,400,false,1990-01-01",
    "5,m,0,0,1000,,1990-01-01",
    "6,f,1,0,,true,1990-01-01",
    "7,f,1,0,NaN,true,1990-01-01",
    "8,,1,0,n/a,,1990-01-01",
];

#[tokio::test]
async fn spreads_and_poverty_are_those_computed_by_hand() {
    let (manifest, folder) = (manifest(2, 1), folder(&[("people.csv", &csv(ROWS))]));
    let ask = async |sql: &str| values(folder.path(), &manifest, sql).await;
    // 400 is the mean; squares 9, 4, 1, 0 and 36 times 10^4.
    let found = ask("SELECT AVG(income), VAR_POP(income), VARIANCE(income), STDDEV(income), COUNT(income), SUM(income) FROM people").await;
    near(&found, &[400.0, 100_000.0, 125_000.0, 353.553_390_6, 5.0, 2_000.0], 1e-2);
    // Weighted: 5 in all, mean 1200/5.
    let found = ask("SELECT AVG(income, age), VAR_POP(income, weight => age) FROM people").await;
    near(&found, &[240.0, 10_400.0], 1.0);

    let found = ask("SELECT POVERTY_HEADCOUNT(income, 400), POVERTY_GAP(income, 400), POVERTY_SEVERITY(income, 400) FROM people").await;
    near(&found, &[0.6, 1.5 / 5.0, (0.5625 + 0.25 + 0.0625) / 5.0], 1e-6);
    let found =
        ask("SELECT POVERTY_HEADCOUNT(income, 400, age), POVERTY_GAP(income, 400, age) FROM people").await;
    near(&found, &[0.8, (0.75 + 1.0 + 0.25) / 5.0], 1e-4);
    // Lines of the row: below 250 for f, below 1001 for m.
    let line = "CASE sex WHEN 'f' THEN 250 ELSE 1001 END";
    near(&ask(&format!("SELECT POVERTY_HEADCOUNT(income, {line}) FROM people")).await, &[0.8], 1e-6);
    // Nobody is below a line under the range; whoever has less than nothing has nothing.
    near(&ask("SELECT POVERTY_HEADCOUNT(income, -5000) FROM people").await, &[0.0], 1e-6);
    near(&ask("SELECT POVERTY_GAP(income - 300, 100) FROM people").await, &[3.0 / 5.0], 1e-6);
    near(&ask("SELECT EMPHASIS(AVG(income), 100), COUNT(*) FROM people").await, &[400.0, 8.0], 1e-2);
}

#[tokio::test]
async fn distributions_are_those_computed_by_hand() {
    let (manifest, folder) = (manifest(2, 1), folder(&[("people.csv", &csv(ROWS))]));
    let ask = async |sql: &str| values(folder.path(), &manifest, sql).await;
    // Bins are 6000/1023 wide, so values are known to 6 and shares exactly.
    let found =
        ask("SELECT MEDIAN(income), PERCENTILE(income, 0.3), AT_RISK_THRESHOLD(income, 0.5) FROM people")
            .await;
    near(&found, &[303.0, 203.0, 151.0], 6.0);
    near(
        &ask("SELECT AT_RISK_OF_POVERTY(income, 0.5), AT_RISK_OF_POVERTY(income, 1.2) FROM people").await,
        &[0.2, 0.6],
        1e-3,
    );
    // What the poorest has is known to a bin's width, a seventeenth of it.
    near(&ask("SELECT S80_S20(income) FROM people").await, &[10.0], 10.0 / 17.0);
    // Sum of all absolute differences, both ways: 8000 over 2 * 25 * 400.
    // A bin's width is a seventieth of the mean.
    near(&ask("SELECT GINI(income) FROM people").await, &[0.4], 0.4 / 70.0);
    // Weighted: 100, 200, 200, 300, 400.
    near(&ask("SELECT MEDIAN(income, age) FROM people").await, &[203.0], 6.0);
    // Whole numbers have a bin each.
    near(&ask("SELECT MEDIAN(age), PERCENTILE(age, 0.9) FROM people").await, &[1.0, 2.0], 1e-4);
    let deciles = concluded(
        folder.path(),
        &manifest,
        "SELECT sex, DECILES(income) AS d, COUNT(income) AS n FROM people WHERE sex = 'f' GROUP BY sex",
    )
    .await;
    assert_eq!(deciles.len(), 18, "nine points for each of two groups");
    assert_eq!(deciles[0][1], AnswerValue::Key("0.1".into()));
    assert_eq!(deciles[8][1], AnswerValue::Key("0.9".into()));
    let AnswerValue::Estimate(first) = &deciles[0][2] else { panic!("an estimate") };
    assert!(first.value.is_some_and(|value| (value - 103.0).abs() < 6.0), "{first:?}");
    assert!(matches!(&deciles[17][2], AnswerValue::Estimate(of_nobody) if of_nobody.value.is_none()));
}

#[tokio::test]
async fn deprivation_scores_are_those_computed_by_hand() {
    let (manifest, folder) = (manifest(2, 1), folder(&[("people.csv", &csv(ROWS))]));
    // poor: t f t f and unknown; income < 250: t t f f and of nobody: scores 3, 1, 2, 0 of 3 for the four
    // of whom both is known, with weights 2/3 and 1/3.
    let arguments = "poor, 2/3, income < 250, 1/3";
    for (cutoff, expected) in [
        ("1/3", [0.75, (1.0 + 1.0 / 3.0 + 2.0 / 3.0) / 3.0, 0.5]),
        ("0.5", [0.5, 5.0 / 6.0, 5.0 / 12.0]),
        ("1", [0.25, 1.0, 0.25]),
    ] {
        let sql = format!(
            "SELECT MPI_HEADCOUNT({cutoff}, {arguments}), MPI_INTENSITY({cutoff}, {arguments}), MPI({cutoff}, {arguments}) FROM people"
        );
        near(&values(folder.path(), &manifest, &sql).await, &expected, 1e-5);
    }
}

/// One holder, and so at most one agency of a unit, with up to 4 rows of it.
#[tokio::test]
async fn units_are_counted_once_in_each_group() {
    let manifest = manifest_of(
        2,
        "id",
        1_000,
        "name = \"visits\"\nrows_per_unit = 4\nagencies = [\"a1\"]\ncolumn = [{ name = \"ward\", type = \"text\", domain = [\"a\", \"b\", \"c\", \"d\", \"e\"] }]\n",
    );
    let rows = "id,ward\n1,a\n1,a\n1,b\n2,b\n2,b\n3,\n4,a\n4,b\n4,c\n4,d\n";
    let files = folder(&[("visits.csv", rows.as_bytes())]);
    let ask = async |sql: &str| values(files.path(), &manifest, sql).await;
    near(&ask("SELECT COUNT(DISTINCT id), COUNT(*) FROM visits").await, &[4.0, 10.0], 1e-2);
    let by_ward = "SELECT ward, COUNT(DISTINCT id) FILTER (WHERE ward <> 'd') AS n FROM visits GROUP BY ward";
    near(&ask(by_ward).await, &[2.0, 3.0, 1.0, 0.0, 0.0], 1e-2);

    // Unit 4 is in four wards: the cells move by its bound, and by one where there is one cell.
    let without = folder(&[("visits.csv", rows.split("4,").next().expect("a part").as_bytes())]);
    for (sql, d2) in [
        ("SELECT ward, COUNT(DISTINCT id) FROM visits GROUP BY ward", 2),
        ("SELECT COUNT(DISTINCT id) FROM visits", 1),
    ] {
        let plan = crate::common::plan(&manifest, sql);
        assert_eq!(plan.blocks()[0].d2, d2, "{sql}");
        let cells = async |path: &Path| {
            open(path, &manifest).await.expect("all right").cells(&plan).await.expect("an answer").values
        };
        let (with, without) = (cells(files.path()).await, cells(without.path()).await);
        let moved: i64 = with.iter().zip(without).map(|(a, b)| (a - b) * (a - b)).sum();
        assert_eq!(moved as u128, d2 * d2, "{sql}");
    }
}

/// What lies beyond a column's range is what lies at its end, even where the grid of steps goes on: 333 steps of 3 end
/// below 1000, and the grid at 1002. A group without a poor row still counts who is not.
#[tokio::test]
async fn values_beyond_a_range_count_as_its_ends() {
    let manifest = manifest_of(
        2,
        "id",
        1_000,
        "name = \"people\"\nrows_per_unit = 1\ncolumn = [{ name = \"ward\", type = \"integer\", min = -1, max = 1 }, \
         { name = \"x\", type = \"number\", min = 10, max = 1010, resolution = 3 }, \
         { name = \"w\", type = \"integer\", min = 2, max = 9 }]\n",
    );
    let rows = "id,ward,x,w\n1,-1,5000,1\n2,-1,1010,2\n3,0,-7,100\n4,0,10,9\n5,1,,5\n6,2,500,5\n7,,500,5\n8,-9223372036854775808,500,5\n";
    let files = folder(&[("people.csv", rows.as_bytes())]);
    let source = open(files.path(), &manifest).await.expect("the folder is all right");
    for (sql, expected) in [
        ("SELECT ward, AVG(x) FROM people GROUP BY ward", vec![2, 666, 668, 0, 0, 0]),
        ("SELECT ward, COUNT(*), SUM(w) FROM people GROUP BY ward", vec![2, 4, 2, 18, 1, 5]),
        // The sum's steps are those nearest to 10 / 3 and 1010 / 3.
        ("SELECT ward, SUM(x) FROM people GROUP BY ward", vec![674, 6, 0]),
        (
            "SELECT ward, COUNT(*) FILTER (WHERE x > 1010), COUNT(x) FROM people GROUP BY ward",
            vec![1, 2, 0, 2, 0, 0],
        ),
        (
            "SELECT ward, POVERTY_HEADCOUNT(x, 11), COUNT(w) FROM people GROUP BY ward",
            vec![2, 0, 2, 0, 2, 2, 0, 0, 1],
        ),
    ] {
        let plan = almoner_query::plan(&manifest, sql, PicoRho::new(1_000_000_000_000))
            .unwrap_or_else(|error| panic!("{sql}: {error}"));
        let cells = source.cells(&plan).await.expect("the question can be answered").values;
        assert_eq!(cells, expected, "{sql}");
    }
    // The gap of the lowest value that is told apart is a half of the line 20, and nobody has a larger one.
    let sql = "SELECT ward, POVERTY_GAP(x, 20) FROM people GROUP BY ward";
    let plan = almoner_query::plan(&manifest, sql, PicoRho::new(1_000_000_000_000)).expect("a plan");
    let cells = source.cells(&plan).await.expect("the question can be answered").values;
    let steps = cells[0] / 2;
    assert_eq!(cells, [2 * steps, 0, 0, 0, steps, steps, 0, 0, 0]);
}
