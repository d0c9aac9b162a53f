//! What is summed in every cell, and how each output follows from the sums. Aggregates that need the
//! same sums share them and their price.

mod content;
mod estimator;
mod grid;
mod reading;
mod sketches;

use std::sync::Arc;

use almoner_federation::{Exact, Table};
use almoner_privacy::Strategy;

pub(crate) use self::content::{Binned, Content, Curve, Measure, Weight};
pub(crate) use self::estimator::{Column, ColumnValue, Estimator, Term, squared_norm};
pub(crate) use self::grid::MostSteps;
use self::grid::{moments, poverty, sum, weight, weight_range};
pub(crate) use self::reading::reading;
pub(crate) use self::sketches::{Sketch, sketches};
use crate::QueryError;
use crate::aggregate::{Aggregate, Degree, Measured, Summary};
use crate::bins::{bins_of, pieces};
use crate::error::Position;
use crate::expr::{Expr, Type};
use crate::interval::{Range, range};
use crate::lower::invalid;
use crate::near::echo;
use crate::question::{OutputValue, Question};

/// Measures and output columns of one question.
#[derive(Debug, Clone, Default)]
pub(crate) struct Layout {
    pub(crate) measures: Vec<Measure>,
    /// Instead of measures, where distinct units are counted over agencies that hold the same ones.
    pub(crate) sketches: Vec<Sketch>,
    pub(crate) columns: Vec<Column>,
    pub(crate) width: usize,
}

/// Most levels of a deprivation score above 0.
const MAX_SCORE: u64 = 4095;

/// Lays out a question. `most` bounds the integers that one row may add.
///
/// # Errors
/// Measured values without a finite interval, and deprivation scores with too many levels.
pub(crate) fn layout(question: &Question<'_>, most: MostSteps) -> Result<Layout, QueryError> {
    Ok(Builder::of(question, most)?.layout)
}

struct Builder<'q> {
    table: &'q Table,
    most: MostSteps,
    /// Everything that is asked, so that the richest of several needs is laid out once.
    asked: Vec<&'q Measured>,
    layout: Layout,
}

/// An estimator and the largest absolute value that one row can have.
type Estimated = Result<(Estimator, Exact), QueryError>;

impl<'q> Builder<'q> {
    /// Everything that a question asks, laid out.
    fn of(question: &'q Question<'_>, most: MostSteps) -> Result<Builder<'q>, QueryError> {
        let measured = question.outputs.iter().filter_map(|output| match &output.value {
            OutputValue::Measured(measured) => Some(&**measured),
            OutputValue::Key(_) => None,
        });
        let mut builder =
            Builder { table: question.table, most, asked: measured.collect(), layout: Layout::default() };
        for output in &question.outputs {
            let value = match &output.value {
                OutputValue::Key(key) => ColumnValue::Key(*key),
                OutputValue::Measured(measured) => {
                    let (estimator, magnitude) = builder.estimator(measured, output.at)?;
                    ColumnValue::Estimate { estimator, magnitude }
                }
            };
            builder.layout.columns.push(Column { name: output.name.clone(), value });
        }
        Ok(builder)
    }

    fn estimator(&mut self, measured: &Measured, at: Position) -> Estimated {
        match &measured.aggregate {
            Aggregate::Count(None) => match self.counted_by_a_value(measured) {
                Some(value) => self.moment(measured, &value, at),
                None => Ok(self.count(measured, None)),
            },
            Aggregate::Count(Some(value)) => {
                if self.curve(value, measured).is_some() {
                    return self.moment(measured, value, at);
                }
                // A number is counted where its measured form is present, which must be computable.
                if value.ty(self.table) == Some(Type::Number) {
                    range(value, self.table, at)?;
                }
                Ok(self.count(measured, Some(value)))
            }
            Aggregate::Units => {
                let first = self.measure(Content::Units, measured);
                Ok((Estimator::Linear(vec![(first, Exact::ONE)]), Exact::ONE))
            }
            Aggregate::Sum(value) if self.curve(value, measured).is_none() => {
                let interval = range(value, self.table, at)?;
                let (content, step) = sum(value, &interval, self.most);
                let first = self.measure(content, measured);
                Ok((Estimator::Linear(vec![(first, step)]), interval.magnitude()))
            }
            Aggregate::Sum(value) | Aggregate::Average(value) | Aggregate::Spread(_, value) => {
                self.moment(measured, value, at)
            }
            Aggregate::Poverty { degree, value, line } => self.poverty(measured, *degree, value, line, at),
            Aggregate::Distribution(summary, value) => {
                let interval = range(value, self.table, at)?;
                if let Summary::MedianGap(line) = summary {
                    check_line(&interval, line, at)?;
                }
                let pieces = pieces(&interval, &bins_of(value, self.table).unwrap_or_default());
                let count = pieces.iter().map(|piece| piece.count() as usize).sum();
                let bins = Binned::Values { value: value.clone(), pieces };
                let first = self.histogram(measured, bins, count, at)?;
                let magnitude = if summary.is_value() { interval.magnitude() } else { Exact::ONE };
                Ok((Estimator::Distribution { first, summary: summary.clone() }, magnitude))
            }
            Aggregate::Multidimensional { what, cutoff, indicators } => {
                let (indicators, top) = scores(indicators, at)?;
                let from = (cutoff * Exact::from(top)).ceil();
                let from = u64::try_from(from).expect("a cutoff is above 0 and at most 1");
                let bins = Binned::Scores { indicators };
                let first = self.histogram(measured, bins, top as usize + 1, at)?;
                Ok((Estimator::Scores { first, what: *what, from, top }, Exact::ONE))
            }
        }
    }

    fn count(&mut self, measured: &Measured, present: Option<&Expr>) -> (Estimator, Exact) {
        let first = self.measure(Content::Count { present: present.cloned() }, measured);
        (Estimator::Linear(vec![(first, Exact::ONE)]), Exact::ONE)
    }

    /// The curve that averages and spreads of this value need under the same filter and weight; counts and
    /// sums follow from it at no cost.
    fn curve(&self, value: &Expr, measured: &Measured) -> Option<Curve> {
        let same = |other: &&&Measured| other.filter == measured.filter && other.weight == measured.weight;
        let curves = self.asked.iter().filter(same).filter_map(|other| match &other.aggregate {
            Aggregate::Average(averaged) if averaged == value => Some(Curve::Linear),
            Aggregate::Spread(_, spread) if spread == value => Some(Curve::Quadratic),
            _ => None,
        });
        curves.max()
    }

    /// A value that is never missing and measured anyway counts the rows.
    fn counted_by_a_value(&self, measured: &Measured) -> Option<Expr> {
        let values = self.asked.iter().filter_map(|other| match &other.aggregate {
            Aggregate::Average(value) | Aggregate::Spread(_, value) => Some(value),
            _ => None,
        });
        values.filter(|value| value.never_null()).find(|value| self.curve(value, measured).is_some()).cloned()
    }

    fn moment(&mut self, measured: &Measured, value: &Expr, at: Position) -> Estimated {
        let interval = range(value, self.table, at)?;
        let weight = weight_range(measured.weight.as_ref(), self.table, at)?;
        let own = match &measured.aggregate {
            Aggregate::Spread(..) => Curve::Quadratic,
            _ => Curve::Linear,
        };
        let curve = self.curve(value, measured).unwrap_or(own).max(own);
        let (content, low, high) = moments(curve, value, &interval, weight, self.most);
        let whole = Exact::from(content.whole());
        let first = self.measure(content, measured);
        let nodes = || curve.nodes().into_iter().enumerate();
        let span = &high - &low;
        Ok(match &measured.aggregate {
            Aggregate::Count(_) => {
                let terms = nodes().map(|(k, _)| (first + k, Exact::ONE / &whole)).collect();
                (Estimator::Linear(terms), Exact::ONE)
            }
            Aggregate::Sum(_) => {
                let terms = nodes().map(|(k, node)| (first + k, (&low + &span * node) / &whole)).collect();
                (Estimator::Linear(terms), interval.magnitude())
            }
            Aggregate::Spread(kind, _) => {
                let square = &span * &span;
                (Estimator::Spread { first, kind: *kind, range: span }, square)
            }
            _ => {
                let term = |(k, node)| Term { at: first + k, numerator: node, denominator: Exact::ONE };
                (Estimator::Ratio { terms: nodes().map(term).collect(), low, span }, interval.magnitude())
            }
        })
    }

    fn poverty(
        &mut self,
        measured: &Measured,
        degree: Degree,
        value: &Expr,
        line: &Expr,
        at: Position,
    ) -> Estimated {
        // Both must be computable.
        let (values, lines) = (range(value, self.table, at)?, range(line, self.table, at)?);
        check_line(&values, &lines.high, at)?;
        let largest = self.asked.iter().filter_map(|other| match &other.aggregate {
            Aggregate::Poverty { degree, value: other_value, line: other_line }
                if other_value == value
                    && other_line == line
                    && other.filter == measured.filter
                    && other.weight == measured.weight =>
            {
                Some(*degree)
            }
            _ => None,
        });
        let largest = largest.max().unwrap_or(degree).max(degree);
        let curve = largest.curve();
        let weight = weight_range(measured.weight.as_ref(), self.table, at)?;
        let (steps, weight) = poverty(curve, weight, self.most);
        let (value, line) = (value.clone(), line.clone());
        let first = self.measure(Content::Poverty { degree: largest, value, line, steps, weight }, measured);
        let rest = Term { at: first, numerator: Exact::ZERO, denominator: Exact::ONE };
        let poor = curve.nodes().into_iter().enumerate().map(|(k, node)| Term {
            at: first + 1 + k,
            numerator: match degree {
                Degree::Headcount => Exact::ONE,
                Degree::Gap => node,
                Degree::Severity => &node * &node,
            },
            denominator: Exact::ONE,
        });
        let terms = std::iter::once(rest).chain(poor).collect();
        Ok((Estimator::Ratio { terms, low: Exact::ZERO, span: Exact::ONE }, Exact::ONE))
    }

    fn histogram(
        &mut self,
        measured: &Measured,
        bins: Binned,
        count: usize,
        at: Position,
    ) -> Result<usize, QueryError> {
        let known = self.layout.measures.iter().find_map(|measure| match &measure.content {
            Content::Histogram { strategy, .. } if strategy.bins() == count => Some(Arc::clone(strategy)),
            _ => None,
        });
        let strategy = known.unwrap_or_else(|| Arc::new(Strategy::new(count)));
        let interval: Option<(Expr, Range)> = weight_range(measured.weight.as_ref(), self.table, at)?;
        let weight = interval.map(|interval| weight(interval, strategy.norm(), self.most));
        Ok(self.measure(Content::Histogram { bins, strategy, weight }, measured))
    }

    /// The first coordinate of a measure, which is added when no other output needs it already.
    fn measure(&mut self, content: Content, measured: &Measured) -> usize {
        let Measured { filter, emphasis, .. } = measured;
        let same = |other: &&mut Measure| other.content == content && other.filter == *filter;
        if let Some(shared) = self.layout.measures.iter_mut().find(same) {
            shared.emphasis = shared.emphasis.clone().max(emphasis.clone());
            return shared.first;
        }
        let first = self.layout.width;
        self.layout.width += content.width();
        self.layout.measures.push(Measure {
            content,
            filter: filter.clone(),
            first,
            emphasis: emphasis.clone(),
        });
        first
    }
}

/// Refuses a line that may lie above every value: who has more than the largest declared value is clamped to it, and
/// would be counted as poor.
fn check_line(values: &Range, line: &Exact, at: Position) -> Result<(), QueryError> {
    if *line <= values.high {
        return Ok(());
    }
    let most = echo(&values.high.to_string());
    Err(invalid(
        at,
        format!("the line may lie above {most}, the largest value that is told apart"),
        format!("write LEAST(line, {most}), or declare a larger range in the manifest"),
    ))
}

/// The indicators' weights as whole numbers in the same proportion, and their sum.
fn scores(indicators: &[(Expr, Exact)], at: Position) -> Result<(Vec<(Expr, u64)>, u64), QueryError> {
    let too_many = || {
        invalid(
            at,
            format!("the weights of the indicators make more than {MAX_SCORE} scores"),
            "write weights with a small common denominator, such as 1/6 and 1/18",
        )
    };
    let sum = indicators.iter().fold(Exact::ZERO, |sum, (_, weight)| sum + weight);
    // The least number of equal parts of the whole of which every weight is a multiple.
    let parts = (1..=MAX_SCORE)
        .find(|parts| indicators.iter().all(|(_, weight)| (weight * Exact::from(*parts) / &sum).is_int()));
    let parts = parts.ok_or_else(too_many)?;
    let scores = indicators.iter().map(|(indicator, weight)| {
        let score = (weight * Exact::from(parts) / &sum).round();
        Ok((indicator.clone(), u64::try_from(score).map_err(|_| too_many())?))
    });
    Ok((scores.collect::<Result<Vec<_>, QueryError>>()?, parts))
}
