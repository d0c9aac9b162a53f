//! CSV and Parquet agree: the same rows give the same cells and the same kept rows.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, BooleanArray, Date32Array, Float64Array, Int64Array, RecordBatch, StringArray,
    StringDictionaryBuilder, TimestampMicrosecondArray, UInt64Array,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Int32Type};
use datafusion::parquet::arrow::ArrowWriter;

use crate::common::{Random, csv, folder, manifest, open, plan};

const QUESTIONS: [&str; 8] = [
    "SELECT COUNT(*), COUNT(sex), COUNT(age), COUNT(score), COUNT(income), COUNT(poor), COUNT(born) FROM people",
    "SELECT sex, COUNT(*) FROM people GROUP BY sex",
    "SELECT SUM(age), AVG(age) FROM people",
    "SELECT SUM(score) FROM people",
    "SELECT age, SUM(income) FROM people GROUP BY age",
    "SELECT poor, AVG(income) FROM people GROUP BY poor",
    "SELECT COUNT(*) FROM people WHERE born < DATE '2000-01-01'",
    "SELECT SUM(income) FILTER (WHERE score = 7) FROM people WHERE age BETWEEN 10 AND 60",
];

type Row = (i64, Option<&'static str>, Option<i64>, Option<i64>, Option<f64>, Option<bool>, Option<i32>);

/// 300 rows of 60 units: up to 2 stay of each unit's rows.
fn rows() -> Vec<Row> {
    let random = &mut Random(11);
    (0..300)
        .map(|_| {
            let absent = |row: &mut Random| row.once_in(6);
            (
                random.below(60) as i64,
                (!absent(random)).then(|| random.pick(&["f", "m", "x"])),
                (!absent(random)).then(|| random.below(140) as i64 - 10),
                (!absent(random)).then(|| [7, i64::MAX, i64::MIN, -3][random.below(4)]),
                (!absent(random)).then(|| random.below(40_000) as f64 / 4.0 - 2_000.0),
                (!absent(random)).then(|| random.once_in(2)),
                (!absent(random)).then(|| random.below(15_000) as i32 + 5_000),
            )
        })
        .collect()
}

fn as_csv(rows: &[Row]) -> Vec<u8> {
    fn show<T: ToString>(value: Option<T>) -> String {
        value.map_or_else(String::new, |value| value.to_string())
    }
    csv(rows.iter().map(|(id, sex, age, score, income, poor, born)| {
        let born = born.map(almoner_federation::show_date);
        [id.to_string(), show(*sex), show(*age), show(*score), show(*income), show(*poor), show(born)]
            .join(",")
    }))
}

fn columns(rows: &[Row]) -> Vec<(&'static str, ArrayRef)> {
    vec![
        ("id", Arc::new(rows.iter().map(|row| Some(row.0)).collect::<Int64Array>())),
        ("sex", Arc::new(rows.iter().map(|row| row.1).collect::<StringArray>())),
        ("age", Arc::new(rows.iter().map(|row| row.2).collect::<Int64Array>())),
        ("score", Arc::new(rows.iter().map(|row| row.3).collect::<Int64Array>())),
        ("income", Arc::new(rows.iter().map(|row| row.4).collect::<Float64Array>())),
        ("poor", Arc::new(rows.iter().map(|row| row.5).collect::<BooleanArray>())),
        ("born", Arc::new(rows.iter().map(|row| row.6).collect::<Date32Array>())),
    ]
}

fn write(path: &Path, columns: Vec<(&'static str, ArrayRef)>) {
    let batch = RecordBatch::try_from_iter_with_nullable(
        columns.into_iter().map(|(name, array)| (name, array, true)),
    )
    .expect("columns of one length");
    let file = File::create(path).expect("a new file");
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).expect("a Parquet writer");
    writer.write(&batch).expect("rows written");
    writer.close().expect("file closed");
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

/// Replaces a column by its values in another type.
fn retyped(
    rows: &[Row],
    name: &str,
    change: impl Fn(&ArrayRef) -> ArrayRef,
) -> Vec<(&'static str, ArrayRef)> {
    let mut columns = columns(rows);
    for (own, array) in &mut columns {
        if *own == name {
            *array = change(array);
        }
    }
    columns
}

#[tokio::test]
async fn the_same_rows_give_the_same_cells_in_both_formats() {
    let rows = rows();
    let from_csv = folder(&[("people.csv", &as_csv(&rows))]);
    let expected = cells(from_csv.path()).await;
    assert!(expected.iter().all(|cells| cells.iter().any(|cell| *cell != 0)), "{expected:?}");

    let to = |kind: DataType| move |array: &ArrayRef| cast(array, &kind).expect("a cast that Arrow knows");
    let dictionary = |array: &ArrayRef| -> ArrayRef {
        let mut builder = StringDictionaryBuilder::<Int32Type>::new();
        for value in array.as_any().downcast_ref::<StringArray>().expect("text") {
            builder.append_option(value);
        }
        Arc::new(builder.finish())
    };
    let days = |array: &ArrayRef| array.as_any().downcast_ref::<Date32Array>().expect("days").clone();
    let noon = |array: &ArrayRef| -> ArrayRef {
        let micros = |day: Option<i32>| day.map(|day| (i64::from(day) * 24 + 12) * 3_600_000_000);
        Arc::new(days(array).iter().map(micros).collect::<TimestampMicrosecondArray>())
    };
    let noon_utc = |array: &ArrayRef| -> ArrayRef {
        let micros = |day: Option<i32>| day.map(|day| (i64::from(day) * 24 + 12) * 3_600_000_000);
        Arc::new(days(array).iter().map(micros).collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
    };
    let variants: Vec<Vec<(&'static str, ArrayRef)>> = vec![
        columns(&rows),
        columns(&rows).into_iter().rev().collect(),
        retyped(&rows, "id", to(DataType::Utf8)),
        retyped(&rows, "id", to(DataType::Float64)),
        retyped(&rows, "id", to(DataType::UInt64)),
        retyped(&rows, "id", to(DataType::Decimal128(12, 2))),
        retyped(&rows, "sex", to(DataType::LargeUtf8)),
        retyped(&rows, "sex", to(DataType::Utf8View)),
        retyped(&rows, "sex", dictionary),
        retyped(&rows, "age", to(DataType::Int16)),
        retyped(&rows, "age", to(DataType::Float32)),
        retyped(&rows, "age", to(DataType::Utf8)),
        retyped(&rows, "age", to(DataType::Decimal128(10, 3))),
        retyped(&rows, "score", to(DataType::Decimal128(38, 0))),
        retyped(&rows, "score", to(DataType::Utf8)),
        retyped(&rows, "income", to(DataType::Float32)),
        retyped(&rows, "income", to(DataType::Decimal256(40, 2))),
        retyped(&rows, "income", to(DataType::Utf8)),
        retyped(&rows, "poor", to(DataType::Utf8)),
        retyped(&rows, "poor", to(DataType::UInt8)),
        retyped(&rows, "born", to(DataType::Utf8)),
        retyped(&rows, "born", to(DataType::Date64)),
        retyped(&rows, "born", noon),
        retyped(&rows, "born", noon_utc),
    ];
    for columns in variants {
        let shape: Vec<_> = columns.iter().map(|(name, array)| (*name, array.data_type().clone())).collect();
        let folder = folder(&[]);
        write(&folder.path().join("people.parquet"), columns);
        assert_eq!(cells(folder.path()).await, expected, "{shape:?}");
    }
}

#[tokio::test]
async fn one_table_may_stand_in_many_files_of_both_formats() {
    let rows = rows();
    let whole = folder(&[("people.csv", &as_csv(&rows))]);
    let parts = folder(&[
        ("people/2.csv", &as_csv(&rows[100..180])),
        ("people/0.csv", &as_csv(&rows[180..181])),
        ("people/readme.txt", b"not data"),
    ]);
    write(&parts.path().join("people/1.parquet"), columns(&rows[..100]));
    write(&parts.path().join("people/3.parquet"), columns(&rows[181..]));
    assert_eq!(cells(parts.path()).await, cells(whole.path()).await);
    let source = open(parts.path(), &manifest(2, 2)).await.expect("the folder is all right");
    let report = &source.report().tables[0];
    assert_eq!(report.files, ["people/0.csv", "people/1.parquet", "people/2.csv", "people/3.parquet"]);
    assert_eq!(report.ignored_files, ["people/readme.txt"]);
}

#[tokio::test]
async fn values_that_a_type_cannot_hold_are_null_in_parquet_too() {
    let rows: Vec<Row> =
        (0..4).map(|id| (id, Some("f"), Some(1), Some(1), Some(1.0), Some(true), Some(1))).collect();
    let mut columns = columns(&rows);
    columns[2].1 = Arc::new(Float64Array::from(vec![Some(7.0), Some(7.5), Some(f64::NAN), None]));
    columns[3].1 = Arc::new(UInt64Array::from(vec![Some(7), Some(u64::MAX), Some(1 << 63), None]));
    columns[4].1 = Arc::new(Float64Array::from(vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 2.0]));
    columns[6].1 = Arc::new(Date32Array::from(vec![Some(i32::MAX), Some(i32::MIN), Some(0), None]));
    let folder = folder(&[]);
    write(&folder.path().join("people.parquet"), columns);
    let source = open(folder.path(), &manifest(2, 2)).await.expect("values never refuse a file");
    let counts: Vec<_> =
        source.report().tables[0].columns.iter().map(|column| (column.empty, column.unreadable)).collect();
    assert_eq!(counts, [(0, 0), (1, 2), (1, 2), (0, 3), (0, 0), (1, 2)]);
}

#[tokio::test]
async fn a_type_that_means_something_else_is_refused_by_name() {
    let rows = rows();
    let to = |kind: DataType| move |array: &ArrayRef| cast(array, &kind).expect("a cast that Arrow knows");
    for (columns, problem) in [
        (retyped(&rows, "born", to(DataType::Int32)), "column born is Int32, which cannot be read as date"),
        (
            retyped(&rows, "age", |_| Arc::new(BooleanArray::from(vec![true; 300]))),
            "column age is Boolean, which cannot be read as integer",
        ),
        (
            retyped(&rows, "id", |_| Arc::new(Date32Array::from(vec![1; 300]))),
            "column id is Date32, which cannot be read as a unit id",
        ),
        (retyped(&rows, "sex", to(DataType::Binary)), "column sex is Binary, which cannot be read as text"),
        (columns(&rows).into_iter().skip(1).collect(), "column id is missing"),
    ] {
        let folder = folder(&[]);
        write(&folder.path().join("people.parquet"), columns);
        let error = open(folder.path(), &manifest(2, 2)).await.expect_err(problem).local_detail();
        assert!(error.contains("people.parquet: ") && error.contains(problem), "{error}");
    }
}
