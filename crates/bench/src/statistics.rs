//! Medians and quartiles.

/// Minimum, lower quartile, median, upper quartile, maximum; between two values in proportion.
pub fn five_numbers(values: &[f64]) -> [f64; 5] {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().saturating_sub(1);
    [0.0, 0.25, 0.5, 0.75, 1.0].map(|share| {
        let position = share * last as f64;
        let (low, high) = (position.floor() as usize, position.ceil() as usize);
        match (sorted.get(low), sorted.get(high)) {
            (Some(a), Some(b)) if a == b => *a,
            (Some(a), Some(b)) => a + (b - a) * (position - position.floor()),
            _ => f64::NAN,
        }
    })
}

/// The middle value; between two, their mean.
pub fn median(values: &[f64]) -> f64 {
    five_numbers(values)[2]
}

/// Each value divided by the reference's of the same round.
pub fn ratios(values: &[f64], reference: &[f64]) -> Vec<f64> {
    values.iter().zip(reference).map(|(value, reference)| value / reference).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_lie_between_the_values_in_proportion() {
        assert_eq!(five_numbers(&[5.0, 1.0, 4.0, 2.0, 3.0]), [1.0, 2.0, 3.0, 4.0, 5.0]);
        assert_eq!(five_numbers(&[2.0, 1.0]), [1.0, 1.25, 1.5, 1.75, 2.0]);
        assert_eq!(five_numbers(&[7.0]), [7.0; 5]);
    }

    #[test]
    fn a_run_that_never_got_there_counts_as_the_slowest() {
        assert_eq!(median(&[3.0, f64::INFINITY, 1.0]), 3.0);
        assert_eq!(median(&[1.0, f64::INFINITY, f64::INFINITY]), f64::INFINITY);
        assert_eq!(median(&[f64::INFINITY; 2]), f64::INFINITY);
    }
}
