//! Elementwise loops and sums: what hidden units compute, and what is summed over a layer.

use crate::Scalar;
use crate::isa::{Isa, for_each_isa};

for_each_isa! {
    /// `sum += term`, element by element.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn add_assign<T: Scalar>(sum: &mut [T], term: &[T]) {
        assert_eq!(sum.len(), term.len());
        for (s, &t) in sum.iter_mut().zip(term) {
            *s += t;
        }
    }
}

for_each_isa! {
    /// `a = max(z + bias, 0)` for each row of `z` (rows x bias.len()), in place.
    ///
    /// # Panics
    /// If `z` is not made of whole rows.
    pub fn add_bias_relu<T: Scalar>(z: &mut [T], bias: &[T]) {
        assert!(bias.is_empty() && z.is_empty() || z.len().is_multiple_of(bias.len()));
        for row in z.chunks_exact_mut(bias.len().max(1)) {
            for (a, &b) in row.iter_mut().zip(bias) {
                let sum = *a + b;
                // `max` would turn a NaN into 0 and hide it.
                *a = if sum <= T::ZERO { T::ZERO } else { sum };
            }
        }
    }
}

for_each_isa! {
    /// The derivative of ReLU: `gradient` stays where the activation is positive, else is 0.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn relu_backward<T: Scalar>(gradient: &mut [T], activation: &[T]) {
        assert_eq!(gradient.len(), activation.len());
        for (g, &a) in gradient.iter_mut().zip(activation) {
            *g = if a > T::ZERO { *g } else { T::ZERO };
        }
    }
}

/// A function of one number and its derivative, to be applied to many.
pub trait Function: Copy {
    /// f(y) and f'(y). Marked `#[inline(always)]` and without a branch it becomes vectors.
    fn value_and_derivative<T: Scalar>(self, y: T) -> (T, T);
}

for_each_isa! {
    /// `y = f(y)`, element by element.
    pub fn apply<T: Scalar, F: Function>(y: &mut [T], f: F) {
        for y in y {
            *y = f.value_and_derivative(*y).0;
        }
    }
}

for_each_isa! {
    /// `y = f(y)` and `derivative = f'(y)`, element by element.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn apply_with_derivative<T: Scalar, F: Function>(y: &mut [T], derivative: &mut [T], f: F) {
        assert_eq!(y.len(), derivative.len());
        for (y, derivative) in y.iter_mut().zip(derivative) {
            (*y, *derivative) = f.value_and_derivative(*y);
        }
    }
}

for_each_isa! {
    /// `x = e^x`, element by element.
    pub fn exp<T: Scalar>(x: &mut [T]) {
        for x in x {
            *x = x.exp();
        }
    }
}

for_each_isa! {
    /// `x *= factor`, element by element.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn multiply<T: Scalar>(x: &mut [T], factor: &[T]) {
        assert_eq!(x.len(), factor.len());
        for (x, &factor) in x.iter_mut().zip(factor) {
            *x *= factor;
        }
    }
}

/// Independent sums that run side by side in [`SumOfSquares`]: four vectors of AVX-512, so that
/// no addition has to wait for the one before it.
pub(crate) const LANES: usize = 64;

/// Parts whose lanes are summed side by side, for the same reason.
const PARTS: usize = 8;

/// Σ x² of the parts of a tensor, one after the other: of each part in `T`, in 64 interleaved lanes, and
/// of the parts in `f64`. So it is the same bits on every ISA.
#[derive(Clone, Debug)]
pub struct SumOfSquares<T> {
    /// Of the last parts, whose lanes are not summed yet.
    lanes: [[T; LANES]; PARTS],
    waiting: usize,
    total: f64,
}

impl<T: Scalar> Default for SumOfSquares<T> {
    fn default() -> Self {
        Self { lanes: [[T::ZERO; LANES]; PARTS], waiting: 0, total: 0.0 }
    }
}

impl<T: Scalar> SumOfSquares<T> {
    /// Adds the next part.
    pub fn add(&mut self, isa: Isa, x: &[T]) {
        squares_in_lanes(isa, x, self.next_part());
    }

    /// The lanes of the next part, for its sums to be written to.
    pub(crate) fn next_part(&mut self) -> &mut [T; LANES] {
        if self.waiting == PARTS {
            self.sum_lanes();
        }
        self.waiting += 1;
        &mut self.lanes[self.waiting - 1]
    }

    /// The sum over all parts so far.
    pub fn total(&mut self) -> f64 {
        self.sum_lanes();
        self.total
    }

    /// Begins anew: no part yet.
    pub fn clear(&mut self) {
        (self.waiting, self.total) = (0, 0.0);
    }

    fn sum_lanes(&mut self) {
        let mut sums = [T::ZERO; PARTS];
        for lane in 0..LANES {
            for (sum, lanes) in sums.iter_mut().zip(&self.lanes) {
                *sum += lanes[lane];
            }
        }
        sums[..self.waiting].iter().for_each(|sum| self.total += sum.to_f64());
        self.waiting = 0;
    }
}

for_each_isa! {
    /// Σ x² in interleaved lanes, which are overwritten.
    fn squares_in_lanes<T: Scalar>(x: &[T], lanes: &mut [T; LANES]) {
        // The sums stay in registers.
        let to = lanes;
        let mut lanes = [T::ZERO; LANES];
        let chunks = x.chunks_exact(LANES);
        let tail = chunks.remainder();
        for chunk in chunks {
            for (lane, &x) in lanes.iter_mut().zip(chunk) {
                *lane += x * x;
            }
        }
        for (lane, &x) in lanes.iter_mut().zip(tail) {
            *lane += x * x;
        }
        *to = lanes;
    }
}

/// Independent sums in [`sum_of_squares_in_f64`]: four vectors of AVX-512.
const WIDE_LANES: usize = 32;

for_each_isa! {
    /// Σ x², squared and summed in `f64`: no square of an `f32` overflows there or becomes 0. The
    /// same bits on every ISA.
    pub fn sum_of_squares_in_f64<T: Scalar>(x: &[T]) -> f64 {
        let mut lanes = [0.0; WIDE_LANES];
        let chunks = x.chunks_exact(WIDE_LANES);
        let tail = chunks.remainder();
        for chunk in chunks {
            for (lane, &x) in lanes.iter_mut().zip(chunk) {
                *lane += x.to_f64() * x.to_f64();
            }
        }
        for (lane, &x) in lanes.iter_mut().zip(tail) {
            *lane += x.to_f64() * x.to_f64();
        }
        lanes.iter().sum()
    }
}

for_each_isa! {
    /// `x *= factor`, for each element.
    pub fn scale<T: Scalar>(x: &mut [T], factor: T) {
        for x in x {
            *x *= factor;
        }
    }
}

for_each_isa! {
    /// Whether every number is finite: none is infinite or NaN.
    pub fn all_finite<T: Scalar>(x: &[T]) -> bool {
        // No early end, so that the loop takes whole vectors: almost always all are.
        x.iter().fold(true, |all, x| all & x.is_finite())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relu_lets_a_nan_through() {
        for isa in Isa::available() {
            let mut z = [-1.0f32, 2.0, f32::NAN, -0.5];
            add_bias_relu(isa, &mut z, &[0.5, 0.5]);
            assert_eq!((z[0], z[1], z[3]), (0.0, 2.5, 0.0));
            assert!(z[2].is_nan(), "{isa}: a NaN must not become a quiet zero");
        }
    }

    #[test]
    fn every_isa_returns_the_same_bits() {
        let x: Vec<f32> = (0..1003).map(|i| ((i * 7919) % 1000) as f32 * 0.001 - 0.5).collect();
        let run = |isa| {
            let mut z = x[..1000].to_vec();
            add_bias_relu(isa, &mut z, &x[..50]);
            scale(isa, &mut z, 0.3);
            let mut squares = SumOfSquares::default();
            (0..20).for_each(|part| squares.add(isa, &x[part * 50..]));
            (z, squares.total(), sum_of_squares_in_f64(isa, &x))
        };
        for isa in Isa::available() {
            assert_eq!(run(isa), run(Isa::PORTABLE), "{isa}");
        }
    }

    #[test]
    fn any_number_of_parts_is_summed_in_order() {
        for parts in [0, 1, PARTS - 1, PARTS, PARTS + 1, 3 * PARTS + 2] {
            let (mut squares, mut want) = (SumOfSquares::default(), 0.0);
            for part in 0..parts {
                let x: Vec<f32> = (0..70 + part).map(|i| (i * part) as f32 * 0.37).collect();
                squares.add(Isa::best(), &x);
                let lane = |lane| x.iter().skip(lane).step_by(LANES).map(|x| x * x).sum::<f32>();
                want += f64::from((0..LANES).map(lane).sum::<f32>());
            }
            assert_eq!(squares.total(), want, "{parts} parts");
        }
    }

    #[test]
    fn squares_beyond_the_range_of_f32_are_summed_all_the_same() {
        for isa in Isa::available() {
            let sum = sum_of_squares_in_f64(isa, &[1e30f32; 100]);
            assert!((sum / 1e62 - 1.0).abs() < 1e-6, "{isa}: {sum}");
            let sum = sum_of_squares_in_f64(isa, &[1e-30f32; 3]);
            assert!((sum / 3e-60 - 1.0).abs() < 1e-6, "{isa}: {sum}");
        }
    }

    #[test]
    fn one_infinity_or_nan_is_seen_wherever_it_stands() {
        for isa in Isa::available() {
            for n in [0, 1, 15, 16, 17, 33] {
                assert!(all_finite(isa, &vec![f32::MAX; n]), "{isa}, {n} numbers");
                for at in 0..n {
                    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                        let mut x = vec![-1.0; n];
                        x[at] = bad;
                        assert!(!all_finite(isa, &x), "{isa}: {bad} at {at} of {n}");
                    }
                }
            }
        }
    }
}
