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
        /// How distributions of it are cut.
        bins: Bins,
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
        /// How distributions of it are cut.
        bins: Bins,
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

/// How the range of a column is cut for the release of its distribution. Within a bin the values are not told
/// apart, so bins bound the accuracy of every quantile; more of them cost little.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bins {
    /// How many at most, 16 to 4096.
    pub count: u32,
    /// Where their ends are.
    pub scale: BinScale,
}

impl Default for Bins {
    fn default() -> Self {
        Bins { count: 1024, scale: BinScale::Linear }
    }
}

/// Where the ends of bins are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BinScale {
    /// Equally far apart.
    Linear,
    /// Equally far apart up to `from` above and below 0, and from there on within every doubling.
    Log {
        /// The size up to which differences matter in themselves, above it in proportion; positive.
        from: Exact,
    },
}
