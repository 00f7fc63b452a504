//! `confusion.csv`: how many images of each true class (rows) were predicted as which (columns).

use std::path::Path;

use crate::Error;
use crate::folder::write_whole;
use crate::table::{Progress, Reader, open};

/// Longest `confusion.csv` that is read, in bytes: 256 classes have half of it.
const MOST_TABLE: u64 = 1 << 20;

/// The column with the names of the rows; the others are named by their class.
const TRUE_CLASS: &str = "true_class";

/// A confusion matrix.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Confusion {
    /// The names of the classes.
    pub classes: Vec<String>,
    /// `counts[t][p]`: how many images of class t were predicted as class p.
    pub counts: Vec<Vec<u64>>,
}

/// Two classes, and how often an image of the one was predicted as the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mixed {
    /// The true class.
    pub label: usize,
    /// The predicted class.
    pub prediction: usize,
    /// How many images.
    pub count: u64,
}

impl Confusion {
    /// Its name in a run's folder.
    pub const FILE: &'static str = "confusion.csv";

    /// Counts pairs of true class and predicted class.
    ///
    /// # Panics
    /// If there is no class of such a number.
    pub fn count(classes: &[String], pairs: impl IntoIterator<Item = (usize, usize)>) -> Confusion {
        let mut counts = vec![vec![0; classes.len()]; classes.len()];
        for (label, prediction) in pairs {
            counts[label][prediction] += 1;
        }
        Confusion { classes: classes.to_vec(), counts }
    }

    /// Reads a run's `confusion.csv`, if it has one.
    ///
    /// # Errors
    /// Names the file, the record and the column that are wrong.
    pub fn read(folder: &Path) -> Result<Option<Confusion>, Error> {
        let path = folder.join(Self::FILE);
        match path.try_exists() {
            Ok(false) => Ok(None),
            _ => Confusion::parse(&path, open(&path, Progress::Ended, MOST_TABLE)?).map(Some),
        }
    }

    fn parse(path: &Path, from: impl std::io::Read) -> Result<Confusion, Error> {
        let mut table = Reader::new(path, from, Progress::Ended)?;
        let label = table.column(TRUE_CLASS)?;
        let columns: Vec<usize> = (0..table.header.len()).filter(|&i| i != label).collect();
        let classes: Vec<_> = columns.iter().map(|&i| table.header[i].to_owned()).collect();
        let (mut labels, mut counts) = (vec![], vec![]);
        table.for_each(|row| {
            let count = |&column: &usize| match row.count(column)? {
                // More images than this are in no set, and sums stay far from the end of u64.
                count if count <= u64::from(u32::MAX) => Ok(count),
                _ => row.refuse(column, "a number of images"),
            };
            labels.push(row.record[label].to_owned());
            counts.push(columns.iter().map(count).collect::<Result<Vec<_>, _>>()?);
            Ok(())
        })?;
        if labels != classes {
            return Err(Error::Confusion {
                path: path.to_owned(),
                rows: labels.len(),
                columns: classes.len(),
            });
        }
        Ok(Confusion { classes, counts })
    }

    /// Writes it into the run's folder: a row for each true class, a column for each predicted one.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, folder: &Path) -> Result<(), Error> {
        let path = folder.join(Self::FILE);
        let mut csv = csv::Writer::from_writer(vec![]);
        let header = std::iter::once(TRUE_CLASS).chain(self.classes.iter().map(String::as_str));
        csv.write_record(header).map_err(Error::csv(&path))?;
        for record in self.classes.iter().zip(&self.counts) {
            csv.serialize(record).map_err(Error::csv(&path))?;
        }
        write_whole(&path, &csv.into_inner().expect("a vector takes all"))
    }

    /// How many images of a class there are.
    pub fn images(&self, label: usize) -> u64 {
        self.counts[label].iter().sum()
    }

    /// How many images there are in all.
    pub fn total(&self) -> u64 {
        (0..self.classes.len()).map(|label| self.images(label)).sum()
    }

    /// How many images were predicted as a class.
    pub fn predicted(&self, class: usize) -> u64 {
        self.counts.iter().map(|row| row[class]).sum()
    }

    /// The share of a class that was predicted as such, its recall; NaN for a class without images.
    pub fn recall(&self, class: usize) -> f64 {
        self.counts[class][class] as f64 / self.images(class) as f64
    }

    /// The share of what was predicted as a class that is of it, its precision; NaN if nothing was.
    pub fn precision(&self, class: usize) -> f64 {
        self.counts[class][class] as f64 / self.predicted(class) as f64
    }

    /// The `n` most frequent mistakes, the most frequent first.
    pub fn most_mixed(&self, n: usize) -> Vec<Mixed> {
        let mut mixed = Vec::new();
        for (label, row) in self.counts.iter().enumerate() {
            for (prediction, &count) in row.iter().enumerate() {
                if label != prediction && count > 0 {
                    mixed.push(Mixed { label, prediction, count });
                }
            }
        }
        mixed.sort_by_key(|mixed| std::cmp::Reverse(mixed.count));
        mixed.truncate(n);
        mixed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Confusion, String> {
        Confusion::parse(Path::new("confusion.csv"), text.as_bytes()).map_err(|e| e.to_string())
    }

    #[test]
    fn shares_of_three_classes_worked_out_by_hand() {
        let confusion = parse("true_class,a,b,c\na,6,3,1\nb,0,5,0\nc,4,2,0\n").unwrap();
        assert_eq!((confusion.total(), confusion.images(2), confusion.predicted(0)), (21, 6, 10));
        assert_eq!(
            (confusion.recall(0), confusion.recall(1), confusion.recall(2)),
            (0.6, 1.0, 0.0)
        );
        assert_eq!((confusion.precision(0), confusion.precision(1)), (0.6, 0.5));
        let mixed: Vec<_> = confusion.most_mixed(2);
        assert_eq!(mixed[0], Mixed { label: 2, prediction: 0, count: 4 });
        assert_eq!(mixed[1], Mixed { label: 0, prediction: 1, count: 3 });
    }

    #[test]
    fn a_matrix_whose_rows_are_not_its_columns_is_refused() {
        assert_eq!(
            parse("true_class,a,b\na,1,2\n").unwrap_err(),
            "confusion.csv: its 1 rows are not the classes of its 2 columns; was the file cut short?"
        );
        let error = parse("true_class,a,b\na,1,2\nb,x,4\n").unwrap_err();
        assert_eq!(
            error,
            "confusion.csv, record 2 (line 3), column `a`: `x` is not a whole number"
        );
        assert!(parse("true_class,a,b\nb,1,2\na,1,4\n").is_err());
        assert!(parse("true_class,a\na,18446744073709551615\n").is_err());
    }
}
