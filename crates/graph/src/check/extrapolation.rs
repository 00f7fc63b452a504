//! Richardson's extrapolation of centered differences to a step of 0.
//!
//! With an error of a h² + b h⁴ + ..., two differences whose steps are in the
//! ratio r give one without the first term, two of those one without the second:
//!
//! ```text
//! T_k0 = D(h rᵏ)        T_kj = T_k(j-1) + (T_k(j-1) - T_(k-1)(j-1)) / (r^(-2j) - 1)
//! ```
//!
//! What a new column changes tells the error of the one before it. After C. J. F.
//! Ridders, "Accurate computation of F'(x) and F'(x) F''(x)", Advances in
//! Engineering Software 4 (1982).

/// A step over the one before it. No whole number of them makes a power of two,
/// so that no period of a function fits into all steps.
pub(super) const RATIO: f64 = 0.447;

/// The last row of the tableau.
#[derive(Default)]
pub(super) struct Extrapolation {
    row: Vec<f64>,
}

impl Extrapolation {
    /// Columns that are of use in 64-bit floats.
    const COLUMNS: usize = 7;

    /// Adds the difference of the next smaller step: the best value of its row
    /// and what that may be off by, from the second row on.
    pub fn add(&mut self, difference: f64) -> Option<(f64, f64)> {
        let mut row = vec![difference];
        let mut best: Option<(f64, f64)> = None;
        let mut factor = 1.0;
        for (column, &above) in self.row.iter().enumerate().take(Self::COLUMNS) {
            factor /= RATIO * RATIO;
            let last = row[column];
            let next = last + (last - above) / (factor - 1.0);
            let error = (next - last).abs().max((next - above).abs());
            row.push(next);
            if best.is_none_or(|(_, least)| error < least) {
                best = Some((next, error));
            }
        }
        self.row = row;
        best
    }
}
