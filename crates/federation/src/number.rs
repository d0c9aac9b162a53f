//! Exact numbers from the text people write, so that no binary fraction ever decides privacy.

use std::fmt;

use dashu::integer::{IBig, UBig};
use dashu::rational::RBig;
use serde::Deserialize;

/// An exact rational number.
pub type Exact = RBig;

/// Most digits a written number may have: far beyond any register, far below a denial of service.
const MAX_DIGITS: usize = 60;

/// Reads a decimal number such as `-12.50` or `1e-9` exactly; `None` when it is no such number.
pub fn parse_exact(text: &str) -> Option<Exact> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (negative, magnitude) = match mantissa.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, mantissa.strip_prefix('+').unwrap_or(mantissa)),
    };
    let (whole, fraction) = magnitude.split_once('.').unwrap_or((magnitude, ""));
    let digits = [whole, fraction].concat();
    if digits.is_empty() || digits.len() > MAX_DIGITS || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let scale = exponent.checked_sub(i32::try_from(fraction.len()).ok()?)?;
    if scale.unsigned_abs() as usize > MAX_DIGITS {
        return None;
    }
    let power = UBig::from(10u8).pow(scale.unsigned_abs() as usize);
    let value = digits.parse::<IBig>().ok()?;
    let value = if negative { -value } else { value };
    Some(if scale < 0 { RBig::from_parts(value, power) } else { RBig::from(value * IBig::from(power)) })
}

/// A number as a configuration file may hold it: a TOML integer, a TOML float, or text.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(crate) enum Literal {
    Integer(i64),
    Float(f64),
    Text(String),
}

/// The shortest decimal that reads back as the same number, which is what its author wrote.
impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Literal::Integer(value) => write!(f, "{value}"),
            Literal::Float(value) => write!(f, "{value}"),
            Literal::Text(value) => f.write_str(value),
        }
    }
}

/// Reads `YYYY-MM-DD` as days since 1970-01-01 in the proleptic Gregorian calendar, years 1 to 9999.
pub fn parse_date(text: &str) -> Option<i32> {
    let mut parts = text.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || year.len() != 4 || month.len() != 2 || day.len() != 2 {
        return None;
    }
    if !text.bytes().all(|b| b.is_ascii_digit() || b == b'-') {
        return None;
    }
    let (year, month, day) =
        (year.parse::<i32>().ok()?, month.parse::<i32>().ok()?, day.parse::<i32>().ok()?);
    if year < 1 || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let days = days_from_civil(year, month, day);
    // A day that the month does not have comes back as another date.
    (civil_from_days(days) == (year, month, day)).then_some(days)
}

/// Writes days since 1970-01-01 as `YYYY-MM-DD`.
pub fn show_date(days: i32) -> String {
    let (year, month, day) = civil_from_days(days);
    format!("{year:04}-{month:02}-{day:02}")
}

/// Days since 1970-01-01, counting years from March so that the leap day comes last.
fn days_from_civil(year: i32, month: i32, day: i32) -> i32 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

fn civil_from_days(days: i32) -> (i32, i32, i32) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (era * 400 + year_of_era + i32::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_read_exactly() {
        assert_eq!(parse_exact("0.1"), Some(RBig::from_parts(1.into(), 10u8.into())));
        assert_eq!(parse_exact("-12.50"), Some(RBig::from_parts((-25).into(), 2u8.into())));
        assert_eq!(parse_exact("1e3"), Some(RBig::from(1000)));
        assert_eq!(parse_exact("1e-2"), Some(RBig::from_parts(1.into(), 100u8.into())));
        for bad in ["", ".", "-", "1.2.3", "0x10", "inf", "NaN", "1e999", "1_000", "--1", "1e", " 1"] {
            assert_eq!(parse_exact(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn dates_agree_with_the_calendar() {
        assert_eq!(parse_date("1970-01-01"), Some(0));
        assert_eq!(parse_date("2000-03-01"), Some(11_017));
        assert_eq!(parse_date("2026-11-23"), Some(20_780));
        for bad in
            ["2026-02-29", "2026-13-01", "2026-1-1", "1900-02-29", "26-01-01", "2026-01-01-01", "+026-01-01"]
        {
            assert_eq!(parse_date(bad), None, "{bad}");
        }
        for days in (-700_000..2_900_000).step_by(97) {
            assert_eq!(parse_date(&show_date(days)), Some(days), "{}", show_date(days));
        }
    }
}
