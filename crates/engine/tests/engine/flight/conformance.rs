//! What a Flight SQL server holds means what files mean.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, BooleanArray, Date32Array, Float32Array, Float64Array, Int8Array, Int32Array,
    Int64Array, LargeStringArray, StringArray, StringViewArray, TimestampMicrosecondArray,
    TimestampMillisecondArray, TimestampNanosecondArray, TimestampSecondArray, UInt32Array, UInt64Array,
};
use datafusion::arrow::compute::take;

use crate::common::{HEADER, Random, csv, folder, manifest, open as open_folder};
use crate::conformance::{self, seed};
use crate::flight::server::Server;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn text_means_the_same_everywhere() {
    let server = Server::start().await;
    conformance::text_means_the_same(20, async |_, manifest, text| {
        server.texts("people", text);
        server.open(manifest).await.expect("the server is all right")
    })
    .await;
}

/// What a typed column can hold, and what a file would hold for it.
type Values = (ArrayRef, Vec<&'static str>);

fn values(array: impl Array + 'static, texts: &[&'static str]) -> Values {
    assert_eq!(array.len(), texts.len());
    (Arc::new(array), texts.to_vec())
}

fn second(day: i64, second: i64) -> i64 {
    day * 86_400 + second
}

/// Every column in types that can mean it, with their ends.
fn typed() -> [Vec<Values>; 7] {
    let floats = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 1e308, -f64::NAN];
    let float_texts = ["NaN", "inf", "-inf", "-0.0", "1e308", "NaN"];
    let with = |own: &[f64]| Float64Array::from([own, &floats].concat());
    let texts = |own: &[&'static str]| [own, &float_texts].concat();
    let ids = vec![
        values(
            Int64Array::from(vec![Some(1), Some(2), Some(-7), Some(i64::MIN), None]),
            &["1", "2", "-7", "-9223372036854775808", ""],
        ),
        values(
            with(&[1.0, 2.0, 9_007_199_254_740_992.0, 3.5]),
            // Floats that are no whole number, or too large to be sure, are nobody's id.
            &["1", "2", "9007199254740992", "", "", "", "", "0", "", ""],
        ),
        values(UInt64Array::from(vec![1, u64::MAX]), &["1", "18446744073709551615"]),
        values(StringViewArray::from(vec![Some("1.0"), Some(" b"), Some(""), None]), &["1.0", " b", "", ""]),
        values(LargeStringArray::from(vec!["-0", "01"]), &["-0", "01"]),
    ];
    let sexes = vec![
        values(
            StringArray::from(vec![Some("f"), Some("m"), Some(" f"), Some(""), None]),
            &["f", "m", " f", "", ""],
        ),
        values(
            StringViewArray::from(vec!["f", "a text that is longer than a view"]),
            &["f", "a text that is longer than a view"],
        ),
        values(LargeStringArray::from(vec!["f", "m"]), &["f", "m"]),
    ];
    let ages = vec![
        values(with(&[17.0, 34.5, -1.0, 40.0]), &texts(&["17", "34.5", "-1", "40"])),
        values(
            Int32Array::from(vec![Some(17), Some(64), Some(i32::MIN), None]),
            &["17", "64", "-2147483648", ""],
        ),
        values(UInt32Array::from(vec![17, u32::MAX]), &["17", "4294967295"]),
        values(Float32Array::from(vec![17.0, 0.5, f32::NAN]), &["17", "0.5", "NaN"]),
    ];
    let scores = vec![
        values(
            Int64Array::from(vec![Some(i64::MAX), Some(i64::MIN), Some(0), Some(-3), None]),
            &["9223372036854775807", "-9223372036854775808", "0", "-3", ""],
        ),
        values(
            UInt64Array::from(vec![u64::MAX, 1 << 63, 5]),
            &["18446744073709551615", "9223372036854775808", "5"],
        ),
        values(
            with(&[9_223_372_036_854_775_808.0, -9_223_372_036_854_775_808.0, -3.0]),
            &texts(&["9223372036854775808", "-9223372036854775808", "-3"]),
        ),
    ];
    let incomes = vec![
        values(
            with(&[
                0.25,
                -0.25,
                0.75,
                5e-324,
                4999.75,
                120.1,
                2f64.powi(100),
                -1e31,
                1e-31,
                7.888_609_052_210_118e-31,
                2.675,
            ]),
            &texts(&[
                "0.25",
                "-0.25",
                "0.75",
                "5e-324",
                "4999.75",
                "120.1",
                "1267650600228229401496703205376",
                "-1e31",
                "1e-31",
                "7.888609052210118e-31",
                "2.675",
            ]),
        ),
        values(
            Float32Array::from(vec![0.25, 4999.75, f32::MAX]),
            &["0.25", "4999.75", "3.4028234663852886e38"],
        ),
        values(
            Int64Array::from(vec![i64::MAX, i64::MIN, 300]),
            &["9223372036854775807", "-9223372036854775808", "300"],
        ),
    ];
    let poor = vec![
        values(BooleanArray::from(vec![Some(true), Some(false), None]), &["true", "false", ""]),
        values(Int8Array::from(vec![1, 0, 2, -1]), &["1", "0", "2", "-1"]),
        values(with(&[1.0, 0.5]), &["1", "0.5", "x", "x", "x", "0", "x", "x"]),
        values(UInt64Array::from(vec![1, 0, u64::MAX]), &["1", "0", "x"]),
    ];
    let born = vec![
        values(
            Date32Array::from(vec![
                Some(11_016),
                Some(-719_162),
                Some(2_932_896),
                Some(i32::MAX),
                Some(i32::MIN),
                None,
            ]),
            &["2000-02-29", "0001-01-01", "9999-12-31", "infinity", "-infinity", ""],
        ),
        values(
            TimestampSecondArray::from(vec![
                second(12_941, 86_399),
                second(-1, 86_399),
                second(-719_162, 0),
                second(-719_162, -1),
                second(2_932_896, 86_399),
                second(2_932_897, 0),
                i64::MAX,
                i64::MIN,
            ]),
            &["2005-06-07", "1969-12-31", "0001-01-01", "x", "9999-12-31", "x", "x", "x"],
        ),
        values(
            TimestampMillisecondArray::from(vec![second(12_941, 0) * 1_000, -1, i64::MAX, i64::MIN]),
            &["2005-06-07", "1969-12-31", "x", "x"],
        ),
        values(
            TimestampMicrosecondArray::from(vec![second(12_941, 0) * 1_000_000, -1, i64::MAX, i64::MIN]),
            &["2005-06-07", "1969-12-31", "x", "x"],
        ),
        values(
            TimestampNanosecondArray::from(vec![second(12_941, 0) * 1_000_000_000, -1, i64::MAX, i64::MIN]),
            &["2005-06-07", "1969-12-31", "2262-04-11", "1677-09-21"],
        ),
    ];
    [ids, sexes, ages, scores, incomes, poor, born]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn typed_columns_mean_what_their_export_means() {
    let server = Server::start().await;
    let manifest = manifest(2, 2);
    let random = &mut Random(seed() + 3);
    let kinds = typed();
    let most = kinds.iter().map(Vec::len).max().unwrap_or(0);
    for round in 0..most {
        let mut fields: Vec<Vec<String>> = vec![Vec::new(); 600];
        let mut columns = Vec::new();
        for (name, kinds) in HEADER.split(',').zip(&kinds) {
            let (array, texts) = &kinds[round % kinds.len()];
            let picks: Vec<u64> = (0..600).map(|_| random.below(array.len()) as u64).collect();
            for (row, pick) in fields.iter_mut().zip(&picks) {
                row.push(texts[*pick as usize].to_owned());
            }
            let column = take(array.as_ref(), &UInt64Array::from(picks), None).expect("places inside");
            columns.push((name.to_owned(), column));
        }
        // Half of the rows are of units with a few, else all would be of some with far too many.
        let many = Int64Array::from_iter_values((0..600).map(|_| random.below(400) as i64 - 200));
        let (own, _) = &kinds[0][round % kinds[0].len()];
        let many = datafusion::arrow::compute::cast(&many, own.data_type()).expect("numbers");
        let both =
            datafusion::arrow::compute::concat(&[columns[0].1.as_ref(), many.as_ref()]).expect("one type");
        let places: Vec<u64> = (0..600).map(|row| if row % 2 == 0 { row } else { row + 600 }).collect();
        let texts = datafusion::arrow::compute::cast(&many, &datafusion::arrow::datatypes::DataType::Utf8);
        let texts = texts.expect("texts");
        let texts: &StringArray = datafusion::arrow::array::AsArray::as_string(&texts);
        for (row, fields) in fields.iter_mut().enumerate().filter(|(row, _)| row % 2 == 1) {
            // What is no value of the type is NULL there, and nothing in a file.
            fields[0] = if texts.is_null(row) { String::new() } else { texts.value(row).to_owned() };
        }
        columns[0].1 = take(both.as_ref(), &UInt64Array::from(places), None).expect("places inside");
        let kinds: Vec<String> = columns.iter().map(|(_, column)| column.data_type().to_string()).collect();
        println!("{}", kinds.join(", "));
        server.table("registry", columns);
        let lines: Vec<String> = fields.iter().map(|row| row.join(",")).collect();
        let folder = folder(&[("people.csv", &csv(&lines))]);
        let files = open_folder(folder.path(), &manifest).await.expect("the folder is all right");
        let source = server.mapped(&manifest, "people", "SELECT * FROM registry -- with a comment").await;
        let source = source.unwrap_or_else(|error| panic!("{kinds:?}: {error}"));
        conformance::typed_means_its_export(&manifest, &files, &source).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn units_are_placed_where_files_place_them() {
    let server = Server::start().await;
    conformance::placed_where_files_place(async |manifest, [people, stays, pupils]| {
        server.texts("people", people.as_bytes());
        server.texts("stays", stays.as_bytes());
        server.texts("pupils", pupils.as_bytes());
        let mut access = server.access.clone();
        access.tables.insert("people".into(), "SELECT id, county, income FROM people".into());
        // The agency's own table is read, not the manifest's of the same name.
        access.tables.insert(
            "stays".into(),
            "SELECT s.id, s.nights, s.county FROM stays s WHERE (SELECT COUNT(*) FROM people) > 0".into(),
        );
        crate::flight::opening::open(&access, manifest).await.expect("the server is all right")
    })
    .await;
}
