//! Runs a source query and lays its rows out as cells. Total: rows that do not belong are ignored.

use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::datatypes::{DataType, Int64Type};
use datafusion::prelude::{SQLOptions, SessionContext};

use crate::SourceError;

/// The shape of the cells: `cells` groups of `width` coordinates each.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layout {
    pub cells: usize,
    pub width: usize,
}

/// Runs `sql`, whose rows are `(cell, coordinate 0, coordinate 1, ...)` as 64-bit integers, and gives
/// the integer of coordinate `k` of cell `c` at `c * width + k`. Absent cells and NULL are zero; sums
/// wrap modulo 2^64 as the secure sum does.
pub(crate) async fn run(
    context: &SessionContext,
    sql: &str,
    layout: Layout,
) -> Result<Vec<i64>, SourceError> {
    let only_queries =
        SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
    let frame = context.sql_with_options(sql, only_queries).await.map_err(SourceError::answer)?;
    let shaped = frame.schema().fields().iter().all(|field| *field.data_type() == DataType::Int64)
        && frame.schema().fields().len() == layout.width + 1;
    if !shaped {
        return Err(SourceError::answer(format!("expected {} integer columns", layout.width + 1)));
    }
    let dimension = layout.cells.checked_mul(layout.width).ok_or_else(|| SourceError::answer("too wide"))?;
    let mut cells = vec![0; dimension];
    for batch in frame.collect().await.map_err(SourceError::answer)? {
        place(&batch, layout, &mut cells);
    }
    Ok(cells)
}

fn place(batch: &RecordBatch, layout: Layout, cells: &mut [i64]) {
    let column = |index: usize| batch.column(index).as_primitive::<Int64Type>();
    let index = column(0);
    for coordinate in 0..layout.width {
        let values = column(coordinate + 1);
        for row in (0..batch.num_rows()).filter(|row| index.is_valid(*row) && values.is_valid(*row)) {
            let cell = usize::try_from(index.value(row)).unwrap_or(usize::MAX);
            if cell < layout.cells {
                let into = &mut cells[cell * layout.width + coordinate];
                *into = into.wrapping_add(values.value(row));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{Float64Array, Int64Array, RecordBatch, StringArray};
    use datafusion::arrow::datatypes::{DataType, Field, Schema};

    use super::*;
    use crate::load::Loaded;
    use crate::source::session;

    /// A table `t(k, v, x)` in several batches, so that partial sums meet.
    fn context(k: &[i64], v: &[Option<i64>], x: &[Option<f64>]) -> SessionContext {
        let field = |name, kind| Field::new(name, kind, true);
        let schema = Arc::new(Schema::new(vec![
            field("u", DataType::Utf8),
            field("k", DataType::Int64),
            field("v", DataType::Int64),
            field("x", DataType::Float64),
        ]));
        let batches = (0..k.len())
            .map(|row| {
                RecordBatch::try_new(
                    Arc::clone(&schema),
                    vec![
                        Arc::new(StringArray::from(vec!["u"])),
                        Arc::new(Int64Array::from(vec![k[row]])),
                        Arc::new(Int64Array::from(vec![v[row]])),
                        Arc::new(Float64Array::from(vec![x[row]])),
                    ],
                )
                .expect("the columns follow the schema")
            })
            .collect();
        session(vec![Loaded { name: "t".into(), schema, batches }]).expect("a session over one table")
    }

    const MAX: Option<i64> = Some(i64::MAX);
    const MIN: Option<i64> = Some(i64::MIN);

    #[tokio::test]
    async fn sums_wrap_modulo_2_to_the_64_with_and_without_groups() {
        let v = [MAX, MAX, MAX, MIN, Some(5), None, MIN, MIN];
        let t = context(&[0, 0, 0, 0, 0, 0, 1, 1], &v, &[None; 8]);
        let expected = |range: std::ops::Range<usize>| {
            v[range].iter().flatten().fold(0i64, |sum, value| sum.wrapping_add(*value))
        };
        let grouped = "SELECT k, SUM(v) FROM t GROUP BY k";
        let cells = run(&t, grouped, Layout { cells: 2, width: 1 }).await.expect("sums cannot overflow");
        assert_eq!(cells, [expected(0..6), expected(6..8)]);
        let whole = "SELECT CAST(0 AS BIGINT), SUM(v) FROM t";
        let cells = run(&t, whole, Layout { cells: 1, width: 1 }).await.expect("sums cannot overflow");
        assert_eq!(cells, [expected(0..8)]);
    }

    #[tokio::test]
    async fn rows_that_do_not_belong_are_ignored_and_absent_cells_are_zero() {
        let t = context(&[-1, 0, 2, 3, i64::MAX, i64::MIN], &[Some(7); 6], &[None; 6]);
        let sql = "SELECT k, SUM(v), SUM(CASE WHEN k = 0 THEN NULL ELSE v END) FROM t GROUP BY k \
                   UNION ALL SELECT NULL, 9, 9";
        let cells = run(&t, sql, Layout { cells: 3, width: 2 }).await.expect("total");
        assert_eq!(cells, [7, 0, 0, 0, 7, 7]);
    }

    #[tokio::test]
    async fn whatever_fails_outside_says_the_same() {
        let t = context(&[0], &[Some(7)], &[Some(0.5)]);
        for sql in [
            "SELECT nonsense",
            "SELECT k, x FROM t",
            "SELECT k FROM t",
            "DROP TABLE t",
            "SELECT k, 1/v*0/0 FROM t",
        ] {
            let error = run(&t, sql, Layout { cells: 1, width: 1 }).await.expect_err(sql);
            assert_eq!(error.to_string(), "the source could not answer");
            assert_eq!(error.remote_text(), "the source could not answer");
            assert!(std::error::Error::source(&error).is_none(), "an error chain is printed too easily");
            assert!(error.local_detail().len() > error.to_string().len(), "the node's log says more");
        }
    }
}
