//! Names and numbers as text: canonical SQL, labels and plans are written with these.

use almoner_federation::Exact;
use dashu::integer::IBig;
use sqlparser::keywords::ALL_KEYWORDS;

/// A number as people write it: a decimal when it has one, otherwise a fraction `n/d`.
pub(crate) fn decimal(value: &Exact) -> String {
    let mut scaled = value.clone();
    let mut places = 0usize;
    // 64 decimals cover every literal and every declared range; what has none is a fraction.
    while !scaled.is_int() && places < 64 {
        scaled *= Exact::from(10);
        places += 1;
    }
    if !scaled.is_int() {
        return value.to_string();
    }
    let negative = scaled < Exact::ZERO;
    let whole: IBig = scaled.numerator().clone();
    let digits = (if negative { -whole } else { whole }).to_string();
    let padded = format!("{digits:0>width$}", width = places + 1);
    let (whole, fraction) = padded.split_at(padded.len() - places);
    let sign = if negative { "-" } else { "" };
    if places == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

/// A text as an SQL literal.
pub fn text_literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A name in double quotes.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A name as a planner would write it: bare when it needs no quotes.
/// `fold` tells whether bare capitals would be read back in lower case, as those of an alias are.
pub(crate) fn bare(name: &str, fold: bool) -> String {
    let plain = |b: u8| {
        b == b'_' || b.is_ascii_lowercase() || b.is_ascii_digit() || (!fold && b.is_ascii_uppercase())
    };
    let starts = name.bytes().next().is_some_and(|b| !b.is_ascii_digit());
    let reserved = || ALL_KEYWORDS.binary_search(&name.to_ascii_uppercase().as_str()).is_ok();
    if starts && name.bytes().all(plain) && !reserved() { name.to_owned() } else { quoted(name) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_exactly() {
        let number = |text: &str| almoner_federation::parse_exact(text).expect("a decimal");
        for text in ["0", "7", "-7", "0.5", "-0.05", "1200", "12.34", "1000000000000000000"] {
            assert_eq!(decimal(&number(text)), text);
        }
        assert_eq!(decimal(&number("2.50")), "2.5");
        assert_eq!(decimal(&(Exact::ONE / Exact::from(3))), "1/3");
    }

    #[test]
    fn names_are_quoted_only_when_they_must_be() {
        assert_eq!(bare("income", false), "income");
        assert_eq!(bare("Income", false), "Income");
        assert_eq!(bare("Income", true), "\"Income\"");
        assert_eq!(bare("order", false), "\"order\"");
        assert_eq!(bare("COUNT(*)", true), "\"COUNT(*)\"");
        assert_eq!(bare("a\"b", true), "\"a\"\"b\"");
        assert_eq!(bare("9", true), "\"9\"");
        assert_eq!(bare("", true), "\"\"");
    }
}
