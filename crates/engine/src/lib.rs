//! Where the data are: an agency's folder of CSV or Parquet files, on a disk or in an object store, read once into
//! bounded, typed, immutable tables, and the source query of a plan run over them by an embedded DataFusion; or an
//! agency's own PostgreSQL or Flight SQL server, which reads, bounds and sums by the same rules.
//! Rows come in, integer cells go out.
//!
//! This crate must never let anything but those cells leave: no row, count or error text. What a row
//! holds cannot raise an error while a question is answered, because every value became a typed value
//! or NULL when the node started. It adds no noise: [`Source::cells`] are exact and secret.
//!
//! # What a folder holds
//! For each table that the agency holds: `<table>.csv`, or `<table>.parquet`, or a folder `<table>/`
//! with any number of such files, also in folders `column=value/` up to 8 deep, whose names are then a field of
//! every row in them. CSV is UTF-8 with commas and a header. Columns are found by name
//! without regard to case; those that the manifest does not name are never loaded.
//!
//! * A field that is empty, or holds no value of its declared type, is NULL and counted in the
//!   [`LoadReport`]: NaN, a number beyond 2^100, an integer beyond 64 bits, a day that no calendar has. `34.0` is
//!   the integer 34. Text is exact. `true`, `t`, `yes`, `1` and their opposites are booleans; dates are
//!   `YYYY-MM-DD`.
//! * Parquet columns are read as the declared type from any type that can safely mean it, with the same
//!   result as the CSV export of the same values; a timestamp must be without a zone or in UTC.
//! * The unit's id is text. Blanks around it and a fraction of zeros are dropped, so that `7` and `7.0`
//!   in CSV and the integer or float 7 in Parquet are one unit; leading zeros and case are kept. Rows
//!   without an id contribute nothing.
//! * In an object store the same holds of the objects whose names begin with the folder's.
//! * A malformed row, a missing column, an unreadable file and a doubtful one refuse the whole folder.
//!
//! # Why everything is read at the start
//! Each question must see the same rows (the bounding of units is a property of the table, not of the
//! question), a file that someone edits must not make two answers differ, and a malformed value must
//! show itself to the data officer at the start, not to a planner later.
//!
//! The price is memory: 4 bytes plus its length for a text or unit id, 8 bytes for an integer or number, 4 for a
//! date, an eighth of a byte for a boolean, and an eighth of a byte more for each column that holds a NULL; while the
//! node starts, also about 20 bytes for each row. Where the manifest divides the units into territories, a row of a
//! table with that column takes 2 bytes more, and while the node starts each unit of these tables about 100 bytes
//! and each row another 2.
//!
//! # Tables larger than memory
//! With [`DataLimits`] the tables take no more memory than that. Rows of more than half of it go to disk, to be as
//! immutable there: in files that have no name, encrypted with keys that only this process has.
//!
//! 1. Reading: rows are dealt out to 256 parts by a keyed hash of their unit (`parts`).
//! 2. Bounding and placing: part by part in memory, by the same code as for all rows at once. It may be so because
//!    both depend on nothing but a unit's own rows, and all of these are in one part.
//! 3. Writing: each table becomes one Parquet file (`runs`), sorted in runs by the unit's territory, then by the
//!    columns that name the table's folders.
//! 4. Answering: DataFusion streams the columns that a question needs, and passes over the row groups that its
//!    conditions exclude (`stored`). Different units are counted run by run, since no unit is in two runs.
//!
//! A part with its rows may take an eighth of the limit and 1 GiB, so that tables up to some 25 times the limit and
//! 200 GB can be served.

mod bounding;
mod cells;
mod census;
mod chunks;
mod columns;
mod convert;
mod csv_file;
mod data;
mod data_file;
mod error;
mod flight;
mod folder;
mod header;
mod limits;
mod load;
mod local_folder;
mod mapping;
mod objects;
mod operators;
mod parquet_file;
mod partition;
mod parts;
mod placing;
mod postgres;
mod reading;
mod relation;
mod report;
mod rows;
mod runs;
mod sealed;
mod shared_file;
mod snapshot;
mod source;
mod store;
mod stored;
mod tag;
mod units;
mod value;
mod workers;

pub use data::{Source, Taken};
pub use error::SourceError;
pub use flight::FlightSqlAccess;
pub use header::{HeaderColumn, HeaderType, header};
pub use limits::DataLimits;
pub use objects::ObjectStoreAccess;
pub use postgres::PostgresAccess;
pub use report::{ColumnReport, LoadReport, TableReport, TerritoryReport};
