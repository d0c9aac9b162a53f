//! Reads one CSV file (RFC 4180, UTF-8, a header line) into rows. A row that is not what the header
//! promises is an error with its line, because it is more likely a broken export than a person.

use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;

use almoner_federation::{Digest, Table};
use csv::{ErrorKind, Reader, ReaderBuilder, StringRecord};

use crate::SourceError;
use crate::columns::{Place, find_column};
use crate::data_file::{Contents, DataFile};
use crate::objects::ObjectReader;
use crate::rows::{MAX_FIELD_BYTES, RowError, Rows};
use crate::snapshot::{FileDigest, HashingReader};
use crate::value::Value;

const BUFFER_BYTES: usize = 1 << 18;

pub(crate) fn read(
    file: &DataFile,
    unit_column: &str,
    table: &Table,
    rows: &mut Rows<'_, '_>,
) -> Result<FileDigest, SourceError> {
    let opened = Opened::of(file).map_err(|error| file.unreadable(&error))?;
    let mut reader = ReaderBuilder::new()
        .has_headers(true)
        .flexible(false)
        .buffer_capacity(BUFFER_BYTES)
        .from_reader(opened);
    let wanted: Vec<&str> =
        std::iter::once(unit_column).chain(table.columns.iter().map(|column| column.name.as_str())).collect();
    let places = header(file, &mut reader, &wanted)?;

    let mut record = StringRecord::new();
    while reader.read_record(&mut record).map_err(|error| malformed(file, &error))? {
        let field = |place: &Place| {
            Value::Text(match *place {
                Place::File(index) => record.get(index).unwrap_or_default(),
                Place::Path(index) => &file.fields[index].value,
            })
        };
        rows.push(field(&places[0]), places[1..].iter().map(field)).map_err(|error| match error {
            RowError::Store(error) => error,
            RowError::FieldTooLong { column } => file.refuse(
                record.position().map(csv::Position::line),
                format!("a field of column {} is longer than {MAX_FIELD_BYTES} bytes", wanted[column]),
                "look for a quote that is never closed, here or above",
            ),
        })?;
    }
    let (size_bytes, contents) = reader.into_inner().finish();
    Ok(FileDigest { name: file.name.clone(), size_bytes, contents })
}

/// The bytes of a file, one after another.
enum Opened {
    File(HashingReader<File>),
    Object(ObjectReader),
}

impl Opened {
    fn of(file: &DataFile) -> io::Result<Opened> {
        Ok(match &file.contents {
            Contents::File(path) => Opened::File(HashingReader::new(File::open(path)?)),
            Contents::Object(object) => Opened::Object(ObjectReader::new(Arc::clone(object))),
        })
    }

    /// How many bytes there were, and what stands for them.
    fn finish(self) -> (u64, Digest) {
        match self {
            Opened::File(reader) => reader.finish(),
            Opened::Object(reader) => reader.finish(),
        }
    }
}

impl Read for Opened {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Opened::File(reader) => reader.read(into),
            Opened::Object(reader) => reader.read(into),
        }
    }
}

/// Where each wanted column stands in the file.
fn header(file: &DataFile, reader: &mut Reader<Opened>, wanted: &[&str]) -> Result<Vec<Place>, SourceError> {
    let header = reader.headers().map_err(|error| malformed(file, &error))?;
    wanted.iter().map(|name| find_column(file, Some(1), name, header.iter())).collect()
}

fn malformed(file: &DataFile, error: &csv::Error) -> SourceError {
    let line = error.position().map(csv::Position::line);
    let (problem, remedy) = match error.kind() {
        ErrorKind::UnequalLengths { expected_len, len, .. } => (
            format!("the row has {len} fields where the header has {expected_len}"),
            "put quotes around fields that hold commas or line breaks, and close every quote",
        ),
        ErrorKind::Utf8 { .. } => {
            ("the row is not UTF-8".into(), "export the file as UTF-8, without any other encoding")
        }
        ErrorKind::Io(error) => return file.unreadable(error),
        _ => (error.to_string(), "export the file again as CSV"),
    };
    file.refuse(line, problem, remedy)
}
