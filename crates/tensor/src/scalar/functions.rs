//! The exponential function and the hyperbolic tangent of `f32`, as plain arithmetic.
//!
//! A compiler can't turn a call of the system's `expf` into vectors, and systems differ in its last
//! bit. These are a few additions and multiplications without a branch, after Cephes (Moshier
//! 1989, `expf.c` and `tanhf.c`), so that a loop over them runs on whole vectors and returns the
//! same bits everywhere.

/// 1.5·2²³: added to a number below 2²², it rounds that to an integer, which is then in the low
/// bits of the sum.
const ROUND: f32 = 12_582_912.0;

/// e^x, to within 2 units in the last place; 0 below -87.3, where the result would be subnormal.
///
/// x = n ln 2 + r with |r| ≤ ½ ln 2, and e^x = 2ⁿ e^r, the latter by a polynomial.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    // ln 2 in two parts: the first has so few digits that n times it is exact.
    const LN_2: (f32, f32) = (355.0 / 512.0, -2.121_944_4e-4);
    const LEAST: f32 = -87.336_54;
    const MOST: f32 = 88.722_83;
    let rounded = x * std::f32::consts::LOG2_E + ROUND;
    let n = rounded - ROUND;
    let r = x - n * LN_2.0 - n * LN_2.1;
    let p = 1.987_569_1e-4;
    let p = p * r + 1.398_199_9e-3;
    let p = p * r + 8.333_452e-3;
    let p = p * r + 4.166_579_6e-2;
    let p = p * r + 1.666_666_5e-1;
    let p = p * r + 0.5;
    let e_r = p * (r * r) + r + 1.0;
    // 2ⁿ in two factors, because 2¹²⁸ is none: the bits of an f32 have its exponent plus 127.
    let n = rounded.to_bits().wrapping_sub(ROUND.to_bits()) as i32;
    let power = |n: i32| f32::from_bits((n.wrapping_add(127) as u32) << 23);
    let y = e_r * power(n >> 1) * power(n.wrapping_sub(n >> 1));
    // Neither comparison holds for a NaN, of which y is one too.
    let y = if x < LEAST { 0.0 } else { y };
    if x > MOST { f32::INFINITY } else { y }
}

/// tanh x, to within 4 units in the last place.
#[inline(always)]
pub(super) fn tanh(x: f32) -> f32 {
    let z = x * x;
    let p = -5.704_988_7e-3;
    let p = p * z + 2.063_909_6e-2;
    let p = p * z - 5.373_971_5e-2;
    let p = p * z + 1.333_144_2e-1;
    let p = p * z - 3.333_328e-1;
    let near = p * z * x + x;
    let far = 1.0 - 2.0 / (exp(2.0 * x.abs()) + 1.0);
    let far = far.copysign(x);
    if x.abs() < 0.625 { near } else { far }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Distance in units in the last place of the right value, which `f64` knows.
    fn off(got: f32, want: f64) -> f64 {
        let exponent = (want as f32).abs().max(f32::MIN_POSITIVE).log2().floor();
        (f64::from(got) - want).abs() / f64::from((exponent - 23.0).exp2())
    }

    #[test]
    fn exp_is_right_to_two_units_in_the_last_place_wherever_it_is_normal() {
        let mut worst = 0.0f64;
        for i in -870_000..=887_000 {
            let x = i as f32 * 1e-4;
            worst = worst.max(off(exp(x), f64::from(x).exp()));
        }
        assert!(worst < 2.0, "{worst} units");
        assert_eq!((exp(0.0), exp(-0.0)), (1.0, 1.0));
    }

    #[test]
    fn exp_ends_in_zero_and_infinity_and_lets_a_nan_through() {
        assert_eq!((exp(-88.0), exp(-1e30), exp(f32::NEG_INFINITY)), (0.0, 0.0, 0.0));
        assert_eq!(
            (exp(88.8), exp(1e30), exp(f32::INFINITY)),
            (f32::INFINITY, f32::INFINITY, f32::INFINITY)
        );
        assert!(exp(88.72).is_finite() && exp(f32::NAN).is_nan());
    }

    #[test]
    fn tanh_is_right_to_four_units_in_the_last_place() {
        let mut worst = 0.0f64;
        for i in -100_000..=100_000 {
            let x = i as f32 * 1e-4;
            worst = worst.max(off(tanh(x), f64::from(x).tanh()));
        }
        assert!(worst < 4.0, "{worst} units");
        assert_eq!((tanh(1e30), tanh(-1e30), tanh(0.0)), (1.0, -1.0, 0.0));
        assert!(tanh(f32::NAN).is_nan());
    }
}
