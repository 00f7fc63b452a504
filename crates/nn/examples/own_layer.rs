//! A layer of one's own, forward and backward side by side, and its gradient check: Swish with a
//! trained slope,
//!
//! ```text
//! forward    s = σ(β z),  a = z s                 z, a: (rows, units); β: (units)
//! backward   dz = da (s + β z s (1 - s))
//!            dβ = Σ over the rows of da z² s (1 - s)
//! ```
//!
//! of Ramachandran, Zoph & Le 2017, "Searching for activation functions".
//!
//! ```text
//! cargo run --release --package chainrule-nn --example own_layer
//! ```

use chainrule_nn::gradcheck::{self, Row};
use chainrule_nn::init::Normal;

/// Swish with a slope β for each unit.
struct Swish {
    /// β, (units).
    slope: Vec<f64>,
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

impl Swish {
    /// a, (rows, units), of z, row-major.
    fn forward(&self, z: &[f64]) -> Vec<f64> {
        let slopes = self.slope.iter().cycle();
        z.iter().zip(slopes).map(|(&z, &slope)| z * sigmoid(slope * z)).collect()
    }

    /// (dz, dβ) from ∂L/∂a.
    fn backward(&self, z: &[f64], da: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let units = self.slope.len();
        let (mut dz, mut d_slope) = (vec![0.0; z.len()], vec![0.0; units]);
        for (i, (&z, &da)) in z.iter().zip(da).enumerate() {
            let slope = self.slope[i % units];
            let s = sigmoid(slope * z);
            dz[i] = da * (s + slope * z * s * (1.0 - s));
            d_slope[i % units] += da * z * z * s * (1.0 - s);
        }
        (dz, d_slope)
    }
}

/// Checks both derivatives of L = Σ c a, whose ∂L/∂a is c, at random numbers.
fn check() -> [Row; 2] {
    let (rows, units) = (7, 5);
    let mut normal = Normal::new(1);
    let mut numbers = |n: usize| -> Vec<f64> { (0..n).map(|_| normal.draw()).collect() };
    let (z, c, slope) = (numbers(rows * units), numbers(rows * units), numbers(units));
    let loss = |z: &[f64], slope: &[f64]| -> f64 {
        let a = Swish { slope: slope.to_vec() }.forward(z);
        a.iter().zip(&c).map(|(a, c)| c * a).sum()
    };
    let (dz, d_slope) = Swish { slope: slope.clone() }.backward(&z, &c);
    [
        gradcheck::check("swish", "input", &z, &dz, |z| loss(z, &slope)),
        gradcheck::check("swish", "slope", &slope, &d_slope, |slope| loss(&z, slope)),
    ]
}

fn main() {
    for row in check() {
        let Row { layer, parameter, worst_relative_error, checked, passed, .. } = row;
        let verdict = if passed { "agrees" } else { "DIFFERS" };
        println!(
            "{layer} {parameter}: {checked} derivatives, worst {worst_relative_error:.1e}, {verdict}"
        );
    }
}

#[test]
fn both_derivatives_agree_with_their_differences() {
    main();
    for row in check() {
        assert!(row.passed, "{row:?}");
    }
}
