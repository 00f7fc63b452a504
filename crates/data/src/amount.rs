//! An amount of memory, as people read it.

use std::fmt;

/// So many bytes, shown as bytes, MB or GB (powers of ten).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Amount(pub u64);

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.0 as f64;
        match self.0 {
            0..100_000 => write!(f, "{} bytes", self.0),
            100_000..100_000_000 => write!(f, "{:.1} MB", bytes / 1e6),
            _ => write!(f, "{:.1} GB", bytes / 1e9),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Amount;

    #[test]
    fn what_is_needed_and_what_is_free_are_never_both_zero() {
        assert_eq!(Amount(112).to_string(), "112 bytes");
        assert_eq!(Amount(11_126_248).to_string(), "11.1 MB");
        assert_eq!(Amount(99_999_999).to_string(), "100.0 MB");
        assert_eq!(Amount(100_000_000).to_string(), "0.1 GB");
        assert_eq!(Amount(24_000_000_000).to_string(), "24.0 GB");
    }
}
