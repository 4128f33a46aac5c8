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
        // With the sample: its difference from the prediction is more than -2^31, which no residual may be (§9.2.7.3).
        if product + largest < 1 << 31 {
            let fits = depth <= 16 && self.precision() <= 16;
            return Some(if fits { Width::Pairs } else { Width::Narrow });
        }
        ((product >> self.shift) + 1 + largest < (1 << 31) - 1).then_some(Width::Wide)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flac::kernels::Kernels;
    use crate::flac::kernels::plain::{self, linear_residual_checked};

    fn predictor(coefficients: &[i32], shift: u32) -> Predictor {
        let mut all = [0; MAX_ORDER];
        all[..coefficients.len()].copy_from_slice(coefficients);
        Predictor { order: coefficients.len(), shift, coefficients: all }
    }

    /// Up to 32 coefficients of at most 15 bits whose sizes add up to this; their signs alternate if asked for.
    fn adding_up_to(sum: u64, order: usize, alternating: bool, shift: u32) -> Option<Predictor> {
        let each = i32::try_from(sum.div_ceil(order as u64)).ok().filter(|each| *each < 1 << 14)?;
        let mut left = i32::try_from(sum).ok()?;
        let mut coefficients = Vec::new();
        for at in 0..order {
            let size = each.min(left);
            left -= size;
            coefficients.push(if alternating && at % 2 == 1 { size } else { -size });
        }
        predictor(&coefficients, shift).trimmed()
    }

    #[test]
    fn the_precision_is_that_of_the_coefficient_with_most_bits() {
        for (coefficients, precision) in [
            (&[0][..], 1),
            (&[-1], 1),
            (&[0, -1, 0], 1),
            (&[1], 2),
            (&[-2], 2),
            (&[3, -4, 1], 3),
            (&[16_383, -16_384], 15),
            (&[16_384], 16),
            (&[-16_385], 16),
            (&[i32::MIN], 32),
            (&[i32::MAX, 0], 32),
        ] {
            assert_eq!(predictor(coefficients, 0).precision(), precision, "{coefficients:?}");
        }
        // Those beyond the order do not count.
        let mut shorter = predictor(&[1, 1000], 0);
        shorter.order = 1;
        assert_eq!((shorter.precision(), shorter.coefficients()), (2, &[1][..]));
    }

    #[test]
    fn zeros_at_the_end_are_left_out() {
        assert_eq!(predictor(&[0, 5, 0, 0], 3).trimmed().unwrap().coefficients(), [0, 5]);
        assert_eq!(predictor(&[1, -1], 3).trimmed(), Some(predictor(&[1, -1], 3)));
        assert_eq!(predictor(&[0; 32], 3).trimmed(), None);
        assert_eq!(predictor(&[1; 32], 3).trimmed().unwrap().order, 32);
    }

    /// What a width promises, for the samples that bring each sum to its lowest and its highest.
    fn assert_promise(predictor: &Predictor, depth: u32, width: Width) {
        let (low, high) = (-(1_i128 << (depth - 1)), (1_i128 << (depth - 1)) - 1);
        let coefficients = predictor.coefficients().iter().map(|coefficient| i128::from(*coefficient));
        let reach = |to_low: bool| -> i128 {
            coefficients.clone().map(|factor| factor * if to_low == (factor > 0) { low } else { high }).sum()
        };
        let inside = |value: i128, bits: u32| value >= -(1 << (bits - 1)) && value < 1 << (bits - 1);
        for sum in [reach(true), reach(false)] {
            // All products have the same sign here, so sums of fewer are nearer to zero.
            if width != Width::Wide {
                assert!(inside(sum, 32), "{sum}: {predictor:?}, depth {depth}");
            }
            if width == Width::Pairs {
                assert!(depth <= 16 && predictor.precision() <= 16);
            }
            // Exact in an `f64`: the sum has so few bits, those right of the point included.
            assert!(inside(sum, 53));
            let predicted = sum >> predictor.shift;
            assert!(inside(predicted, 32));
            for sample in [low, high] {
                let residual = sample - predicted;
                assert!(inside(residual, 32) && residual != i128::from(i32::MIN), "{residual}: {predictor:?}, {depth}");
            }
        }
    }

    /// Sums of coefficients just below, at and above each border.
    fn near_borders(depth: u32, shift: u32) -> Vec<u64> {
        let largest = 1_u64 << (depth - 1);
        let narrow = (1_u64 << 31) / largest;
        let wide = (((1_u64 << 31) - 2).saturating_sub(largest) << shift) / largest;
        let mut sums: Vec<u64> = [narrow, wide].iter().flat_map(|at| at.saturating_sub(3)..=at + 3).collect();
        sums.extend([1, 2, 3, 65_535, 65_536, 32 * 16_383]);
        sums
    }

    #[test]
    fn every_width_keeps_its_promise_at_its_borders() {
        let mut seen = [0; 4];
        for depth in 1..=32 {
            for shift in 0..=MAX_SHIFT {
                for sum in near_borders(depth, shift) {
                    for (order, alternating) in [(1, false), (5, true), (12, false), (12, true), (32, true)] {
                        let Some(predictor) = adding_up_to(sum, order, alternating, shift) else { continue };
                        let width = predictor.width(depth);
                        match width {
                            Some(width) => assert_promise(&predictor, depth, width),
                            // Not for nothing: these may be beyond what the widths promise.
                            None => assert!((sum << (depth - 1) >> shift) + (1 << (depth - 1)) >= (1 << 31) - 2),
                        }
                        seen[width.map_or(3, |width| width as usize)] += 1;
                    }
                }
            }
        }
        assert!(seen.iter().all(|count| *count > 100), "{seen:?}");
    }

    #[test]
    fn a_residual_that_may_be_too_large_is_checked_however_small_the_products_are() {
        // Each sum of sizes is one less than what has no narrow width: the lowest sample's residual would be -2^31.
        for (depth, coefficients) in [(31, &[-1][..]), (30, &[-3]), (30, &[-1, -1, -1]), (20, &[-4095])] {
            let predictor = predictor(coefficients, 0);
            let low = i32::MIN >> (32 - depth);
            assert!(!linear_residual_checked(&[low; 40], coefficients, 0, &mut Vec::new()));
            assert_eq!(predictor.width(depth), None, "{depth}, {coefficients:?}");
        }
        assert_eq!(predictor(&[-1], 1).width(31), Some(Width::Wide));
        assert_eq!(predictor(&[-1], 0).width(30), Some(Width::Narrow));
    }

    #[test]
    fn what_is_narrow_is_not_coded_widely() {
        let predictor = predictor(&[8000, -4000], 12);
        assert_eq!(predictor.width(16), Some(Width::Pairs));
        assert_eq!(predictor.width(17), Some(Width::Narrow));
        assert_eq!(predictor.width(24), Some(Width::Wide));
    }

    #[test]
    fn kernels_are_right_at_the_borders_of_their_widths() {
        let mut residuals = [Vec::new(), Vec::new()];
        for depth in [4, 15, 16, 17, 20, 24, 29, 30, 31, 32] {
            for shift in [0, 1, 8, 15] {
                for sum in near_borders(depth, shift) {
                    for alternating in [false, true] {
                        let Some(predictor) = adding_up_to(sum, 12, alternating, shift) else { continue };
                        let Some(width) = predictor.width(depth) else { continue };
                        let ends = [i32::MIN >> (32 - depth), i32::MAX >> (32 - depth)];
                        // Ends in an order that agrees with the signs, and in others.
                        let samples: Vec<i32> = (0..75).map(|at| ends[(at / 30 + at % (1 + at / 45)) % 2]).collect();
                        let coefficients = predictor.coefficients();
                        let [checked, residual] = &mut residuals;
                        assert!(linear_residual_checked(&samples, coefficients, shift, checked));
                        for kernels in [plain::KERNELS, Kernels::portable(), Kernels::best()] {
                            (kernels.linear_residual)(&samples, coefficients, shift, width, residual);
                            assert!(checked == residual, "{predictor:?}, {depth}, {width:?}");
                        }
                    }
                }
            }
        }
    }
}
