//! Which classes are taken for which: counts by true class (rows) and predicted class (columns).

use std::io::Read;
use std::path::Path;

use chainrule_data::file;

use crate::Error;
use crate::table::Table;

/// Longest `confusion.csv` that is read, in bytes: 256 classes have half of it.
const MOST_TABLE: u64 = 1 << 20;

/// A confusion matrix.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Confusion {
    /// The names of the classes.
    pub classes: Vec<String>,
    /// `counts[t][p]`: how many images of class t were taken for class p.
    pub counts: Vec<Vec<u64>>,
}

/// Two classes, and how often the one was taken for the other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Mixed {
    pub(crate) label: usize,
    pub(crate) prediction: usize,
    pub(crate) count: u64,
}

impl Confusion {
    /// Reads a run's `confusion.csv`, if it has one.
    ///
    /// # Errors
    /// Names the file, the record and the column that are wrong.
    pub fn read(folder: &Path) -> Result<Option<Confusion>, Error> {
        let path = folder.join("confusion.csv");
        match file::open(&path) {
            Ok((_, length)) if length > MOST_TABLE => {
                Err(Error::TooLarge { path, length, most: MOST_TABLE })
            }
            Ok((file, _)) => Confusion::parse(&path, file.take(MOST_TABLE)).map(Some),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::read(&path)(error)),
        }
    }

    fn parse(path: &Path, from: impl Read) -> Result<Confusion, Error> {
        let table = Table::new(path, from, true)?;
        let label = table.need("true_class")?;
        let columns: Vec<_> =
            table.columns().into_iter().filter(|column| column.name != label.name).collect();
        let rows = table.rows(|row| {
            let counts = columns.iter().map(|column| match row.count(column)? {
                // More images than this are in no set, and sums stay far from the end of u64.
                count if count <= u64::from(u32::MAX) => Ok(count),
                _ => row.refuse(column, "a number of images"),
            });
            Ok((row.text(&label).to_owned(), counts.collect::<Result<Vec<_>, _>>()?))
        })?;
        let (labels, counts): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
        let classes: Vec<_> = columns.into_iter().map(|column| column.name).collect();
        if labels != classes {
            return Err(Error::Confusion {
                path: path.to_owned(),
                rows: labels.len(),
                columns: classes.len(),
            });
        }
        Ok(Confusion { classes, counts })
    }

    /// How many images of a class there are.
    pub(crate) fn images(&self, label: usize) -> u64 {
        self.counts[label].iter().sum()
    }

    /// How many images there are in all.
    pub(crate) fn total(&self) -> u64 {
        (0..self.classes.len()).map(|label| self.images(label)).sum()
    }

    /// How many images were taken for a class.
    pub(crate) fn predicted(&self, class: usize) -> u64 {
        self.counts.iter().map(|row| row[class]).sum()
    }

    /// The share of a class that was recognized, its recall; NaN for a class without images.
    pub(crate) fn recall(&self, class: usize) -> f64 {
        self.counts[class][class] as f64 / self.images(class) as f64
    }

    /// The share of what was taken for a class that was of it, its precision; NaN if nothing was.
    pub(crate) fn precision(&self, class: usize) -> f64 {
        self.counts[class][class] as f64 / self.predicted(class) as f64
    }

    /// The `n` most frequent mistakes, the most frequent first.
    pub(crate) fn most_mixed(&self, n: usize) -> Vec<Mixed> {
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
