//! Reading tables, whose last line may be incomplete.
//!
//! A run's lines end with a line break. One that does not is half-written while the run goes on or
//! after it was killed; its last number may be cut short and still look like one, and so the whole
//! line is left out.

use std::io::{self, Read};
use std::path::Path;

use chainrule_data::file;
use csv::{DeserializeErrorKind, StringRecord};

use super::{Problem, Progress, Record, Table};
use crate::{Error, shorten};

/// Longest table that is read, in bytes: some seven million steps.
const MOST_TABLE: u64 = 1 << 28;

/// The records of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Rows<R> {
    /// The records, in their order.
    pub records: Vec<R>,
    /// The columns per layer.
    pub layers: Vec<LayerColumn>,
}

impl<R> Default for Rows<R> {
    fn default() -> Self {
        Self { records: vec![], layers: vec![] }
    }
}

/// A column for one layer of the network.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerColumn {
    /// The layer's name, such as `fc1`.
    pub layer: String,
    /// One value for each record; NaN where the cell is empty.
    pub values: Vec<f64>,
}

impl<R: Record> Table<R> {
    /// Reads the table of the run in `folder`.
    ///
    /// # Errors
    /// Names the file, the record and the column that are wrong.
    pub fn read(folder: &Path, progress: Progress) -> Result<Rows<R>, Error> {
        let path = Self::path(folder);
        Self::read_from(&path, open(&path, progress, MOST_TABLE)?, progress)
    }

    /// Reads a table from anywhere; `path` is for messages.
    ///
    /// # Errors
    /// As [`Table::read`].
    pub fn read_from(path: &Path, from: impl Read, progress: Progress) -> Result<Rows<R>, Error> {
        let mut reader = match Reader::new(path, from, progress) {
            Err(Error::NoHeader { .. }) if progress == Progress::Unfinished => {
                return Ok(Rows::default());
            }
            reader => reader?,
        };
        reader.need::<R>()?;
        let suffix = R::PER_LAYER.unwrap_or("\0");
        let header = reader.header.iter().enumerate();
        let layer = |(i, name): (usize, &str)| {
            let layer = shorten(name.strip_suffix(suffix)?);
            Some((i, LayerColumn { layer, values: vec![] }))
        };
        let (columns, mut layers): (Vec<usize>, Vec<LayerColumn>) =
            header.filter_map(layer).unzip();
        let mut records = vec![];
        reader.for_each(|row| {
            records.push(row.record::<R>()?);
            for (&i, layer) in columns.iter().zip(&mut layers) {
                layer.values.push(row.number_or_nan(i)?);
            }
            Ok(())
        })?;
        Ok(Rows { records, layers })
    }
}

/// All cells of a table, as text.
#[derive(Clone, Debug, PartialEq)]
pub struct Cells {
    /// The names of the columns.
    pub header: Vec<String>,
    /// The records.
    pub records: Vec<StringRecord>,
}

impl Cells {
    /// Reads a table whatever its columns are. A last line that no line break ends is left out.
    ///
    /// # Errors
    /// Names the file and the record that are wrong.
    pub fn read(path: &Path) -> Result<Cells, Error> {
        let mut reader =
            match Reader::new(path, open(path, Progress::Ended, MOST_TABLE)?, Progress::Unknown) {
                Err(Error::NoHeader { .. }) => {
                    return Ok(Cells { header: vec![], records: vec![] });
                }
                reader => reader?,
            };
        let header = reader.header.iter().map(str::to_owned).collect();
        let mut records = vec![];
        reader.for_each(|row| {
            records.push(row.record.clone());
            Ok(())
        })?;
        Ok(Cells { header, records })
    }
}

/// Opens a table of at most `most` bytes. No more are read, even if the file grows meanwhile. A
/// missing table of an unfinished run is read as empty.
pub(crate) fn open(path: &Path, progress: Progress, most: u64) -> Result<Box<dyn Read>, Error> {
    match file::open(path) {
        Ok((_, length)) if length > most => {
            Err(Error::TooLarge { path: path.to_owned(), length, most })
        }
        Ok((file, _)) => Ok(Box::new(file.take(most))),
        Err(error)
            if progress == Progress::Unfinished && error.kind() == io::ErrorKind::NotFound =>
        {
            Ok(Box::new(io::empty()))
        }
        Err(error) => Err(Error::read(path)(error)),
    }
}

/// A table's header, and the records after it.
pub struct Reader<'a, R> {
    path: &'a Path,
    csv: csv::Reader<LastByte<R>>,
    /// The names of the columns.
    pub header: StringRecord,
    progress: Progress,
}

impl<'a, R: Read> Reader<'a, R> {
    /// Reads the header of the file at `path`.
    ///
    /// # Errors
    /// If there is no header row.
    pub fn new(path: &'a Path, from: R, progress: Progress) -> Result<Self, Error> {
        let from = LastByte { from, last: b'\n' };
        let mut csv =
            csv::ReaderBuilder::new().trim(csv::Trim::All).flexible(true).from_reader(from);
        let header = csv.headers().map_err(csv_error(path))?.clone();
        if header.iter().all(str::is_empty) {
            return Err(Error::NoHeader { path: path.to_owned() });
        }
        Ok(Self { path, csv, header, progress })
    }

    /// Checks that the header has all required columns.
    fn need<T: Record>(&self) -> Result<(), Error> {
        // Every type of cell reads a 0; a missing field is missing from the header.
        let zeros: StringRecord = self.header.iter().map(|_| "0").collect();
        let Err(error) = zeros.deserialize::<T>(Some(&self.header)) else { return Ok(()) };
        let text = error.to_string();
        let name = text.split_once("missing field `").and_then(|(_, rest)| rest.split_once('`'));
        match name {
            Some((column, _)) => Err(self.missing(column)),
            None => Err(csv_error(self.path)(error)),
        }
    }

    fn missing(&self, column: &str) -> Error {
        let found = shorten(&self.header.iter().collect::<Vec<_>>().join(", "));
        Error::MissingColumn { path: self.path.to_owned(), column: column.to_owned(), found }
    }

    /// The index of a required column.
    ///
    /// # Errors
    /// If the header lacks it.
    pub fn column(&self, name: &str) -> Result<usize, Error> {
        self.header.iter().position(|found| found == name).ok_or_else(|| self.missing(name))
    }

    /// Hands each record to `take`.
    ///
    /// # Errors
    /// A record that is not of the header's length, or what `take` says.
    pub fn for_each(
        &mut self,
        mut take: impl FnMut(&Row<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let Self { path, csv, header, progress } = self;
        let mut taking = |record: &StringRecord| {
            let row = Row { path, header, record };
            row.check_length()?;
            take(&row)
        };
        // Whether a record counts is known when the next one, or the end, has been seen.
        let mut record = StringRecord::new();
        let mut latest = StringRecord::new();
        let mut waits = false;
        while csv.read_record(&mut record).map_err(csv_error(path))? {
            if waits {
                taking(&latest)?;
            }
            std::mem::swap(&mut record, &mut latest);
            waits = true;
        }
        if waits && (*progress == Progress::Ended || csv.get_ref().last == b'\n') {
            taking(&latest)?;
        }
        Ok(())
    }
}

/// One record.
pub struct Row<'a> {
    path: &'a Path,
    header: &'a StringRecord,
    /// Its cells.
    pub record: &'a StringRecord,
}

impl Row<'_> {
    fn check_length(&self) -> Result<(), Error> {
        let (expected, found) = (self.header.len() as u64, self.record.len() as u64);
        if found == expected {
            return Ok(());
        }
        let (record, line) = self.position();
        Err(Error::FieldCount { path: self.path.to_owned(), record, line, expected, found })
    }

    /// The record's number without the header, and its line with it, both from 1.
    fn position(&self) -> (u64, u64) {
        self.record.position().map_or((0, 0), |at| (at.record(), at.line()))
    }

    /// The error of a cell.
    ///
    /// # Errors
    /// Always.
    pub fn refuse<T>(&self, column: usize, expected: &'static str) -> Result<T, Error> {
        let (record, line) = self.position();
        Err(Error::Cell {
            path: self.path.to_owned(),
            record,
            line,
            column: shorten(&self.header[column]),
            cell: shorten(&self.record[column]),
            expected,
        })
    }

    fn record<R: Record>(&self) -> Result<R, Error> {
        let record: R = match self.record.deserialize(Some(self.header)) {
            Ok(record) => record,
            Err(error) => return self.explain(error),
        };
        match record.check() {
            Ok(()) => Ok(record),
            Err(Problem { column, expected }) => {
                let index = self.header.iter().position(|name| name == column);
                self.refuse(index.expect("it was read"), expected)
            }
        }
    }

    /// The error of the cell that could not be read.
    fn explain<T>(&self, error: csv::Error) -> Result<T, Error> {
        if let csv::ErrorKind::Deserialize { err, .. } = error.kind()
            && let Some(field) = err.field()
        {
            let expected = match err.kind() {
                DeserializeErrorKind::ParseInt(_) => "a whole number",
                DeserializeErrorKind::ParseFloat(_) => "a number",
                _ => "what this column holds",
            };
            return self.refuse(field as usize, expected);
        }
        Err(csv_error(self.path)(error))
    }

    /// A whole number.
    ///
    /// # Errors
    /// If the cell holds none.
    pub fn count(&self, column: usize) -> Result<u64, Error> {
        self.record[column].parse().or_else(|_| self.refuse(column, "a whole number"))
    }

    fn number_or_nan(&self, column: usize) -> Result<f64, Error> {
        match &self.record[column] {
            "" => Ok(f64::NAN),
            text => match text.parse::<f64>() {
                Ok(value) => match crate::records::number("", value) {
                    Ok(()) => Ok(value),
                    Err(Problem { expected, .. }) => self.refuse(column, expected),
                },
                Err(_) => self.refuse(column, "a number"),
            },
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

fn csv_error(path: &Path) -> impl FnOnce(csv::Error) -> Error {
    let path = path.to_owned();
    move |reason| Error::Csv { path, reason }
}
