//! The refusal of constructs and functions by name, each with the nearest thing that works.

use sqlparser::ast;

use crate::QueryError;
use crate::error::Position;
use crate::lower::{AGGREGATES, unsupported};
use crate::near::{echo, near};
use crate::places::of_expr;

/// Every function of one row.
pub(crate) const FUNCTIONS: [&str; 5] = ["COALESCE", "LEAST", "GREATEST", "EXTRACT", "DATE_PART"];

/// Every function there is.
fn known() -> impl Iterator<Item = &'static str> {
    AGGREGATES.iter().map(|(name, _)| *name).chain(FUNCTIONS)
}

/// Whether there is a function of that name, in capitals.
pub(crate) fn is_known(name: &str) -> bool {
    known().any(|function| function == name)
}

/// Refuses a function by its name, with the nearest thing that works.
pub(crate) fn function(name: &str, at: Position) -> QueryError {
    let instead = match name {
        "MIN" | "MAX" => "no noisy total can answer it; count over bands of the column instead",
        "PERCENTILE_CONT" | "PERCENTILE_DISC" | "APPROX_PERCENTILE_CONT" | "QUANTILE" | "NTILE" => {
            "write PERCENTILE(x, 0.9) or MEDIAN(x)"
        }
        "MODE" => "use MEDIAN(x), or counts over bands of the column",
        "VAR" | "STDEV" => "write VARIANCE(x) or STDDEV(x)",
        "COVAR_POP" | "COVAR_SAMP" | "CORR" | "REGR_SLOPE" => "ask for AVG(x * y), AVG(x) and AVG(y)",
        "COUNT_IF" | "COUNTIF" => "write COUNT(*) FILTER (WHERE condition)",
        "SUM_IF" | "SUMIF" => "write SUM(x) FILTER (WHERE condition)",
        "BOOL_AND" | "BOOL_OR" | "EVERY" | "ANY_VALUE" | "FIRST_VALUE" | "LAST_VALUE" => {
            "write COUNT(*) FILTER (WHERE condition)"
        }
        "ARRAY_AGG" | "STRING_AGG" | "JSON_AGG" | "LISTAGG" => {
            "single values never leave an agency; count, sum or average them"
        }
        "ABS" => "write GREATEST(x, -x)",
        "FLOOR" | "CEIL" | "CEILING" | "ROUND" | "TRUNC" | "WIDTH_BUCKET" | "DATE_TRUNC" => {
            "use the column's bands, a CASE over ranges, or EXTRACT(YEAR FROM x)"
        }
        "POWER" | "POW" | "SQRT" | "EXP" | "LN" | "LOG" | "LOG10" | "LOG2" => {
            "write products, as in x * x, or a CASE over ranges"
        }
        "MOD" => "list the wanted values with IN or CASE",
        "NULLIF" => "write CASE WHEN x <> y THEN x END",
        "IFNULL" | "NVL" | "ISNULL" => "write COALESCE(x, y)",
        "IF" | "IIF" => "write CASE WHEN condition THEN x ELSE y END",
        "YEAR" | "MONTH" | "DAY" => "write EXTRACT(YEAR FROM x)",
        "NOW" | "CURRENT_DATE" | "CURRENT_TIMESTAMP" | "TODAY" | "AGE" | "RANDOM" => {
            "write a literal, so that the same question stays the same question"
        }
        "ROLLUP" | "CUBE" | "GROUPING" | "SETS" => "ask one question per grouping",
        "LOWER" | "UPPER" | "TRIM" | "SUBSTR" | "SUBSTRING" | "LEFT" | "RIGHT" | "CONCAT" | "LENGTH"
        | "REPLACE" | "STARTS_WITH" => "compare whole values with = or IN (...)",
        "EXISTS" | "UNIQUE" => "ask one question of one table",
        "ANY" | "ALL" | "SOME" => "write x IN (...)",
        "OVER" | "ROW_NUMBER" | "RANK" | "LAG" | "LEAD" => "there are no windows; group by their keys",
        "WITHIN" | "GROUP" => "write PERCENTILE(x, 0.9) or MEDIAN(x)",
        "CAST" | "TRY_CAST" | "CONVERT" => "columns already have the manifest's types",
        "ROW" => "compare the values one by one with AND",
        _ => {
            let near = near(name, known());
            return QueryError::Unknown { at, kind: "function", name: echo(name), near };
        }
    };
    unsupported(at, name, instead)
}

/// Refuses a construct of SQL's expressions.
pub(crate) fn expression(tree: &ast::Expr) -> QueryError {
    use ast::Expr as E;
    let (what, instead) = match tree {
        E::Subquery(_) | E::InSubquery { .. } | E::Exists { .. } => {
            ("a subquery", "ask one question of one table; list literals in IN (...)")
        }
        E::Like { .. } | E::ILike { .. } | E::SimilarTo { .. } | E::RLike { .. } => {
            ("pattern matching", "list the wanted values with IN (...)")
        }
        E::Cast { .. } | E::Convert { .. } => ("a cast", "columns already have the manifest's types"),
        E::IsTrue(_) | E::IsNotFalse(_) | E::IsFalse(_) | E::IsNotTrue(_) => {
            ("IS TRUE and IS FALSE", "write the condition itself, or COALESCE(condition, FALSE)")
        }
        E::IsUnknown(_) | E::IsNotUnknown(_) => ("IS UNKNOWN", "write x IS NULL"),
        E::IsDistinctFrom(..) | E::IsNotDistinctFrom(..) => {
            ("IS DISTINCT FROM", "write x = y, with x IS NULL where it matters")
        }
        E::Floor { .. } | E::Ceil { .. } => {
            ("FLOOR and CEIL", "use the column's bands, or a CASE over ranges")
        }
        E::Substring { .. } | E::Trim { .. } | E::Position { .. } | E::Overlay { .. } => {
            ("a text function", "compare whole values with = or IN (...)")
        }
        E::Interval(_) => ("an interval", "write the resulting DATE literal"),
        E::AtTimeZone { .. } => ("a time zone", "dates here have no time"),
        E::Tuple(_) => ("a tuple", "compare the values one by one with AND"),
        E::GroupingSets(_) | E::Cube(_) | E::Rollup(_) => {
            ("GROUPING SETS, CUBE and ROLLUP", "ask one question per grouping")
        }
        E::AnyOp { .. } | E::AllOp { .. } => ("ANY and ALL", "write x IN (...)"),
        E::Array(_) | E::Map(_) | E::Struct { .. } | E::Dictionary(_) | E::JsonAccess { .. } => {
            ("a nested value", "use the columns that the manifest declares")
        }
        E::CompoundFieldAccess { .. } => ("access to a field", "use the columns that the manifest declares"),
        E::Wildcard(_) | E::QualifiedWildcard(..) => ("*", "name the keys, and COUNT(*) for rows"),
        E::Collate { .. } => ("COLLATE", "texts are compared byte by byte"),
        _ => ("this expression", "see docs/planner.md for what can be asked"),
    };
    unsupported(of_expr(tree), what, instead)
}
