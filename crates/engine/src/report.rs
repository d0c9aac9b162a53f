//! What the data officer learns about a folder when the node starts. Exact counts of the data: this
//! never leaves the node.

use std::fmt;

/// One report for each table that was loaded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LoadReport {
    /// In the manifest's order.
    pub tables: Vec<TableReport>,
}

/// How the files of one table were read and bounded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TableReport {
    /// The table's name in the manifest.
    pub table: String,
    /// Its files, as paths in the agency's folder.
    pub files: Vec<String>,
    /// Files in the table's folder that are neither `.csv` nor `.parquet`, not read.
    pub ignored_files: Vec<String>,
    /// Rows in all files.
    pub rows_read: u64,
    /// Rows without a unit id, which contribute nothing.
    pub rows_without_unit: u64,
    /// Different units.
    pub units: u64,
    /// Units with more than `rows_per_unit` rows.
    pub units_over_bound: u64,
    /// Rows left out because their unit had too many.
    pub rows_over_bound: u64,
    /// In the manifest's order.
    pub columns: Vec<ColumnReport>,
}

/// How many fields of a column became NULL, among the rows that have a unit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ColumnReport {
    /// The column's name in the manifest.
    pub column: String,
    /// Fields that were empty.
    pub empty: u64,
    /// Fields that hold no value of the declared type, such as `n/a`, NaN, or an integer beyond 64 bits.
    pub unreadable: u64,
}

impl fmt::Display for LoadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tables.iter().try_for_each(|table| writeln!(f, "{table}"))
    }
}

impl fmt::Display for TableReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "table {}: {} rows in {} files, {} units",
            self.table,
            self.rows_read,
            self.files.len(),
            self.units
        )?;
        if self.rows_without_unit > 0 {
            write!(f, "\n  {} rows without a unit id are left out", self.rows_without_unit)?;
        }
        if self.units_over_bound > 0 {
            write!(
                f,
                "\n  {} units have more rows than the manifest allows; {} of their rows are left out",
                self.units_over_bound, self.rows_over_bound
            )?;
        }
        for column in self.columns.iter().filter(|column| column.empty + column.unreadable > 0) {
            write!(f, "\n  {}: {} empty, {} unreadable", column.column, column.empty, column.unreadable)?;
        }
        for name in &self.ignored_files {
            write!(f, "\n  {name} is neither .csv nor .parquet and was not read")?;
        }
        Ok(())
    }
}
