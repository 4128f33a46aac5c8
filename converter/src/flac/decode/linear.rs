//! Samples from residuals: the linear predictors (RFC 9639 §9.2.6).
//!
//! Each sample waits for the one before. So what waits is kept short: products with older samples are added up beforehand,
//! for four samples at once, and so are the residuals, before the shift.

use std::array::from_fn;
use std::ops::Range;

use super::predict::{Sample, Seen};

/// The highest order of a linear predictor.
pub(super) const MAX_ORDER: usize = 32;

/// A linear predictor.
#[derive(Debug, Clone)]
pub(super) struct Linear {
    order: usize,
    /// Of the sample just before first, as in the stream. Zeros follow.
    coefficients: [i32; MAX_ORDER],
    shift: u32,
}

impl Linear {
    /// A predictor with these coefficients, of the sample just before first, in 15 bits each. `shift` is below 16.
    pub fn new(coefficients: &[i32], shift: u32) -> Self {
        let mut kept = [0; MAX_ORDER];
        for (kept, coefficient) in kept.iter_mut().zip(coefficients) {
            *kept = *coefficient;
        }
        Self { order: coefficients.len().min(MAX_ORDER), coefficients: kept, shift }
    }

    pub fn order(&self) -> usize {
        self.order
    }

    /// Turns residuals into samples, after as many as the order, which are there already.
    pub fn restore<S: Sample>(&self, residuals: &[i32], samples: &mut [S], seen: &mut Seen) {
        let end = samples.len().min(residuals.len());
        // The first have too little history for four at a time, and at the end fewer than four may be left.
        let begun = self.order.next_multiple_of(4);
        self.one_by_one(self.order..begun.min(end), residuals, samples, seen);
        match begun {
            0..=4 => self.in_fours::<S, 0>(begun, residuals, samples, seen),
            8 => self.in_fours::<S, 4>(begun, residuals, samples, seen),
            12 => self.in_fours::<S, 8>(begun, residuals, samples, seen),
            16 => self.in_fours::<S, 12>(begun, residuals, samples, seen),
            _ => self.in_fours::<S, { MAX_ORDER - 4 }>(begun, residuals, samples, seen),
        }
        self.one_by_one(begun.max(end - end % 4)..end, residuals, samples, seen);
    }

    /// The samples at some places.
    fn one_by_one<S: Sample>(&self, places: Range<usize>, residuals: &[i32], samples: &mut [S], seen: &mut Seen) {
        for at in places {
            let (history, rest) = samples.split_at_mut(at);
            let (Some(place), Some(residual)) = (rest.first_mut(), residuals.get(at)) else { break };
            let history = history.iter().rev().map(|sample| (*sample).into());
            let products =
                history.zip(self.coefficients).map(|(sample, factor)| i64::wrapping_mul(sample, factor.into()));
            let sample = products.fold(i64::from(*residual) << self.shift, i64::wrapping_add) >> self.shift;
            seen.note(sample);
            *place = S::truncated(sample);
        }
    }

    /// The samples from the place `begun` on, a multiple of 4, four at a time. The order is at most `OLD` + 4.
    fn in_fours<S: Sample, const OLD: usize>(
        &self,
        begun: usize,
        residuals: &[i32],
        samples: &mut [S],
        seen: &mut Seen,
    ) {
        let near: [i64; 8] = from_fn(|back| self.coefficients[back].into());
        let mut far = Far::<OLD>::new(self);
        let mut noted = *seen;
        // The four samples before, and those that are computed.
        let mut window = [0; 8];
        let fours = samples.as_chunks_mut::<4>().0.iter_mut().zip(residuals.as_chunks::<4>().0);
        for (number, (places, residuals)) in fours.enumerate() {
            let [_, _, _, _, before @ ..] = window;
            let sums = far.pass(before, residuals);
            window[..4].copy_from_slice(&before);
            if number * 4 < begun {
                window[4..].copy_from_slice(&places.map(Into::into));
                continue;
            }
            for ahead in 0..4 {
                let mut sum = whole(sums[ahead]);
                for back in (0..4 + ahead).rev() {
                    sum = sum.wrapping_add(near[back].wrapping_mul(window[3 + ahead - back]));
                }
                let sample = sum >> self.shift;
                noted.note(sample);
                window[4 + ahead] = sample;
                places[ahead] = S::truncated(sample);
            }
        }
        *seen = noted;
    }
}

/// What samples contribute to others through the coefficients from the fifth on, and residuals to their own sums, where
/// they are added before the shift. In `f64`, which is exact: 28 products of 15 and 33 bits, and 47 bits, add up to less
/// than 2^51.
struct Far<const OLD: usize> {
    /// The coefficients for the first to the fourth of four samples, by the distance of the sum.
    factors: [[f64; OLD]; 4],
    /// Of the samples to come.
    sums: [f64; OLD],
    /// 2^shift.
    scale: f64,
}

/// Sums begin with this, so that in the end they are between 2^52 and 2^53, where the low bits are the number itself.
#[allow(clippy::cast_precision_loss)]
const OFFSET: f64 = (3_u64 << 51) as f64;

/// A sum that began with the offset.
#[inline]
fn whole(sum: f64) -> i64 {
    sum.to_bits().wrapping_sub(OFFSET.to_bits()).cast_signed()
}

impl<const OLD: usize> Far<OLD> {
    fn new(linear: &Linear) -> Self {
        let factor = |at: usize| linear.coefficients.get(at).map_or(0.0, |factor| f64::from(*factor));
        let factors = from_fn(|number| from_fn(|distance| factor(7 - number + distance)));
        Self { factors, sums: [OFFSET; OLD], scale: f64::from(1_u32 << linear.shift) }
    }

    /// Takes the next four samples, and the residuals of the four that follow; returns the sums for these, to which the
    /// samples just taken have contributed nothing yet.
    #[inline]
    #[allow(clippy::cast_precision_loss)] // none in a valid stream
    fn pass(&mut self, samples: [i64; 4], residuals: &[i32; 4]) -> [f64; 4] {
        let ready = from_fn(|at| self.sums.get(at).unwrap_or(&OFFSET) + f64::from(residuals[at]) * self.scale);
        let samples = samples.map(|sample| sample as f64);
        for at in 0..OLD {
            let before = *self.sums.get(at + 4).unwrap_or(&OFFSET);
            let product = |number: usize| self.factors[number][at] * samples[number];
            self.sums[at] = before + product(0) + product(1) + product(2) + product(3);
        }
        ready
    }
}
