//! How the columns of an agency's SELECT are read in SQL, as far as it is the same for every engine: what differs is each
//! engine's own, in `postgres/reading.rs` and `flight/reading.rs`.

use almoner_federation::{ColumnType, Table};
use almoner_query::{MAGNITUDE_BITS, quoted};

use crate::relation::{Column, double};
use crate::rows::MAX_FIELD_BYTES;
use crate::value::MAX_EXPONENT_DIGITS;

/// What a column of an engine can say. Each reading is SQL over the quoted column `own` that no row makes fail, with the
/// meaning that [`crate::value`] gives to files; `None` where the type cannot safely mean it.
pub(crate) trait Reading: Copy {
    /// Whether an empty value of it says nothing.
    fn is_text(self) -> bool;
    /// As text whose order and equality are those of its bytes.
    fn plain(own: &str) -> String;
    /// As a unit's id.
    fn unit(self, own: &str) -> Option<String>;
    fn text(self, own: &str) -> Option<String>;
    fn integer(self, own: &str) -> Option<String>;
    fn number(self, own: &str) -> Option<String>;
    fn boolean(self, own: &str) -> Option<String>;
    fn date(self, own: &str) -> Option<String>;

    /// A column by its own name as a value of the declared type, or as a unit's id where none is declared.
    fn read(self, column: &str, declared: Option<&ColumnType>) -> Option<String> {
        let own = quoted(column);
        match declared {
            None => self.unit(&own),
            Some(ColumnType::Text { .. }) => self.text(&own),
            Some(ColumnType::Integer { .. }) => self.integer(&own),
            Some(ColumnType::Number { .. }) => self.number(&own),
            Some(ColumnType::Boolean) => self.boolean(&own),
            Some(ColumnType::Date { .. }) => self.date(&own),
        }
    }

    /// Whether nothing stands there, as opposed to something unreadable.
    fn missing(self, column: &str) -> String {
        let own = quoted(column);
        if self.is_text() {
            format!("({own} IS NULL OR {} = '')", Self::plain(&own))
        } else {
            format!("({own} IS NULL)")
        }
    }
}

/// The manifest's columns over those found for them.
///
/// # Errors
/// The place after the unit's of the first whose type cannot safely mean what is declared.
pub(crate) fn columns<R: Reading>(table: &Table, found: &[(String, R)]) -> Result<Vec<Column>, usize> {
    let read = |(place, (declared, (own, reading))): (usize, (&almoner_federation::Column, &(String, R)))| {
        Ok(Column {
            name: declared.name.clone(),
            kind: declared.kind.clone(),
            value: reading.read(own, Some(&declared.kind)).ok_or(place + 1)?,
            missing: reading.missing(own),
        })
    };
    table.columns.iter().zip(found).enumerate().map(read).collect()
}

/// An id out of a text without blanks at its ends: `7.0` is 7.
pub(crate) fn id(text: &str) -> String {
    let id = format!("CASE WHEN {text} ~ '^-?[0-9]+[.]0+$' THEN split_part({text}, '.', 1) ELSE {text} END");
    format!("CASE {id} WHEN '' THEN NULL WHEN '-0' THEN '0' ELSE {id} END")
}

/// A float as it is stored in tables: 0, or within the magnitudes that they hold.
pub(crate) fn within(float: &str) -> String {
    let largest = 2f64.powi(MAGNITUDE_BITS);
    format!(
        "CASE WHEN abs({float}) < {least} THEN {zero} WHEN abs({float}) <= {largest} THEN {float} END",
        least = double(largest.recip()),
        zero = double(0.0),
        largest = double(largest),
    )
}

/// Whether a text is a number.
pub(crate) fn is_number(text: &str) -> String {
    format!("{text} ~ '^[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]{{1,{MAX_EXPONENT_DIGITS}}})?$'")
}

/// Whether a text has the form of a date from the year 1 on; the month may lack the day.
pub(crate) fn is_day(text: &str) -> String {
    format!("{text} ~ '^[0-9]{{4}}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$' AND {text} > '0001'")
}

/// What a text without blanks at its ends says of a boolean.
pub(crate) fn said(text: &str) -> String {
    let word = format!("lower({text})");
    format!(
        "(CASE WHEN {word} IN ('true', 't', 'yes', 'y', '1', '1.0') THEN TRUE \
         WHEN {word} IN ('false', 'f', 'no', 'n', '0', '0.0') THEN FALSE END)"
    )
}

/// Whether a text is as short as a field may be.
pub(crate) fn fits(plain: &str) -> String {
    format!("octet_length({plain}) <= {MAX_FIELD_BYTES}")
}
