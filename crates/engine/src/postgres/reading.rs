//! How the columns of an agency's SELECT are read in PostgreSQL's SQL, with the meaning that [`crate::value`] gives to
//! files. Nothing in a row can make it fail: every cast stands in a CASE that asks first.

use almoner_federation::Table;
use almoner_query::quoted;

use crate::reading::{Reading, columns, fits, id, is_day, is_number, said, within};
use crate::relation::{Dialect, Relation, Surplus, double};
use crate::rows::MAX_FIELD_BYTES;
use crate::value::MAX_NUMBER_BYTES;

/// What a column of a database can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    Text,
    Uuid,
    Integer,
    Decimal,
    Float,
    Boolean,
    Date,
    /// Without a zone.
    Timestamp,
}

/// What Rust's `trim` takes away, which is Unicode's White_Space.
const BLANKS: &str = r"E'\t\n\u000B\f\r \u0085\u00A0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200A\u2028\u2029\u202F\u205F\u3000'";
/// 2^53 and 2^63.
const EXACT_FLOAT: &str = "CAST('9007199254740992' AS DOUBLE PRECISION)";
const BEYOND_BIGINT: &str = "CAST('9223372036854775808' AS DOUBLE PRECISION)";
const BIGINTS: &str = "BETWEEN -9223372036854775808 AND 9223372036854775807";
const DAYS: &str = "BETWEEN DATE '0001-01-01' AND DATE '9999-12-31'";
/// More digits than any id has.
const LONGEST_WHOLE: &str = "1e1000";

/// A column by its own name that is equal for two rows exactly where their ids are, and cheaper than the id.
pub(crate) fn key(column: &str, class: Class) -> Option<String> {
    match class {
        Class::Integer | Class::Uuid => Some(quoted(column)),
        _ => class.unit(&quoted(column)),
    }
}

/// Such a key out of the text `key` that it was written as.
fn key_again(class: Class) -> &'static str {
    match class {
        Class::Integer => "CAST(\"key\" AS BIGINT)",
        Class::Uuid => "CAST(\"key\" AS UUID)",
        _ => "(\"key\" COLLATE \"C\")",
    }
}

/// Whether different values of such a column are different ids.
pub(crate) fn is_injective(class: Class) -> bool {
    matches!(class, Class::Integer | Class::Uuid)
}

impl Reading for Class {
    fn is_text(self) -> bool {
        self == Class::Text
    }

    fn plain(own: &str) -> String {
        format!("(CAST({own} AS TEXT) COLLATE \"C\")")
    }

    fn unit(self, own: &str) -> Option<String> {
        Some(match self {
            Class::Text => {
                let id = id(&trimmed(own));
                // Most ids are what they are already, which is told much faster: ASCII without blanks at the ends and points.
                let plain = Self::plain(own);
                format!(
                    "(CASE WHEN char_length({plain}) = octet_length({plain}) AND {plain} >= '!' AND right({plain}, 1) >= '!' \
                 AND {plain} NOT LIKE '%.%' AND {plain} <> '-0' AND {fits} THEN {plain} \
                 WHEN {fits} THEN {id} END COLLATE \"C\")",
                    fits = fits(&plain),
                )
            }
            Class::Uuid | Class::Integer => Self::plain(own),
            Class::Decimal => format!(
                "(CASE WHEN abs({own}) < {LONGEST_WHOLE} THEN CASE WHEN {own} = trunc({own}) \
             THEN CAST(trunc({own}) AS TEXT) WHEN {fits} THEN CAST({own} AS TEXT) END END COLLATE \"C\")",
                fits = fits(&Self::plain(own))
            ),
            Class::Float => format!(
                "(CASE WHEN abs({own}) <= {EXACT_FLOAT} THEN CASE WHEN {own} = trunc({own}) \
             THEN CAST(CAST({own} AS BIGINT) AS TEXT) END END COLLATE \"C\")"
            ),
            Class::Boolean | Class::Date | Class::Timestamp => return None,
        })
    }

    fn text(self, own: &str) -> Option<String> {
        let plain = Self::plain(own);
        Some(match self {
            Class::Text => {
                format!("(CASE WHEN octet_length({plain}) BETWEEN 1 AND {MAX_FIELD_BYTES} THEN {plain} END)")
            }
            Class::Uuid | Class::Integer => plain,
            Class::Decimal => format!("(CASE WHEN {} THEN {plain} END)", fits(&plain)),
            Class::Boolean => {
                format!("(CASE WHEN {own} THEN 'true' WHEN NOT {own} THEN 'false' END COLLATE \"C\")")
            }
            Class::Date | Class::Timestamp => {
                format!("(to_char({}, 'YYYY-MM-DD') COLLATE \"C\")", self.date(own)?)
            }
            // Databases and files write floats differently.
            Class::Float => return None,
        })
    }

    fn integer(self, own: &str) -> Option<String> {
        Some(match self {
            Class::Integer => format!("CAST({own} AS BIGINT)"),
            Class::Text => {
                let text = trimmed(own);
                let whole = format!("CAST(split_part({text}, '.', 1) AS NUMERIC)");
                format!(
                    "(CASE WHEN {fits} THEN CASE WHEN {text} ~ '^[+-]?[0-9]+([.]0+)?$' \
                 THEN CASE WHEN {whole} {BIGINTS} THEN CAST({whole} AS BIGINT) END END END)",
                    fits = fits(&Self::plain(own)),
                )
            }
            Class::Decimal => format!(
                "(CASE WHEN {own} {BIGINTS} THEN CASE WHEN {own} = trunc({own}) THEN CAST({own} AS BIGINT) END END)"
            ),
            Class::Float => format!(
                "(CASE WHEN {own} >= -{BEYOND_BIGINT} AND {own} < {BEYOND_BIGINT} \
             THEN CASE WHEN {own} = trunc({own}) THEN CAST({own} AS BIGINT) END END)"
            ),
            Class::Uuid | Class::Boolean | Class::Date | Class::Timestamp => return None,
        })
    }

    fn number(self, own: &str) -> Option<String> {
        // A decimal far outside would overflow or underflow as a float; near the ends the float decides.
        let decimal = |decimal: &str, float: &str| {
            format!(
                "CASE WHEN abs({decimal}) < 1e-40 THEN {zero} WHEN abs({decimal}) < 1e40 THEN {within} END",
                zero = double(0.0),
                within = within(float),
            )
        };
        Some(match self {
            Class::Integer => format!("CAST({own} AS DOUBLE PRECISION)"),
            Class::Float => format!("({})", within(&format!("CAST({own} AS DOUBLE PRECISION)"))),
            Class::Decimal => format!("({})", decimal(own, &format!("CAST({own} AS DOUBLE PRECISION)"))),
            Class::Text => {
                let text = trimmed(own);
                format!(
                    "(CASE WHEN octet_length({text}) <= {MAX_NUMBER_BYTES} THEN CASE WHEN {} THEN {} END END)",
                    is_number(&text),
                    decimal(
                        &format!("CAST({text} AS NUMERIC)"),
                        &format!("CAST({text} AS DOUBLE PRECISION)")
                    )
                )
            }
            Class::Uuid | Class::Boolean | Class::Date | Class::Timestamp => return None,
        })
    }

    fn boolean(self, own: &str) -> Option<String> {
        Some(match self {
            Class::Boolean => own.to_owned(),
            Class::Integer | Class::Decimal | Class::Float => {
                format!("(CASE {own} WHEN 1 THEN TRUE WHEN 0 THEN FALSE END)")
            }
            Class::Text => said(&trimmed(own)),
            Class::Uuid | Class::Date | Class::Timestamp => return None,
        })
    }

    fn date(self, own: &str) -> Option<String> {
        Some(match self {
            Class::Date => format!("(CASE WHEN {own} {DAYS} THEN {own} END)"),
            Class::Timestamp => format!(
                "(CASE WHEN {own} >= TIMESTAMP '0001-01-01' AND {own} < TIMESTAMP '10000-01-01' THEN CAST({own} AS DATE) END)"
            ),
            Class::Text => {
                let text = trimmed(own);
                let part =
                    |first: u8, count: u8| format!("CAST(substr({text}, {first}, {count}) AS INTEGER)");
                let (year, month, day) = (part(1, 4), part(6, 2), part(9, 2));
                // The first of the month is always a day; a day that the month lacks lands in the next.
                let day = format!("(make_date({year}, {month}, 1) + ({day} - 1))");
                format!(
                    "(CASE WHEN {} THEN CASE WHEN date_part('month', {day}) = {month} THEN {day} END END)",
                    is_day(&text)
                )
            }
            Class::Uuid | Class::Integer | Class::Decimal | Class::Float | Class::Boolean => return None,
        })
    }
}

fn trimmed(own: &str) -> String {
    format!("btrim({}, {BLANKS})", Class::plain(own))
}

/// A table over its columns in the database, each by its own name there: the unit first, then the manifest's.
///
/// # Errors
/// The place of the first whose type cannot safely mean what is declared.
pub(crate) fn relation(
    number: usize,
    table: &Table,
    unit_name: &str,
    mapped: &str,
    found: &[(String, Class)],
    surplus: Surplus,
) -> Result<Relation, usize> {
    let (unit, class) = &found[0];
    Ok(Relation {
        dialect: Dialect::PostgreSql,
        number,
        table: table.name.clone(),
        unit_name: unit_name.to_owned(),
        mapped: mapped.to_owned(),
        unit: class.read(unit, None).ok_or(0usize)?,
        key: key(unit, *class).ok_or(0usize)?,
        columns: columns(table, &found[1..])?,
        rows_per_unit: table.rows_per_unit,
        key_again: key_again(*class),
        surplus,
    })
}
