//! How an agency's SELECT is read and bounded in DataFusion's SQL, with the meaning that [`crate::value`] and
//! [`crate::bounding`] give to files.
//!
//! Nothing in a row can make it fail: what a cast cannot hold is NULL by TRY_CAST, and the few functions that fail by
//! themselves stand in a CASE that asks first.
//!
//! Such a server need not have snapshots, so that two readings of one table in one statement may see different rows.
//! So each statement reads each table once: whatever it sees, no unit counts with more rows than the bound. Windows over
//! the units do that, and only the rows of units over the bound are described and hashed.

use almoner_federation::Table;
use almoner_query::quoted;
use datafusion::arrow::datatypes::{DataType, TimeUnit};

use crate::reading::{Reading, columns, fits, id, is_day, is_number, said, within};
use crate::relation::{Dialect, Relation, Surplus, double};
use crate::rows::MAX_FIELD_BYTES;
use crate::value::{DAYS, MAX_NUMBER_BYTES};

/// What a column can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    Text,
    /// Of any width, with or without a sign.
    Integer,
    Float,
    Boolean,
    Date,
    /// Without a zone, and how many of its steps are a day.
    Timestamp {
        per_day: i64,
    },
}

impl Class {
    /// `None` for what has no safe reading. An instant is no day: that depends on a zone, which only the agency knows.
    pub(crate) fn of(found: &DataType) -> Option<Class> {
        Some(match found {
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Class::Text,
            DataType::Dictionary(_, values) => Class::of(values).filter(|class| *class == Class::Text)?,
            found if found.is_integer() => Class::Integer,
            DataType::Float32 | DataType::Float64 => Class::Float,
            DataType::Boolean => Class::Boolean,
            DataType::Date32 => Class::Date,
            DataType::Timestamp(unit, None) => Class::Timestamp {
                per_day: 86_400
                    * match unit {
                        TimeUnit::Second => 1,
                        TimeUnit::Millisecond => 1_000,
                        TimeUnit::Microsecond => 1_000_000,
                        TimeUnit::Nanosecond => 1_000_000_000,
                    },
            },
            _ => return None,
        })
    }
}

/// What Rust's `trim` takes away, which is Unicode's White_Space.
const BLANKS: &str = "\t\n\u{b}\u{c}\r \u{85}\u{a0}\u{1680}\u{2000}\u{2001}\u{2002}\u{2003}\u{2004}\u{2005}\u{2006}\
                      \u{2007}\u{2008}\u{2009}\u{200a}\u{2028}\u{2029}\u{202f}\u{205f}\u{3000}";
/// 2^53 and 2^63.
const EXACT_FLOAT: f64 = 9_007_199_254_740_992.0;
const BEYOND_BIGINT: f64 = 9_223_372_036_854_775_808.0;

impl Reading for Class {
    fn is_text(self) -> bool {
        self == Class::Text
    }

    fn plain(own: &str) -> String {
        format!("CAST({own} AS VARCHAR)")
    }

    fn unit(self, own: &str) -> Option<String> {
        Some(match self {
            Class::Text => {
                let id = id(&trimmed(own));
                format!("(CASE WHEN {} THEN {id} END)", fits(&Self::plain(own)))
            }
            Class::Integer => Self::plain(own),
            Class::Float => {
                let own = wide(own);
                // Zero first: engines disagree on whether the negative one is equal to it.
                format!(
                    "(CASE WHEN abs({own}) = 0 THEN '0' WHEN abs({own}) <= {} AND {own} = trunc({own}) \
                 THEN CAST(TRY_CAST({own} AS BIGINT) AS VARCHAR) END)",
                    double(EXACT_FLOAT)
                )
            }
            Class::Boolean | Class::Date | Class::Timestamp { .. } => return None,
        })
    }

    fn text(self, own: &str) -> Option<String> {
        let plain = Self::plain(own);
        Some(match self {
            Class::Text => {
                format!("(CASE WHEN octet_length({plain}) BETWEEN 1 AND {MAX_FIELD_BYTES} THEN {plain} END)")
            }
            Class::Integer => plain,
            Class::Boolean => format!("(CASE WHEN {own} THEN 'true' WHEN NOT {own} THEN 'false' END)"),
            Class::Date | Class::Timestamp { .. } => format!("CAST({} AS VARCHAR)", self.date(own)?),
            // Engines and files write floats differently.
            Class::Float => return None,
        })
    }

    fn integer(self, own: &str) -> Option<String> {
        Some(match self {
            Class::Integer => format!("TRY_CAST({own} AS BIGINT)"),
            Class::Text => {
                let text = trimmed(own);
                format!(
                    "(CASE WHEN {} AND {text} ~ '^[+-]?[0-9]+([.]0+)?$' THEN TRY_CAST(split_part({text}, '.', 1) AS BIGINT) END)",
                    fits(&Self::plain(own)),
                )
            }
            Class::Float => {
                let (own, beyond) = (wide(own), double(BEYOND_BIGINT));
                format!(
                    "(CASE WHEN abs({own}) = 0 THEN 0 WHEN {own} >= -{beyond} AND {own} < {beyond} AND {own} = trunc({own}) \
                 THEN TRY_CAST({own} AS BIGINT) END)"
                )
            }
            Class::Boolean | Class::Date | Class::Timestamp { .. } => return None,
        })
    }

    fn number(self, own: &str) -> Option<String> {
        Some(match self {
            Class::Integer => wide(own),
            Class::Float => format!("({})", within(&wide(own))),
            Class::Text => {
                let text = trimmed(own);
                format!(
                    "(CASE WHEN octet_length({text}) <= {MAX_NUMBER_BYTES} AND {} THEN {} END)",
                    is_number(&text),
                    within(&format!("TRY_CAST({text} AS DOUBLE PRECISION)"))
                )
            }
            Class::Boolean | Class::Date | Class::Timestamp { .. } => return None,
        })
    }

    fn boolean(self, own: &str) -> Option<String> {
        Some(match self {
            Class::Boolean => own.to_owned(),
            Class::Integer => format!("(CASE WHEN {own} = 1 THEN TRUE WHEN {own} = 0 THEN FALSE END)"),
            Class::Float => {
                format!("(CASE WHEN {own} = 1 THEN TRUE WHEN abs({own}) = 0 THEN FALSE END)")
            }
            Class::Text => said(&trimmed(own)),
            Class::Date | Class::Timestamp { .. } => return None,
        })
    }

    fn date(self, own: &str) -> Option<String> {
        let (first, last) = (*DAYS.start(), *DAYS.end());
        Some(match self {
            Class::Date => {
                format!("(CASE WHEN CAST({own} AS INTEGER) BETWEEN {first} AND {last} THEN {own} END)")
            }
            // The cast of an instant far away fails, even in TRY_CAST.
            Class::Timestamp { per_day } => {
                let day = format!("CAST({own} AS DATE)");
                match (first.checked_mul(per_day), (last + 1).checked_mul(per_day)) {
                    (Some(first), Some(end)) => format!(
                        "(CASE WHEN CAST({own} AS BIGINT) BETWEEN {first} AND {} THEN {day} END)",
                        end - 1
                    ),
                    // All that 64 bits of nanoseconds reach.
                    _ => day,
                }
            }
            Class::Text => {
                let text = trimmed(own);
                format!("(CASE WHEN {} THEN TRY_CAST({text} AS DATE) END)", is_day(&text))
            }
            Class::Integer | Class::Float | Class::Boolean => return None,
        })
    }
}

fn wide(own: &str) -> String {
    format!("CAST({own} AS DOUBLE PRECISION)")
}

fn trimmed(own: &str) -> String {
    format!("btrim({}, '{BLANKS}')", Class::plain(own))
}

/// The rows of `typed` of which no unit has more than the bound: those of the smallest tags, see [`crate::tag`].
pub(crate) fn bounded(relation: &Relation, typed: &str, tag_key: &str) -> String {
    let (columns, most) = (relation.listed(), relation.rows_per_unit);
    let tag = format!(
        "sha256({tag_key} || sha256({tag_key} || CAST(\"message\" || {} AS BYTEA)))",
        relation.dialect.field("\"occurrence\"")
    );
    // A frame of rows, because the usual one of equal values cannot be had over bytes.
    format!(
        "SELECT \"u\"{columns} FROM (
  SELECT \"u\"{columns}, row_number() OVER (PARTITION BY \"k\" ORDER BY CASE WHEN \"n\" > {most} THEN {tag} END \
     ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS \"place\" FROM (
    SELECT \"u\", \"k\"{columns}, \"n\", \"message\",
      CAST(row_number() OVER (PARTITION BY \"k\", \"message\") - 1 AS VARCHAR) AS \"occurrence\" FROM (
      SELECT \"u\", \"k\"{columns}, \"n\", CASE WHEN \"n\" > {most} THEN {message} END AS \"message\" FROM (
        SELECT \"u\", \"k\"{columns}, COUNT(*) OVER (PARTITION BY \"k\") AS \"n\" FROM {typed} AS \"typed\"
      ) AS \"counted\"
    ) AS \"messages\"
  ) AS \"numbered\"
) AS \"tagged\" WHERE \"place\" <= {most}",
        message = relation.message()
    )
}

/// A table over its columns at the server, each by its own name there: the unit first, then the manifest's. `tag_key` is
/// a literal.
///
/// # Errors
/// The place of the first whose type cannot safely mean what is declared.
pub(crate) fn relation(
    number: usize,
    table: &Table,
    unit_name: &str,
    mapped: &str,
    found: &[(String, Class)],
    tag_key: &str,
) -> Result<Relation, usize> {
    let (own, class) = &found[0];
    let unit = class.read(own, None).ok_or(0usize)?;
    Ok(Relation {
        dialect: Dialect::DataFusion { tag_key: tag_key.to_owned() },
        number,
        table: table.name.clone(),
        unit_name: unit_name.to_owned(),
        mapped: mapped.to_owned(),
        // Different integers are different ids, and cheaper to compare. Never the id's own expression: knowing that both
        // are equal, the planner sorts by either, and an engine that cuts the plan between machines, as Ballista 55
        // does, then no longer knows that windows over the other are sorted.
        key: if *class == Class::Integer { quoted(own) } else { format!("CAST({unit} AS BYTEA)") },
        unit,
        columns: columns(table, &found[1..])?,
        rows_per_unit: table.rows_per_unit,
        // Nobody lists them in advance: that would be another state.
        key_again: "",
        surplus: Surplus::Unknown,
    })
}
