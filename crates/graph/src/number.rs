//! Numbers as a reader wants them: `1.88e-12`, not `0.00`; and as people paste them.

/// The minus of the keyboard, the minus sign and the en dash, which pasted text has.
pub(crate) fn is_minus(c: char) -> bool {
    matches!(c, '-' | '−' | '–')
}

/// A number for a label: four significant digits, no trailing zeros, an
/// exponent where plain notation would be long. What only looks like an integer
/// because of the rounding is marked: 0.9999999999981 gives `≈1`.
#[must_use]
pub fn short(value: f64) -> String {
    rounded(value, 4)
}

/// At most `digits` significant digits, marked with ≈ where the rounding has
/// made an integer of what isn't one. A float within a few bits of the integer
/// passes for it: that much any computation may be off.
#[must_use]
pub fn rounded(value: f64, digits: usize) -> String {
    let text = significant(value, digits);
    let shown: f64 = text.parse().unwrap_or(value);
    let apart = (shown - value).abs() > 4.0 * f64::EPSILON * shown.abs();
    if apart && shown.fract() == 0.0 && !text.contains('e') { format!("≈{text}") } else { text }
}

/// A number of a formula, as it was most likely written.
#[must_use]
pub fn constant(value: f64) -> String {
    if value == std::f64::consts::PI {
        "π".into()
    } else if value == std::f64::consts::E {
        "e".into()
    } else {
        significant(value, 6)
    }
}

/// At most `digits` significant digits, rounded; trailing zeros removed; an
/// exponent outside of 1e-4 to 1e6.
#[must_use]
pub fn significant(value: f64, digits: usize) -> String {
    if value.is_nan() {
        return "NaN".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { "inf".into() } else { "-inf".into() };
    }
    if value == 0.0 {
        return "0".into();
    }
    let digits = digits.max(1);
    // The exponent after rounding: 9.9996 is 1.000e1 to four digits.
    let scientific = format!("{value:.*e}", digits - 1);
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..6).contains(&exponent) {
        let decimals = (digits as i32 - 1 - exponent).max(0) as usize;
        return without_trailing_zeros(&format!("{value:.decimals$}")).into();
    }
    format!("{}e{exponent}", without_trailing_zeros(mantissa))
}

/// Every digit that it takes to get the same float back, with an exponent
/// where plain notation would be long.
#[must_use]
pub fn exact(value: f64) -> String {
    let magnitude = value.abs();
    if !value.is_finite() {
        significant(value, 1)
    } else if magnitude == 0.0 {
        "0".into()
    } else if (1e-4..1e15).contains(&magnitude) {
        format!("{value}")
    } else {
        format!("{value:e}")
    }
}

/// A number that was written as text, in LaTeX: `1.5 \cdot 10^{-12}`.
pub(crate) fn in_latex(text: &str) -> String {
    match text {
        "π" => r"\pi".into(),
        "inf" => r"\infty".into(),
        "-inf" => r"-\infty".into(),
        "NaN" => r"\mathrm{NaN}".into(),
        "e" => "e".into(),
        text => match text.split_once('e') {
            Some(("1", exponent)) => format!("10^{{{exponent}}}"),
            Some((mantissa, exponent)) => format!(r"{mantissa} \cdot 10^{{{exponent}}}"),
            None => text.to_owned(),
        },
    }
}

fn without_trailing_zeros(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_and_large_numbers_stay_readable() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "0"),
            (3.0, "3"),
            (-0.25, "-0.25"),
            (0.5, "0.5"),
            (1.503623e-11, "1.504e-11"),
            (2.0 / 3.0, "0.6667"),
            (-1.0 / 3.0, "-0.3333"),
            (0.00012346, "0.0001235"),
            (123456.0, "123456"),
            (1234567.0, "1.235e6"),
            (1e300, "1e300"),
            (9.99996, "≈10"),
            (1.0000000000018795, "≈1"),
            (-0.9999999, "≈-1"),
            (-0.9999999999999998, "-1"),
            (f64::NEG_INFINITY, "-inf"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(short(value), text);
        }
    }

    #[test]
    fn an_exact_number_reads_back_as_the_same_float() {
        for value in [0.1, 1.0 / 3.0, 1.879528816532e-12, -1e300, 5e-324, 0.9999999999981204] {
            assert_eq!(exact(value).parse::<f64>().unwrap(), value);
        }
    }
}
