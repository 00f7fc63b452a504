//! Values that are drawn: small numbers of two digits, which can be copied by hand.

use crate::value::{Shape, Value};

/// Numbers from a standard normal distribution, rounded to two digits behind the
/// point. They depend on the seed, the name and the shape alone: another variable
/// in the formula changes nothing.
///
/// ```
/// use chainrule_graph::{Shape, random::normal};
///
/// let w = normal("W", Shape::new(2, 3), 0);
/// assert_eq!(w, normal("W", Shape::new(2, 3), 0));
/// assert_ne!(w, normal("V", Shape::new(2, 3), 0));
/// ```
#[must_use]
pub fn normal(name: &str, shape: Shape, seed: u64) -> Value {
    // FNV-1a of the name, then SplitMix64 (Steele, Lea and Flood, 2014).
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mut state = hash ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut uniform = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    };
    // Box and Muller: √(-2 log u) cos 2πv, with u in (0, 1].
    let mut number = || {
        let radius = (-2.0 * (1.0 - uniform()).ln()).sqrt();
        let number = radius * (std::f64::consts::TAU * uniform()).cos();
        (number * 100.0).round() / 100.0
    };
    Value::new(shape, (0..shape.elements()).map(|_| number()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drawn_numbers_have_the_moments_of_the_normal_distribution() {
        let drawn = normal("x", Shape::new(100, 100), 7);
        let mean = |power: i32| drawn.numbers().iter().map(|x| x.powi(power)).sum::<f64>() / 1e4;
        assert!(mean(1).abs() < 0.04 && (mean(2) - 1.0).abs() < 0.06, "{} {}", mean(1), mean(2));
        assert!((mean(4) - 3.0).abs() < 0.5, "{}", mean(4));
    }
}
