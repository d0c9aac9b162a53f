//! Doubles to whole numbers of a range.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::{Array, AsArray, Int64Array, RecordBatch};
use datafusion::arrow::datatypes::{DataType, FieldRef, Float64Type, Schema};
use datafusion::common::ScalarValue;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::expressions::{CastExpr, Literal};
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};

/// Doubles up to this size lie between neighbours at most 1/2 apart.
const LARGEST: i64 = 1 << 51;
/// Added to a double of at most [`LARGEST`], leaves no digit behind the point and the nearest whole number in the last
/// bits.
const MAGIC: f64 = 6_755_399_441_055_744.0;

/// `CAST(LEAST(GREATEST(floor(value), low), high) AS BIGINT)`.
#[derive(Debug, Eq)]
pub(super) struct Whole {
    value: Arc<dyn PhysicalExpr>,
    low: i64,
    high: i64,
    /// What the replaced expression said of its result.
    field: FieldRef,
}

impl Whole {
    /// The projection with every such expression replaced, if it has one.
    pub(super) fn in_projection(
        node: &Arc<dyn ExecutionPlan>,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>, DataFusionError> {
        let Some(projection) = node.downcast_ref::<ProjectionExec>() else { return Ok(None) };
        let schema = projection.input().schema();
        let mut found = false;
        let mut columns = Vec::with_capacity(projection.expr().len());
        for column in projection.expr() {
            let expr = Arc::clone(&column.expr).transform_up(|expr| {
                Ok(match Whole::read(&expr, &schema)? {
                    Some(whole) => Transformed::yes(Arc::new(whole) as Arc<dyn PhysicalExpr>),
                    None => Transformed::no(expr),
                })
            })?;
            found |= expr.transformed;
            columns.push(ProjectionExpr { expr: expr.data, alias: column.alias.clone() });
        }
        if !found {
            return Ok(None);
        }
        let faster = ProjectionExec::try_new(columns, Arc::clone(projection.input()))?;
        Ok(Some(Arc::new(faster)))
    }

    /// The expression as one of these, if it has the form.
    fn read(expr: &Arc<dyn PhysicalExpr>, schema: &Schema) -> Result<Option<Whole>, DataFusionError> {
        let Some(cast) = expr.downcast_ref::<CastExpr>().filter(|cast| *cast.cast_type() == DataType::Int64)
        else {
            return Ok(None);
        };
        let Some([least, high]) = arguments(cast.expr(), "least") else { return Ok(None) };
        let Some([greatest, low]) = arguments(least, "greatest") else { return Ok(None) };
        let Some([value]) = arguments(greatest, "floor") else { return Ok(None) };
        let (Some(low), Some(high)) = (whole(low), whole(high)) else { return Ok(None) };
        if low > high || value.data_type(schema)? != DataType::Float64 {
            return Ok(None);
        }
        Ok(Some(Whole { value: Arc::clone(value), low, high, field: expr.return_field(schema)? }))
    }

    fn of(&self, values: &[f64]) -> Vec<i64> {
        let (low, high) = (self.low as f64, self.high as f64);
        let one = |value: &f64| {
            // GREATEST and LEAST order NaN after all numbers, and one with a sign before them.
            let nan = if value.is_sign_negative() { low } else { high };
            let value = if value.is_nan() { nan } else { *value };
            let value = if value < high { value } else { high };
            let value = if value > low { value } else { low };
            let shifted = value + MAGIC;
            let nearest = shifted.to_bits().wrapping_sub(MAGIC.to_bits()).cast_signed();
            nearest - i64::from(shifted - MAGIC > value)
        };
        values.iter().map(one).collect()
    }
}

/// The arguments of a call of one of DataFusion's own functions.
fn arguments<'e, const N: usize>(
    expr: &'e Arc<dyn PhysicalExpr>,
    function: &str,
) -> Option<&'e [Arc<dyn PhysicalExpr>; N]> {
    let call = expr.downcast_ref::<ScalarFunctionExpr>()?;
    if call.fun().name() == function { call.args().try_into().ok() } else { None }
}

/// A literal double that is a whole number of at most [`LARGEST`].
fn whole(expr: &Arc<dyn PhysicalExpr>) -> Option<i64> {
    let ScalarValue::Float64(Some(value)) = expr.downcast_ref::<Literal>()?.value() else { return None };
    let whole = *value as i64;
    (whole as f64 == *value && (-LARGEST..=LARGEST).contains(&whole)).then_some(whole)
}

impl fmt::Display for Whole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "whole({}, {}, {})", self.value, self.low, self.high)
    }
}

// What derive would write moves out of the Arc.
impl PartialEq for Whole {
    fn eq(&self, other: &Self) -> bool {
        self.value.eq(&other.value)
            && (self.low, self.high) == (other.low, other.high)
            && self.field == other.field
    }
}

impl Hash for Whole {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.value, self.low, self.high, &self.field).hash(state);
    }
}

impl PhysicalExpr for Whole {
    fn return_field(&self, _: &Schema) -> Result<FieldRef, DataFusionError> {
        Ok(Arc::clone(&self.field))
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue, DataFusionError> {
        let values = self.value.evaluate(batch)?.into_array(batch.num_rows())?;
        let values = values.as_primitive::<Float64Type>();
        let mut whole = self.of(values.values());
        if let Some(nulls) = values.nulls() {
            // LEAST and GREATEST leave NULL out, so that a bound remains.
            whole.iter_mut().zip(nulls).filter(|(_, valid)| !valid).for_each(|(whole, _)| *whole = self.low);
        }
        Ok(ColumnarValue::Array(Arc::new(Int64Array::from(whole))))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.value]
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn PhysicalExpr>>,
    ) -> Result<Arc<dyn PhysicalExpr>, DataFusionError> {
        let Ok([value]) = <[_; 1]>::try_from(children) else {
            return Err(DataFusionError::Internal("one value was expected".into()));
        };
        Ok(Arc::new(Whole { value, low: self.low, high: self.high, field: Arc::clone(&self.field) }))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
