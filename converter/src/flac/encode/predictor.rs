//! A linear predictor as a subframe tells it (RFC 9639 §9.2.6).

use crate::flac::kernels::{MAX_ORDER, Width};

/// The most bits of a coefficient.
pub(super) const MAX_PRECISION: u32 = 15;
/// The most bits of a coefficient right of its point. The format has negative shifts, too, which are of no use.
pub(super) const MAX_SHIFT: u32 = 15;

/// A linear predictor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Predictor {
    pub order: usize,
    pub shift: u32,
    /// The first belongs to the sample just before.
    pub coefficients: [i32; MAX_ORDER],
}

impl Predictor {
    /// As many as the order says.
    pub fn coefficients(&self) -> &[i32] {
        self.coefficients.get(..self.order).unwrap_or(&self.coefficients)
    }

    /// Bits that each coefficient needs, its sign included.
    pub fn precision(&self) -> u32 {
        let bits = self.coefficients().iter().fold(0, |bits, coefficient| bits | (coefficient ^ coefficient >> 31));
        33 - bits.leading_zeros()
    }

    /// Without coefficients of 0 at its end. None: there are no others.
    pub fn trimmed(mut self) -> Option<Self> {
        let used = self.coefficients().iter().rposition(|coefficient| *coefficient != 0)?;
        self.order = used + 1;
        Some(self)
    }

    /// How wide arithmetic has to be for samples of so many bits. None: so wide that every step has to be checked, since
    /// a residual may have more than the 32 bits that it is allowed (RFC 9639 §9.2.7.3).
    pub fn width(&self, depth: u32) -> Option<Width> {
        let sum: u64 = self.coefficients().iter().map(|coefficient| u64::from(coefficient.unsigned_abs())).sum();
        let largest = 1_u64 << depth.saturating_sub(1);
        let product = sum * largest;
        if (product >> self.shift) + 1 + largest >= (1 << 31) - 1 {
            return None;
        }
        Some(match product {
            0x8000_0000.. => Width::Wide,
            _ if depth <= 16 && self.precision() <= 16 => Width::Pairs,
            _ => Width::Narrow,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn width(shift: u32, coefficients: &[i32], depth: u32) -> Option<Width> {
        let mut predictor = Predictor { order: coefficients.len(), shift, coefficients: [0; MAX_ORDER] };
        predictor.coefficients[..coefficients.len()].copy_from_slice(coefficients);
        predictor.width(depth)
    }

    #[test]
    fn a_residual_that_may_be_too_large_is_checked_however_small_the_products_are() {
        // Of two samples of -2^30 the second one's residual would be -2^31.
        assert_eq!(width(0, &[-1], 31), None);
        assert_eq!(width(0, &[-1, -1, -1], 30), None);
        assert_eq!(width(1, &[-1], 31), Some(Width::Narrow));
        assert_eq!(width(0, &[-1], 30), Some(Width::Narrow));
    }

    #[test]
    fn what_is_narrow_is_not_coded_widely() {
        assert_eq!(width(12, &[8000, -4000], 16), Some(Width::Pairs));
        assert_eq!(width(12, &[8000, -4000], 17), Some(Width::Narrow));
        assert_eq!(width(12, &[8000, -4000], 24), Some(Width::Wide));
    }
}
