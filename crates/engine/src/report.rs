//! What the data officer learns about a folder when the node starts. Exact counts of the data: this
//! never leaves the node.

use std::fmt;

use almoner_federation::Territory;

use crate::SourceError;
use crate::relation::{Column, Relation};

/// One report for each table that was loaded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LoadReport {
    /// In the manifest's order.
    pub tables: Vec<TableReport>,
    /// How units were placed in territories, where the manifest has them.
    pub territory: Option<TerritoryReport>,
    /// Where the tables are larger than memory may be: the bytes that they take on disk.
    pub on_disk_bytes: Option<u64>,
}

/// How the units of all tables with the territory's column were placed, after bounding.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TerritoryReport {
    /// The territory's column.
    pub column: String,
    /// Units with rows in more than one territory.
    pub units_in_several: u64,
    /// Rows in another territory than their unit's: a question about theirs alone does not read them.
    pub rows_elsewhere: u64,
    /// Units without a row in any territory: only questions about all read their rows.
    pub units_nowhere: u64,
}

/// How the files of one table were read and bounded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TableReport {
    /// The table's name in the manifest.
    pub table: String,
    /// Its files, as paths in the agency's folder; none in a database.
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

impl TerritoryReport {
    /// From what [`territory_report`](crate::relation::territory_report) gives.
    pub(crate) fn of_database(territory: &Territory, found: &[u64]) -> TerritoryReport {
        TerritoryReport {
            column: territory.column.clone(),
            units_in_several: found[0],
            units_nowhere: found[1],
            rows_elsewhere: found[2],
        }
    }
}

impl TableReport {
    /// From what [`fields_report`](crate::relation::fields_report) and [`units_report`](crate::relation::units_report) give.
    ///
    /// # Errors
    /// When there are more units than the federation may have.
    pub(crate) fn of_database(
        relation: &Relation,
        fields: &[u64],
        units: &[u64],
        population: u64,
    ) -> Result<TableReport, SourceError> {
        if units[0] > population {
            return Err(SourceError::Population {
                table: relation.table.clone(),
                units: units[0],
                population,
            });
        }
        let column = |(i, column): (usize, &Column)| ColumnReport {
            column: column.name.clone(),
            empty: fields[2 + 2 * i],
            unreadable: fields[3 + 2 * i],
        };
        Ok(TableReport {
            table: relation.table.clone(),
            files: Vec::new(),
            ignored_files: Vec::new(),
            rows_read: fields[0],
            rows_without_unit: fields[1],
            units: units[0],
            units_over_bound: units[1],
            rows_over_bound: units[2],
            columns: relation.columns.iter().enumerate().map(column).collect(),
        })
    }
}

impl fmt::Display for LoadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tables.iter().try_for_each(|table| writeln!(f, "{table}"))?;
        self.territory.iter().try_for_each(|territory| writeln!(f, "{territory}"))?;
        self.on_disk_bytes.iter().try_for_each(|bytes| {
            writeln!(
                f,
                "the tables are larger than data_limits.memory_mb allows; {} MB are on disk",
                bytes / 1_000_000
            )
        })
    }
}

impl fmt::Display for TerritoryReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "territories by {}: {} units have rows in several; {} of their rows are in another than most and no \
             question about theirs alone reads them",
            self.column, self.units_in_several, self.rows_elsewhere
        )?;
        if self.units_nowhere > 0 {
            write!(
                f,
                "\n  {} units have no row in any; only questions about all read theirs",
                self.units_nowhere
            )?;
        }
        Ok(())
    }
}

impl fmt::Display for TableReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "table {}: {} rows{}, {} units",
            self.table,
            self.rows_read,
            match self.files.len() {
                0 => String::new(),
                files => format!(" in {files} files"),
            },
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
