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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::Random;

    fn surveyed(samples: &[i32], depth: u32) -> Signal {
        let mut signal = Signal { samples: samples.to_vec(), ..Signal::default() };
        signal.survey(&Kernels::best(), depth);
        signal
    }

    /// Bits that hold a number and its sign.
    fn bits(sample: i32) -> u32 {
        (1..32).find(|bits| sample == sample << (32 - bits) >> (32 - bits)).unwrap_or(32)
    }

    #[test]
    fn what_is_seen_is_what_the_samples_have() {
        for (samples, depth, wasted, used_depth, constant) in [
            (&[0, 0, 0][..], 16, 0, 1, true),
            (&[-1], 16, 0, 1, true),
            (&[64, 64], 16, 0, 8, true),
            (&[i32::MIN; 3], 32, 0, 32, true),
            (&[0, -1], 16, 0, 1, false),
            (&[0, 1], 16, 0, 2, false),
            (&[0, 64, -64], 16, 6, 2, false),
            (&[0, -8], 4, 3, 1, false),
            (&[12, 8], 16, 2, 3, false),
            (&[i32::MIN, 0], 32, 31, 1, false),
            (&[i32::MIN, i32::MAX], 32, 0, 32, false),
            (&[i32::MIN, 1 << 30], 32, 30, 2, false),
        ] {
            let signal = surveyed(samples, depth);
            assert_eq!(
                (signal.wasted, signal.used_depth, signal.constant),
                (wasted, used_depth, constant),
                "{samples:?}"
            );
            assert_eq!(signal.depth, depth - wasted);
        }
    }

    #[test]
    fn the_used_depth_holds_every_sample_without_its_wasted_bits() {
        let mut random = Random::new(5);
        for _ in 0..2000 {
            let (quiet, wasted) = (random.bits() % 32, random.bits() % 32);
            let samples: Vec<i32> = (0..5).map(|_| random.bits().cast_signed() >> quiet >> wasted << wasted).collect();
            let mut signal = surveyed(&samples, 32);
            let before = signal.used_depth + signal.wasted;
            assert_eq!(before, samples.iter().map(|sample| bits(*sample)).max().unwrap().max(signal.wasted + 1));
            signal.strip();
            let used = signal.samples.iter().map(|sample| bits(*sample)).max().unwrap();
            assert_eq!(signal.used_depth, used);
            assert!(signal.depth >= used);
            let back: Vec<i32> = signal.samples.iter().map(|sample| sample << signal.wasted).collect();
            assert_eq!(back, samples);
            signal.strip();
            assert_eq!(
                signal.samples.iter().map(|sample| sample << signal.wasted).collect::<Vec<_>>(),
                samples,
                "once"
            );
        }
    }

    #[test]
    fn verbatim_bits_are_a_header_and_the_samples() {
        assert_eq!(surveyed(&[1, 2, 3], 16).verbatim_bits(), 8 + 3 * 16);
        assert_eq!(surveyed(&[4, 8, 12], 16).verbatim_bits(), 8 + 2 + 3 * 14);
        assert_eq!(surveyed(&[4, 4, 4], 16).verbatim_bits(), 8 + 3 * 16, "a constant signal wastes none");
    }
}
