//! Nothing is lost on the way through the parts, and no unit is in two.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int64Array, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Int64Type, Schema};

use super::*;

fn schema(extra: bool) -> SchemaRef {
    let mut fields = vec![Field::new("u", DataType::Utf8, true), Field::new("v", DataType::Int64, true)];
    if extra {
        fields.push(Field::new("text", DataType::Utf8, true));
    }
    Arc::new(Schema::new(fields))
}

/// Rows `first..first + count` of 1,000 units; every seventh value is NULL.
fn batch(schema: &SchemaRef, first: i64, count: i64) -> RecordBatch {
    let rows = first..first + count;
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(rows.clone().map(|row| Some((row % 1_000).to_string())).collect::<StringArray>()),
        Arc::new(rows.clone().map(|row| (row % 7 != 0).then_some(row)).collect::<Int64Array>()),
    ];
    if schema.fields().len() == 3 {
        columns.push(Arc::new(
            rows.map(|row| (row % 5 != 0).then(|| "x".repeat(row as usize % 90))).collect::<StringArray>(),
        ));
    }
    RecordBatch::try_new(Arc::clone(schema), columns).expect("the columns follow the schema")
}

#[test]
fn every_row_comes_back_once_beside_all_rows_of_its_unit() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let limits = DataLimits::new(16, folder.path().join("scratch")).expect("a limit");
    let schemas = [schema(true), schema(false), schema(true)];
    let mut dealer = Dealer::new(&limits).expect("a folder to write");
    // The second table is empty; the third has rows of fewer units.
    for (schema, rows) in schemas.iter().zip([40_000, 0, 300]) {
        dealer.next_table(schema).expect("room on disk");
        for first in (0..rows).step_by(1_024) {
            dealer.push(batch(schema, first, (rows - first).min(1_024))).expect("room on disk");
        }
    }
    let parts = dealer.finish().expect("room on disk");
    let left = std::fs::read_dir(limits.scratch()).expect("the folder").count();
    assert_eq!(left, 0, "the files have no names");

    let mut found: [BTreeMap<String, Vec<Option<i64>>>; 3] = Default::default();
    let (mut homes, mut part) = (BTreeMap::new(), 0);
    parts
        .each(|tables| {
            for (index, (batches, bytes)) in tables.into_iter().enumerate() {
                let mut own = BTreeSet::new();
                for batch in batches {
                    assert!(bytes > 0);
                    let (ids, values) =
                        (batch.column(0).as_string::<i32>(), batch.column(1).as_primitive::<Int64Type>());
                    for (id, value) in ids.iter().zip(values) {
                        let id = id.expect("units are never NULL").to_owned();
                        assert_eq!(*homes.entry(id.clone()).or_insert(part), part, "unit {id}");
                        found[index].entry(id.clone()).or_default().push(value);
                        own.insert(id);
                    }
                }
                assert!(own.len() < 100, "1,000 units in 256 parts: {} in one", own.len());
            }
            part += 1;
            Ok(())
        })
        .expect("what was written can be read");
    for (found, rows) in found.iter().zip([40_000i64, 0, 300]) {
        let mut expected: BTreeMap<String, Vec<Option<i64>>> = BTreeMap::new();
        for row in 0..rows {
            expected.entry((row % 1_000).to_string()).or_default().push((row % 7 != 0).then_some(row));
        }
        // A unit's rows keep their order, too.
        assert_eq!(*found, expected);
    }
}

#[test]
fn a_unit_with_more_rows_than_a_part_may_have_is_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let limits = DataLimits::new(16, folder.path().to_owned()).expect("a limit");
    let mut dealer = Dealer::new(&limits).expect("a folder to write");
    let schema = schema(false);
    dealer.next_table(&schema).expect("room on disk");
    for _ in 0..30 {
        let ids: ArrayRef = Arc::new(StringArray::from(vec!["NA"; 10_000]));
        let values: ArrayRef = Arc::new(Int64Array::from(vec![1; 10_000]));
        let batch = RecordBatch::try_new(Arc::clone(&schema), vec![ids, values]);
        dealer.push(batch.expect("the columns follow the schema")).expect("room on disk");
    }
    let error = dealer.finish().expect("room on disk").each(|_| Ok(())).expect_err("4 MB in one part");
    let error = error.local_detail();
    assert!(error.contains("data_limits.memory_mb") && error.contains("empty field"), "{error}");
}
