//! Tables and columns as the federation declares them in public: ranges, resolutions and domains
//! come from law and codebooks, never from the data.

use std::collections::BTreeSet;

use crate::{Exact, Name};

/// One table that some of the agencies hold under the same columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// SQL name, unique without regard to case.
    pub name: String,
    /// Most rows of one privacy unit that one agency contributes.
    pub rows_per_unit: u32,
    /// The agencies that hold the table.
    pub holders: BTreeSet<Name>,
    /// The columns besides the unit's.
    pub columns: Vec<Column>,
}

impl Table {
    /// The column of that name, without regard to case.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name.eq_ignore_ascii_case(name))
    }
}

/// One column with what is publicly known of its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// SQL name, unique in its table without regard to case.
    pub name: String,
    /// Type, range and domain.
    pub kind: ColumnType,
}

/// A column's type with its public range or domain. A value outside contributes as the nearest end
/// of a range when it is measured, and nothing when it is a group key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ColumnType {
    /// Text; a group key only with a domain.
    Text {
        /// Every value that can be a group, in the order answers list them.
        domain: Option<Vec<String>>,
    },
    /// A whole number.
    Integer {
        /// Smallest value.
        min: i64,
        /// Largest value.
        max: i64,
        /// Lower ends of the bands that grouping uses, ascending, the first equal to `min`; may be empty.
        bands: Vec<i64>,
    },
    /// A decimal number.
    Number {
        /// Smallest value.
        min: Exact,
        /// Largest value.
        max: Exact,
        /// The step to which a measured value is rounded.
        resolution: Exact,
        /// Lower ends of the bands that grouping uses, ascending, the first equal to `min`; may be empty.
        bands: Vec<Exact>,
    },
    /// True or false.
    Boolean,
    /// A day, counted from 1970-01-01.
    Date {
        /// Earliest day.
        min: i32,
        /// Latest day.
        max: i32,
    },
}

impl ColumnType {
    /// The word for the type in the manifest.
    pub fn word(&self) -> &'static str {
        match self {
            ColumnType::Text { .. } => "text",
            ColumnType::Integer { .. } => "integer",
            ColumnType::Number { .. } => "number",
            ColumnType::Boolean => "boolean",
            ColumnType::Date { .. } => "date",
        }
    }
}
