//! `GROUP BY` one whole number.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::compute::filter_record_batch;
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::DataFusionError;
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;
use datafusion::physical_expr::expressions::{Column, Literal};
use datafusion::physical_expr_common::physical_expr::is_volatile;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateInputMode, AggregateMode};
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::stream::RecordBatchReceiverStream;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, InputOrderMode, PlanProperties, apply_expression_roots,
};
use tokio_stream::StreamExt;

use super::groups::{Groups, Kind};

/// `SELECT key, COUNT(..), SUM(..) FROM input WHERE condition GROUP BY key` for each partition of its input.
#[derive(Debug)]
pub(super) struct DenseGroups {
    input: Arc<dyn ExecutionPlan>,
    work: Arc<Work>,
    properties: Arc<PlanProperties>,
}

/// What is done with the rows of the input.
#[derive(Debug)]
struct Work {
    condition: Option<Arc<dyn PhysicalExpr>>,
    key: Arc<dyn PhysicalExpr>,
    tallies: Vec<Tallied>,
    schema: SchemaRef,
    /// Whether groups of one key come together above.
    partial: bool,
}

/// One column besides the key.
#[derive(Debug, Clone)]
enum Tallied {
    /// All rows.
    Rows,
    /// Those in which it is not NULL.
    Count(Arc<dyn PhysicalExpr>),
    Sum(Arc<dyn PhysicalExpr>),
}

impl Tallied {
    /// What it is of; `None` for rows.
    fn of(&self) -> Option<&Arc<dyn PhysicalExpr>> {
        match self {
            Tallied::Rows => None,
            Tallied::Count(of) | Tallied::Sum(of) => Some(of),
        }
    }
}

impl DenseGroups {
    /// The same groups as the aggregation makes of its input's rows, if it is one that this can do: its states of COUNT
    /// and SUM of whole numbers are their results.
    pub(super) fn instead_of(node: &Arc<dyn ExecutionPlan>) -> Option<Arc<dyn ExecutionPlan>> {
        let aggregate = node.downcast_ref::<AggregateExec>()?;
        let plain = aggregate.mode().input_mode() == AggregateInputMode::Raw
            && aggregate.group_expr().is_single()
            && aggregate.filter_expr().iter().all(Option::is_none)
            && aggregate.limit_options().is_none()
            && *aggregate.input_order_mode() == InputOrderMode::Linear
            && aggregate.schema().fields().iter().all(|field| *field.data_type() == DataType::Int64);
        let [(key, _)] = aggregate.group_expr().expr() else { return None };
        let tallies: Option<Vec<_>> = aggregate.aggr_expr().iter().map(|one| tallied(one)).collect();
        let (tallies, schema) = (tallies?, aggregate.schema());
        if !plain || schema.fields().len() != 1 + tallies.len() {
            return None;
        }
        let partial = *aggregate.mode() == AggregateMode::Partial;
        let above = Work { condition: None, key: Arc::clone(key), tallies, schema, partial };
        let (input, work) = above.with_what_is_below(aggregate.input());
        let whole = |expr: &Arc<dyn PhysicalExpr>| {
            expr.data_type(&input.schema()).is_ok_and(|kind| kind == DataType::Int64)
        };
        let whole_tallies = work.tallies.iter().filter_map(Tallied::of).all(whole);
        (whole(&work.key) && whole_tallies).then(|| {
            let properties = Arc::clone(aggregate.properties());
            Arc::new(DenseGroups { input, work: Arc::new(work), properties }) as Arc<dyn ExecutionPlan>
        })
    }
}

fn tallied(aggregate: &AggregateFunctionExpr) -> Option<Tallied> {
    if aggregate.is_distinct() || !aggregate.order_bys().is_empty() {
        return None;
    }
    let [of] = <[_; 1]>::try_from(aggregate.expressions()).ok()?;
    let literal = of.downcast_ref::<Literal>().map(|literal| literal.value().is_null());
    match (aggregate.fun().name(), literal) {
        ("count", Some(false)) => Some(Tallied::Rows),
        ("count", None) => Some(Tallied::Count(of)),
        ("sum", None) => Some(Tallied::Sum(of)),
        _ => None,
    }
}

impl Work {
    /// The same over the input's own input, where a projection or a condition lies between.
    fn with_what_is_below(self, input: &Arc<dyn ExecutionPlan>) -> (Arc<dyn ExecutionPlan>, Work) {
        let (below, work) = match input.downcast_ref::<ProjectionExec>() {
            Some(projection) => match self.through(projection) {
                Some(work) => (projection.input(), work),
                None => return (Arc::clone(input), self),
            },
            None => (input, self),
        };
        match below.downcast_ref::<FilterExec>() {
            Some(filter) if filter.projection().is_none() && filter.fetch().is_none() => {
                let condition = Some(Arc::clone(filter.predicate()));
                (Arc::clone(filter.input()), Work { condition, ..work })
            }
            _ => (Arc::clone(below), work),
        }
    }

    /// The same of what the projection is made of.
    fn through(&self, projection: &ProjectionExec) -> Option<Work> {
        // Such an expression is another one each time that it is computed.
        if projection.expr().iter().any(|column| is_volatile(&column.expr)) {
            return None;
        }
        let here = |expr: &Arc<dyn PhysicalExpr>| {
            let column = expr.downcast_ref::<Column>()?;
            Some(Arc::clone(&projection.expr().get(column.index())?.expr))
        };
        let tallies = self.tallies.iter().map(|one| {
            Some(match one {
                Tallied::Rows => Tallied::Rows,
                Tallied::Count(of) => Tallied::Count(here(of)?),
                Tallied::Sum(of) => Tallied::Sum(here(of)?),
            })
        });
        Some(Work {
            condition: None,
            key: here(&self.key)?,
            tallies: tallies.collect::<Option<_>>()?,
            schema: Arc::clone(&self.schema),
            partial: self.partial,
        })
    }

    fn groups(&self) -> Groups {
        Groups::new(self.tallies.iter().map(|one| match one {
            Tallied::Rows => Kind::Rows,
            Tallied::Count(_) => Kind::Count,
            Tallied::Sum(_) => Kind::Sum,
        }))
    }

    fn add(&self, batch: RecordBatch, groups: &mut Groups) -> Result<(), DataFusionError> {
        let batch = match &self.condition {
            None => batch,
            Some(condition) => {
                let passing = condition.evaluate(&batch)?.into_array(batch.num_rows())?;
                // Copies nothing where all rows pass.
                filter_record_batch(&batch, passing.as_boolean())?
            }
        };
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let column = |expr: &Arc<dyn PhysicalExpr>| expr.evaluate(&batch)?.into_array(batch.num_rows());
        let keys = column(&self.key)?;
        let of = groups.count(keys.as_primitive());
        // A mean needs the sum and the count of one expression, which is computed once.
        let mut last: Option<(&Arc<dyn PhysicalExpr>, _)> = None;
        for (index, expr) in self.tallies.iter().map(Tallied::of).enumerate() {
            let Some(expr) = expr else { continue };
            let values = match last.take() {
                Some((same, values)) if same == expr => values,
                _ => column(expr)?,
            };
            groups.add(index, &of, values.as_primitive());
            last = Some((expr, values));
        }
        Ok(())
    }
}

impl DisplayAs for DenseGroups {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DenseGroups: key={}", self.work.key)?;
        for one in &self.work.tallies {
            match one {
                Tallied::Rows => write!(f, ", count(*)")?,
                Tallied::Count(of) => write!(f, ", count({of})")?,
                Tallied::Sum(of) => write!(f, ", sum({of})")?,
            }
        }
        match &self.work.condition {
            Some(condition) => write!(f, ", where={condition}"),
            None => Ok(()),
        }
    }
}

impl ExecutionPlan for DenseGroups {
    fn name(&self) -> &str {
        "DenseGroups"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion, DataFusionError>,
    ) -> Result<TreeNodeRecursion, DataFusionError> {
        let of = self.work.tallies.iter().filter_map(Tallied::of);
        apply_expression_roots(self.work.condition.iter().chain([&self.work.key]).chain(of), visit)
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
        let Ok([input]) = <[_; 1]>::try_from(children) else {
            return Err(DataFusionError::Internal("one input was expected".into()));
        };
        let (work, properties) = (Arc::clone(&self.work), Arc::clone(&self.properties));
        Ok(Arc::new(DenseGroups { input, work, properties }))
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream, DataFusionError> {
        let memory = MemoryConsumer::new("DenseGroups").register(context.memory_pool());
        let batch_size = context.session_config().batch_size();
        let mut input = self.input.execute(partition, context)?;
        let work = Arc::clone(&self.work);
        let mut builder = RecordBatchReceiverStream::builder(self.schema(), 1);
        let answer = builder.tx();
        builder.spawn(async move {
            let send = async |groups: Groups| {
                let all = RecordBatch::try_new(Arc::clone(&work.schema), groups.into_columns())?;
                for start in (0..all.num_rows()).step_by(batch_size) {
                    let some = all.slice(start, batch_size.min(all.num_rows() - start));
                    // Who no longer listens needs no answer, and drops this task.
                    let _gone = answer.send(Ok(some)).await;
                }
                Ok::<(), DataFusionError>(())
            };
            let mut groups = work.groups();
            while let Some(batch) = input.next().await {
                work.add(batch?, &mut groups)?;
                let Err(exhausted) = memory.try_resize(groups.size_bytes()) else { continue };
                if !work.partial {
                    return Err(exhausted);
                }
                send(std::mem::replace(&mut groups, work.groups())).await?;
                memory.resize(0);
            }
            send(groups).await
        });
        Ok(builder.build())
    }
}
