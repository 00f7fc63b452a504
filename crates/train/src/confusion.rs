//! Which classes are taken for which.

use std::path::Path;

use chainrule_nn::Evaluation;

use crate::Error;

/// `counts[t][p]`: how many images of class t were taken for class p.
pub fn matrix(evaluation: &Evaluation, labels: &[u8], classes: usize) -> Vec<Vec<u32>> {
    let mut counts = vec![vec![0; classes]; classes];
    for (&row, &prediction) in evaluation.rows.iter().zip(&evaluation.predictions) {
        counts[usize::from(labels[row as usize])][prediction as usize] += 1;
    }
    counts
}

/// Writes `confusion.csv`: a row for each true class, a column for each predicted one.
///
/// # Errors
/// If the file cannot be written.
pub fn write(path: &Path, counts: &[Vec<u32>], classes: &[String]) -> Result<(), Error> {
    let mut csv = csv::Writer::from_path(path).map_err(Error::csv(path))?;
    let header = std::iter::once("true_class").chain(classes.iter().map(String::as_str));
    csv.write_record(header).map_err(Error::csv(path))?;
    for (class, counts) in classes.iter().zip(counts) {
        let counts = counts.iter().map(u32::to_string);
        let record = std::iter::once(class.clone()).chain(counts);
        csv.write_record(record).map_err(Error::csv(path))?;
    }
    csv.flush().map_err(Error::file("write", path))
}
