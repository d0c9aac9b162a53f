//! Runs a source query and lays its rows out as cells. Total: rows that do not belong are ignored.

use almoner_query::{Shape, SourceQuery};
use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::datatypes::{DataType, Int64Type};
use datafusion::prelude::{DataFrame, SQLOptions, SessionContext};

use crate::SourceError;

/// Runs a query of 64-bit integers and adds them to `cells`, that of coordinate `k` of cell `c` at
/// `c * width + k`. Absent cells and NULL add nothing; sums wrap modulo 2^64 as the secure sum does.
pub(crate) async fn add(
    context: &SessionContext,
    query: &SourceQuery,
    width: usize,
    cells: &mut [i64],
) -> Result<(), SourceError> {
    let frame = frame(context, query).await?;
    let columns = columns(&query.shape)?;
    let fields = frame.schema().fields();
    if fields.len() != columns || fields.iter().any(|field| *field.data_type() != DataType::Int64) {
        return Err(SourceError::answer(format!("expected {columns} integer columns")));
    }
    for batch in frame.collect().await.map_err(SourceError::answer)? {
        place(&batch, &query.shape, width, cells);
    }
    Ok(())
}

/// The statement, which can only read.
pub(crate) async fn frame(context: &SessionContext, query: &SourceQuery) -> Result<DataFrame, SourceError> {
    let only_queries =
        SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
    context.sql_with_options(&query.sql, only_queries).await.map_err(SourceError::answer)
}

fn place(batch: &RecordBatch, shape: &Shape, width: usize, cells: &mut [i64]) {
    let columns: Vec<_> = batch.columns().iter().map(|column| column.as_primitive::<Int64Type>()).collect();
    let mut values = Vec::with_capacity(columns.len());
    for row in 0..batch.num_rows() {
        values.clear();
        values.extend(columns.iter().map(|column| column.is_valid(row).then(|| column.value(row))));
        put(cells, width, shape, &values);
    }
}

/// How many columns a row of whole numbers has.
///
/// # Errors
/// [`SourceError::Answer`] where rows hold units.
pub(crate) fn columns(shape: &Shape) -> Result<usize, SourceError> {
    match shape {
        Shape::Sums { coordinates } => Ok(coordinates.len() + 1),
        Shape::Histogram { .. } => Ok(3),
        Shape::Units(_) => Err(SourceError::answer("units are no cells")),
    }
}

/// Adds what one row of [`columns`] says, whichever engine gave it; what has no place is ignored.
pub(crate) fn put(cells: &mut [i64], width: usize, shape: &Shape, row: &[Option<i64>]) {
    let number = |value: Option<i64>| value.and_then(|value| usize::try_from(value).ok());
    let Some(first) = number(row[0]).and_then(|cell| cell.checked_mul(width)) else { return };
    let mut add = |coordinate: usize, value: Option<i64>| {
        let index = first.checked_add(coordinate);
        if let (Some(into), Some(value)) = (index.and_then(|index| cells.get_mut(index)), value) {
            *into = into.wrapping_add(value);
        }
    };
    match shape {
        Shape::Sums { coordinates } => {
            coordinates.iter().zip(&row[1..]).for_each(|(coordinate, value)| add(*coordinate, *value));
        }
        Shape::Histogram { first, bins } => {
            if let Some(bin) = number(row[1]).filter(|bin| bin < bins) {
                add(first + bin, row[2]);
            }
        }
        Shape::Units(_) => {}
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

    async fn sums(
        context: &SessionContext,
        sql: &str,
        cells: usize,
        width: usize,
    ) -> Result<Vec<i64>, SourceError> {
        let query = SourceQuery {
            table: "t".into(),
            sql: sql.into(),
            shape: Shape::Sums { coordinates: (0..width).collect() },
        };
        let mut found = vec![0; cells * width];
        add(context, &query, width, &mut found).await.map(|()| found)
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
        let cells = sums(&t, grouped, 2, 1).await.expect("sums cannot overflow");
        assert_eq!(cells, [expected(0..6), expected(6..8)]);
        // So do products and sums of them.
        let made = "SELECT k, 3 * (n + COALESCE(0 * s, 0)) - 5 * s * s FROM (SELECT k, COUNT(v) AS n, SUM(v) AS s FROM t GROUP BY k) AS g";
        let of = |range: std::ops::Range<usize>| {
            let (present, sum) = (v[range.clone()].iter().flatten().count() as i64, expected(range));
            (3 * present).wrapping_sub(sum.wrapping_mul(5).wrapping_mul(sum))
        };
        let cells = sums(&t, made, 2, 1).await.expect("products cannot overflow");
        assert_eq!(cells, [of(0..6), of(6..8)]);
        let whole = "SELECT CAST(0 AS BIGINT), SUM(v) FROM t";
        let cells = sums(&t, whole, 1, 1).await.expect("sums cannot overflow");
        assert_eq!(cells, [expected(0..8)]);
    }

    #[tokio::test]
    async fn rows_that_do_not_belong_are_ignored_and_absent_cells_are_zero() {
        let t = context(&[-1, 0, 2, 3, i64::MAX, i64::MIN], &[Some(7); 6], &[None; 6]);
        let sql = "SELECT k, SUM(v), SUM(CASE WHEN k = 0 THEN NULL ELSE v END) FROM t GROUP BY k \
                   UNION ALL SELECT NULL, 9, 9";
        let cells = sums(&t, sql, 3, 2).await.expect("total");
        assert_eq!(cells, [7, 0, 0, 0, 7, 7]);
    }

    #[tokio::test]
    async fn histograms_fall_into_their_bins() {
        let t = context(
            &[0, 0, 1, 1, 1, 2, -1],
            &[Some(1), Some(1), Some(0), Some(3), None, Some(2), MAX],
            &[None; 7],
        );
        let sql =
            "SELECT k, v, COUNT(*) FROM t GROUP BY k, v UNION ALL SELECT 1, -1, 5 UNION ALL SELECT 0, 2, 9";
        let query =
            SourceQuery { table: "t".into(), sql: sql.into(), shape: Shape::Histogram { first: 1, bins: 2 } };
        let mut cells = vec![0; 6];
        add(&t, &query, 3, &mut cells).await.expect("total");
        assert_eq!(
            cells,
            [0, 0, 2, 0, 1, 0],
            "bins beyond the second, cells beyond the second, NULL: nothing"
        );
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
            let error = sums(&t, sql, 1, 1).await.expect_err(sql);
            assert_eq!(error.to_string(), "the source could not answer");
            assert_eq!(error.remote_text(), "the source could not answer");
            assert!(std::error::Error::source(&error).is_none(), "an error chain is printed too easily");
            assert!(error.local_detail().len() > error.to_string().len(), "the node's log says more");
        }
    }
}
