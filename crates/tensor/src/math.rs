//! Elementary functions with the same bits on every machine.
//!
//! The methods of `f32` and `f64` (`exp`, `ln`, `powf`, `cos` and their like) call the system's
//! mathematics library, and systems differ in the last bit. All that decides a bit of training
//! calls this module instead; clippy refuses the methods (`clippy.toml`). `sqrt` and `mul_add` are
//! exactly rounded everywhere, and stay.
//!
//! The functions of `f64` are those of the crate `libm`, a translation of musl's into Rust, right to
//! within one unit in the last place. `exp` and `tanh` of `f32` are a few additions and
//! multiplications without a branch, after Cephes (Moshier 1989, `expf.c` and `tanhf.c`), so that
//! a loop over them runs on whole vectors.

/// e^x.
pub fn exp(x: f64) -> f64 {
    libm::exp(x)
}

/// The natural logarithm.
pub fn ln(x: f64) -> f64 {
    libm::log(x)
}

/// base^exponent.
pub fn pow(base: f64, exponent: f64) -> f64 {
    libm::pow(base, exponent)
}

/// Sine and cosine of an angle in radians.
pub fn sin_cos(angle: f64) -> (f64, f64) {
    libm::sincos(angle)
}

/// The cosine of an angle in radians.
pub fn cos(angle: f64) -> f64 {
    libm::cos(angle)
}

/// The hyperbolic tangent.
pub(crate) fn tanh(x: f64) -> f64 {
    libm::tanh(x)
}

/// The natural logarithm of an `f32`.
pub(crate) fn ln_f32(x: f32) -> f32 {
    libm::logf(x)
}

/// 1.5·2²³: added to a number below 2²², it rounds that to an integer, which is then in the low
/// bits of the sum.
const ROUND: f32 = 12_582_912.0;

/// e^x, to within 2 units in the last place; 0 below -87.3, where the result would be subnormal.
///
/// x = n ln 2 + r with |r| ≤ ½ ln 2, and e^x = 2ⁿ e^r, the latter by a polynomial.
#[inline(always)]
pub(crate) fn exp_f32(x: f32) -> f32 {
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
pub(crate) fn tanh_f32(x: f32) -> f32 {
    let z = x * x;
    let p = -5.704_988_7e-3;
    let p = p * z + 2.063_909_6e-2;
    let p = p * z - 5.373_971_5e-2;
    let p = p * z + 1.333_144_2e-1;
    let p = p * z - 3.333_328e-1;
    let near = p * z * x + x;
    let far = 1.0 - 2.0 / (exp_f32(2.0 * x.abs()) + 1.0);
    let far = far.copysign(x);
    if x.abs() < 0.625 { near } else { far }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_of_f64_are_right_to_one_unit_in_the_last_place() {
        // The right values are of mpmath 1.3, rounded from 40 digits.
        let values: [(f64, f64); 41] = [
            (exp(0.001), 1.0010005001667084),
            (exp(0.37), 1.4477346146633245),
            (exp(1.5), 4.4816890703380645),
            (exp(-7.25), 0.000710174388842549),
            (exp(88.0), 1.6516362549940018e+38),
            (exp(-700.0), 9.85967654375977e-305),
            (ln(1e-300), -690.7755278982137),
            (ln(1e-16), -36.841361487904734),
            (ln(0.3), -1.2039728043259361),
            (ln(0.999), -0.0010005003335835344),
            (ln(1.001), 0.0009995003330834232),
            (ln(7.5), 2.0149030205422647),
            (ln(10000000000.0), 23.025850929940457),
            (pow(0.9, 1.0), 0.9),
            (pow(0.9, 7.0), 0.4782969000000001),
            (pow(0.999, 12345.0), 4.324661796025634e-06),
            (pow(0.3, 2.5), 0.049295030175464945),
            (pow(1000000.0, 0.0033444816053511705), 1.0472898382363585),
            (pow(0.7, 0.0), 1.0),
            (pow(1e-09, 2.5), 3.16227766016838e-23),
            (sin_cos(1e-09).0, 1e-09),
            (sin_cos(1e-09).1, 1.0),
            (sin_cos(0.2).0, 0.19866933079506122),
            (sin_cos(0.2).1, 0.9800665778412416),
            (sin_cos(0.785).0, 0.706825181105366),
            (sin_cos(0.785).1, 0.7073882691671998),
            (sin_cos(1.6).0, 0.9995736030415051),
            (sin_cos(1.6).1, -0.029199522301288815),
            (sin_cos(3.0).0, 0.1411200080598672),
            (sin_cos(3.0).1, -0.9899924966004454),
            (sin_cos(6.2).0, -0.0830894028174964),
            (sin_cos(6.2).1, 0.9965420970232175),
            (sin_cos(-0.3).0, -0.29552020666133955),
            (sin_cos(-0.3).1, 0.955336489125606),
            (cos(0.2), 0.9800665778412416),
            (cos(3.1), -0.9991351502732795),
            (tanh(1e-05), 9.999999999666668e-06),
            (tanh(0.2), 0.197375320224904),
            (tanh(0.6), 0.5370495669980353),
            (tanh(-2.0), -0.9640275800758169),
            (tanh(30.0), 1.0),
        ];
        for (got, want) in values {
            assert!(got.to_bits().abs_diff(want.to_bits()) <= 1, "{got:e}, not {want:e}");
        }
    }

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
            worst = worst.max(off(exp_f32(x), f64::from(x).exp()));
        }
        assert!(worst < 2.0, "{worst} units");
        assert_eq!((exp_f32(0.0), exp_f32(-0.0)), (1.0, 1.0));
    }

    #[test]
    fn exp_ends_in_zero_and_infinity_and_lets_a_nan_through() {
        assert_eq!((exp_f32(-88.0), exp_f32(-1e30), exp_f32(f32::NEG_INFINITY)), (0.0, 0.0, 0.0));
        assert_eq!(
            (exp_f32(88.8), exp_f32(1e30), exp_f32(f32::INFINITY)),
            (f32::INFINITY, f32::INFINITY, f32::INFINITY)
        );
        assert!(exp_f32(88.72).is_finite() && exp_f32(f32::NAN).is_nan());
    }

    #[test]
    fn tanh_is_right_to_four_units_in_the_last_place() {
        let mut worst = 0.0f64;
        for i in -100_000..=100_000 {
            let x = i as f32 * 1e-4;
            worst = worst.max(off(tanh_f32(x), f64::from(x).tanh()));
        }
        assert!(worst < 4.0, "{worst} units");
        assert_eq!((tanh_f32(1e30), tanh_f32(-1e30), tanh_f32(0.0)), (1.0, -1.0, 0.0));
        assert!(tanh_f32(f32::NAN).is_nan());
    }
}
