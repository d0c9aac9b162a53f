//! A header alone: names and types, and nothing of any row.

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use almoner_engine::{HeaderType, header};
use datafusion::arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array, RecordBatch, StringArray,
    Time32SecondArray, UInt64Array,
};
use datafusion::parquet::arrow::ArrowWriter;

fn found(path: &Path) -> Vec<(String, HeaderType)> {
    header(path).expect("a header").into_iter().map(|column| (column.name, column.says)).collect()
}

#[test]
fn a_schema_names_types() {
    use HeaderType::{Boolean, Date, Integer, Number, Other, Text};
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(StringArray::from(vec!["a"]))),
        (" age ", Arc::new(Int64Array::from(vec![7]))),
        ("big", Arc::new(UInt64Array::from(vec![7]))),
        ("income", Arc::new(Float64Array::from(vec![7.5]))),
        ("exact", Arc::new(Decimal128Array::from(vec![75]))),
        ("poor", Arc::new(BooleanArray::from(vec![true]))),
        ("born", Arc::new(Date32Array::from(vec![7]))),
        ("clock", Arc::new(Time32SecondArray::from(vec![7]))),
    ];
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("people.parquet");
    let batch = RecordBatch::try_from_iter(columns).expect("one row");
    let file = File::create(&path).expect("a new file");
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).expect("a Parquet writer");
    writer.write(&batch).expect("a row written");
    writer.close().expect("file closed");
    let names = ["id", "age", "big", "income", "exact", "poor", "born", "clock"].map(str::to_owned);
    let types = [Text, Integer, Integer, Number, Number, Boolean, Date, Other("Time32(s)".into())];
    assert_eq!(found(&path), names.into_iter().zip(types).collect::<Vec<_>>());
}

#[test]
fn a_first_line_is_read_as_a_node_reads_it_and_no_further() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("people.csv");
    for end in ["", "\n", "\r\n", "\r", "\n\u{0}\"broken", "\r\u{0}\"broken"] {
        fs::write(&path, format!("\u{feff}id,\"age, in years\", sex ,\"a \"\"b\"\"\"{end}"))
            .expect("written");
        let names = ["id", "age, in years", "sex", "a \"b\""];
        assert_eq!(found(&path), names.map(|name| (name.to_owned(), HeaderType::Nothing)), "{end:?}");
    }
}

#[test]
fn what_has_no_header_is_refused_without_a_word_of_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let long_footer = [&b"PAR1 secret"[..], &[255; 4], b"PAR1"].concat();
    for (name, bytes) in [
        ("a.csv", &b"secret,4.5\n"[..]),
        ("a.csv", b"secret,\"x\n\"\n"),
        ("a.csv", b"\xff\xfes\0e\0c\0r\0e\0t\0"),
        ("a.parquet", b"secret"),
        ("a.parquet", b"PAR1 secret PAR1"),
        ("a.parquet", b"PAR1 secret\x04\x00\x00\x00PAR1"),
        ("a.parquet", &long_footer),
        ("a.parquet", b""),
        ("a.xlsx", b"secret"),
    ] {
        let path = folder.path().join(name);
        fs::write(&path, bytes).expect("written");
        let error = header(&path).expect_err("refused").to_string();
        assert!(error.contains(name) && !error.contains("secret"), "{error}");
    }
    assert!(header(&folder.path().join("none.csv")).is_err());
}
