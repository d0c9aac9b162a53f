//! What can be measured over the rows of a cell, after names are resolved and types checked.

use almoner_federation::Exact;
use almoner_privacy::Spread;

use crate::expr::Expr;

/// An aggregate over the rows of a cell.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Measured {
    pub(crate) aggregate: Aggregate,
    /// How much each row counts; 1 without.
    pub(crate) weight: Option<Expr>,
    pub(crate) filter: Option<Expr>,
    /// How much its squared error counts beside that of the other outputs when rho is split.
    pub(crate) emphasis: Exact,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Aggregate {
    /// Rows, or those where the expression is present.
    Count(Option<Expr>),
    /// Privacy units with such a row.
    Units,
    Sum(Expr),
    Average(Expr),
    Spread(Spread, Expr),
    /// Foster, Greer and Thorbecke (Econometrica 52, 1984) over rows with `value < line`.
    Poverty {
        degree: Degree,
        value: Expr,
        line: Expr,
    },
    /// Concluded from the distribution of a value.
    Distribution(Summary, Expr),
    /// Alkire and Foster (Journal of Public Economics 95, 2011).
    Multidimensional {
        what: Multidimensional,
        cutoff: Exact,
        indicators: Vec<(Expr, Exact)>,
    },
}

/// The power to which the relative gap is raised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Degree {
    Headcount,
    Gap,
    Severity,
}

/// What to conclude from a distribution. Shares lie between 0 and 1.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Summary {
    Quantile(Exact),
    /// Below this share of the median.
    AtRisk(Exact),
    RiskThreshold(Exact),
    AtRiskGap(Exact),
    /// The median gap to this line among those below it.
    MedianGap(Exact),
    Gini,
    S80S20,
    Palma,
    /// At each tenth.
    Lorenz,
    /// At each tenth.
    Deciles,
}

/// Points of a table-valued aggregate: 0.1, 0.2 to 0.9.
pub(crate) const POINTS: u8 = 9;

impl Summary {
    /// Whether it is in the unit of the values, and not a share or a ratio.
    pub(crate) fn is_value(&self) -> bool {
        matches!(self, Summary::Quantile(_) | Summary::RiskThreshold(_) | Summary::Deciles)
    }

    /// Whether it has a value at each of [`POINTS`].
    pub(crate) fn is_curve(&self) -> bool {
        matches!(self, Summary::Lorenz | Summary::Deciles)
    }
}

/// The measures of multidimensional poverty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Multidimensional {
    /// H: the share of rows whose deprivation score reaches the cutoff.
    Headcount,
    /// A: their mean score.
    Intensity,
    /// M0 = H A.
    Adjusted,
}

impl Aggregate {
    /// The name in SQL.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Aggregate::Count(_) | Aggregate::Units => "COUNT",
            Aggregate::Sum(_) => "SUM",
            Aggregate::Average(_) => "AVG",
            Aggregate::Spread(Spread::VarianceSample, _) => "VARIANCE",
            Aggregate::Spread(Spread::VariancePopulation, _) => "VAR_POP",
            Aggregate::Spread(Spread::DeviationSample, _) => "STDDEV",
            Aggregate::Spread(Spread::DeviationPopulation, _) => "STDDEV_POP",
            Aggregate::Poverty { degree: Degree::Headcount, .. } => "POVERTY_HEADCOUNT",
            Aggregate::Poverty { degree: Degree::Gap, .. } => "POVERTY_GAP",
            Aggregate::Poverty { degree: Degree::Severity, .. } => "POVERTY_SEVERITY",
            Aggregate::Distribution(Summary::Quantile(share), _) if is_half(share) => "MEDIAN",
            Aggregate::Distribution(Summary::Quantile(_), _) => "PERCENTILE",
            Aggregate::Distribution(Summary::AtRisk(_), _) => "AT_RISK_OF_POVERTY",
            Aggregate::Distribution(Summary::RiskThreshold(_), _) => "AT_RISK_THRESHOLD",
            Aggregate::Distribution(Summary::AtRiskGap(_), _) => "AT_RISK_GAP",
            Aggregate::Distribution(Summary::MedianGap(_), _) => "MEDIAN_POVERTY_GAP",
            Aggregate::Distribution(Summary::Gini, _) => "GINI",
            Aggregate::Distribution(Summary::S80S20, _) => "S80_S20",
            Aggregate::Distribution(Summary::Palma, _) => "PALMA",
            Aggregate::Distribution(Summary::Lorenz, _) => "LORENZ",
            Aggregate::Distribution(Summary::Deciles, _) => "DECILES",
            Aggregate::Multidimensional { what: Multidimensional::Headcount, .. } => "MPI_HEADCOUNT",
            Aggregate::Multidimensional { what: Multidimensional::Intensity, .. } => "MPI_INTENSITY",
            Aggregate::Multidimensional { what: Multidimensional::Adjusted, .. } => "MPI",
        }
    }

    /// Whether it gives a value at each of [`POINTS`].
    pub(crate) fn is_curve(&self) -> bool {
        matches!(self, Aggregate::Distribution(summary, _) if summary.is_curve())
    }
}

pub(crate) fn is_half(share: &Exact) -> bool {
    *share == Exact::from_parts(1.into(), 2u8.into())
}
