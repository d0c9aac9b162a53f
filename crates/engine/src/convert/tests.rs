//! Whole columns give what `Value` gives field by field, whatever the types.

use almoner_federation::{Bins, Column, Exact, Table, parse_exact};
use datafusion::arrow::array::{
    Date64Array, Decimal128Array, DictionaryArray, Int32Array, StringViewArray, TimestampMicrosecondArray,
};
use datafusion::arrow::datatypes::{Field, Int32Type, Schema};
use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;

use super::*;
use crate::rows;

const ROWS: usize = 40;

/// Texts that mean a value of some type, nearly mean one, or mean nothing.
const TEXTS: [&str; 24] = [
    "",
    " ",
    "7",
    " 7.0 ",
    "-0",
    "-0.0",
    "007",
    "1",
    "0.0",
    "34.5",
    "1e3",
    "1e999",
    "NaN",
    "inf",
    "TRUE",
    "f",
    "no ",
    "2000-02-29",
    "2001-02-29",
    "9223372036854775807",
    "9223372036854775808",
    "x",
    "\u{fc} ",
    "a,b\"c\n",
];
const FLOATS: [f64; 14] = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    7.5,
    1e16,
    9_007_199_254_740_992.0,
    9_223_372_036_854_775_808.0,
    -9_223_372_036_854_775_808.0,
    f64::MAX,
    5e-324,
    f64::NAN,
    f64::INFINITY,
    f64::NEG_INFINITY,
];
const INTEGERS: [i64; 9] = [0, 1, -1, 2, 34, i64::MAX, i64::MIN, 1 << 53, -719_163];

/// A column's fields, some NULL, of a random value or one of those.
fn fields<T: Copy + std::fmt::Debug + 'static>(
    any: impl Strategy<Value = T> + 'static,
    edges: &'static [T],
) -> BoxedStrategy<Vec<Option<T>>> {
    vec(weighted(0.8, prop_oneof![any, proptest::sample::select(edges)]), ROWS).boxed()
}

fn integers() -> BoxedStrategy<Vec<Option<i64>>> {
    fields(any::<i64>(), &INTEGERS)
}

fn texts() -> BoxedStrategy<Vec<Option<&'static str>>> {
    fields(proptest::sample::select(&TEXTS[..]), &TEXTS)
}

fn array<A: Array + 'static>(array: A) -> ArrayRef {
    Arc::new(array)
}

/// A column of any type that a file may have.
fn column() -> BoxedStrategy<ArrayRef> {
    let narrow = |kind: DataType| {
        integers()
            .prop_map(move |all| cast(&array(Int64Array::from(all)), &kind).expect("a cast that Arrow knows"))
    };
    prop_oneof![
        integers().prop_map(|all| array(Int64Array::from(all))),
        narrow(DataType::Int8),
        narrow(DataType::Int32),
        narrow(DataType::UInt8),
        narrow(DataType::UInt32),
        narrow(DataType::UInt64),
        narrow(DataType::Float32),
        fields(any::<f64>(), &FLOATS).prop_map(|all| array(Float64Array::from(all))),
        fields(any::<bool>(), &[true]).prop_map(|all| array(BooleanArray::from(all))),
        fields(any::<i32>(), &[0, -719_163, -719_162, 2_932_896, 2_932_897])
            .prop_map(|all| array(Date32Array::from(all))),
        integers().prop_map(|all| array(Date64Array::from(all))),
        integers().prop_map(|all| array(TimestampMicrosecondArray::from(all))),
        integers().prop_map(|all| {
            let cents = all.into_iter().map(|value| value.map(i128::from)).collect::<Decimal128Array>();
            array(cents.with_precision_and_scale(38, 2).expect("a scale below the precision"))
        }),
        texts().prop_map(|all| array(StringArray::from(all))),
        texts().prop_map(|all| array(LargeStringArray::from(all))),
        texts().prop_map(|all| array(StringViewArray::from(all))),
        texts().prop_map(|all| {
            let keys: Int32Array = all.iter().enumerate().map(|(i, text)| text.map(|_| i as i32)).collect();
            let values =
                array(StringArray::from_iter_values(all.iter().map(|text| text.unwrap_or("unused"))));
            array(DictionaryArray::<Int32Type>::try_new(keys, values).expect("keys of values"))
        }),
    ]
    .boxed()
}

fn raw() -> BoxedStrategy<Raw> {
    prop_oneof![
        9 => column().prop_map(Raw::Array),
        1 => proptest::sample::select(&TEXTS[..]).prop_map(|text| Raw::Constant(text.into())),
    ]
    .boxed()
}

fn one() -> Exact {
    parse_exact("1").expect("a number")
}

/// One of every declared type.
fn kinds() -> Vec<ColumnType> {
    let bins = Bins::default();
    vec![
        ColumnType::Text { domain: None },
        ColumnType::Integer { min: 0, max: 1, bands: vec![], bins: bins.clone() },
        ColumnType::Number { min: one(), max: one(), resolution: one(), bands: vec![], bins },
        ColumnType::Boolean,
        ColumnType::Date { min: 0, max: 1 },
    ]
}

/// What `Value` makes of each field of a column, as text, and the counts.
fn by_value(fields: &Fields, kind: &ColumnType, rows: usize) -> (Vec<Option<String>>, Counts) {
    let mut counts = Counts::default();
    let each = (0..rows).map(|row| {
        let value = fields.value(row);
        let shown = match kind {
            ColumnType::Text { .. } => value.text().map(|text| text.into_owned()),
            ColumnType::Integer { .. } => value.integer().map(|value| value.to_string()),
            ColumnType::Number { .. } => value.number().map(|value| value.to_bits().to_string()),
            ColumnType::Boolean => value.boolean().map(|value| value.to_string()),
            ColumnType::Date { .. } => value.date().map(|value| value.to_string()),
        };
        if shown.is_none() {
            counts.add(value);
        }
        shown
    });
    (each.collect(), counts)
}

/// The same of a typed column.
fn shown(array: &ArrayRef) -> Vec<Option<String>> {
    let show = |row: usize| match array.data_type() {
        DataType::Utf8 => array.as_string::<i32>().value(row).to_owned(),
        DataType::Int64 => array.as_primitive::<Int64Type>().value(row).to_string(),
        DataType::Float64 => array.as_primitive::<Float64Type>().value(row).to_bits().to_string(),
        DataType::Boolean => array.as_boolean().value(row).to_string(),
        DataType::Date32 => array.as_primitive::<Date32Type>().value(row).to_string(),
        other => panic!("{other} is no declared type"),
    };
    (0..array.len()).map(|row| array.is_valid(row).then(|| show(row))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn whole_columns_are_converted_as_single_fields_are(unit in raw(), column in raw()) {
        let kinds = kinds();
        let raw: Vec<Raw> = std::iter::once(unit.clone()).chain(kinds.iter().map(|_| column.clone())).collect();
        let table = Table {
            name: "t".into(),
            columns: kinds.iter().enumerate().map(|(i, kind)| Column { name: format!("c{i}"), kind: kind.clone() }).collect(),
            rows_per_unit: 1,
            holders: Default::default(),
        };
        let made = chunk(&rows::schema("id", &table), &kinds, &raw, ROWS).expect("short fields");

        let ids = Fields::of(&unit, ROWS, None).expect("a widening that Arrow knows");
        let kept: Vec<usize> = (0..ROWS).filter(|row| ids.value(*row).unit_id().is_some()).collect();
        let own: Vec<_> = kept.iter().map(|row| ids.value(*row).unit_id().map(|id| id.into_owned())).collect();
        prop_assert_eq!(shown(made.batch.column(0)), own);
        prop_assert_eq!(made.rows_without_unit, (ROWS - kept.len()) as u64);

        let whole = Fields::of(&column, ROWS, None).expect("a widening that Arrow knows");
        for (index, kind) in kinds.iter().enumerate() {
            let (all, _) = by_value(&whole, kind, ROWS);
            let expected: Vec<_> = kept.iter().map(|row| all[*row].clone()).collect();
            prop_assert_eq!(shown(made.batch.column(index + 1)), expected, "{}", kind.word());
            let keep: BooleanArray = (0..ROWS).map(|row| Some(kept.contains(&row))).collect();
            let left = Fields::of(&column, kept.len(), Some(&keep)).expect("a widening that Arrow knows");
            let (_, counts) = by_value(&left, kind, kept.len());
            prop_assert_eq!(made.counts[index], counts, "{}", kind.word());
        }
    }
}

#[test]
fn the_first_field_that_is_too_long_is_named() {
    let long = "x".repeat(MAX_FIELD_BYTES + 1);
    let texts = |all: [&str; 4]| Raw::Array(array(StringArray::from(all.to_vec())));
    let kinds = vec![ColumnType::Text { domain: None }; 2];
    let field = |name| Field::new(name, DataType::Utf8, true);
    let schema: SchemaRef = Arc::new(Schema::new(vec![field("u"), field("a"), field("b")]));
    for (unit, a, b, expected) in [
        (["1", "2", "3", "4"], ["", "", &long, ""], ["", &long, "", ""], Some((1, 2))),
        (["1", "2", "3", "4"], ["", "", &long, ""], ["", "", &long, ""], Some((2, 1))),
        (["1", &long, "3", "4"], ["", "", "", ""], ["", &long, "", ""], Some((1, 0))),
        (["1", "", "3", "4"], ["", &long, "", ""], ["", "", "", ""], None),
        (["", "", "", "4"], ["", "", "", &long], ["", "", "", ""], Some((3, 1))),
    ] {
        let found = match chunk(&schema, &kinds, &[texts(unit), texts(a), texts(b)], 4) {
            Ok(_) => None,
            Err(Unconverted::FieldTooLong { row, column }) => Some((row, column)),
            Err(Unconverted::Arrow(error)) => panic!("{error}"),
        };
        assert_eq!(found, expected);
    }
}
