//! Bad input: each kind gets an error that names file, place and remedy before anything is served, and
//! values that mean nothing become NULL and are counted.

use almoner_engine::{ColumnReport, Source, SourceError};
use almoner_federation::Name;

use crate::common::{HEADER, agency, ask, csv, folder, manifest, manifest_of, open};

const GOOD: &str = "1,f,34,7,100.5,true,2000-03-01";

async fn refusal(files: &[(&str, &[u8])]) -> String {
    let folder = folder(files);
    let error = open(folder.path(), &manifest(2, 2)).await.expect_err("the folder must be refused");
    assert_eq!(error.remote_text(), "the source could not answer");
    let text = error.local_detail();
    text.replace(&folder.path().display().to_string(), "DIR")
}

#[tokio::test]
async fn a_malformed_row_is_refused_with_its_line() {
    let text = refusal(&[("people.csv", &csv([GOOD, "2,m,30", GOOD]))]).await;
    assert!(text.starts_with("DIR/people.csv:3: the row has 3 fields where the header has 7; "), "{text}");
    let text = refusal(&[("people.csv", &csv([GOOD, GOOD, "2,m,30,1,1,t,2000-01-01,more"]))]).await;
    assert!(text.starts_with("DIR/people.csv:4: the row has 8 fields where the header has 7; "), "{text}");

    let mut bytes = csv([GOOD]);
    bytes.extend_from_slice(b"2,\xff\xfe,30,1,1,t,2000-01-01\n");
    let text = refusal(&[("people.csv", &bytes)]).await;
    assert!(text.starts_with("DIR/people.csv:3: the row is not UTF-8; export "), "{text}");

    let open_quote = csv([GOOD, "2,\"m,30,1,1,t,2000-01-01", GOOD]);
    let text = refusal(&[("people.csv", &open_quote)]).await;
    assert!(text.starts_with("DIR/people.csv:3: the row has 2 fields"), "{text}");
    assert!(text.contains("close every quote"), "{text}");

    let long = format!("2,{},30,1,1,t,2000-01-01", "x".repeat(70_000));
    let text = refusal(&[("people.csv", &csv([GOOD, &long]))]).await;
    assert!(
        text.starts_with("DIR/people.csv:3: a field of column sex is longer than 65536 bytes; "),
        "{text}"
    );
}

#[tokio::test]
async fn a_missing_or_doubtful_column_is_refused_by_name() {
    let text = refusal(&[("people.csv", b"id,sex,age,score,poor,born\n1,f,3,1,t,2000-01-01\n")]).await;
    assert!(text.starts_with("DIR/people.csv:1: column income is missing; add the column income "), "{text}");
    let text = refusal(&[("people.csv", b"person,sex,age,score,income,poor,born\n")]).await;
    assert!(text.starts_with("DIR/people.csv:1: column id is missing; "), "{text}");
    let text = refusal(&[("people.csv", HEADER.replace(',', ";").as_bytes())]).await;
    assert!(text.contains("column id is missing") && text.contains("comma-separated"), "{text}");
    let text = refusal(&[("people.csv", format!("{HEADER},AGE\n").as_bytes())]).await;
    assert!(text.starts_with("DIR/people.csv:1: column age stands twice; "), "{text}");
    let text = refusal(&[("people.csv", b"")]).await;
    assert!(text.contains("column id is missing"), "{text}");
    // The second of two files.
    let files: [(&str, &[u8]); 2] = [("people/1.csv", &csv([GOOD])), ("people/2.csv", b"id\n1\n")];
    let text = refusal(&files).await;
    assert!(text.starts_with("DIR/people/2.csv:1: column sex is missing; "), "{text}");
}

#[tokio::test]
async fn a_missing_or_doubtful_file_is_refused_by_name() {
    let text = refusal(&[("other.csv", &csv([GOOD]))]).await;
    assert!(text.starts_with("DIR: holds no data for table people; add people.csv, "), "{text}");
    let text = refusal(&[("people/notes.txt", b"")]).await;
    assert!(text.starts_with("DIR/people: holds no *.csv and no *.parquet file; "), "{text}");
    let both: [(&str, &[u8]); 2] = [("people.csv", &csv([GOOD])), ("people/1.csv", &csv([GOOD]))];
    let text = refusal(&both).await;
    assert!(
        text.starts_with("DIR: holds table people more than once: people.csv, people/; keep one"),
        "{text}"
    );
    let text = refusal(&[("people.parquet", b"PAR1 this is none PAR1")]).await;
    assert!(text.starts_with("DIR/people.parquet: is no readable Parquet file ("), "{text}");
    let text = refusal(&[("people.parquet", b"")]).await;
    assert!(text.starts_with("DIR/people.parquet: is no readable Parquet file ("), "{text}");
}

#[tokio::test]
async fn a_stranger_and_a_crowd_are_refused() {
    let folder = folder(&[("people.csv", &csv([GOOD]))]);
    let stranger: Name = "stranger".parse().expect("a slug");
    let error = Source::open(folder.path(), &manifest(2, 2), &stranger, &[7; 32]).await;
    assert!(matches!(error, Err(SourceError::Agency { .. })), "{error:?}");

    let table = "name = \"people\"\nrows_per_unit = 1\ncolumn = []\n";
    let three = crate::common::folder(&[("people.csv", b"id\n1\n2\n2.0\n3\n")]);
    assert!(open(three.path(), &manifest_of(2, "id", 3, table)).await.is_ok());
    let error = open(three.path(), &manifest_of(2, "id", 2, table)).await;
    assert!(matches!(error, Err(SourceError::Population { units: 3, population: 2, .. })), "{error:?}");
}

#[tokio::test]
async fn what_means_nothing_is_null_and_counted() {
    let rows = [
        "1,f,34,9223372036854775807,100.5,true,2000-03-01",
        "2,m,34.0,-9223372036854775808,NaN,NO,2000-02-30",
        "3,m,-1.0,9223372036854775808,inf,2,",
        "4,,34.5,x,-1e999,,01.03.2000",
        ",m,1,1,1,1,2000-01-01",
        "   ,m,1,1,1,1,2000-01-01",
    ];
    let folder = folder(&[("people.csv", &csv(rows))]);
    let manifest = manifest(2, 2);
    let source = open(folder.path(), &manifest).await.expect("values never refuse a file");
    let report = &source.report().tables[0];
    assert_eq!((report.rows_read, report.rows_without_unit, report.units), (6, 2, 4));
    let column = |name: &str, empty, unreadable| ColumnReport { column: name.into(), empty, unreadable };
    assert_eq!(
        report.columns,
        [
            column("sex", 1, 0),
            column("age", 0, 1),
            column("score", 0, 2),
            column("income", 0, 3),
            column("poor", 1, 1),
            column("born", 1, 2),
        ]
    );
    let text = source.report().to_string();
    assert!(
        text.contains("2 rows without a unit id") && text.contains("income: 0 empty, 3 unreadable"),
        "{text}"
    );

    for (sql, expected) in [
        ("SELECT COUNT(*) FROM people", vec![4]),
        ("SELECT COUNT(sex) FROM people", vec![3]),
        ("SELECT COUNT(age) FROM people", vec![3]),
        ("SELECT SUM(age) FROM people", vec![68]), // -1 counts as 0, the nearest end of its range
        ("SELECT COUNT(score) FROM people", vec![2]),
        ("SELECT COUNT(income) FROM people", vec![1]),
        ("SELECT SUM(income) FROM people", vec![201]), // in steps of 0.5
        ("SELECT COUNT(*) FROM people WHERE poor", vec![1]),
        ("SELECT COUNT(*) FROM people WHERE NOT poor", vec![1]),
        ("SELECT COUNT(*) FROM people WHERE poor IS NULL", vec![2]),
        ("SELECT COUNT(born) FROM people", vec![1]),
        ("SELECT sex, COUNT(*) FROM people GROUP BY sex", vec![1, 2]),
    ] {
        assert_eq!(ask(folder.path(), &manifest, sql).await, expected, "{sql}");
    }
    // 2^63 - 1 counts as the end of its declared range, without any rounding.
    let cells = ask(folder.path(), &manifest, "SELECT SUM(score) FROM people WHERE score > 0").await;
    assert_eq!(cells, [1_000_000_000]);
}

#[tokio::test]
async fn headers_match_without_case_and_other_columns_are_not_loaded() {
    let text = "note,BORN,Poor,income,Score,age,SEX,Id,secret\n\u{e9},2000-03-01,t,1,1,34,f,1,s\n";
    let with_mark = ["\u{feff}", text].concat();
    let folder = folder(&[("people.csv", with_mark.as_bytes())]);
    let cells = ask(folder.path(), &manifest(2, 2), "SELECT SUM(age) FROM people WHERE poor").await;
    assert_eq!(cells, [34]);
}

#[tokio::test]
async fn an_agency_that_does_not_hold_the_table_answers_zeros() {
    let table = "name = \"people\"\nrows_per_unit = 1\nagencies = [\"a2\"]\n\
                 column = [{ name = \"sex\", type = \"text\", domain = [\"f\", \"m\"] }]\n";
    let manifest = manifest_of(2, "id", 10, table);
    let folder = folder(&[("people.csv", b"id,sex\n1,f\n")]);
    let plan = crate::common::plan(&manifest, "SELECT sex, COUNT(*) FROM people GROUP BY sex");
    for (number, expected) in [(1, [0, 0]), (2, [1, 0])] {
        let source = Source::open(folder.path(), &manifest, &agency(number), &[7; 32]).await;
        let cells = source.expect("the folder is all right").cells(&plan).await;
        assert_eq!(cells.expect("the question can be answered").values, expected);
    }
}

#[tokio::test]
async fn an_empty_table_answers_zeros() {
    let folder = folder(&[("people.csv", &csv::<&str>([]))]);
    for sql in ["SELECT COUNT(*), SUM(income) FROM people", "SELECT sex, AVG(age) FROM people GROUP BY sex"] {
        let cells = ask(folder.path(), &manifest(2, 2), sql).await;
        assert!(cells.iter().all(|cell| *cell == 0) && !cells.is_empty(), "{sql}: {cells:?}");
    }
}

#[tokio::test]
async fn the_snapshot_names_the_files_and_not_their_contents() {
    let manifest = manifest(2, 2);
    let snapshot = async |files: &[(&str, &[u8])], key: u8| {
        let folder = folder(files);
        let source = Source::open(folder.path(), &manifest, &agency(1), &[key; 32]).await;
        let plan = crate::common::plan(&manifest, "SELECT COUNT(*) FROM people");
        let taken = source.expect("the folder is all right").cells(&plan).await;
        taken.expect("the question can be answered").snapshot
    };
    let one = csv([GOOD]);
    let base = snapshot(&[("people.csv", &one)], 7).await;
    assert_eq!(base, snapshot(&[("people.csv", &one), ("other.csv", b"id\n")], 7).await, "the same table");
    assert_ne!(base, snapshot(&[("people.csv", &csv([GOOD, GOOD]))], 7).await, "other contents");
    assert_ne!(base, snapshot(&[("people/a.csv", &one)], 7).await, "another name");
    assert_ne!(base, snapshot(&[("people.csv", &one)], 8).await, "nobody without the key can test a guess");
}
