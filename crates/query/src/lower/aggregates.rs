//! Aggregates: their names, arguments, weights and emphasis.

use almoner_federation::Exact;
use almoner_privacy::Spread;
use sqlparser::ast::{self, DuplicateTreatment, FunctionArg, FunctionArgExpr, FunctionArguments};

use super::functions::name_of;
use super::{Lowering, Typed, invalid, unsupported};
use crate::QueryError;
use crate::aggregate::{Aggregate, Degree, Measured, Multidimensional, Summary};
use crate::error::Position;
use crate::expr::{Expr, Type};
use crate::interval::range;
use crate::near::echo;

/// Every aggregate's name with how it is called.
pub(crate) const AGGREGATES: [(&str, &str); 27] = [
    ("COUNT", "COUNT(*) or COUNT(x)"),
    ("SUM", "SUM(x)"),
    ("AVG", "AVG(x) or AVG(x, weight)"),
    ("VARIANCE", "VARIANCE(x) or VARIANCE(x, weight)"),
    ("VAR_SAMP", "VAR_SAMP(x) or VAR_SAMP(x, weight)"),
    ("VAR_POP", "VAR_POP(x) or VAR_POP(x, weight)"),
    ("STDDEV", "STDDEV(x) or STDDEV(x, weight)"),
    ("STDDEV_SAMP", "STDDEV_SAMP(x) or STDDEV_SAMP(x, weight)"),
    ("STDDEV_POP", "STDDEV_POP(x) or STDDEV_POP(x, weight)"),
    ("POVERTY_HEADCOUNT", "POVERTY_HEADCOUNT(x, line) or POVERTY_HEADCOUNT(x, line, weight)"),
    ("POVERTY_GAP", "POVERTY_GAP(x, line) or POVERTY_GAP(x, line, weight)"),
    ("POVERTY_SEVERITY", "POVERTY_SEVERITY(x, line) or POVERTY_SEVERITY(x, line, weight)"),
    ("MEDIAN", "MEDIAN(x) or MEDIAN(x, weight)"),
    ("PERCENTILE", "PERCENTILE(x, 0.9) or PERCENTILE(x, 0.9, weight)"),
    (
        "AT_RISK_OF_POVERTY",
        "AT_RISK_OF_POVERTY(x), AT_RISK_OF_POVERTY(x, 0.6) or AT_RISK_OF_POVERTY(x, 0.6, weight)",
    ),
    (
        "AT_RISK_THRESHOLD",
        "AT_RISK_THRESHOLD(x), AT_RISK_THRESHOLD(x, 0.6) or AT_RISK_THRESHOLD(x, 0.6, weight)",
    ),
    ("AT_RISK_GAP", "AT_RISK_GAP(x), AT_RISK_GAP(x, 0.6) or AT_RISK_GAP(x, 0.6, weight)"),
    ("MEDIAN_POVERTY_GAP", "MEDIAN_POVERTY_GAP(x, line) or MEDIAN_POVERTY_GAP(x, line, weight)"),
    ("GINI", "GINI(x) or GINI(x, weight)"),
    ("S80_S20", "S80_S20(x) or S80_S20(x, weight)"),
    ("PALMA", "PALMA(x) or PALMA(x, weight)"),
    ("LORENZ", "LORENZ(x) or LORENZ(x, weight)"),
    ("DECILES", "DECILES(x) or DECILES(x, weight)"),
    ("MPI_HEADCOUNT", "MPI_HEADCOUNT(1/3, indicator1, 1/2, indicator2, 1/2)"),
    ("MPI_INTENSITY", "MPI_INTENSITY(1/3, indicator1, 1/2, indicator2, 1/2)"),
    ("MPI", "MPI(1/3, indicator1, 1/2, indicator2, 1/2)"),
    ("EMPHASIS", "EMPHASIS(AVG(x), 4)"),
];

/// The tree's aggregate call, without regard to parentheses around it.
pub(crate) fn as_aggregate(tree: &ast::Expr) -> Option<&ast::Function> {
    match tree {
        ast::Expr::Nested(inner) => as_aggregate(inner),
        ast::Expr::Function(function) => usage(&name_of(function)).map(|_| function),
        _ => None,
    }
}

/// How the aggregate of that name is called.
pub(super) fn usage(name: &str) -> Option<&'static str> {
    AGGREGATES.iter().find(|(word, _)| *word == name).map(|(_, usage)| *usage)
}

/// A call's arguments after the weight has been taken out by name, and what is needed to complain.
struct Call<'f> {
    name: String,
    at: Position,
    arguments: Vec<&'f ast::Expr>,
    weight: Option<&'f ast::Expr>,
}

impl<'f> Call<'f> {
    fn wrong(&self) -> QueryError {
        let usage = usage(&self.name).unwrap_or_default();
        invalid(self.at, format!("{} does not take these arguments", self.name), format!("write {usage}"))
    }

    /// The first `least..=most` arguments; one more may be the weight.
    fn take(&mut self, least: usize, most: usize) -> Result<Vec<&'f ast::Expr>, QueryError> {
        let mut arguments = std::mem::take(&mut self.arguments);
        if arguments.len() == most + 1 && self.weight.is_none() {
            self.weight = arguments.pop();
        }
        if (least..=most).contains(&arguments.len()) { Ok(arguments) } else { Err(self.wrong()) }
    }
}

/// Largest and, inverted, smallest emphasis.
const MAX_EMPHASIS: u32 = 1_000;

impl Lowering<'_> {
    /// An aggregate call as what is measured.
    pub(crate) fn measured(&self, function: &ast::Function) -> Result<Box<Measured>, QueryError> {
        if name_of(function) == "EMPHASIS" {
            return self.emphasised(function);
        }
        let filter = function.filter.as_deref().map(|tree| self.predicate(tree)).transpose()?;
        let (aggregate, weight) = self.aggregate(function)?;
        let weight = match weight {
            None => None,
            Some(tree) => Some(self.weight(tree)?),
        };
        Ok(Box::new(Measured { aggregate, weight, filter, emphasis: Exact::ONE }))
    }

    fn emphasised(&self, function: &ast::Function) -> Result<Box<Measured>, QueryError> {
        let call = self.call(function)?;
        let [inner, factor] = call.arguments.as_slice() else { return Err(call.wrong()) };
        let (Some(aggregate), None, None) = (as_aggregate(inner), &function.filter, call.weight) else {
            return Err(call.wrong());
        };
        if name_of(aggregate) == "EMPHASIS" {
            return Err(call.wrong());
        }
        let factor = self.constant(factor, call.at, "the emphasis")?;
        let most = Exact::from(MAX_EMPHASIS);
        if factor > most || &factor * &most < Exact::ONE {
            return Err(invalid(
                call.at,
                format!("an emphasis lies between 1/{MAX_EMPHASIS} and {MAX_EMPHASIS}"),
                "write how much the squared error of this output counts beside that of the others",
            ));
        }
        let mut measured = self.measured(aggregate)?;
        measured.emphasis = factor;
        Ok(measured)
    }

    fn aggregate<'f>(
        &self,
        function: &'f ast::Function,
    ) -> Result<(Aggregate, Option<&'f ast::Expr>), QueryError> {
        if let Some(counted) = self.counted(function)? {
            return Ok((counted, None));
        }
        let mut call = self.call(function)?;
        let aggregate = match call.name.as_str() {
            "SUM" => {
                let [tree] = call.arguments.as_slice() else { return Err(call.wrong()) };
                if call.weight.is_some() {
                    return Err(invalid(call.at, "SUM takes no weight", "write SUM(x * weight)"));
                }
                Aggregate::Sum(self.measurable(tree, &call)?)
            }
            "AVG" => Aggregate::Average(self.only(&mut call)?),
            "VARIANCE" | "VAR_SAMP" => Aggregate::Spread(Spread::VarianceSample, self.only(&mut call)?),
            "VAR_POP" => Aggregate::Spread(Spread::VariancePopulation, self.only(&mut call)?),
            "STDDEV" | "STDDEV_SAMP" => Aggregate::Spread(Spread::DeviationSample, self.only(&mut call)?),
            "STDDEV_POP" => Aggregate::Spread(Spread::DeviationPopulation, self.only(&mut call)?),
            "POVERTY_HEADCOUNT" => self.poverty(Degree::Headcount, &mut call)?,
            "POVERTY_GAP" => self.poverty(Degree::Gap, &mut call)?,
            "POVERTY_SEVERITY" => self.poverty(Degree::Severity, &mut call)?,
            "MPI_HEADCOUNT" => self.multidimensional(Multidimensional::Headcount, &call)?,
            "MPI_INTENSITY" => self.multidimensional(Multidimensional::Intensity, &call)?,
            "MPI" => self.multidimensional(Multidimensional::Adjusted, &call)?,
            _ => self.distribution(&mut call)?,
        };
        Ok((aggregate, call.weight))
    }

    /// What is concluded from a distribution.
    fn distribution(&self, call: &mut Call<'_>) -> Result<Aggregate, QueryError> {
        let (summary, value) = match call.name.as_str() {
            "MEDIAN" => (Summary::Quantile(Exact::from_parts(1.into(), 2u8.into())), self.only(call)?),
            "GINI" => (Summary::Gini, self.only(call)?),
            "S80_S20" => (Summary::S80S20, self.only(call)?),
            "PALMA" => (Summary::Palma, self.only(call)?),
            "LORENZ" => (Summary::Lorenz, self.only(call)?),
            "DECILES" => (Summary::Deciles, self.only(call)?),
            "PERCENTILE" => {
                let arguments = call.take(2, 2)?;
                let share = self.constant(arguments[1], call.at, "the share below a percentile")?;
                if share <= Exact::ZERO || share >= Exact::ONE {
                    return Err(invalid(
                        call.at,
                        "the share below a percentile lies between 0 and 1",
                        "write 0.9 for the 90th percentile",
                    ));
                }
                (Summary::Quantile(share), self.measurable(arguments[0], call)?)
            }
            "MEDIAN_POVERTY_GAP" => {
                let arguments = call.take(2, 2)?;
                let line = self.constant(arguments[1], call.at, "the line of a median gap")?;
                positive_line(&line, call.at)?;
                (Summary::MedianGap(line), self.measurable(arguments[0], call)?)
            }
            "AT_RISK_OF_POVERTY" => self.of_the_median(Summary::AtRisk, call)?,
            "AT_RISK_THRESHOLD" => self.of_the_median(Summary::RiskThreshold, call)?,
            "AT_RISK_GAP" => self.of_the_median(Summary::AtRiskGap, call)?,
            _ => return Err(call.wrong()),
        };
        Ok(Aggregate::Distribution(summary, value))
    }

    /// The only argument besides a weight.
    fn only(&self, call: &mut Call<'_>) -> Result<Expr, QueryError> {
        let arguments = call.take(1, 1)?;
        self.measurable(arguments[0], call)
    }

    /// A value, and a share of its median that is 0.6 when it is left out.
    fn of_the_median(
        &self,
        summary: fn(Exact) -> Summary,
        call: &mut Call<'_>,
    ) -> Result<(Summary, Expr), QueryError> {
        let arguments = call.take(1, 2)?;
        let value = self.measurable(arguments[0], call)?;
        let share = match arguments.get(1) {
            Some(tree) => self.constant(tree, call.at, "the share of the median")?,
            None => Exact::from_parts(3.into(), 5u8.into()),
        };
        if share <= Exact::ZERO || share > Exact::from(10) {
            return Err(invalid(call.at, "a share of the median lies above 0 and below 10", "write 0.6"));
        }
        Ok((summary(share), value))
    }

    /// COUNT in its forms.
    fn counted(&self, function: &ast::Function) -> Result<Option<Aggregate>, QueryError> {
        if name_of(function) != "COUNT" {
            return Ok(None);
        }
        let at = self.function_at(function);
        if let FunctionArguments::List(list) = &function.args
            && list.duplicate_treatment == Some(DuplicateTreatment::Distinct)
        {
            return self.counted_units(&list.args, at).map(Some);
        }
        let arguments = self.plain_arguments(function)?;
        let [argument] = arguments else {
            return Err(invalid(at, "COUNT takes one argument", "write COUNT(*) or COUNT(x)"));
        };
        if *argument == FunctionArg::Unnamed(FunctionArgExpr::Wildcard) {
            return Ok(Some(Aggregate::Count(None)));
        }
        let Typed { expr, ty } = self.expression(self.argument(argument, at)?)?;
        if ty.is_none() {
            return Err(unsupported(at, "NULL as a value", "write COUNT(*)"));
        }
        // A value that is never missing is counted as often as its row.
        Ok(Some(Aggregate::Count((!expr.never_null()).then_some(expr))))
    }

    /// Whether this is the unit's column, qualified or not.
    pub(crate) fn names_the_unit(&self, tree: &ast::Expr) -> bool {
        match tree {
            ast::Expr::Identifier(name) => name.value.eq_ignore_ascii_case(self.unit_column),
            ast::Expr::CompoundIdentifier(parts) => {
                matches!(parts.as_slice(), [table, name] if self.is_qualifier(table)
                    && name.value.eq_ignore_ascii_case(self.unit_column))
            }
            _ => false,
        }
    }

    fn counted_units(&self, arguments: &[FunctionArg], at: Position) -> Result<Aggregate, QueryError> {
        match arguments {
            [FunctionArg::Unnamed(FunctionArgExpr::Expr(tree))] if self.names_the_unit(tree) => {
                Ok(Aggregate::Units)
            }
            _ => Err(unsupported(
                at,
                "COUNT(DISTINCT ...) of anything but the privacy unit",
                format!("write COUNT(DISTINCT {}), or group by the column", self.unit_column),
            )),
        }
    }

    fn call<'f>(&self, function: &'f ast::Function) -> Result<Call<'f>, QueryError> {
        let (name, at) = (name_of(function), self.function_at(function));
        let mut call = Call { name, at, arguments: Vec::new(), weight: None };
        for argument in self.plain_arguments(function)? {
            match argument {
                FunctionArg::Named { name, arg: FunctionArgExpr::Expr(tree), .. }
                    if name.value.eq_ignore_ascii_case("weight") && call.weight.is_none() =>
                {
                    call.weight = Some(tree);
                }
                other => call.arguments.push(self.argument(other, at)?),
            }
        }
        Ok(call)
    }

    /// A number that is measured.
    fn measurable(&self, tree: &ast::Expr, call: &Call<'_>) -> Result<Expr, QueryError> {
        let Typed { expr, ty } = self.expression(tree)?;
        let name = &call.name;
        match ty {
            Some(Type::Number) => Ok(expr),
            None => Err(unsupported(call.at, "NULL as a value", "write COUNT(*)")),
            Some(Type::Boolean) => Err(invalid(
                call.at,
                format!("{name} needs a number, found a boolean"),
                "write COUNT(*) FILTER (WHERE x) for how many, AVG(CASE WHEN x THEN 1 ELSE 0 END) for a share",
            )),
            Some(ty) => Err(invalid(
                call.at,
                format!("{name} needs a number, found {}", ty.word()),
                "count it with COUNT(x), or group by it",
            )),
        }
    }

    /// A number that is the same in every row.
    fn constant(&self, tree: &ast::Expr, at: Position, what: &str) -> Result<Exact, QueryError> {
        let Typed { expr, ty } = self.expression(tree)?;
        let found = (ty == Some(Type::Number)).then(|| range(&expr, self.table, at)).transpose()?;
        found.filter(|found| expr.is_constant() && found.low == found.high).map(|found| found.low).ok_or_else(
            || {
                invalid(
                    at,
                    format!("{what} must be a number that is the same for everyone"),
                    "write a literal such as 0.6 or 1/3",
                )
            },
        )
    }

    fn weight(&self, tree: &ast::Expr) -> Result<Expr, QueryError> {
        let at = crate::places::of_expr(tree);
        let Typed { expr, ty } = self.expression(tree)?;
        if ty != Some(Type::Number) {
            return Err(invalid(at, "a weight is a number", "name the weight's column"));
        }
        let found = range(&expr, self.table, at)?;
        if found.low < Exact::ZERO || found.high <= Exact::ZERO {
            return Err(invalid(
                at,
                "a weight must not be able to be negative, nor always be 0",
                "declare its range in the manifest from 0 up, or write GREATEST(w, 0)",
            ));
        }
        Ok(expr)
    }

    fn poverty(&self, degree: Degree, call: &mut Call<'_>) -> Result<Aggregate, QueryError> {
        let arguments = call.take(2, 2)?;
        let value = self.measurable(arguments[0], call)?;
        let line = self.measurable(arguments[1], call)?;
        let found = range(&line, self.table, call.at)?;
        if degree != Degree::Headcount {
            positive_line(&found.low, call.at)?;
        }
        Ok(Aggregate::Poverty { degree, value, line })
    }

    fn multidimensional(&self, what: Multidimensional, call: &Call<'_>) -> Result<Aggregate, QueryError> {
        let [cutoff, pairs @ ..] = call.arguments.as_slice() else { return Err(call.wrong()) };
        if pairs.is_empty() || pairs.len() % 2 != 0 {
            return Err(call.wrong());
        }
        let cutoff = self.constant(cutoff, call.at, "the cutoff")?;
        if cutoff <= Exact::ZERO || cutoff > Exact::ONE {
            return Err(invalid(
                call.at,
                "the cutoff lies above 0 and is at most 1",
                "write the share of all deprivations from which on a person is poor, such as 1/3",
            ));
        }
        let mut indicators = Vec::with_capacity(pairs.len() / 2);
        for pair in pairs.chunks_exact(2) {
            let weight = self.constant(pair[1], call.at, "the weight of an indicator")?;
            if weight <= Exact::ZERO {
                return Err(invalid(call.at, "the weight of an indicator is positive", "write 1/6"));
            }
            indicators.push((self.predicate(pair[0])?, weight));
        }
        Ok(Aggregate::Multidimensional { what, cutoff, indicators })
    }
}

fn positive_line(line: &Exact, at: Position) -> Result<(), QueryError> {
    if *line > Exact::ZERO {
        return Ok(());
    }
    Err(invalid(
        at,
        format!("the gap to a line that may be {} has no share of it", echo(&line.to_string())),
        "give a positive line, for example with GREATEST(line, 1)",
    ))
}
