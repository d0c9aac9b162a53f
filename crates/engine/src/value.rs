//! What one field means as a value of its declared type. CSV and Parquet meet here, so that the same
//! rows are the same values in both. Total: a field that means nothing becomes NULL, never an error.

use std::borrow::Cow;

use almoner_federation::{parse_date, show_date};
use almoner_query::MAGNITUDE_BITS;

/// A field as its file holds it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Value<'a> {
    /// A Parquet NULL.
    Missing,
    /// Text; every CSV field is one. Empty text is a missing value.
    Text(&'a str),
    /// A whole number of any Parquet width.
    Integer(i128),
    /// A Parquet float.
    Number(f64),
    /// A Parquet boolean.
    Boolean(bool),
    /// A Parquet date or timestamp, as days since 1970-01-01.
    Day(i64),
}

/// Floats hold every whole number up to here, and no longer beyond: 2^53.
const EXACT_FLOAT: f64 = 9_007_199_254_740_992.0;
/// 2^63, the first float beyond `i64`.
const BEYOND_I64: f64 = 9_223_372_036_854_775_808.0;
/// Longest text of a number.
pub(crate) const MAX_NUMBER_BYTES: usize = 1_000;
/// Most digits of its exponent.
pub(crate) const MAX_EXPONENT_DIGITS: usize = 4;
/// 0001-01-01 and 9999-12-31, the days that have a text.
pub(crate) const DAYS: std::ops::RangeInclusive<i64> = -719_162..=2_932_896;

impl<'a> Value<'a> {
    /// Whether nothing stands there, as opposed to something unreadable.
    pub(crate) fn is_missing(self) -> bool {
        matches!(self, Value::Missing | Value::Text(""))
    }

    /// The text, exactly as it stands: blanks and case count. A whole number, boolean or day of a
    /// Parquet file becomes the text a CSV export would hold.
    pub(crate) fn text(self) -> Option<Cow<'a, str>> {
        match self {
            Value::Missing | Value::Text("") => None,
            Value::Text(text) => Some(Cow::Borrowed(text)),
            Value::Integer(value) => Some(Cow::Owned(value.to_string())),
            // The shortest text that reads back, always with a fraction or exponent: 2.0, not 2.
            Value::Number(value) => value.is_finite().then(|| Cow::Owned(format!("{value:?}"))),
            Value::Boolean(value) => Some(Cow::Borrowed(if value { "true" } else { "false" })),
            Value::Day(_) => self.date().map(|day| Cow::Owned(show_date(day))),
        }
    }

    /// A whole number of 64 bits; `34.0` is one, `34.5` is not.
    pub(crate) fn integer(self) -> Option<i64> {
        match self {
            Value::Text(text) => {
                let text = text.trim();
                match text.split_once('.') {
                    None => text.parse().ok(),
                    Some((whole, fraction)) => all_zeros(fraction).then(|| whole.parse().ok())?,
                }
            }
            Value::Integer(value) => i64::try_from(value).ok(),
            Value::Number(value) => {
                (value.fract() == 0.0 && (-BEYOND_I64..BEYOND_I64).contains(&value)).then_some(value as i64)
            }
            Value::Missing | Value::Boolean(_) | Value::Day(_) => None,
        }
    }

    /// A number of a magnitude up to 2^100; infinities and NaN are none, and what is below 2^-100 is zero, so that
    /// no engine overflows or underflows. Negative zero becomes zero, because engines disagree on whether the two
    /// are equal.
    pub(crate) fn number(self) -> Option<f64> {
        let value = match self {
            Value::Text(text) => number_of(text.trim())?,
            Value::Integer(value) => value as f64,
            Value::Number(value) => value,
            Value::Missing | Value::Boolean(_) | Value::Day(_) => return None,
        };
        let largest = 2f64.powi(MAGNITUDE_BITS);
        if value.abs() < largest.recip() {
            return Some(0.0);
        }
        (value.abs() <= largest).then_some(value)
    }

    /// `true`, `t`, `yes`, `y`, `1` or `false`, `f`, `no`, `n`, `0`, in any case; also `1.0` and `0.0`, as exports write
    /// a column in which a value is missing.
    pub(crate) fn boolean(self) -> Option<bool> {
        match self {
            Value::Boolean(value) => Some(value),
            Value::Integer(0) => Some(false),
            Value::Integer(1) => Some(true),
            Value::Text(text) => {
                let is = |words: [&str; 6]| words.iter().any(|word| text.trim().eq_ignore_ascii_case(word));
                let (yes, no) =
                    (is(["true", "t", "yes", "y", "1", "1.0"]), is(["false", "f", "no", "n", "0", "0.0"]));
                match (yes, no) {
                    (true, _) => Some(true),
                    (_, true) => Some(false),
                    _ => None,
                }
            }
            Value::Number(1.0) => Some(true),
            Value::Number(0.0) => Some(false),
            Value::Missing | Value::Integer(_) | Value::Number(_) | Value::Day(_) => None,
        }
    }

    /// A day as days since 1970-01-01, years 1 to 9999.
    pub(crate) fn date(self) -> Option<i32> {
        match self {
            Value::Text(text) => parse_date(text.trim()),
            Value::Day(day) => DAYS.contains(&day).then_some(day as i32),
            Value::Missing | Value::Integer(_) | Value::Number(_) | Value::Boolean(_) => None,
        }
    }

    /// The canonical id of a unit. A person who appears under two ids could contribute twice, and two
    /// persons under one id would push each other's rows out, so equal ids must mean equal persons,
    /// however a file spells them: blanks around an id and a fraction of zeros (`7.0`, as tools write
    /// ids once one is missing) say nothing and are dropped; leading zeros and case do and are kept. A
    /// float beyond 2^53 has lost digits, so it and any other float that is no whole number are no id.
    pub(crate) fn unit_id(self) -> Option<Cow<'a, str>> {
        match self {
            Value::Text(text) => {
                let text = text.trim();
                let id = match text.split_once('.') {
                    Some((whole, fraction)) if all_zeros(fraction) && is_whole(whole) => whole,
                    _ => text,
                };
                match id {
                    "" => None,
                    "-0" => Some(Cow::Borrowed("0")),
                    _ => Some(Cow::Borrowed(id)),
                }
            }
            Value::Number(value) => (value.fract() == 0.0 && value.abs() <= EXACT_FLOAT)
                .then(|| (value as i64).to_string().into()),
            Value::Integer(value) => Some(value.to_string().into()),
            Value::Missing | Value::Boolean(_) | Value::Day(_) => None,
        }
    }
}

/// A decimal with or without exponent, rounded to the nearest double. Long ones are refused: databases could not read
/// them without an error.
fn number_of(text: &str) -> Option<f64> {
    let exponent = text.split_once(['e', 'E']).map_or("", |(_, exponent)| exponent);
    let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    let bounded = text.len() <= MAX_NUMBER_BYTES && digits.len() <= MAX_EXPONENT_DIGITS;
    // Neither `inf` nor `nan` passes.
    let decimal = text.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b));
    if bounded && decimal { text.parse().ok() } else { None }
}

fn all_zeros(digits: &str) -> bool {
    !digits.is_empty() && digits.bytes().all(|digit| digit == b'0')
}

fn is_whole(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_read_whole_or_not_at_all() {
        for (text, value) in [
            ("34", Some(34)),
            ("34.0", Some(34)),
            ("-1.0", Some(-1)),
            (" 7 ", Some(7)),
            ("9223372036854775807", Some(i64::MAX)),
            ("-9223372036854775808", Some(i64::MIN)),
            ("9223372036854775808", None),
            ("-9223372036854775809", None),
            ("34.5", None),
            ("34.", None),
            (".0", None),
            ("1e3", None),
            ("NaN", None),
            ("", None),
            ("true", None),
        ] {
            assert_eq!(Value::Text(text).integer(), value, "{text:?}");
        }
        assert_eq!(Value::Integer(i128::from(u64::MAX)).integer(), None);
        assert_eq!(Value::Number(7.0).integer(), Some(7));
        for bad in [7.5, f64::NAN, f64::INFINITY, BEYOND_I64] {
            assert_eq!(Value::Number(bad).integer(), None, "{bad}");
        }
        assert_eq!(Value::Number(-BEYOND_I64).integer(), Some(i64::MIN));
    }

    #[test]
    fn numbers_are_within_magnitudes_and_have_one_zero() {
        assert_eq!(Value::Text("1e3").number(), Some(1000.0));
        assert_eq!(Value::Text("-0.5").number(), Some(-0.5));
        for zero in [Value::Text("-0"), Value::Text("-0.0"), Value::Number(-0.0), Value::Integer(0)] {
            assert_eq!(zero.number().map(f64::to_bits), Some(0), "{zero:?}");
        }
        for tiny in [Value::Text("1e-31"), Value::Text("-1e-999"), Value::Number(5e-324)] {
            assert_eq!(tiny.number().map(f64::to_bits), Some(0), "{tiny:?}");
        }
        let edge = 2f64.powi(100);
        for edge in [edge, -edge, edge.recip(), -edge.recip()] {
            assert_eq!(Value::Number(edge).number(), Some(edge));
        }
        assert_eq!(Value::Number(edge * (1.0 + f64::EPSILON)).number(), None);
        for bad in [
            "NaN",
            "nan",
            "inf",
            "-Infinity",
            "1e999",
            "2e30",
            "1,5",
            "",
            "x",
            ".",
            "+",
            "e5",
            "1e",
            "1e00001",
        ] {
            assert_eq!(Value::Text(bad).number(), None, "{bad:?}");
        }
        for (text, value) in [("5.", 5.0), (".5", 0.5), ("+.5E+1", 5.0), ("1e-9999", 0.0)] {
            assert_eq!(Value::Text(text).number(), Some(value), "{text:?}");
        }
        let zeros = "0".repeat(MAX_NUMBER_BYTES - 1);
        assert_eq!(Value::Text(&format!("{zeros}7")).number(), Some(7.0));
        assert_eq!(Value::Text(&format!("{zeros}07")).number(), None);
        assert_eq!(Value::Number(f64::NAN).number(), None);
        assert_eq!(Value::Number(f64::NEG_INFINITY).number(), None);
    }

    #[test]
    fn booleans_and_dates_know_their_words() {
        for (text, value) in [
            ("true", Some(true)),
            ("T", Some(true)),
            ("Yes", Some(true)),
            ("1", Some(true)),
            ("FALSE", Some(false)),
            ("f", Some(false)),
            ("no", Some(false)),
            ("0", Some(false)),
            ("2", None),
            ("y", Some(true)),
            ("N", Some(false)),
            ("1.0", Some(true)),
            ("0.0", Some(false)),
            ("1.5", None),
            ("", None),
        ] {
            assert_eq!(Value::Text(text).boolean(), value, "{text:?}");
        }
        assert_eq!(Value::Integer(2).boolean(), None);
        assert_eq!(Value::Text("2000-03-01").date(), Some(11_017));
        assert_eq!(Value::Text("2000-02-30").date(), None);
        for end in [*DAYS.start(), *DAYS.end()] {
            let day = Value::Day(end).date().expect("the ends are days");
            assert_eq!(parse_date(&show_date(day)), Some(day));
        }
        assert_eq!(Value::Day(DAYS.end() + 1).date(), None);
        assert_eq!(Value::Day(i64::MIN).date(), None);
    }

    #[test]
    fn one_unit_has_one_id_in_every_file() {
        for same in [
            Value::Text("7"),
            Value::Text(" 7"),
            Value::Text("7.0"),
            Value::Text("7.000"),
            Value::Integer(7),
            Value::Number(7.0),
        ] {
            assert_eq!(same.unit_id().as_deref(), Some("7"), "{same:?}");
        }
        assert_eq!(Value::Number(-0.0).unit_id().as_deref(), Some("0"));
        assert_eq!(Value::Text("-0.0").unit_id().as_deref(), Some("0"));
        for other in ["007", "7.1", "7a", "A.0", "1.2.0", "7.0.0"] {
            assert_eq!(Value::Text(other).unit_id().as_deref(), Some(other), "kept as it stands");
        }
        for none in [
            Value::Missing,
            Value::Text(""),
            Value::Text("  "),
            Value::Number(7.5),
            Value::Number(f64::NAN),
            Value::Number(1e16),
        ] {
            assert_eq!(none.unit_id(), None, "{none:?}");
        }
    }

    #[test]
    fn text_is_exact() {
        assert_eq!(Value::Text(" a ").text().as_deref(), Some(" a "));
        assert_eq!(Value::Text("").text(), None);
        assert_eq!(Value::Integer(-3).text().as_deref(), Some("-3"));
        assert_eq!(Value::Number(2.0).text().as_deref(), Some("2.0"));
        assert_eq!(Value::Number(f64::NAN).text(), None);
        assert_eq!(Value::Boolean(true).text().as_deref(), Some("true"));
        assert_eq!(Value::Day(11_017).text().as_deref(), Some("2000-03-01"));
    }
}
