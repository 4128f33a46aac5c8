//! Samples from residuals (RFC 9639 §9.2.5, §9.2.6): the fixed predictors; the linear ones are in `linear`.
//!
//! All arithmetic is in 64 bits, which no valid stream exceeds: samples have up to 33 bits, coefficients 15, and there are
//! 32 at most. It wraps, so that an invalid one does no harm; each sample is checked to have the bits that it may have, and
//! the first that has more was computed from such as have not, so it is found.

use super::error::FrameError;
use super::linear::Linear;

/// A sample as it is kept: `i32`, or `i64` for those that have 33 bits.
pub(super) trait Sample: Copy + Into<i64> {
    /// The low bits of a number.
    fn truncated(value: i64) -> Self;
}

impl Sample for i32 {
    #[allow(clippy::cast_possible_truncation)]
    fn truncated(value: i64) -> Self {
        value as Self
    }
}

impl Sample for i64 {
    fn truncated(value: i64) -> Self {
        value
    }
}

/// How samples are predicted from those before.
#[derive(Debug, Clone)]
pub(super) enum Predictor {
    /// The polynomial through as many samples before, 0 to 4 (§9.2.5).
    Fixed(usize),
    /// A sum of multiples of them (§9.2.6).
    Linear(Linear),
}

impl Predictor {
    pub fn order(&self) -> usize {
        match self {
            Self::Fixed(order) => *order,
            Self::Linear(linear) => linear.order(),
        }
    }
}

/// Turns residuals into samples of `depth` bits, 1 to 33. The first of both, as many as the predictor's order, are the
/// warm-up samples, which are there already.
pub(super) fn restore<S: Sample>(
    predictor: &Predictor,
    depth: u32,
    residuals: &[i32],
    samples: &mut [S],
) -> Result<(), FrameError> {
    let mut seen = Seen::new(depth);
    match predictor {
        Predictor::Fixed(0) => fixed::<S, 0>(residuals, samples, &mut seen),
        Predictor::Fixed(1) => fixed::<S, 1>(residuals, samples, &mut seen),
        Predictor::Fixed(2) => fixed::<S, 2>(residuals, samples, &mut seen),
        Predictor::Fixed(3) => fixed::<S, 3>(residuals, samples, &mut seen),
        Predictor::Fixed(_) => fixed::<S, 4>(residuals, samples, &mut seen),
        Predictor::Linear(linear) => linear.restore(residuals, samples, &mut seen),
    }
    if seen.all_fit() { Ok(()) } else { Err(OUT_OF_RANGE) }
}

const OUT_OF_RANGE: FrameError = FrameError::OutOfRange("a sample");

/// Whether samples have the bits that they may have.
#[derive(Clone, Copy)]
pub(super) struct Seen {
    depth: u32,
    /// Added to each, it makes those that fit positive.
    half: i64,
    /// Their bits then.
    bits: u64,
}

impl Seen {
    fn new(depth: u32) -> Self {
        Self { depth, half: 1 << (depth - 1), bits: 0 }
    }

    #[inline]
    pub fn note(&mut self, sample: i64) {
        self.bits |= sample.wrapping_add(self.half).cast_unsigned();
    }

    fn all_fit(self) -> bool {
        self.bits >> self.depth == 0
    }
}

/// Checks a combination of magnitudes against the bits that samples have.
pub(super) fn check_magnitude(magnitude: u64, depth: u32) -> Result<(), FrameError> {
    if magnitude >> (depth - 1) == 0 { Ok(()) } else { Err(OUT_OF_RANGE) }
}

/// A number's bits but the sign and its repetitions.
#[inline]
pub(super) fn magnitude_of(sample: i64) -> u64 {
    (sample ^ (sample >> 63)).cast_unsigned()
}

/// A fixed predictor's residuals are the differences of this order: to add them up as often gives the samples.
fn fixed<S: Sample, const ORDER: usize>(residuals: &[i32], samples: &mut [S], seen: &mut Seen) {
    let Some((warm_up, samples)) = samples.split_at_mut_checked(ORDER) else { return };
    // The differences of each order, of the sample just before.
    let mut differences = [0; ORDER];
    for (at, sample) in warm_up.iter().enumerate() {
        let mut next: i64 = (*sample).into();
        for difference in differences.iter_mut().take(at + 1) {
            let before = std::mem::replace(difference, next);
            next = next.wrapping_sub(before);
        }
    }
    let mut noted = *seen;
    for (sample, residual) in samples.iter_mut().zip(residuals.iter().skip(ORDER)) {
        let mut value = i64::from(*residual);
        for difference in differences.iter_mut().rev() {
            value = value.wrapping_add(*difference);
            *difference = value;
        }
        noted.note(value);
        *sample = S::truncated(value);
    }
    *seen = noted;
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
                for (precision, shift) in [(2, 0), (5, 3), (12, 10), (15, 14), (15, 15), (15, 0)] {
                    let coefficients: Vec<i32> =
                        (0..order).map(|_| i32::try_from(number(&mut random, precision)).unwrap()).collect();
                    let warm_up: Vec<i64> = (0..order).map(|_| number(&mut random, depth)).collect();
                    let width = depth.min(32).div_ceil(2);
                    let mut residuals: Vec<i32> =
                        (0..50).map(|_| i32::try_from(number(&mut random, width)).unwrap()).collect();
                    residuals[..order].fill(i32::MIN);
                    let expected = plainly(&coefficients, shift, &residuals, &warm_up);
                    let fits = expected.iter().all(|sample| sample >> (depth - 1) == sample >> 100);
                    let predictor = Predictor::Linear(Linear::new(&coefficients, shift));
                    let mut long: Vec<i64> = warm_up.clone();
                    long.resize(50, 99);
                    let result = restore(&predictor, depth, &residuals, &mut long);
                    assert_eq!(result.is_ok(), fits, "{order} {depth} {precision} {shift}");
                    if fits {
                        assert!(long.iter().map(|sample| i128::from(*sample)).eq(expected.iter().copied()));
                    }
                    if depth <= 32 {
                        let mut short: Vec<i32> =
                            warm_up.iter().map(|sample| i32::try_from(*sample).unwrap()).collect();
                        short.resize(50, 99);
                        assert_eq!(restore(&predictor, depth, &residuals, &mut short), result);
                        assert!(!fits || short.iter().map(|sample| i64::from(*sample)).eq(long));
                    }
                    if fits { right += 1 } else { refused += 1 }
                }
            }
        }
        assert!(right > 150 && refused > 200, "{right} {refused}");
    }

    #[test]
    fn the_fixed_predictors_continue_polynomials() {
        for order in 0..=4_u32 {
            let polynomial = |at: i32| if order == 0 { 0 } else { (at - 9).pow(order - 1) };
            let expected: Vec<i32> = (0..20).map(polynomial).collect();
            let mut samples = vec![0; 20];
            let order = order as usize;
            samples[..order].copy_from_slice(&expected[..order]);
            restore(&Predictor::Fixed(order), 16, &[0; 20], &mut samples).unwrap();
            assert_eq!(samples, expected, "order {order}");
        }
    }

    #[test]
    fn a_residual_that_would_overflow_is_refused() {
        let mut samples = [-8, 0];
        let farthest = i32::MIN + 1;
        let result = restore(&Predictor::Fixed(1), 4, &[0, farthest], &mut samples);
        assert_eq!(result, Err(FrameError::OutOfRange("a sample")));
    }
}
