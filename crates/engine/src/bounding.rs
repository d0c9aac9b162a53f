//! Bounds what one unit contributes: at most `rows_per_unit` rows of a table, the same rows for every
//! question.
//!
//! Which rows stay is decided by a keyed hash of each row's contents (and, among equal rows, its
//! number; see [`crate::tag`]), so it depends on nothing but the unit's own rows: adding or removing another unit changes
//! nothing (PROTOCOL C: a function of the person's own rows only, hence of stability 1). It never
//! prefers a value or an early line, and the same rows stay whatever order or format the files have.

use std::cmp::Ordering;
use std::thread;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch};
use datafusion::arrow::buffer::BooleanBuffer;
use datafusion::arrow::compute::filter_record_batch;
use datafusion::arrow::datatypes::{DataType, Date32Type, Float64Type, Int64Type};
use ring::hmac;

use crate::census::{Census, Place, census};
use crate::tag::{Message, TagKey};
use crate::workers::workers;

/// A table after bounding, with what only the data officer may know of it.
pub(crate) struct Bounded {
    pub batches: Vec<RecordBatch>,
    pub units: u64,
    pub units_over_bound: u64,
    pub rows_over_bound: u64,
}

/// Keeps at most `most` rows of each unit. Column 0 holds the unit, never NULL.
pub(crate) fn bound(table: &str, batches: Vec<RecordBatch>, most: u32, key: &hmac::Key) -> Bounded {
    let key = TagKey::of(key);
    let Census { units, over } = census(&batches, most);
    let mut rows_over_bound = 0;
    let mut dropped: Vec<Vec<usize>> = vec![Vec::new(); batches.len()];
    for (batch, row) in all_surplus(table, &batches, &over, most as usize, &key) {
        dropped[batch].push(row);
        rows_over_bound += 1;
    }
    let units_over_bound = over.len() as u64;
    drop(over);
    let batches = batches.into_iter().zip(dropped).map(|(batch, rows)| without(batch, &rows)).collect();
    Bounded { batches, units, units_over_bound, rows_over_bound }
}

/// The places of all units' surplus rows, by as many threads as there are processors, each with its share of the units.
fn all_surplus(
    table: &str,
    batches: &[RecordBatch],
    over: &[Vec<Place>],
    most: usize,
    key: &TagKey,
) -> Vec<Place> {
    thread::scope(|scope| {
        let share = |units: &'_ [Vec<Place>]| -> Vec<Place> {
            units.iter().flat_map(|places| surplus(table, batches, places, most, key)).collect()
        };
        let shares = over.chunks(over.len().div_ceil(workers()).max(1));
        let running: Vec<_> = shares.map(|units| scope.spawn(move || share(units))).collect();
        running.into_iter().flat_map(|share| share.join().expect("bounding does not panic")).collect()
    })
}

/// The places of one unit's rows beyond the first `most` in the order of their tags.
fn surplus(table: &str, batches: &[RecordBatch], places: &[Place], most: usize, key: &TagKey) -> Vec<Place> {
    let order = |a: &Place, b: &Place| order(batches, *a, *b);
    let mut places = places.to_vec();
    // Brings equal rows together, to number them: they are alike, and so it does not matter which is which.
    places.sort_unstable_by(order);
    let mut tagged = Vec::with_capacity(places.len());
    for equal in places.chunk_by(|a, b| order(a, b).is_eq()) {
        for (number, place) in (0..).zip(equal) {
            let mut message = contents(table, &batches[place.0], place.1);
            message.integer(number);
            tagged.push((key.tag(&message), *place));
        }
    }
    tagged.sort_unstable();
    tagged.split_off(most.min(tagged.len())).into_iter().map(|(_, place)| place).collect()
}

/// Some order of rows in which those are equal that have one message.
fn order(batches: &[RecordBatch], a: Place, b: Place) -> Ordering {
    let columns = batches[a.0].columns().iter().zip(batches[b.0].columns());
    columns
        .map(|(one, other)| match (one.is_valid(a.1), other.is_valid(b.1)) {
            (true, true) => compare(one, a.1, other, b.1),
            (one, other) => one.cmp(&other),
        })
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
}

/// Two values of one type, neither of them NULL.
fn compare(one: &ArrayRef, row: usize, other: &ArrayRef, other_row: usize) -> Ordering {
    match one.data_type() {
        DataType::Int64 => {
            let value = |array: &ArrayRef, row| array.as_primitive::<Int64Type>().value(row);
            value(one, row).cmp(&value(other, other_row))
        }
        DataType::Float64 => {
            let value = |array: &ArrayRef, row| array.as_primitive::<Float64Type>().value(row);
            // Tables hold no NaN, and both zeros have one message.
            value(one, row).partial_cmp(&value(other, other_row)).unwrap_or(Ordering::Equal)
        }
        DataType::Boolean => one.as_boolean().value(row).cmp(&other.as_boolean().value(other_row)),
        DataType::Date32 => {
            let value = |array: &ArrayRef, row| array.as_primitive::<Date32Type>().value(row);
            value(one, row).cmp(&value(other, other_row))
        }
        _ => one.as_string::<i32>().value(row).cmp(other.as_string::<i32>().value(other_row)),
    }
}

/// A row's message without its number among equal ones.
fn contents(table: &str, batch: &RecordBatch, row: usize) -> Message {
    let mut message = Message::of(table);
    for column in batch.columns() {
        if column.is_null(row) {
            message.null();
            continue;
        }
        match column.data_type() {
            DataType::Int64 => message.integer(column.as_primitive::<Int64Type>().value(row)),
            DataType::Float64 => message.number(column.as_primitive::<Float64Type>().value(row)),
            DataType::Boolean => message.boolean(column.as_boolean().value(row)),
            DataType::Date32 => message.integer(column.as_primitive::<Date32Type>().value(row).into()),
            _ => message.text(column.as_string::<i32>().value(row)),
        }
    }
    message
}

fn without(batch: RecordBatch, rows: &[usize]) -> RecordBatch {
    if rows.is_empty() {
        return batch;
    }
    let mut keep = vec![true; batch.num_rows()];
    for row in rows {
        keep[*row] = false;
    }
    let keep = BooleanArray::new(BooleanBuffer::from(keep), None);
    filter_record_batch(&batch, &keep).expect("the mask has one bit for each row")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use datafusion::arrow::array::{Int64Array, StringArray};
    use datafusion::arrow::datatypes::{Field, Schema};

    use super::*;

    type Row = (u32, Option<i64>);

    fn key(byte: u8) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, &[byte; 32])
    }

    /// Batches of three rows each.
    fn batches(rows: &[Row]) -> Vec<RecordBatch> {
        let schema = Arc::new(Schema::new(vec![
            Field::new("u", DataType::Utf8, true),
            Field::new("v", DataType::Int64, true),
        ]));
        rows.chunks(3)
            .map(|rows| {
                let units: StringArray = rows.iter().map(|row| Some(row.0.to_string())).collect();
                let values: Int64Array = rows.iter().map(|row| row.1).collect();
                RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(units), Arc::new(values)])
                    .expect("the columns follow the schema")
            })
            .collect()
    }

    /// The kept rows as a multiset.
    fn kept(rows: &[Row], most: u32, key: &hmac::Key) -> BTreeMap<(String, Option<i64>), usize> {
        let mut kept = BTreeMap::new();
        for batch in bound("t", batches(rows), most, key).batches {
            let values = batch.column(1).as_primitive::<Int64Type>();
            for (row, unit) in batch.column(0).as_string::<i32>().iter().enumerate() {
                let value = values.is_valid(row).then(|| values.value(row));
                *kept.entry((unit.expect("units are never NULL").to_owned(), value)).or_default() += 1;
            }
        }
        kept
    }

    /// 40 units with 1 to 8 rows, a third of them repeated or NULL.
    fn rows() -> Vec<Row> {
        (0..40)
            .flat_map(|unit| {
                (0..=unit % 8)
                    .map(move |row| (unit, (row % 3 != 2).then_some(i64::from(row / 2 * 100 + unit))))
            })
            .collect()
    }

    #[test]
    fn the_order_of_rows_makes_no_difference() {
        let mut shuffled = rows();
        let expected = kept(&shuffled, 3, &key(1));
        assert!(expected.values().sum::<usize>() < shuffled.len(), "some units are over the bound");
        for step in [7, 11, 13] {
            let length = shuffled.len();
            shuffled = (0..length).map(|index| shuffled[index * step % length]).collect();
            assert_eq!(shuffled.len(), rows().len());
            shuffled.reverse();
            assert_eq!(kept(&shuffled, 3, &key(1)), expected);
        }
    }

    #[test]
    fn a_unit_keeps_its_bound_and_moves_nobody_else() {
        let all = kept(&rows(), 3, &key(1));
        for gone in 0..40 {
            let rest: Vec<Row> = rows().into_iter().filter(|row| row.0 != gone).collect();
            let mut expected = all.clone();
            expected.retain(|row, _| row.0 != gone.to_string());
            assert_eq!(kept(&rest, 3, &key(1)), expected);
            let own: usize = all.iter().filter(|(row, _)| row.0 == gone.to_string()).map(|(_, n)| n).sum();
            assert_eq!(own, (gone as usize % 8 + 1).min(3));
        }
    }

    #[test]
    fn the_officer_learns_how_much_was_left_out() {
        let bounded = bound("t", batches(&rows()), 3, &key(1));
        assert_eq!((bounded.units, bounded.units_over_bound, bounded.rows_over_bound), (40, 25, 5 * 15));
        let bounded = bound("t", batches(&rows()), 8, &key(1));
        assert_eq!((bounded.units, bounded.units_over_bound, bounded.rows_over_bound), (40, 0, 0));
    }

    /// Which row stays must look like a fair draw that only the key decides. Of 4,000 units with the rows
    /// 1, 2, 3, 3 one row stays each: a quarter keeps the 1, a quarter the 2 and half a 3, since equal
    /// rows draw separately. False alarm rate below 1e-6: chi-square with 2 degrees of freedom exceeds
    /// 27.7 with probability 1e-6.
    #[test]
    fn neither_value_nor_place_decides_who_stays() {
        let rows: Vec<Row> = (0..4_000).flat_map(|unit| [1, 2, 3, 3].map(|v| (unit, Some(v)))).collect();
        let stays = kept(&rows, 1, &key(1));
        let count = |value| stays.keys().filter(|(_, own)| *own == Some(value)).count() as f64;
        let chi_square: f64 = [(1, 1_000.0), (2, 1_000.0), (3, 2_000.0)]
            .map(|(value, expected)| (count(value) - expected).powi(2) / expected)
            .iter()
            .sum();
        assert!(chi_square < 27.7, "kept {}, {}, {}", count(1), count(2), count(3));
        assert_ne!(stays, kept(&rows, 1, &key(2)), "another key makes another choice");
    }
}
