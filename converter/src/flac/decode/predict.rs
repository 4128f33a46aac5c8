//! Samples from residuals: the fixed and the linear predictors (RFC 9639 §9.2.5, §9.2.6).
//!
//! A fixed predictor is a linear one with coefficients known beforehand, so there is one way for both. What differs is
//! the arithmetic: 32 bits where the numbers prove that they suffice, else 64.

use super::error::FrameError;

/// A sample as it is kept: `i32`, or `i64` for those that have 33 bits.
pub(super) trait Sample: Copy + Into<i64> {
    /// The low bits of a number.
    fn truncated(value: i64) -> Self;

    /// [`restore`]s in 32 bits, which the caller has proved to suffice. Only samples of 32 bits can do so.
    fn restore_short(predictor: &Predictor, residuals: &[i32], samples: &mut [Self]) -> u64;
}

/// A linear predictor (§9.2.6).
#[derive(Debug, Clone)]
pub(super) struct Predictor {
    order: usize,
    /// Of the sample just before first, as in the stream. Zeros follow.
    coefficients: [i32; MAX_ORDER],
    shift: u32,
}

/// The highest order of a linear predictor.
pub(super) const MAX_ORDER: usize = 32;

impl Predictor {
    /// A predictor with these coefficients, of the sample just before first, in 15 bits each. `shift` is below 32.
    pub fn new(coefficients: &[i32], shift: u32) -> Self {
        let mut kept = [0; MAX_ORDER];
        for (kept, coefficient) in kept.iter_mut().zip(coefficients) {
            *kept = *coefficient;
        }
        Self { order: coefficients.len().min(MAX_ORDER), coefficients: kept, shift }
    }

    /// The fixed predictor of this order, 0 to 4 (§9.2.5).
    pub fn fixed(order: usize) -> Self {
        const COEFFICIENTS: [&[i32]; 5] = [&[], &[1], &[2, -1], &[3, -3, 1], &[4, -6, 4, -1]];
        Self::new(COEFFICIENTS[order.min(4)], 0)
    }

    pub fn order(&self) -> usize {
        self.order
    }

    /// Whether 32 bits hold every sum, for samples of `depth` bits and residuals that are no farther from 0.
    ///
    /// Each sample is checked to have `depth` bits in the end, and the first that has more is computed from such as
    /// have not: it does not overflow either, so it is found.
    fn is_short(&self, depth: u32, farthest_residual: u32) -> bool {
        let coefficients: u64 = self.coefficients.iter().map(|value| u64::from(value.unsigned_abs())).sum();
        let largest_sum = coefficients << (depth - 1);
        largest_sum < 1 << 31 && (largest_sum >> self.shift) + 1 + u64::from(farthest_residual) < 1 << 31
    }
}

/// Turns residuals into samples of `depth` bits, 1 to 33. The first of both, as many as the predictor's order, are the
/// warm-up samples, which are there already.
pub(super) fn restore<S: Sample>(
    predictor: &Predictor,
    depth: u32,
    farthest_residual: u32,
    residuals: &[i32],
    samples: &mut [S],
) -> Result<(), FrameError> {
    let magnitude = if predictor.is_short(depth, farthest_residual) && depth <= 32 {
        S::restore_short(predictor, residuals, samples)
    } else {
        by_order::<S, i64>(predictor, residuals, samples)
    };
    check_magnitude(magnitude, depth)
}

/// Checks a combination of magnitudes against the bits that samples have.
pub(super) fn check_magnitude(magnitude: u64, depth: u32) -> Result<(), FrameError> {
    if magnitude >> (depth - 1) == 0 { Ok(()) } else { Err(FrameError::OutOfRange("a sample")) }
}

impl Sample for i32 {
    #[allow(clippy::cast_possible_truncation)]
    fn truncated(value: i64) -> Self {
        value as Self
    }

    fn restore_short(predictor: &Predictor, residuals: &[i32], samples: &mut [Self]) -> u64 {
        by_order::<Self, Self>(predictor, residuals, samples)
    }
}

impl Sample for i64 {
    fn truncated(value: i64) -> Self {
        value
    }

    fn restore_short(predictor: &Predictor, residuals: &[i32], samples: &mut [Self]) -> u64 {
        by_order::<Self, Self>(predictor, residuals, samples)
    }
}

/// The arithmetic of the sums: `i32` or `i64`. It wraps, which happens with invalid input only.
trait Sum<S>: Copy {
    const ZERO: Self;
    fn plus_product(self, coefficient: i32, sample: S) -> Self;
    /// The predicted sample and the residual.
    fn shifted_plus(self, shift: u32, residual: i32) -> i64;
}

impl Sum<i32> for i32 {
    const ZERO: Self = 0;

    #[inline]
    fn plus_product(self, coefficient: i32, sample: i32) -> Self {
        self.wrapping_add(coefficient.wrapping_mul(sample))
    }

    #[inline]
    fn shifted_plus(self, shift: u32, residual: i32) -> i64 {
        (self >> shift).wrapping_add(residual).into()
    }
}

impl<S: Sample> Sum<S> for i64 {
    const ZERO: Self = 0;

    #[inline]
    fn plus_product(self, coefficient: i32, sample: S) -> Self {
        self.wrapping_add(Self::from(coefficient).wrapping_mul(sample.into()))
    }

    #[inline]
    fn shifted_plus(self, shift: u32, residual: i32) -> i64 {
        (self >> shift).wrapping_add(residual.into())
    }
}

/// [`unrolled`] for the predictor's order, rounded up to one of a few.
fn by_order<S: Sample, T: Sum<S>>(predictor: &Predictor, residuals: &[i32], samples: &mut [S]) -> u64 {
    let run = match predictor.order {
        0 => unrolled::<S, T, 0>,
        1 => unrolled::<S, T, 1>,
        2 => unrolled::<S, T, 2>,
        3..=4 => unrolled::<S, T, 4>,
        5..=6 => unrolled::<S, T, 6>,
        7..=8 => unrolled::<S, T, 8>,
        9..=10 => unrolled::<S, T, 10>,
        11..=12 => unrolled::<S, T, 12>,
        13..=16 => unrolled::<S, T, 16>,
        _ => unrolled::<S, T, MAX_ORDER>,
    };
    run(predictor, residuals, samples)
}

/// Computes the samples, `N` coefficients each; returns all their magnitudes, combined by `or`.
fn unrolled<S: Sample, T: Sum<S>, const N: usize>(predictor: &Predictor, residuals: &[i32], samples: &mut [S]) -> u64 {
    let mut coefficients = [0; N];
    for (kept, coefficient) in coefficients.iter_mut().rev().zip(predictor.coefficients) {
        *kept = coefficient;
    }
    let shift = predictor.shift;
    let mut magnitude = 0;
    let mut ahead = residuals.iter().enumerate().take(samples.len()).skip(predictor.order);
    // The first have too little history for N coefficients, of which the last are 0.
    for (at, residual) in ahead.by_ref().take(N.saturating_sub(predictor.order)) {
        let (history, rest) = samples.split_at_mut(at);
        let products = history.iter().rev().zip(&predictor.coefficients);
        let sum = products.fold(T::ZERO, |sum, (sample, coefficient)| sum.plus_product(*coefficient, *sample));
        let sample = sum.shifted_plus(shift, *residual);
        magnitude |= magnitude_of(sample);
        rest[0] = S::truncated(sample);
    }
    for (at, residual) in ahead {
        let (history, rest) = samples.split_at_mut(at);
        let Some(history) = history.last_chunk::<N>() else { break };
        let products = coefficients.iter().zip(history);
        let sum = products.fold(T::ZERO, |sum, (coefficient, sample)| sum.plus_product(*coefficient, *sample));
        let sample = sum.shifted_plus(shift, *residual);
        magnitude |= magnitude_of(sample);
        rest[0] = S::truncated(sample);
    }
    magnitude
}

/// A number's bits but the sign and its repetitions.
#[inline]
pub(super) fn magnitude_of(sample: i64) -> u64 {
    (sample ^ (sample >> 63)).cast_unsigned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::Random;

    const FAR: i128 = 1 << 90;

    /// The definition (§9.2.6), in 128 bits.
    fn plainly(coefficients: &[i32], shift: u32, residuals: &[i32], warm_up: &[i64]) -> Vec<i128> {
        let mut samples: Vec<i128> = warm_up.iter().map(|sample| i128::from(*sample)).collect();
        for residual in &residuals[warm_up.len()..] {
            let history = samples.iter().rev();
            let sum: i128 = history.zip(coefficients).map(|(sample, value)| sample * i128::from(*value)).sum();
            // What went astray stays astray.
            samples.push(((sum >> shift) + i128::from(*residual)).clamp(-FAR, FAR));
        }
        samples
    }

    fn number(random: &mut Random, bits: u32) -> i64 {
        (i64::from(random.bits()) << 32 | i64::from(random.bits())) >> (64 - bits)
    }

    #[test]
    fn every_order_and_depth_is_as_defined_or_refused() {
        let mut random = Random::new(1);
        let (mut right, mut refused) = (0, 0);
        for order in 0..=32_usize {
            for depth in [1, 4, 8, 16, 17, 24, 25, 31, 32, 33] {
                for (precision, shift) in [(2, 0), (5, 3), (12, 10), (15, 14), (15, 31), (15, 0)] {
                    let coefficients: Vec<i32> =
                        (0..order).map(|_| i32::try_from(number(&mut random, precision)).unwrap()).collect();
                    let warm_up: Vec<i64> = (0..order).map(|_| number(&mut random, depth)).collect();
                    let width = depth.min(32).div_ceil(2);
                    let mut residuals: Vec<i32> =
                        (0..50).map(|_| i32::try_from(number(&mut random, width)).unwrap()).collect();
                    residuals[..order].fill(i32::MIN);
                    let farthest = residuals[order..].iter().map(|value| value.unsigned_abs()).max().unwrap();
                    let expected = plainly(&coefficients, shift, &residuals, &warm_up);
                    let fits = expected.iter().all(|sample| sample >> (depth - 1) == sample >> 100);
                    let predictor = Predictor::new(&coefficients, shift);
                    let mut long: Vec<i64> = warm_up.clone();
                    long.resize(50, 99);
                    let result = restore(&predictor, depth, farthest, &residuals, &mut long);
                    assert_eq!(result.is_ok(), fits, "{order} {depth} {precision} {shift}");
                    if fits {
                        assert!(long.iter().map(|sample| i128::from(*sample)).eq(expected.iter().copied()));
                    }
                    if depth <= 32 {
                        let mut short: Vec<i32> =
                            warm_up.iter().map(|sample| i32::try_from(*sample).unwrap()).collect();
                        short.resize(50, 99);
                        assert_eq!(restore(&predictor, depth, farthest, &residuals, &mut short), result);
                        assert!(!fits || short.iter().map(|sample| i64::from(*sample)).eq(long));
                    }
                    if fits { right += 1 } else { refused += 1 }
                }
            }
        }
        assert!(right > 200 && refused > 200, "{right} {refused}");
    }

    #[test]
    fn the_fixed_predictors_continue_polynomials() {
        for order in 0..=4_u32 {
            let polynomial = |at: i32| if order == 0 { 0 } else { (at - 9).pow(order - 1) };
            let expected: Vec<i32> = (0..20).map(polynomial).collect();
            let mut samples = vec![0; 20];
            let order = order as usize;
            samples[..order].copy_from_slice(&expected[..order]);
            restore(&Predictor::fixed(order), 16, 0, &[0; 20], &mut samples).unwrap();
            assert_eq!(samples, expected, "order {order}");
        }
    }

    #[test]
    fn a_residual_that_would_overflow_is_refused() {
        let mut samples = [-8, 0];
        let farthest = i32::MIN + 1;
        let result = restore(&Predictor::fixed(1), 4, farthest.unsigned_abs(), &[0, farthest], &mut samples);
        assert_eq!(result, Err(FrameError::OutOfRange("a sample")));
    }
}
