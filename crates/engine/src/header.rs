//! What a file says of its columns without a single row: the first line of a CSV file, the schema of a Parquet
//! file. A federation's constitution may be drafted from that, because it was public before anybody was recorded.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use csv::ReaderBuilder;
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::SourceError;
use crate::parquet_file::{self, Class};

/// Longest header line of a CSV file.
const MAX_LINE_BYTES: usize = 1 << 20;
/// Longest schema, with what else stands at the end of a Parquet file.
const MAX_FOOTER_BYTES: u32 = 1 << 27;

/// A column as its file's header has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderColumn {
    /// Its name, without the blanks around it; anything else may be in it.
    pub name: String,
    /// What the header says of its values.
    pub says: HeaderType,
}

/// What a header says of a column's values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeaderType {
    /// Nothing, as in any CSV file.
    Nothing,
    /// Text.
    Text,
    /// Whole numbers.
    Integer,
    /// Decimal numbers.
    Number,
    /// True or false.
    Boolean,
    /// Days.
    Date,
    /// A type, in Arrow's words, that means none of those.
    Other(String),
}

/// The columns of a `*.csv` or `*.parquet` file. Of a CSV file nothing after the first line is looked at, so that
/// no value can be taken for a name; a first line that looks like a row or ends within quotes is refused.
///
/// # Errors
/// [`SourceError::Input`] with file and remedy. It shows nothing of what the file holds.
pub fn header(file: &Path) -> Result<Vec<HeaderColumn>, SourceError> {
    let opened = File::open(file).map_err(|error| SourceError::unreadable(file, &error))?;
    match file.extension().and_then(|extension| extension.to_str()) {
        Some("csv") => csv_header(file, opened),
        Some("parquet") => parquet_header(file, opened),
        _ => Err(SourceError::input(file, None, "is no *.csv and no *.parquet file", "export it as one")),
    }
}

fn csv_header(file: &Path, opened: File) -> Result<Vec<HeaderColumn>, SourceError> {
    let refuse =
        |problem: String, remedy: &'static str| Err(SourceError::input(file, Some(1), problem, remedy));
    let line = first_line(opened).map_err(|error| SourceError::unreadable(file, &error))?;
    if line.len() > MAX_LINE_BYTES {
        let problem = format!("the header line is longer than {MAX_LINE_BYTES} bytes");
        return refuse(problem, "export the file as CSV, with a line of column names first");
    }
    if line.contains(&0) || std::str::from_utf8(&line).is_err() {
        let problem = "the header line is not UTF-8 text".into();
        return refuse(problem, "export the file as CSV in UTF-8, without any other encoding");
    }
    if line.iter().filter(|byte| **byte == b'"').count() % 2 == 1 {
        let problem = "a quote of the header line is not closed on it".into();
        return refuse(problem, "close it, and take line breaks out of the columns' names");
    }
    let mut reader = ReaderBuilder::new().from_reader(line.as_slice());
    let names = reader.headers().map_err(|error| {
        SourceError::input(file, Some(1), format!("the header line is no CSV ({error})"), "export it again")
    })?;
    if names.iter().all(|name| name.trim().is_empty()) {
        return refuse("has no header line".into(), "write the columns' names into its first line");
    }
    if names.len() == 1 && names[0].contains([';', '\t', '|']) {
        let problem = "the header line has no comma but another separator".into();
        return refuse(problem, "export the file with commas between the fields, and decimal points");
    }
    if let Some(place) = names.iter().position(looks_like_value) {
        let problem = format!("column {} of the first line is a number or date, not a name", place + 1);
        return refuse(problem, "put a line of column names first, each beginning with a letter");
    }
    let column = |name: &str| HeaderColumn { name: name.trim().to_owned(), says: HeaderType::Nothing };
    Ok(names.iter().map(column).collect())
}

/// The first line without its end; one byte more than the longest where it does not end in time.
fn first_line(opened: File) -> std::io::Result<Vec<u8>> {
    let mut reader = BufReader::new(opened).take(MAX_LINE_BYTES as u64 + 1);
    let mut line = Vec::new();
    reader.read_until(b'\n', &mut line)?;
    let end = line.iter().position(|byte| matches!(byte, b'\n' | b'\r')).unwrap_or(line.len());
    line.truncate(end);
    Ok(line)
}

/// Whether a first line with such a name is rather a row: a number, a date, a time, a numeric code.
fn looks_like_value(name: &str) -> bool {
    let name = name.trim();
    name.contains(|c: char| c.is_ascii_digit())
        && (!name.contains(char::is_alphabetic) || name.parse::<f64>().is_ok())
}

fn parquet_header(file: &Path, mut opened: File) -> Result<Vec<HeaderColumn>, SourceError> {
    let remedy = "export the file again as Parquet";
    let corrupt = |problem: &str| SourceError::input(file, None, problem, remedy);
    let footer = footer_bytes(&mut opened).map_err(|_| corrupt("is no Parquet file"))?;
    if footer > MAX_FOOTER_BYTES {
        return Err(corrupt("is no Parquet file, or its schema is too long"));
    }
    // The reader's own reason is left out: it may quote the file.
    let builder = ParquetRecordBatchReaderBuilder::try_new(opened)
        .map_err(|_| corrupt("is no readable Parquet file"))?;
    let fields = builder.schema().fields();
    if fields.is_empty() {
        return Err(corrupt("has no columns"));
    }
    Ok(fields
        .iter()
        .map(|field| HeaderColumn {
            name: field.name().trim().to_owned(),
            says: match parquet_file::class(field.data_type()) {
                Some(Class::Text) => HeaderType::Text,
                Some(Class::Integer | Class::Unsigned) => HeaderType::Integer,
                Some(Class::Decimal | Class::Float) => HeaderType::Number,
                Some(Class::Boolean) => HeaderType::Boolean,
                Some(Class::Day { .. }) => HeaderType::Date,
                None => HeaderType::Other(field.data_type().to_string()),
            },
        })
        .collect())
}

/// How long the end of a Parquet file says that it is: it stands before the last four bytes.
fn footer_bytes(opened: &mut File) -> std::io::Result<u32> {
    let mut length = [0; 4];
    opened.seek(SeekFrom::End(-8))?;
    opened.read_exact(&mut length)?;
    opened.rewind()?;
    Ok(u32::from_le_bytes(length))
}
