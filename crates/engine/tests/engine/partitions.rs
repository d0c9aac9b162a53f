//! Tables in many folders whose names hold fields: the same rows give the same cells, and what could count a record
//! twice or leave it out is refused.

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use datafusion::parquet::arrow::ArrowWriter;

use crate::common::{folder, manifest, open, plan};

const QUESTIONS: [&str; 5] = [
    "SELECT sex, COUNT(*) FROM people GROUP BY sex",
    "SELECT COUNT(sex), COUNT(age), COUNT(born), COUNT(income) FROM people",
    "SELECT SUM(income) FROM people WHERE sex = 'f'",
    "SELECT age, SUM(score) FROM people WHERE born >= DATE '2000-01-01' GROUP BY age",
    "SELECT poor, AVG(income) FROM people GROUP BY poor",
];

/// Rows of the folder `sex=.../born=...`, as `id,age,score,income,poor`.
const PARTITIONS: [(&str, &str, &str, &[&str]); 6] = [
    ("sex=f/born=2000-01-01", "f", "2000-01-01", &["1,34,7,100,true", "2,10,8,,false", "1,35,9,300,true"]),
    ("sex=f/born=1999-12-31", "f", "1999-12-31", &["1,34,7,100,true", ",1,1,1,"]),
    ("sex=m/born=__HIVE_DEFAULT_PARTITION__", "m", "", &["3,70,1,5,", "4,n/a,2,6,t"]),
    ("sex=%6D/born=2001%2D05%2D06", "m", "2001-05-06", &["5,20,3,7,f"]),
    ("SEX=/born=2002-02-30", "", "2002-02-30", &["6,20,3,7,f", "6,20,3,7,f"]),
    ("sex=x/born=2003-03-03", "x", "2003-03-03", &[]),
];

fn write(path: &Path, rows: &[&str]) {
    let field = |row: &&str, index: usize| {
        Some(row.split(',').nth(index).expect("a field")).filter(|text| !text.is_empty()).map(str::to_owned)
    };
    let column = |index: usize| rows.iter().map(|row| field(row, index)).collect::<StringArray>();
    let scores: Int64Array =
        rows.iter().map(|row| field(row, 2).map(|text| text.parse::<i64>().expect("a score"))).collect();
    let columns: [(&str, ArrayRef); 5] = [
        ("id", Arc::new(column(0))),
        ("age", Arc::new(column(1))),
        ("score", Arc::new(scores)),
        ("income", Arc::new(column(3))),
        ("poor", Arc::new(column(4))),
    ];
    let batch = RecordBatch::try_from_iter_with_nullable(columns.map(|(name, array)| (name, array, true)));
    let batch = batch.expect("columns of one length");
    fs::create_dir_all(path.parent().expect("inside the folder")).expect("a new folder");
    let mut writer = ArrowWriter::try_new(File::create(path).expect("a new file"), batch.schema(), None);
    let writer = writer.as_mut().expect("a Parquet writer");
    writer.write(&batch).expect("rows written");
    writer.finish().expect("file closed");
}

async fn cells(folder: &Path) -> Vec<Vec<i64>> {
    let manifest = manifest(2, 2);
    let source = open(folder, &manifest).await.expect("the folder is all right");
    let mut all = Vec::new();
    for sql in QUESTIONS {
        all.push(source.cells(&plan(&manifest, sql)).await.expect("the question can be answered").values);
    }
    all
}

#[tokio::test]
async fn a_folders_name_is_a_field_of_every_row_in_it() {
    let mut flat = "id,sex,age,score,income,poor,born\n".to_owned();
    for (_, sex, born, rows) in PARTITIONS {
        for row in rows {
            let (id, rest) = row.split_once(',').expect("fields");
            flat += &format!("{id},{sex},{rest},{born}\n");
        }
    }
    let flat = folder(&[("people.csv", flat.as_bytes())]);
    let expected = cells(flat.path()).await;
    let (csv, parquet, mixed) = (folder(&[]), folder(&[]), folder(&[]));
    for (index, (path, _, _, rows)) in PARTITIONS.iter().enumerate() {
        let text = format!("id,age,score,income,poor\n{}\n", rows.join("\n"));
        for (folder, is_csv) in [(&csv, true), (&parquet, false), (&mixed, index % 2 == 0)] {
            let path = folder.path().join("people").join(path);
            fs::create_dir_all(&path).expect("a new folder");
            if is_csv {
                fs::write(path.join("0.csv"), &text).expect("a new file");
            } else {
                write(&path.join("0.parquet"), rows);
            }
        }
    }
    for folder in [&csv, &parquet, &mixed] {
        assert_eq!(cells(folder.path()).await, expected);
    }
    let source = open(mixed.path(), &manifest(2, 2)).await.expect("the folder is all right");
    let of_flat = open(flat.path(), &manifest(2, 2)).await.expect("the folder is all right");
    let (mut report, of_flat) = (source.report().clone(), of_flat.report());
    assert_eq!(report.tables[0].files.len(), 6);
    assert!(report.tables[0].files.contains(&"people/sex=f/born=2000-01-01/0.csv".to_owned()));
    report.tables[0].files = of_flat.tables[0].files.clone();
    assert_eq!(report, *of_flat, "counted alike");
}

#[tokio::test]
async fn where_a_file_lies_is_part_of_the_snapshot() {
    let file: &[u8] = b"id,age,score,income,poor,born\n1,1,1,1,t,2000-01-01\n";
    let (f, m) = (folder(&[]), folder(&[]));
    for (folder, name) in [(&f, "sex=f"), (&m, "sex=m")] {
        let path = folder.path().join("people").join(name);
        fs::create_dir_all(&path).expect("a new folder");
        fs::write(path.join("0.csv"), file).expect("a new file");
    }
    let manifest = manifest(2, 2);
    let count = plan(&manifest, QUESTIONS[0]);
    let snapshot = async |folder: &Path| {
        let source = open(folder, &manifest).await.expect("all right");
        source.cells(&count).await.expect("the question can be answered").snapshot
    };
    assert_ne!(snapshot(f.path()).await, snapshot(m.path()).await);
}

#[tokio::test]
async fn folders_that_could_miscount_are_refused() {
    let full: &[u8] = b"id,sex,age,score,income,poor,born\n1,f,1,1,1,t,2000-01-01\n";
    let deep = format!("people/{}0.csv", "sex=f/".repeat(9));
    for (name, problem) in [
        ("people/sex=f/0.csv", "column sex stands twice, once in the names of its folders"),
        ("people/Sex=f/sex=m/0.csv", "column sex stands twice"),
        ("people/2024/0.csv", "is a folder within a table, but is not named column=value"),
        ("people/=f/0.csv", "names no column"),
        ("people/a=5%/0.csv", "%"),
        ("people/a=%C3/0.csv", "UTF-8"),
        ("people/_delta_log/0.json", "Delta Lake"),
        ("people/.hoodie/x", "Hudi"),
        (&deep, "more than 8 folders deep"),
    ] {
        let folder = folder(&[("people/0.csv", full)]);
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("inside the folder")).expect("a new folder");
        fs::write(&path, full).expect("a new file");
        let error = open(folder.path(), &manifest(2, 2)).await.expect_err(problem).local_detail();
        assert!(error.contains(problem), "{name}: {error}");
    }
}

#[tokio::test]
async fn hidden_files_and_folders_are_reported_and_not_read() {
    let full: &[u8] = b"id,sex,age,score,income,poor,born\n1,f,1,1,1,t,2000-01-01\n";
    let folder = folder(&[
        ("people/0.csv", full),
        ("people/_unfinished.csv", full),
        ("people/._0.csv", b"\0\0"),
        ("people/_temporary/x=1/0.csv", full),
    ]);
    let source = open(folder.path(), &manifest(2, 2)).await.expect("the folder is all right");
    let report = &source.report().tables[0];
    assert_eq!(report.rows_read, 1);
    assert_eq!(report.ignored_files, ["people/._0.csv", "people/_temporary", "people/_unfinished.csv"]);
}

#[cfg(unix)]
#[tokio::test]
async fn links_within_a_table_are_refused() {
    let full: &[u8] = b"id,sex,age,score,income,poor,born\n1,f,1,1,1,t,2000-01-01\n";
    for (target, name) in
        [("people/0.csv", "people/1.csv"), ("people", "people/sex=f"), ("nowhere", "people/x")]
    {
        let folder = folder(&[("people/0.csv", full)]);
        std::os::unix::fs::symlink(folder.path().join(target), folder.path().join(name)).expect("a link");
        let error = open(folder.path(), &manifest(2, 2)).await.expect_err("a link").local_detail();
        assert!(error.contains("is a symbolic link"), "{error}");
    }
}
