//! Numbers of bytes as flags and messages have them.

use std::fmt;
use std::str::FromStr;

/// A number of bytes, written as Kubernetes writes quantities: `1048576`, `1Mi`, `500M`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

/// Suffixes, the binary ones first and largest first, so that `Display` finds the one that divides exactly.
const UNITS: [(&str, u64); 8] = [
    ("Ti", 1 << 40),
    ("Gi", 1 << 30),
    ("Mi", 1 << 20),
    ("Ki", 1 << 10),
    ("T", 1_000_000_000_000),
    ("G", 1_000_000_000),
    ("M", 1_000_000),
    ("k", 1_000),
];

/// A number of bytes that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ByteSizeError {
    /// No number, or a suffix that is none of ours.
    #[error("`{0}` is no size; write a whole number of bytes, or one with Ki, Mi, Gi, Ti, k, M, G or T, such as 512Mi")]
    NoSize(String),
    /// More than 64 bits hold.
    #[error("`{0}` is larger than any size this program can count")]
    TooLarge(String),
}

impl FromStr for ByteSize {
    type Err = ByteSizeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let trimmed = text.trim();
        let (digits, unit) = UNITS
            .iter()
            .find_map(|(suffix, unit)| trimmed.strip_suffix(suffix).map(|digits| (digits, *unit)))
            .unwrap_or((trimmed, 1));
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(ByteSizeError::NoSize(text.to_owned()));
        }
        digits
            .parse::<u64>()
            .ok()
            .and_then(|number| number.checked_mul(unit))
            .map(Self)
            .ok_or_else(|| ByteSizeError::TooLarge(text.to_owned()))
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exact = UNITS[..4].iter().find(|(_, unit)| self.0 >= *unit && self.0.is_multiple_of(*unit));
        match exact {
            Some((suffix, unit)) => write!(f, "{} {suffix}B", self.0 / unit),
            None => write!(f, "{} bytes", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_as_kubernetes_writes_them() {
        for (text, bytes) in [
            ("0", 0),
            ("1048576", 1 << 20),
            ("64Ki", 64 << 10),
            ("2Gi", 2 << 30),
            ("3k", 3_000),
            ("5M", 5_000_000),
            (" 7G ", 7_000_000_000),
            ("1Ti", 1 << 40),
        ] {
            assert_eq!(text.parse(), Ok(ByteSize(bytes)), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for text in ["", "Mi", "-1", "1.5Gi", "1GB", "1 Gi", "0x10", "ten", "99999999999999999999", "99999999999Ti"] {
            assert!(text.parse::<ByteSize>().is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_show_in_their_largest_exact_unit() {
        assert_eq!(ByteSize(2 << 30).to_string(), "2 GiB");
        assert_eq!(ByteSize(1536).to_string(), "1536 bytes");
        assert_eq!(ByteSize(65536).to_string(), "64 KiB");
    }
}
