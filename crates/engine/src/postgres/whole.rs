//! Whole numbers as PostgreSQL sends them: a sum of BIGINT is a NUMERIC, which the ring takes modulo 2^64.

use std::error::Error;

use tokio_postgres::types::{FromSql, Type};

/// A whole number of any of PostgreSQL's types, modulo 2^64.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Whole(pub i64);

impl<'a> FromSql<'a> for Whole {
    fn from_sql(kind: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        match *kind {
            Type::INT2 => i16::from_sql(kind, raw).map(|value| Whole(value.into())),
            Type::INT4 => i32::from_sql(kind, raw).map(|value| Whole(value.into())),
            Type::INT8 => i64::from_sql(kind, raw).map(Whole),
            _ => numeric(raw).map(Whole).ok_or_else(|| "no whole number".into()),
        }
    }

    fn accepts(kind: &Type) -> bool {
        matches!(*kind, Type::INT2 | Type::INT4 | Type::INT8 | Type::NUMERIC)
    }
}

/// A NUMERIC on the wire: how many digits of base 10,000, the weight of the first, sign, decimals, digits. `None` where
/// it is no whole number.
fn numeric(raw: &[u8]) -> Option<i64> {
    const POSITIVE: u16 = 0;
    const NEGATIVE: u16 = 0x4000;
    let mut words = raw.chunks(2).map(|word| word.try_into().map(u16::from_be_bytes));
    let mut next = || words.next().and_then(Result::ok);
    let (count, weight, sign, _decimals) = (next()?, next()?.cast_signed(), next()?, next()?);
    if sign != POSITIVE && sign != NEGATIVE {
        return None;
    }
    let mut value = 0u64;
    // Zeros at the end are not sent, and digits below the weight 0 are a fraction.
    for place in 0..u32::from(count).max(u32::try_from(i32::from(weight) + 1).unwrap_or(0)) {
        let digit = if place < u32::from(count) { next()? } else { 0 };
        if i64::from(place) <= i64::from(weight) {
            value = value.wrapping_mul(10_000).wrapping_add(digit.into());
        } else if digit != 0 {
            return None;
        }
    }
    let value = value.cast_signed();
    Some(if sign == NEGATIVE { value.wrapping_neg() } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(count: u16, weight: i16, sign: u16, digits: &[u16]) -> Vec<u8> {
        let head = [count, weight.cast_unsigned(), sign, 0];
        head.iter().chain(digits).flat_map(|word| word.to_be_bytes()).collect()
    }

    #[test]
    fn sums_are_taken_modulo_2_to_the_64() {
        assert_eq!(numeric(&wire(0, 0, 0, &[])), Some(0));
        assert_eq!(numeric(&wire(1, 0, 0, &[7])), Some(7));
        assert_eq!(numeric(&wire(1, 1, 0x4000, &[7])), Some(-70_000));
        // 2^63 and 2^64 + 5, as 9223372036854775808 and 18446744073709551621.
        assert_eq!(numeric(&wire(5, 4, 0, &[922, 3372, 368, 5477, 5808])), Some(i64::MIN));
        assert_eq!(numeric(&wire(5, 4, 0x4000, &[922, 3372, 368, 5477, 5808])), Some(i64::MIN));
        assert_eq!(numeric(&wire(5, 4, 0, &[1844, 6744, 737, 955, 1621])), Some(5));
    }

    #[test]
    fn what_is_no_whole_number_is_none() {
        assert_eq!(numeric(&wire(1, -1, 0, &[5000])), None, "0.5");
        assert_eq!(numeric(&wire(2, 0, 0, &[1, 5000])), None, "1.5");
        for sign in [0xc000, 0xd000, 0xf000] {
            assert_eq!(numeric(&wire(0, 0, sign, &[])), None, "NaN and infinities");
        }
        assert_eq!(numeric(&wire(2, 1, 0, &[1])), None, "cut");
        assert_eq!(numeric(&[0]), None);
    }
}
