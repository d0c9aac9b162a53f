//! The rows of a unit beyond its bound: the same ones are left out for every question and file order.

use crate::common::{Random, csv, folder, manifest, open, plan};

/// 80 people with 1 to 6 rows each, of which 2 stay.
fn rows() -> Vec<String> {
    let random = &mut Random(5);
    (0..80)
        .flat_map(|id| {
            let count = 1 + random.below(6);
            let row = |random: &mut Random| {
                let sex = random.pick(&["f", "m", ""]);
                format!("{id},{sex},{},{},{},,", random.below(130), random.below(3), random.below(6_000))
            };
            (0..count).map(|_| row(random)).collect::<Vec<_>>()
        })
        .collect()
}

#[tokio::test]
async fn a_shuffled_file_gives_identical_cells() {
    let manifest = manifest(2, 2);
    let questions = [
        "SELECT sex, COUNT(*), SUM(income), AVG(age) FROM people GROUP BY sex",
        "SELECT SUM(score) FROM people WHERE age > 18",
    ];
    let mut rows = rows();
    let mut seen = Vec::new();
    for round in 0..4 {
        // The last round deals the rows over two files.
        let middle = if round == 3 { rows.len() / 2 } else { rows.len() };
        let folder =
            folder(&[("people/1.csv", &csv(&rows[..middle])), ("people/2.csv", &csv(&rows[middle..]))]);
        let source = open(folder.path(), &manifest).await.expect("the folder is all right");
        let report = &source.report().tables[0];
        assert_eq!(report.units, 80);
        assert!(report.units_over_bound > 20 && report.rows_over_bound > 40, "{report}");
        let mut cells = Vec::new();
        for sql in questions {
            cells.push(
                source.cells(&plan(&manifest, sql)).await.expect("the question can be answered").values,
            );
        }
        seen.push((cells, report.units_over_bound, report.rows_over_bound));
        Random(round).shuffle(&mut rows);
    }
    assert!(seen.iter().all(|one| *one == seen[0]), "{seen:?}");
}

#[tokio::test]
async fn no_question_gets_more_rows_of_a_unit_than_another() {
    // Filters see the bounded rows: what two complementary filters count adds up to the whole.
    let manifest = manifest(2, 2);
    let folder = folder(&[("people.csv", &csv(rows()))]);
    let source = open(folder.path(), &manifest).await.expect("the folder is all right");
    let count = async |filter: &str| {
        let sql = format!("SELECT COUNT(*) FROM people {filter}");
        source.cells(&plan(&manifest, &sql)).await.expect("the question can be answered").values[0]
    };
    let report = &source.report().tables[0];
    let whole = count("").await;
    assert_eq!(whole as u64, report.rows_read - report.rows_over_bound);
    assert_eq!(count("WHERE age < 40").await + count("WHERE age >= 40").await, whole);
}
