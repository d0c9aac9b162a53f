//! Canonical bytes: `LP(x1..xk)` is the concatenation of `u32be length || bytes` of each item.
//! Whatever is hashed or signed is encoded this way once and travels as opaque bytes ever after.

use thiserror::Error;

/// Longest item a [`Reader`] accepts, in bytes; a bound on what a stranger can make us hold.
const MAX_ITEM_BYTES: usize = 1 << 20;

/// Encodes `items` one after another, each with its length as a big-endian `u32`.
///
/// # Panics
/// When an item is longer than 1 MiB: every caller encodes bounded fields.
pub fn lp(items: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::with_capacity(items.iter().map(|item| item.len() + 4).sum());
    for item in items {
        assert!(item.len() <= MAX_ITEM_BYTES, "canonical items are bounded");
        out.extend_from_slice(&(item.len() as u32).to_be_bytes());
        out.extend_from_slice(item);
    }
    out
}

/// Why canonical bytes were refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// The bytes end inside an item, or an item has the wrong length or value.
    #[error("malformed canonical bytes: {0}")]
    Malformed(&'static str),
    /// The first item is not the label of the expected message and version.
    #[error("not a {0} message of this protocol version")]
    Label(&'static str),
}

/// Reads canonical bytes strictly: every item in order, nothing left over.
#[derive(Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Starts reading `bytes`, whose first item must be `label`.
    pub fn new(bytes: &'a [u8], label: &'static str) -> Result<Self, DecodeError> {
        let mut reader = Reader { rest: bytes };
        match reader.bytes() {
            Ok(found) if found == label.as_bytes() => Ok(reader),
            _ => Err(DecodeError::Label(label)),
        }
    }

    /// Starts reading a list without a label: an item of a message that has one.
    pub fn plain(bytes: &'a [u8]) -> Self {
        Reader { rest: bytes }
    }

    /// Whether every item was read.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next item, of any length.
    pub fn bytes(&mut self) -> Result<&'a [u8], DecodeError> {
        let (head, tail) = self.rest.split_at_checked(4).ok_or(DecodeError::Malformed("truncated length"))?;
        let length = u32::from_be_bytes(head.try_into().expect("split at four bytes")) as usize;
        if length > MAX_ITEM_BYTES {
            return Err(DecodeError::Malformed("item too long"));
        }
        let (item, rest) = tail.split_at_checked(length).ok_or(DecodeError::Malformed("truncated item"))?;
        self.rest = rest;
        Ok(item)
    }

    /// The next item, which must have exactly `N` bytes.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        self.bytes()?.try_into().map_err(|_| DecodeError::Malformed("item of the wrong length"))
    }

    /// The next item as a big-endian `u32`.
    pub fn u32(&mut self) -> Result<u32, DecodeError> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    /// The next item as a big-endian `u64`.
    pub fn u64(&mut self) -> Result<u64, DecodeError> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    /// The next item as UTF-8 text.
    pub fn text(&mut self) -> Result<&'a str, DecodeError> {
        std::str::from_utf8(self.bytes()?).map_err(|_| DecodeError::Malformed("text is not UTF-8"))
    }

    /// Succeeds only when every byte was read: trailing bytes would make two encodings of one message.
    pub fn end(self) -> Result<(), DecodeError> {
        if self.rest.is_empty() { Ok(()) } else { Err(DecodeError::Malformed("trailing bytes")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_encoded_reads_back_and_nothing_else_does() {
        let bytes = lp(&[b"label/1", &7u32.to_be_bytes(), b"x"]);
        let mut reader = Reader::new(&bytes, "label/1").expect("label matches");
        assert_eq!(reader.u32(), Ok(7));
        assert_eq!(reader.text(), Ok("x"));
        assert_eq!(reader.end(), Ok(()));

        assert!(Reader::new(&bytes, "label/2").is_err());
        for cut in 0..bytes.len() {
            let whole = Reader::new(&bytes[..cut], "label/1").and_then(|mut r| {
                r.u32()?;
                r.text()?;
                r.end()
            });
            assert!(whole.is_err(), "a prefix of {cut} bytes must not read as the message");
        }
        let longer = [bytes.as_slice(), &[0]].concat();
        let mut reader = Reader::new(&longer, "label/1").expect("label matches");
        let _ = (reader.u32(), reader.text());
        assert_eq!(reader.end(), Err(DecodeError::Malformed("trailing bytes")));
    }

    #[test]
    fn a_length_beyond_the_bound_is_refused_before_anything_is_held() {
        let bytes = u32::MAX.to_be_bytes();
        assert_eq!(Reader { rest: &bytes }.bytes(), Err(DecodeError::Malformed("item too long")));
    }
}
