//! Writing a table, one record at a time, and resuming one.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Read, Seek, SeekFrom};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use super::{Record, columns};
use crate::Error;

/// A table of a run's folder that is being written.
pub struct Table<R> {
    path: PathBuf,
    csv: csv::Writer<BufWriter<File>>,
    record: PhantomData<fn(R)>,
}

impl<R: Record> Table<R> {
    /// Creates the table of the run in `folder`, of a network of so many layers.
    ///
    /// # Errors
    /// If it is there already or cannot be written.
    pub fn create(folder: &Path, layers: usize) -> Result<Self, Error> {
        let path = Self::path(folder);
        let file = File::create_new(&path).map_err(Error::file("create", &path))?;
        let mut table = Self::of(path, file);
        let per_layer = R::PER_LAYER.into_iter();
        let per_layer = per_layer
            .flat_map(|suffix| (1..=layers).map(move |layer| format!("fc{layer}{suffix}")));
        let header = columns::<R>().iter().map(|column| column.to_string()).chain(per_layer);
        table.csv.write_record(header).map_err(Error::csv(&table.path))?;
        Ok(table)
    }

    /// Opens the table to continue after its first `length` bytes, the length that the checkpoint
    /// records. The rest, written by a killed process, is cut off.
    ///
    /// # Errors
    /// If it cannot be written, or no line ends there.
    pub fn cut_back(folder: &Path, length: u64) -> Result<Self, Error> {
        let path = Self::path(folder);
        let open = || -> std::io::Result<(File, bool)> {
            let mut file = OpenOptions::new().read(true).write(true).open(&path)?;
            // A link in a folder from elsewhere could shorten any file.
            let whole = path.symlink_metadata()?.is_file() && file.metadata()?.len() >= length;
            let mut last = [0];
            if whole && length > 0 {
                file.seek(SeekFrom::Start(length - 1))?;
                file.read_exact(&mut last)?;
            }
            Ok((file, last == [b'\n']))
        };
        let (mut file, fits) = open().map_err(Error::file("open", &path))?;
        if !fits {
            return Err(Error::OtherTable { path, length });
        }
        let cut = file.set_len(length).and_then(|()| file.seek(SeekFrom::End(0)));
        cut.map_err(Error::file("write", &path))?;
        Ok(Self::of(path, file))
    }

    fn of(path: PathBuf, file: File) -> Self {
        let csv = csv::WriterBuilder::new().has_headers(false).from_writer(BufWriter::new(file));
        Self { path, csv, record: PhantomData }
    }

    /// Writes a record and its columns per layer.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&mut self, record: &R, layers: &[f64]) -> Result<(), Error> {
        self.csv.serialize((record, layers)).map_err(Error::csv(&self.path))
    }

    /// Flushes all records to the system.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn flush(&mut self) -> Result<(), Error> {
        self.csv.flush().map_err(Error::file("write", &self.path))
    }

    /// Syncs all records to the disk and returns the table's length in bytes.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn sync(&mut self) -> Result<u64, Error> {
        self.flush()?;
        let file = self.csv.get_ref().get_ref();
        let length = file.sync_data().and_then(|()| file.metadata());
        Ok(length.map_err(Error::file("write", &self.path))?.len())
    }

    /// Writes a whole table at once.
    ///
    /// # Errors
    /// If it cannot be written; what was there before stays.
    pub fn write_all(folder: &Path, records: &[R]) -> Result<(), Error> {
        let path = Self::path(folder);
        let mut csv = csv::WriterBuilder::new().has_headers(false).from_writer(vec![]);
        csv.write_record(columns::<R>()).map_err(Error::csv(&path))?;
        for record in records {
            csv.serialize(record).map_err(Error::csv(&path))?;
        }
        let bytes = csv.into_inner().expect("a vector takes all");
        crate::folder::write_whole(&path, &bytes)
    }
}
