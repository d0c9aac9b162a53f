//! The tag of a row: which rows stay of a unit that has too many, the same in memory and in a database.
//!
//! The message is the table's name, the unit, all columns in the manifest's order, and the row's number among equal
//! ones, each as `-` for NULL or as `<octets>:<text>`. Texts stand as they are, integers in decimal, booleans as `t` or
//! `f`, dates as days since 1970-01-01, numbers as five integers of 60 bits each (see [`limbs`]). The tag is
//! `SHA-256(key || SHA-256(key || message))`: nested, so that nothing can be appended to a message, and no more than a
//! database of any kind can compute. The key is 32 bytes, made from the bounding key, and known to nobody else, so that
//! the smallest tags of a unit are a fair draw that prefers no value.

use almoner_federation::lp;
use itoa::Buffer;
use ring::{digest, hmac};

const LABEL: &[u8] = b"almoner/1/bound";
/// What most messages take at most.
const USUAL_BYTES: usize = 128;

/// What makes tags; its bytes never stand in a text.
pub(crate) struct TagKey([u8; 32]);

impl TagKey {
    /// HMAC-SHA256 under the bounding key over the label.
    pub(crate) fn of(bounding: &hmac::Key) -> TagKey {
        let bytes = hmac::sign(bounding, &lp(&[LABEL]));
        TagKey(bytes.as_ref().try_into().expect("HMAC-SHA256 gives 32 bytes"))
    }

    /// For a database, as a bound parameter.
    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The tag of a message.
    pub(crate) fn tag(&self, message: &Message) -> [u8; 32] {
        let once = |parts: [&[u8]; 2]| {
            let mut context = digest::Context::new(&digest::SHA256);
            parts.iter().for_each(|part| context.update(part));
            context.finish()
        };
        let inner = once([&self.0, message.0.as_bytes()]);
        once([&self.0, inner.as_ref()]).as_ref().try_into().expect("SHA-256 gives 32 bytes")
    }
}

/// A row's message, field by field.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Message(String);

impl Message {
    /// Begins with the table's name.
    pub(crate) fn of(table: &str) -> Message {
        let mut message = Message(String::with_capacity(USUAL_BYTES));
        message.text(table);
        message
    }

    pub(crate) fn null(&mut self) {
        self.0.push('-');
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.0.push_str(Buffer::new().format(text.len()));
        self.0.push(':');
        self.0.push_str(text);
    }

    pub(crate) fn integer(&mut self, value: i64) {
        self.text(Buffer::new().format(value));
    }

    pub(crate) fn boolean(&mut self, value: bool) {
        self.text(if value { "t" } else { "f" });
    }

    pub(crate) fn number(&mut self, value: f64) {
        let mut text = String::with_capacity(USUAL_BYTES);
        for limb in limbs(value) {
            if !text.is_empty() {
                text.push(',');
            }
            text.push_str(Buffer::new().format(limb));
        }
        self.text(&text);
    }
}

/// 2^60.
const LIMB: f64 = 1_152_921_504_606_846_976.0;
/// What a number is multiplied by before its whole part is taken: 2^-60 to 2^180.
pub(crate) const SCALES: [f64; 5] = [1.0 / LIMB, 1.0, LIMB, LIMB * LIMB, LIMB * LIMB * LIMB];

/// A number of magnitude 0 or 2^-100 to 2^100 as five integers below 2^60 that carry its sign: how often it holds
/// 2^60, 1, 2^-60, 2^-120, 2^-180. Exact: a power of two is multiplied without rounding, and what is subtracted are
/// leading bits of 53.
fn limbs(value: f64) -> [i64; 5] {
    std::array::from_fn(|index| {
        let whole = (value * SCALES[index]).trunc();
        let above = if index == 0 { 0.0 } else { (value * SCALES[index - 1]).trunc() * LIMB };
        (whole - above) as i64
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_cannot_run_into_each_other() {
        let of = |fields: [Option<&str>; 2]| {
            let mut message = Message::of("t");
            fields.into_iter().for_each(|field| match field {
                Some(text) => message.text(text),
                None => message.null(),
            });
            message
        };
        assert_eq!(of([Some("é"), None]).0, "1:t2:é-");
        let all = [
            of([Some("a"), Some("bc")]),
            of([Some("ab"), Some("c")]),
            of([Some("a2:bc"), None]),
            of([None, Some("a2:bc")]),
            of([Some("-"), None]),
            of([None, None]),
            of([Some(""), None]),
        ];
        for (i, one) in all.iter().enumerate() {
            assert!(all[i + 1..].iter().all(|other| other != one), "{one:?}");
        }
    }

    #[test]
    fn limbs_are_the_number_and_nothing_else() {
        let (most, least) = (2f64.powi(100), 2f64.powi(-100));
        let odd = f64::from_bits(least.to_bits() + 1);
        for value in [0.0, 1.0, -1.0, 0.1, 1e17 + 16.0, most, least, odd, most - 2f64.powi(47), -1_234.567_8]
        {
            let limbs = limbs(value);
            assert!(limbs.iter().all(|limb| limb.unsigned_abs() < 1 << 60), "{value}: {limbs:?}");
            // From the smallest: each sum holds no more than the number's own 53 bits.
            let back = limbs.iter().zip(SCALES).rev().fold(0.0, |sum, (limb, scale)| {
                let part = *limb as f64 / scale;
                assert_eq!((part * scale) as i64, *limb, "{value}: a limb has 53 bits at the most");
                sum + part
            });
            assert_eq!(back, value, "{limbs:?}");
        }
        assert_eq!(limbs(-1.5), [0, -1, -(1 << 59), 0, 0]);
        assert_eq!(limbs(-0.0), [0; 5]);
    }

    /// Computed with another implementation of SHA-256 and HMAC, from the definition above.
    #[test]
    fn a_tag_is_what_the_definition_says() {
        let key = TagKey::of(&hmac::Key::new(hmac::HMAC_SHA256, &[7; 32]));
        let mut message = Message::of("people");
        message.text("u1");
        message.null();
        message.integer(-3);
        message.boolean(true);
        message.number(0.5);
        message.integer(0);
        assert_eq!(message.0, "6:people2:u1-2:-31:t26:0,0,576460752303423488,0,01:0");
        assert_eq!(
            hex(&key.tag(&message)),
            "cc5cba4795ae747d4021bfb0b08ba14e62b7ff79a52ff6d483a21d4242373f6a"
        );
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
