//! How the outputs of one question follow from what was released for another.

use almoner_privacy::Statistic;

use super::{Binned, Builder, Column, ColumnValue, Content, Estimator, MostSteps};
use crate::aggregate::{Aggregate, Degree, Measured};
use crate::conclude::approximately;
use crate::interval::range;
use crate::places::START;
use crate::question::{OutputValue, Question};

/// The columns of `asked` over the measures that were laid out for `published`, a question over the same rows and
/// keys; `None` when one of them does not follow.
pub(crate) fn reading(
    asked: &Question<'_>,
    published: &Question<'_>,
    most: MostSteps,
) -> Option<Vec<Column>> {
    let mut builder = Builder::of(published, most).ok()?;
    let (measures, width) = (builder.layout.measures.len(), builder.layout.width);
    let columns = asked.outputs.iter().map(|output| {
        let value = match &output.value {
            OutputValue::Key(key) => ColumnValue::Key(*key),
            OutputValue::Measured(measured) => {
                let (mut estimator, magnitude) = builder.estimator(measured, output.at).ok()?;
                // What would have to be measured anew was not released.
                if builder.layout.measures.len() > measures {
                    builder.layout.measures.truncate(measures);
                    builder.layout.width = width;
                    estimator = builder.told_by_a_distribution(measured)?;
                }
                ColumnValue::Estimate { estimator, magnitude }
            }
        };
        Some(Column { name: output.name.clone(), value })
    });
    columns.collect()
}

impl Builder<'_> {
    /// Poverty at a line that is the same for everyone, a mean or a count, from the distribution of the same value
    /// under the same filter and weight.
    fn told_by_a_distribution(&self, measured: &Measured) -> Option<Estimator> {
        let (value, statistic) = match &measured.aggregate {
            Aggregate::Poverty { degree, value, line } => {
                let line = range(line, self.table, START).ok()?;
                let at = (line.low == line.high).then(|| approximately(&line.low))?;
                let statistic = match degree {
                    Degree::Headcount => Statistic::ShareBelow(at),
                    Degree::Gap => Statistic::Gap(at),
                    Degree::Severity => Statistic::Severity(at),
                };
                (Some(value), statistic)
            }
            Aggregate::Average(value) => (Some(value), Statistic::Mean),
            Aggregate::Count(value) => (value.as_ref(), Statistic::Total),
            _ => return None,
        };
        let found = self.layout.measures.iter().find(|measure| {
            let Content::Histogram { bins: Binned::Values { value: held, .. }, weight, .. } =
                &measure.content
            else {
                return false;
            };
            // All rows are counted by a value that none lacks.
            value.map_or(held.never_null(), |value| value == held)
                && measure.filter == measured.filter
                && weight.as_ref().map(|weight| &weight.value) == measured.weight.as_ref()
        });
        found.map(|measure| Estimator::Read { first: measure.first, statistic })
    }
}
