//! Tables as a run writes them: CSV with a header row, perhaps with a last line that is only half
//! there.
//!
//! A run's lines end with a line break. One that does not is half-written while the run goes on or
//! after it was killed; its last number may be cut short and still look like one, and so the whole
//! line is left out.

use std::io::{self, Read};
use std::path::Path;

use crate::Error;

/// A table's header, and the records after it.
pub(crate) struct Table<'a, R> {
    path: &'a Path,
    reader: csv::Reader<LastByte<R>>,
    header: csv::StringRecord,
    /// Whether the run has ended, so that every line must be whole.
    ended: bool,
}

/// A column, found by its name.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    index: usize,
    pub(crate) name: String,
}

impl<'a, R: Read> Table<'a, R> {
    /// Reads the header of the file at `path`. `ended`: whether its run has, so that nothing in it
    /// may be half-written.
    pub(crate) fn new(path: &'a Path, from: R, ended: bool) -> Result<Table<'a, R>, Error> {
        let from = LastByte { from, last: b'\n' };
        let mut reader =
            csv::ReaderBuilder::new().trim(csv::Trim::All).flexible(true).from_reader(from);
        let header = reader.headers().map_err(|error| csv_error(path, error))?.clone();
        if header.iter().all(str::is_empty) {
            return Err(Error::NoHeader { path: path.to_owned() });
        }
        Ok(Table { path, reader, header, ended })
    }

    /// A column that may be missing.
    pub(crate) fn find(&self, name: &str) -> Option<Column> {
        let index = self.header.iter().position(|found| found == name)?;
        Some(Column { index, name: name.to_owned() })
    }

    /// A column that must be there.
    pub(crate) fn need(&self, name: &'static str) -> Result<Column, Error> {
        self.find(name).ok_or_else(|| Error::MissingColumn {
            path: self.path.to_owned(),
            column: name,
            found: shorten(&self.header.iter().collect::<Vec<_>>().join(", ")),
        })
    }

    /// All columns, in their order.
    pub(crate) fn columns(&self) -> Vec<Column> {
        let columns = self.header.iter().enumerate();
        columns.map(|(index, name)| Column { index, name: name.to_owned() }).collect()
    }

    /// Reads the records, each by `parse`.
    pub(crate) fn rows<T>(
        mut self,
        parse: impl Fn(&Row<'_>) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        let mut rows = Vec::new();
        let mut record = csv::StringRecord::new();
        // Whether a record counts is known when the next one, or the end, has been seen.
        let mut latest: Option<Result<T, Error>> = None;
        while self.reader.read_record(&mut record).map_err(|error| csv_error(self.path, error))? {
            rows.extend(latest.take().transpose()?);
            let row = Row { path: self.path, record: &record };
            latest = Some(row.check_length(self.header.len()).and_then(|()| parse(&row)));
        }
        if self.ended || self.reader.get_ref().last == b'\n' {
            rows.extend(latest.transpose()?);
        }
        Ok(rows)
    }
}

/// One record.
pub(crate) struct Row<'a> {
    path: &'a Path,
    record: &'a csv::StringRecord,
}

impl Row<'_> {
    fn check_length(&self, expected: usize) -> Result<(), Error> {
        if self.record.len() == expected {
            return Ok(());
        }
        let (record, line) = self.position();
        Err(Error::FieldCount {
            path: self.path.to_owned(),
            record,
            line,
            expected: expected as u64,
            found: self.record.len() as u64,
        })
    }

    /// The record's number without the header, and its line with it, both from 1.
    fn position(&self) -> (u64, u64) {
        self.record.position().map_or((0, 0), |at| (at.record(), at.line()))
    }

    /// What stands in a column.
    pub(crate) fn text(&self, column: &Column) -> &str {
        &self.record[column.index]
    }

    pub(crate) fn refuse<T>(&self, column: &Column, expected: &'static str) -> Result<T, Error> {
        let (record, line) = self.position();
        Err(Error::Cell {
            path: self.path.to_owned(),
            record,
            line,
            column: shorten(&column.name),
            cell: shorten(self.text(column)),
            expected,
        })
    }

    pub(crate) fn count(&self, column: &Column) -> Result<u64, Error> {
        self.text(column).parse().or_else(|_| self.refuse(column, "a whole number"))
    }

    /// Any number; a loss that left the finite ones is written as NaN or inf and is welcome.
    pub(crate) fn number(&self, column: &Column) -> Result<f64, Error> {
        match self.text(column).parse::<f64>() {
            // What no trainer could have written has no place on an axis either.
            Ok(value) if value.is_finite() && value.abs() > f64::from(f32::MAX) => {
                self.refuse(column, "a number of 32 bits")
            }
            Ok(value) => Ok(value),
            Err(_) => self.refuse(column, "a number"),
        }
    }

    /// A number, unless there is no such column, or nothing in it.
    pub(crate) fn number_if_any(&self, column: Option<&Column>) -> Result<Option<f64>, Error> {
        match column {
            Some(column) if !self.text(column).is_empty() => self.number(column).map(Some),
            _ => Ok(None),
        }
    }

    pub(crate) fn fraction(&self, column: &Column) -> Result<f64, Error> {
        match self.text(column).parse::<f64>() {
            Ok(value) if value.is_nan() || (0.0..=1.0).contains(&value) => Ok(value),
            _ => self.refuse(column, "a fraction from 0 to 1"),
        }
    }
}

/// A reader that remembers the last byte it gave.
struct LastByte<R> {
    from: R,
    last: u8,
}

impl<R: Read> Read for LastByte<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let length = self.from.read(to)?;
        if let Some(&last) = to[..length].last() {
            self.last = last;
        }
        Ok(length)
    }
}

fn csv_error(path: &Path, error: csv::Error) -> Error {
    Error::Csv { path: path.to_owned(), reason: error }
}

/// What another's file says, cut where it would fill a message or a picture.
pub(crate) fn shorten(text: &str) -> String {
    const LONGEST: usize = 200;
    match text.char_indices().nth(LONGEST) {
        Some((byte, _)) => format!("{}...", &text[..byte]),
        None => text.to_owned(),
    }
}
