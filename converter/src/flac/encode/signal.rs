//! One signal of a block: a channel, or the middle or side of two.

use crate::flac::kernels::{Kernels, Survey};

/// The samples of a signal, and what was seen of them.
#[derive(Debug, Default)]
pub(super) struct Signal {
    pub samples: Vec<i32>,
    /// Bits of a sample, the wasted ones left out.
    pub depth: u32,
    /// Bits that are zero at the end of every sample (RFC 9639 §9.2.2).
    pub wasted: u32,
    /// All samples are the same.
    pub constant: bool,
    /// Bits that really hold every sample, its sign included and the wasted ones left out.
    pub used_depth: u32,
    /// The wasted bits are still in the samples.
    padded: bool,
}

impl Signal {
    /// Looks at the samples, which are there, of `depth` bits.
    pub fn survey(&mut self, kernels: &Kernels, depth: u32) {
        let Survey { used, spread, magnitude } = (kernels.survey)(&self.samples);
        self.constant = spread == 0;
        // A constant signal has no use for them, and zero has no lowest bit.
        self.wasted = if self.constant { 0 } else { used.trailing_zeros() };
        self.padded = self.wasted > 0;
        self.used_depth = 33 - (magnitude >> self.wasted).leading_zeros();
        // Not less than 1 bit, whatever the samples are.
        self.depth = depth.saturating_sub(self.wasted).max(1);
    }

    /// Bits of a subframe that has the samples as they are.
    pub fn verbatim_bits(&self) -> u64 {
        8 + u64::from(self.wasted) + self.samples.len() as u64 * u64::from(self.depth)
    }

    /// Takes the wasted bits out of the samples.
    pub fn strip(&mut self) {
        if self.padded {
            self.samples.iter_mut().for_each(|sample| *sample >>= self.wasted);
            self.padded = false;
        }
    }
}
