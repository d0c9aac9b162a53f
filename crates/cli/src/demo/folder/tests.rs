use std::fs;
use std::path::Path;

use almoner_federation::{Bins, ColumnType, UnitKind, parse_date, parse_exact};

use super::column::{power_of_ten, round_up};
use super::scenario;
use crate::demo::DemoError;
use crate::demo::tests::{assert_budget, manifest_of};

fn write(folder: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        fs::write(folder.join(name), text).expect("written");
    }
}

const NORTH: &str = "Person_ID,district,born,score,poor,note,debt,empty,odd name\n\
                     1,n,1990-05-01,12.5,true,a,-3,,x\n\
                     1,n,1990-05-01,7,false,b,4,,x\n\
                     2,\"north, upper\",2001-02-28,1e2,true,c,NA,,x\n\
                     ,n,2001-02-28,9999,true,c,5,,x\n";
const SOUTH: &str = "district,person_id,born,score,poor,note,debt,empty,odd name\n\
                     s,3,1970-01-01,,false,d,250,,y\n\
                     s,3,1970-01-01,2.346,false,d,250,,y\n\
                     n,3,1970-01-01,1,false,d,0,,y\n";

#[test]
fn files_with_one_header_are_one_table_that_all_agencies_hold() {
    let (data, out) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    write(data.path(), &[("North 1.csv", NORTH), ("south.csv", SOUTH), ("read.me", "not a table")]);
    let drafted = scenario(data.path(), None, false, out.path()).expect("drafted");
    let manifest = manifest_of(&drafted);
    assert_budget(&drafted);
    assert_eq!((manifest.unit.kind, manifest.unit.column.as_str()), (UnitKind::Person, "person_id"));
    assert_eq!(manifest.unit.population, 10);
    let [table] = manifest.tables.as_slice() else { panic!("one table, not {}", manifest.tables.len()) };
    assert_eq!((table.name.as_str(), table.rows_per_unit, table.holders.len()), ("records", 5, 2));
    assert_eq!(manifest.overlap(table), 2);
    let exact = |text| parse_exact(text).expect("a number");
    let day = |text| parse_date(text).expect("a date");
    let columns: Vec<(&str, ColumnType)> =
        table.columns.iter().map(|column| (column.name.as_str(), column.kind.clone())).collect();
    let domain = |values: &[&str]| Some(values.iter().map(|value| (*value).to_owned()).collect());
    assert_eq!(
        columns,
        [
            ("district", ColumnType::Text { domain: domain(&["n", "north, upper", "s"]) }),
            ("born", ColumnType::Date { min: day("1970-01-01"), max: day("2001-12-31") }),
            (
                "score",
                ColumnType::Number {
                    min: exact("0"),
                    max: exact("100"),
                    resolution: exact("0.01"),
                    bands: vec![],
                    bins: Bins::default(),
                }
            ),
            ("poor", ColumnType::Boolean),
            ("note", ColumnType::Text { domain: domain(&["a", "b", "c", "d"]) }),
            ("debt", ColumnType::Integer { min: -5, max: 500, bands: vec![], bins: Bins::default() }),
        ]
    );
    for (agency, text) in [("north-1", NORTH), ("south", SOUTH)] {
        let copy = fs::read_to_string(out.path().join(agency).join("records.csv")).expect("laid out");
        assert_eq!(copy, text);
    }
    let notes = drafted.notes.join("\n");
    for said in ["FROM THE DATA", "read.me", "\"empty\"", "\"odd name\""] {
        assert!(notes.contains(said), "{said} in {notes}");
    }
}

#[test]
fn ranges_are_round_and_hold_every_value() {
    for (value, power, round) in [
        (0.0, 0.0, 0.0),
        (-3.0, 0.0, 0.0),
        (1.0, 1.0, 1.0),
        (1.01, 10.0, 2.0),
        (5.0, 10.0, 5.0),
        (5.5, 10.0, 10.0),
        (1000.0, 1000.0, 1000.0),
        (1001.0, 10_000.0, 2_000.0),
        (0.03, 0.1, 0.05),
    ] {
        assert!((power_of_ten(value) - power).abs() < 1e-12 && (round_up(value) - round).abs() < 1e-12);
    }
}

#[test]
fn the_exact_answers_leave_out_rows_without_a_unit_and_round_as_declared() {
    let (data, out) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    write(data.path(), &[("north.csv", NORTH), ("south.csv", SOUTH)]);
    let drafted = scenario(data.path(), None, false, out.path()).expect("drafted");
    let [count, sum, mean] = drafted.questions.as_slice() else { panic!("three questions") };
    assert_eq!(count.sql, "SELECT district, COUNT(*) AS n FROM records GROUP BY district");
    assert_eq!(sum.sql, "SELECT district, SUM(score) AS total FROM records GROUP BY district");
    assert_eq!(mean.sql, "SELECT district, AVG(score) AS mean FROM records GROUP BY district");
    let of = |key: &str| [count, sum, mean].map(|question| question.truth.of(key).expect("a group")[0]);
    assert_eq!(of("n"), [3.0, 20.5, 20.5 / 3.0]);
    assert_eq!(of("north, upper"), [1.0, 100.0, 100.0]);
    assert_eq!(of("s"), [2.0, 2.35, 2.35]);
}

#[test]
fn files_with_different_headers_are_a_table_each() {
    let (data, out) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    write(
        data.path(),
        &[
            ("order.csv", "hid,pid,kind\n1,11,a\n1,12,b\n"),
            ("tax.csv", "hid,yuan\n1,100.25\n2,7.5\n"),
            ("welfare.csv", "hid,level\n3,1\n"),
        ],
    );
    let drafted = scenario(data.path(), None, true, out.path()).expect("drafted");
    let manifest = manifest_of(&drafted);
    assert_budget(&drafted);
    assert_eq!((manifest.unit.kind, manifest.unit.column.as_str()), (UnitKind::Household, "hid"));
    let tables: Vec<(&str, usize, u32)> = manifest
        .tables
        .iter()
        .map(|table| (table.name.as_str(), table.holders.len(), table.rows_per_unit))
        .collect();
    assert_eq!(tables, [("t_order", 1, 2), ("tax", 1, 1), ("welfare", 1, 1)]);
    assert_eq!(manifest.sectors.len(), 1, "disjoint agencies form one sector");
    assert!(out.path().join("order").join("t_order.csv").is_file());
    let asked: Vec<&str> = drafted.questions.iter().map(|question| question.sql.as_str()).collect();
    assert_eq!(
        asked,
        [
            "SELECT kind, COUNT(*) AS n FROM t_order GROUP BY kind",
            "SELECT SUM(yuan) AS total FROM tax",
            "SELECT AVG(yuan) AS mean FROM tax"
        ]
    );
    assert_eq!(drafted.questions[1].truth.of(""), Some([107.75].as_slice()));
}

#[test]
fn a_group_without_numbers_is_not_asked_for_its_mean() {
    let (data, out) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let south = "id,kind,yuan\n3,a,1.5\n4,a,2.5\n";
    write(data.path(), &[("north.csv", "id,kind,yuan\n1,a,2\n2,b,\n"), ("south.csv", south)]);
    let drafted = scenario(data.path(), None, false, out.path()).expect("drafted");
    let mean = drafted.questions.last().expect("three questions");
    assert_eq!(mean.sql, "SELECT AVG(yuan) AS mean FROM records");
    assert_eq!(mean.truth.of(""), Some([2.0].as_slice()));
}

#[test]
fn what_cannot_become_a_federation_is_refused_with_a_remedy() {
    let out = tempfile::tempdir().expect("a folder");
    let refused = |files: &[(&str, &str)], unit: Option<&str>| {
        let data = tempfile::tempdir().expect("a folder");
        write(data.path(), files);
        scenario(data.path(), unit, false, out.path()).expect_err("refused")
    };
    let folder = |error: DemoError| match error {
        DemoError::Folder { message, .. } => message,
        other => panic!("{other}"),
    };
    assert!(folder(refused(&[("a.csv", "id,x\n1,2\n")], None)).contains("1 CSV files"));
    let two = [("a.csv", "id,x\n1,2\n"), ("b.csv", "pid,x\n1,2\n")];
    assert!(folder(refused(&two, None)).contains("share no id column"));
    assert!(folder(refused(&two, Some("id"))).contains("not every file"));
    assert!(folder(refused(&[("a b.csv", "id\n1\n"), ("a-b.csv", "id\n1\n")], None)).contains("a-b"));
    assert!(folder(refused(&[("a.csv", "id\n1\n"), ("b.csv", "id\n1\n")], None)).contains("no column"));
    let torn = [("a.csv", "id,x\n1,2\n"), ("b.csv", "id,x\n1,2,3\n")];
    assert!(matches!(refused(&torn, None), DemoError::Csv { path, .. } if path.ends_with("b.csv")));
    let nowhere = scenario(&out.path().join("nowhere"), None, false, out.path());
    assert!(matches!(nowhere, Err(DemoError::Read { .. })));
}
