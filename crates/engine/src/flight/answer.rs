//! What a server's columns say: whole numbers modulo 2^64, and texts, of whatever width the server chose.

use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::datatypes::{
    DataType, Decimal128Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type,
    UInt64Type,
};

use crate::SourceError;

/// The columns of a batch as whole numbers modulo 2^64, of which there must be `columns`.
pub(crate) fn wholes(batch: &RecordBatch, columns: usize) -> Result<Vec<Vec<Option<i64>>>, SourceError> {
    if batch.num_columns() != columns {
        return Err(SourceError::answer(format!(
            "the server gave {} columns where {columns} were asked for",
            batch.num_columns()
        )));
    }
    batch.columns().iter().map(|column| whole(column.as_ref())).collect()
}

fn whole(column: &dyn Array) -> Result<Vec<Option<i64>>, SourceError> {
    macro_rules! widened {
        ($kind:ty) => {
            column.as_primitive::<$kind>().iter().map(|value| value.map(i64::from)).collect()
        };
    }
    Ok(match column.data_type() {
        DataType::Int64 => column.as_primitive::<Int64Type>().iter().collect(),
        DataType::Int32 => widened!(Int32Type),
        DataType::Int16 => widened!(Int16Type),
        DataType::Int8 => widened!(Int8Type),
        DataType::UInt64 => {
            column.as_primitive::<UInt64Type>().iter().map(|value| value.map(u64::cast_signed)).collect()
        }
        DataType::UInt32 => widened!(UInt32Type),
        DataType::UInt16 => widened!(UInt16Type),
        DataType::UInt8 => widened!(UInt8Type),
        DataType::Decimal128(_, scale @ 0..=38) => {
            let unit = 10i128.pow(scale.unsigned_abs().into());
            let values = column.as_primitive::<Decimal128Type>().iter().map(|value| match value {
                Some(value) if value % unit != 0 => Err(SourceError::answer("the server gave a fraction")),
                // The lowest 64 bits.
                value => Ok(value.map(|value| (value / unit) as i64)),
            });
            values.collect::<Result<_, _>>()?
        }
        other => {
            return Err(SourceError::answer(format!("the server gave {other} where whole numbers belong")));
        }
    })
}

/// A column of texts.
pub(crate) fn texts(column: &dyn Array) -> Result<Vec<Option<&str>>, SourceError> {
    Ok(match column.data_type() {
        DataType::Utf8 => column.as_string::<i32>().iter().collect(),
        DataType::LargeUtf8 => column.as_string::<i64>().iter().collect(),
        DataType::Utf8View => column.as_string_view().iter().collect(),
        other => return Err(SourceError::answer(format!("the server gave {other} where texts belong"))),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{
        ArrayRef, Decimal128Array, Float64Array, Int8Array, Int64Array, LargeStringArray, StringArray,
        StringViewArray, UInt32Array, UInt64Array,
    };

    use super::*;

    fn decimals(scale: i8, values: Vec<i128>) -> ArrayRef {
        let array = Decimal128Array::from(values).with_precision_and_scale(38, scale);
        Arc::new(array.expect("38 digits hold them"))
    }

    #[test]
    fn whole_numbers_of_any_width_are_taken_modulo_2_to_the_64() {
        let two_64 = 1i128 << 64;
        for (array, expected) in [
            (Arc::new(Int64Array::from(vec![i64::MIN, 7])) as ArrayRef, [i64::MIN, 7]),
            (Arc::new(Int8Array::from(vec![-7, 7])), [-7, 7]),
            (Arc::new(UInt32Array::from(vec![u32::MAX, 0])), [4_294_967_295, 0]),
            (Arc::new(UInt64Array::from(vec![u64::MAX, 1 << 63])), [-1, i64::MIN]),
            (decimals(0, vec![two_64 + 5, -two_64 - 5]), [5, -5]),
            (decimals(2, vec![(two_64 + 5) * 100, -300]), [5, -3]),
        ] {
            let found = whole(array.as_ref()).expect("whole numbers");
            assert_eq!(found, expected.map(Some), "{array:?}");
        }
        assert_eq!(whole(&Int64Array::from(vec![None, Some(1)])).expect("whole numbers"), [None, Some(1)]);
        for array in [
            decimals(2, vec![150]),
            Arc::new(Float64Array::from(vec![1.0])),
            Arc::new(StringArray::from(vec!["1"])),
        ] {
            let error = whole(array.as_ref()).expect_err("no whole number");
            assert_eq!(error.to_string(), "the source could not answer");
        }
    }

    #[test]
    fn texts_of_any_width_are_texts() {
        let all: [ArrayRef; 3] = [
            Arc::new(StringArray::from(vec![Some("é"), None])),
            Arc::new(LargeStringArray::from(vec![Some("é"), None])),
            Arc::new(StringViewArray::from(vec![Some("é"), None])),
        ];
        for array in all {
            assert_eq!(texts(array.as_ref()).expect("texts"), [Some("é"), None]);
        }
        texts(&Int64Array::from(vec![1])).expect_err("no text");
    }
}
