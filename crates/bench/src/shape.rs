//! A batch size and hidden widths, and their floating-point operations.

use std::fmt;
use std::str::FromStr;

use anyhow::Context;

use crate::images::{CLASSES, INPUTS};

/// A batch size and the widths of the hidden layers; written `128:512+256`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Images in a step.
    pub batch: usize,
    /// From the first hidden layer to the last.
    pub hidden: Vec<usize>,
}

impl Shape {
    /// This batch size with these widths.
    pub fn new(batch: usize, hidden: &[usize]) -> Shape {
        Shape { batch, hidden: hidden.to_vec() }
    }

    /// The hidden widths with `between` between them.
    pub fn widths(&self, between: &str) -> String {
        self.hidden.iter().map(usize::to_string).collect::<Vec<_>>().join(between)
    }

    /// Floating-point operations of the products in the forward and backward pass of one image, a
    /// multiply-add being two: Z = A W, dW = Aᵀ dZ and, but for the first layer, dA = dZ Wᵀ.
    pub fn flop_per_image(&self) -> f64 {
        let widths = [&[INPUTS], self.hidden.as_slice(), &[CLASSES]].concat();
        let layers = widths.windows(2).map(|pair| 2.0 * (pair[0] * pair[1]) as f64);
        layers.enumerate().map(|(l, product)| if l == 0 { 2.0 } else { 3.0 } * product).sum()
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.batch, self.widths("+"))
    }
}

impl FromStr for Shape {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Shape> {
        let parse = || {
            let (batch, hidden) = text.split_once(':')?;
            let positive = |text: &str| text.parse().ok().filter(|&n: &usize| n > 0);
            let hidden = hidden.split('+').map(positive).collect::<Option<_>>()?;
            Some(Shape { batch: positive(batch)?, hidden })
        };
        parse().context("expected a batch size and hidden widths, such as 64:100 or 128:512+256")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_is_read_as_it_is_written() {
        let shape: Shape = "128:512+256".parse().unwrap();
        assert_eq!(shape, Shape::new(128, &[512, 256]));
        assert_eq!(shape.to_string(), "128:512+256");
        for text in ["128", "128:512,256", "0:100", "64:0", "64:", "64:100+"] {
            assert!(text.parse::<Shape>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_first_layer_has_two_products_and_every_other_three() {
        // 3072 x 100 twice and 100 x 10 three times, two operations each: by hand.
        assert_eq!(Shape::new(1, &[100]).flop_per_image(), 1_234_800.0);
        assert_eq!(Shape::new(64, &[]).flop_per_image(), 122_880.0);
    }
}
