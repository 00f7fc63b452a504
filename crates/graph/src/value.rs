//! Values with a shape: rows and columns on a raw `Vec<f64>`, row by row.
//!
//! A scalar is 1x1. Shapes broadcast as in numpy: two lengths fit if they are
//! equal or one of them is 1.

use std::fmt;

/// Rows and columns of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    /// How many rows.
    pub rows: u32,
    /// How many columns.
    pub columns: u32,
}

impl Shape {
    /// One row and one column.
    pub const SCALAR: Shape = Shape { rows: 1, columns: 1 };

    /// A shape.
    #[must_use]
    pub const fn new(rows: u32, columns: u32) -> Self {
        Shape { rows, columns }
    }

    /// Whether it is 1x1.
    #[must_use]
    pub const fn is_scalar(self) -> bool {
        self.rows == 1 && self.columns == 1
    }

    /// Rows times columns.
    #[must_use]
    pub const fn elements(self) -> usize {
        self.rows as usize * self.columns as usize
    }

    /// With rows and columns exchanged.
    #[must_use]
    pub const fn transposed(self) -> Self {
        Shape { rows: self.columns, columns: self.rows }
    }

    /// The shape that two values have together in an element-wise operation;
    /// none if they don't fit.
    #[must_use]
    pub fn broadcast(self, other: Shape) -> Option<Shape> {
        let common = |a: u32, b: u32| match (a, b) {
            (a, b) if a == b => Some(a),
            (1, b) => Some(b),
            (a, 1) => Some(a),
            _ => None,
        };
        let rows = common(self.rows, other.rows)?;
        let columns = common(self.columns, other.columns)?;
        Some(Shape { rows, columns })
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.rows, self.columns)
    }
}

/// Numbers with a shape.
#[derive(Clone, Debug, PartialEq)]
pub struct Value {
    shape: Shape,
    numbers: Vec<f64>,
}

impl Value {
    /// `numbers` row by row.
    ///
    /// # Panics
    /// If there aren't rows times columns of them.
    #[must_use]
    pub fn new(shape: Shape, numbers: Vec<f64>) -> Self {
        assert_eq!(shape.elements(), numbers.len(), "a value of {shape} has that many numbers");
        Value { shape, numbers }
    }

    /// Its rows and columns.
    #[must_use]
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Its numbers, row by row.
    #[must_use]
    pub fn numbers(&self) -> &[f64] {
        &self.numbers
    }

    /// The same numbers with as many rows and columns as `shape`; none if there
    /// aren't as many numbers.
    #[must_use]
    pub fn reshaped(self, shape: Shape) -> Option<Value> {
        (shape.elements() == self.numbers.len()).then_some(Value { shape, ..self })
    }

    /// The value as the tape holds it.
    #[must_use]
    pub fn view(&self) -> View<'_> {
        View { shape: self.shape, numbers: &self.numbers }
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Value { shape: Shape::SCALAR, numbers: vec![number] }
    }
}

/// A value that lies on the tape.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct View<'a> {
    /// Its rows and columns.
    pub shape: Shape,
    /// Its numbers, row by row.
    pub numbers: &'a [f64],
}

impl View<'_> {
    /// The Euclidean norm: the root of the sum of squares.
    #[must_use]
    pub fn norm(&self) -> f64 {
        let largest = self.numbers.iter().fold(0.0, |most: f64, a| most.max(a.abs()));
        if largest == 0.0 || !largest.is_finite() {
            return self.numbers.iter().map(|a| a.abs()).sum();
        }
        let squares = self.numbers.iter().map(|a| (a / largest) * (a / largest));
        largest * squares.sum::<f64>().sqrt()
    }

    /// Whether every number is finite.
    #[must_use]
    pub fn is_finite(&self) -> bool {
        self.numbers.iter().all(|a| a.is_finite())
    }

    /// The number at a place of a shape that this value is broadcast to.
    pub(crate) fn at(&self, row: usize, column: usize) -> f64 {
        let row = if self.shape.rows == 1 { 0 } else { row };
        let column = if self.shape.columns == 1 { 0 } else { column };
        self.numbers[row * self.shape.columns as usize + column]
    }
}
