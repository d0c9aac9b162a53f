//! A real register: synthetic Austrian EU-SILC persons, 14,827 in 6,000 households of at most 9. The
//! engine's cells equal totals that this test counts by itself from the same file.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use crate::common::{folder, manifest_of, open, plan};

const REGIONS: [&str; 9] = [
    "Burgenland",
    "Carinthia",
    "Lower Austria",
    "Salzburg",
    "Styria",
    "Tyrol",
    "Upper Austria",
    "Vienna",
    "Vorarlberg",
];
const GENDERS: [&str; 2] = ["female", "male"];

fn persons() -> Option<PathBuf> {
    let data = std::env::var_os("ALMONER_SHARED_DATA")
        .map(PathBuf::from)
        .unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"));
    let path = data.join("eusilc/persons.csv");
    if path.is_file() {
        return Some(path);
    }
    eprintln!(
        "SKIPPED: no {}; set ALMONER_SHARED_DATA to the folder that holds eusilc/persons.csv",
        path.display()
    );
    None
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counts_and_totals_of_a_real_register_are_exact() {
    let Some(path) = persons() else { return };
    let table = format!(
        r#"
name = "persons"
rows_per_unit = 9
column = [
  {{ name = "region", type = "text", domain = {REGIONS:?} }},
  {{ name = "gender", type = "text", domain = {GENDERS:?} }},
  {{ name = "age", type = "integer", min = 0, max = 120 }},
  {{ name = "econ_status", type = "integer", min = 1, max = 7 }},
  {{ name = "hh_disp_income", type = "number", min = 0, max = 100000, resolution = 1 }},
]
"#
    );
    let manifest = manifest_of(2, "hid", 10_000, &table);

    let mut counts = vec![0i64; REGIONS.len() * GENDERS.len()];
    let mut statuses = BTreeMap::<i64, i64>::new();
    let mut total = 0i64;
    let mut reader = csv::Reader::from_path(&path).expect("the file was there");
    let header = reader.headers().expect("a header").clone();
    let place = |name: &str| header.iter().position(|column| column == name).expect("a column");
    for record in reader.records() {
        let record = record.expect("a row");
        let field = |name: &str| &record[place(name)];
        let region = REGIONS.iter().position(|region| *region == field("region")).expect("a region");
        let gender = GENDERS.iter().position(|gender| *gender == field("gender")).expect("a gender");
        counts[region * GENDERS.len() + gender] += 1;
        let number = |name: &str| field(name).parse::<f64>().expect("a number");
        if number("age") < 18.0 {
            total += number("hh_disp_income").min(100_000.0).round() as i64;
        }
        if !field("econ_status").is_empty() {
            *statuses.entry(number("econ_status") as i64).or_default() += 1;
        }
    }

    let folder = folder(&[("persons.csv", &fs::read(&path).expect("the file was there"))]);
    let source = open(folder.path(), &manifest).await.expect("the register is all right");
    let report = &source.report().tables[0];
    assert_eq!((report.rows_read, report.units, report.rows_over_bound), (14_827, 6_000, 0));
    for (sql, expected) in [
        ("SELECT region, gender, COUNT(*) FROM persons GROUP BY region, gender", counts),
        ("SELECT econ_status, COUNT(*) FROM persons GROUP BY econ_status", statuses.into_values().collect()),
        ("SELECT SUM(hh_disp_income) FROM persons WHERE age < 18", vec![total]),
    ] {
        assert_eq!(source.cells(&plan(&manifest, sql)).await.expect("an answer").values, expected, "{sql}");
    }
}
