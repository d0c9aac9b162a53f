//! Folders that hold a field of each row below them in their name, as Hive and its heirs write them:
//! `county=north/year=2024/0.parquet`.

/// What Hive writes where the value is NULL.
const NULL: &str = "__HIVE_DEFAULT_PARTITION__";

/// One folder's name, decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PathField {
    /// The column.
    pub column: String,
    /// Its value as a CSV file would hold it; empty where it is NULL.
    pub value: String,
}

/// Reads `column=value`, both with `%2F` and the like for what a file name cannot hold. An error is what is
/// wrong with the name.
pub(crate) fn field(name: &str) -> Result<PathField, String> {
    let (column, value) =
        name.split_once('=').ok_or("is a folder within a table, but is not named column=value")?;
    let column = decode(column)?;
    if column.trim().is_empty() {
        return Err("names no column before the =".into());
    }
    let value = if value == NULL { String::new() } else { decode(value)? };
    Ok(PathField { column, value })
}

/// Percent-decoding (RFC 3986, section 2.1). A `%` that begins no code is refused: whoever wrote it did not encode.
pub(crate) fn decode(text: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let code = after.get(..2).and_then(|code| {
            let digit = |byte: u8| char::from(byte).to_digit(16);
            u8::try_from(digit(code[0])? * 16 + digit(code[1])?).ok()
        });
        bytes.push(code.ok_or("has a % that is not followed by two hexadecimal digits")?);
        rest = &after[2..];
    }
    String::from_utf8(bytes).map_err(|_| "is not UTF-8 when its % codes are decoded".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_folders_are_decoded_once() {
        for (name, column, value) in [
            ("county=north", "county", "north"),
            ("county=a=b", "county", "a=b"),
            ("county=a%2Fb%3D%25", "county", "a/b=%"),
            ("county=%2541", "county", "%41"),
            ("county=S%C3%BCd", "county", "S\u{fc}d"),
            ("county=a+b ", "county", "a+b "),
            ("my%20county=1", "my county", "1"),
            ("county=", "county", ""),
            ("county=__HIVE_DEFAULT_PARTITION__", "county", ""),
        ] {
            assert_eq!(field(name), Ok(PathField { column: column.into(), value: value.into() }), "{name}");
        }
        for bad in
            ["north", "=north", " =1", "county=%", "county=%2", "county=%zz", "county=%+1", "county=%FF"]
        {
            assert!(field(bad).is_err(), "{bad}");
        }
    }
}
