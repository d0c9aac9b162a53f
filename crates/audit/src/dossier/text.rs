//! Hostile text, numbers and times, as a page may show them.

use std::fmt::{self, Write};

use almoner_federation::show_date;

/// Most bytes that one text takes on the page once it is escaped.
const MAX_BYTES: usize = 8_192;

/// Text that somebody else wrote. Shown, it is neither markup nor able to reorder or hide what stands beside it:
/// characters with a meaning in HTML become entities, invisible ones their code points, and what is longer than 8 KiB
/// is cut with a note. It fits between tags and in quoted attributes.
pub(super) struct Foreign<'a>(pub &'a str);

impl fmt::Display for Foreign<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut shown, mut escaped) = (0, String::new());
        for (at, c) in self.0.char_indices() {
            escaped.clear();
            match c {
                '&' => escaped.push_str("&amp;"),
                '<' => escaped.push_str("&lt;"),
                '>' => escaped.push_str("&gt;"),
                '"' => escaped.push_str("&quot;"),
                '\'' => escaped.push_str("&#39;"),
                '\n' | '\t' => escaped.push(c),
                c if is_odd(c) => write!(escaped, "\u{27e6}U+{:04X}\u{27e7}", u32::from(c))?,
                c => escaped.push(c),
            }
            shown += escaped.len();
            if shown > MAX_BYTES {
                let left = self.0[at..].chars().count();
                return write!(f, " \u{2026} [cut here; {left} more characters are in the JSON form]");
            }
            f.write_str(&escaped)?;
        }
        Ok(())
    }
}

/// Whether a character cannot be seen, changes the direction of others, or may not stand in a document.
fn is_odd(c: char) -> bool {
    c.is_control()
        || matches!(
            u32::from(c),
            0xad | 0x34f | 0x61c | 0x115f | 0x1160 | 0x17b4 | 0x17b5 | 0x180b..=0x180f
                | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0x3164 | 0xfe00..=0xfe0f
                | 0xfeff | 0xffa0 | 0xfff0..=0xfffb | 0x1d173..=0x1d17a | 0xe0000..=0xe0fff
        )
        || u32::from(c) & 0xfffe == 0xfffe
}

/// A rho for people: six decimals, or three digits and an exponent where they would not tell.
pub(super) fn rho(rho: f64) -> String {
    if rho == 0.0 || (1e-4..1e6).contains(&rho) {
        let digits = format!("{rho:.6}");
        digits.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        format!("{rho:.3e}")
    }
}

/// An epsilon for people: three decimals, rounded up, so that none is ever shown smaller than it is.
pub(super) fn epsilon(epsilon: f64) -> String {
    if epsilon.is_finite() { format!("{:.3}", (epsilon * 1e3).ceil() / 1e3) } else { "unbounded".into() }
}

/// The day of a Unix time, UTC; times after the year 9999 are shown as its last day.
pub(super) fn day(at_s: u64) -> String {
    const LAST_DAY: u64 = 2_932_896;
    show_date((at_s / 86_400).min(LAST_DAY) as i32)
}

/// The minute of a Unix time, UTC.
pub(super) fn minute(at_s: u64) -> String {
    let of_day = at_s % 86_400 / 60;
    format!("{} {:02}:{:02} UTC", day(at_s), of_day / 60, of_day % 60)
}
