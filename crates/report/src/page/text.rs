//! Text and numbers as the page writes them.

pub(super) use crate::chart::escape;
use crate::chart::grouped;

/// A share from 0 to 1 in per cent: 53.96 %, with a space that does not break.
pub(super) fn percent(share: f64, decimals: usize) -> String {
    match share.is_finite() {
        true => format!("{:.decimals$}\u{a0}%", 100.0 * share),
        false => "–".into(),
    }
}

/// A count: 10,000.
pub(super) fn count(n: u64) -> String {
    grouped(&n.to_string())
}

/// Seconds as a duration: 6.3 s, 2 min 5 s, 3 h 20 min.
pub(super) fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        _ if !seconds.is_finite() => "–".into(),
        0..100 => format!("{seconds:.1}\u{a0}s"),
        100..7200 => format!("{}\u{a0}min {}\u{a0}s", whole / 60, whole % 60),
        _ => format!("{}\u{a0}h {}\u{a0}min", whole / 3600, whole % 3600 / 60),
    }
}

/// A measured number to four digits: 1.302, 0.02, 1.25e-5. The script of the page writes numbers
/// alike.
pub(super) fn number(value: f64) -> String {
    if value == 0.0 {
        return "0".into();
    }
    if !value.is_finite() {
        return "–".into();
    }
    let scientific = format!("{value:.3e}");
    let exponent = scientific.split('e').nth(1).and_then(|digits| digits.parse().ok());
    match exponent {
        Some(exponent @ -3..=4) => format!("{value:.*}", (3_i32 - exponent).max(0) as usize),
        _ => format!("{value:.2e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_four_digits_wherever_the_point_stands() {
        let texts = [2.345_678, 0.02, 123.456, 9.99996, 0.001_234_5, 1.25e-5, -12_345.6, 1e9, 0.0]
            .map(number);
        let expected =
            ["2.346", "0.02000", "123.5", "10.00", "0.001234", "1.25e-5", "-12346", "1.00e9", "0"];
        assert_eq!(texts, expected);
        assert_eq!(number(f64::NAN), "–");
    }

    #[test]
    fn a_duration_reads_as_a_person_says_it() {
        let texts = [0.04, 6.26, 99.4, 125.0, 7199.0, 12_000.0].map(duration);
        let texts = texts.map(|text| text.replace('\u{a0}', " "));
        let expected = ["0.0 s", "6.3 s", "99.4 s", "2 min 5 s", "119 min 59 s", "3 h 20 min"];
        assert_eq!(texts, expected);
    }
}
