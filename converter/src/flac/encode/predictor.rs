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

    /// How wide arithmetic has to be for samples of so many bits. None: so wide that every step has to be checked.
    pub fn width(&self, depth: u32) -> Option<Width> {
        let sum: u64 = self.coefficients().iter().map(|coefficient| u64::from(coefficient.unsigned_abs())).sum();
        let largest = 1_u64 << depth.saturating_sub(1);
        let product = sum * largest;
        if product < 1 << 31 {
            let fits = depth <= 16 && self.precision() <= 16;
            return Some(if fits { Width::Pairs } else { Width::Narrow });
        }
        ((product >> self.shift) + 1 + largest < (1 << 31) - 1).then_some(Width::Wide)
    }
}
