//! From a covariance matrix to a predictor with whole coefficients: elimination, the choice of the order, and rounding.
//!
//! The normal equations `R a = r` are solved by eliminating one lag after the other. After `k` steps the leading part
//! of the triangle is the solution's of order `k`, and the energy that this order leaves is known, so that one
//! elimination serves every order.
//!
//! With `R = U' D U`, where `U` has ones on its diagonal, an error `δ` in the coefficients adds `Σ D[j] ε[j]²` to the
//! energy, where `ε = U δ`. Back-substitution computes the last coefficient first. Rounding each one at once and using
//! the rounded one for those that follow makes each `ε[j]` a rounding error of its own of at most half a unit, however
//! strongly the lags are correlated: Babai's nearest-plane method.

#[cfg(test)]
mod tests;

use super::covariance::{Covariance, Factors, LANES, STRIDE};
use super::log2::log2;
use super::predictor::{MAX_PRECISION, MAX_SHIFT, Predictor};
use super::real;
use crate::flac::kernels::MAX_ORDER;

/// A lag whose energy falls to this part of itself by elimination is a combination of the others: rounding is all that
/// is left of it.
const SINGULAR: f64 = 1e-14;
/// The mean energy of an error that is spread evenly over one unit.
const ROUNDING: f64 = 1.0 / 12.0;
/// Bits of a coefficient beside those right of its point: its sign, and what is usual left of the point.
const WHOLE_BITS: f64 = 2.5;

/// The eliminated equations of one signal.
#[derive(Debug)]
pub(super) struct Solver {
    /// Row `j`, from the diagonal on: what is left of lag `j + 1` after `j` steps, and in the last column its product
    /// with the sample. What is left of the diagonal has no meaning.
    rows: Box<[[f64; STRIDE]; MAX_ORDER]>,
    /// What each number on the diagonal is to be multiplied with to become 1.
    inverses: [f64; MAX_ORDER],
    /// The column of the sample itself, and the highest order of the matrix.
    last: usize,
    /// Orders up to this one are sound.
    order: usize,
    /// What each order leaves.
    energy: [f64; MAX_ORDER + 1],
    /// Samples that the matrix was summed over.
    samples: f64,
    /// The weighted energy of an error of one unit in every sample.
    unit: f64,
}

impl Default for Solver {
    fn default() -> Self {
        Self {
            rows: Box::new([[0.0; STRIDE]; MAX_ORDER]),
            inverses: [0.0; MAX_ORDER],
            last: 0,
            order: 0,
            energy: [0.0; MAX_ORDER + 1],
            samples: 0.0,
            unit: 0.0,
        }
    }
}

impl Solver {
    /// Takes the weighted matrix, and eliminates.
    #[inline(always)]
    pub fn take(&mut self, covariance: &Covariance) {
        let order = covariance.order();
        (self.last, self.samples, self.unit) = (order, covariance.samples(), covariance.unit());
        let mut matrix = covariance.weighted();
        let Some(target) = matrix.next() else { return };
        for (at, (row, lags)) in self.rows.iter_mut().zip(matrix).enumerate() {
            row[at..order].copy_from_slice(&lags[at + 1..=order]);
            row[order] = target[at + 1];
        }
        self.energy[0] = target[0];
        self.eliminate();
    }

    #[inline(always)]
    fn eliminate(&mut self) {
        self.order = 0;
        let last = self.last;
        let end = (last + 1).next_multiple_of(LANES);
        let mut diagonal = [0.0; MAX_ORDER];
        diagonal.iter_mut().zip(self.rows.iter().enumerate()).for_each(|(value, (at, row))| *value = row[at]);
        for step in 0..last {
            let (done, rest) = self.rows.split_at_mut(step + 1);
            let pivot = &done[step];
            if pivot[step] <= SINGULAR * diagonal[step] {
                break;
            }
            let inverse = 1.0 / pivot[step];
            self.inverses[step] = inverse;
            self.order = step + 1;
            self.energy[step + 1] = self.energy[step] - pivot[last] * pivot[last] * inverse;
            if self.energy[step + 1] <= 0.0 {
                // Exactly predictable but for rounding: no order can do better.
                self.energy[step + 1] = 0.0;
                break;
            }
            for (at, row) in (step + 1..last).zip(rest) {
                let factor = pivot[at] * inverse;
                // From a whole vector on: what lies left of the diagonal may become anything.
                let span = at - at % LANES..end;
                for (entries, above) in
                    row[span.clone()].as_chunks_mut::<LANES>().0.iter_mut().zip(pivot[span].as_chunks::<LANES>().0)
                {
                    for (entry, above) in entries.iter_mut().zip(above) {
                        *entry -= factor * above;
                    }
                }
            }
        }
    }

    /// The highest order that is sound.
    #[inline(always)]
    pub fn order(&self) -> usize {
        self.order
    }

    /// The weighted energy that the highest sound order leaves.
    #[inline(always)]
    pub fn least_energy(&self) -> f64 {
        self.energy[self.order]
    }

    /// The order that is likely to need the fewest bits, those of its coefficients included.
    #[inline(always)]
    pub fn best_order(&self) -> usize {
        let mut best = (0, f64::INFINITY);
        let mut spread = 0.0;
        for order in 0..=self.order {
            let energy = self.energy[order] + self.unit * ROUNDING;
            let mut bits = self.samples * 0.5 * log2(energy);
            if order > 0 {
                spread += self.rows[order - 1][order - 1];
                let shift = self.fitting_shift(order, energy, spread).clamp(0.0, 15.0);
                bits += real(order) * (shift + WHOLE_BITS);
            }
            if bits < best.1 {
                best = (order, bits);
            }
        }
        best.0
    }

    /// How many bits right of the point pay: one more costs each coefficient a bit, and quarters what rounding adds.
    #[inline(always)]
    fn fitting_shift(&self, order: usize, energy: f64, spread: f64) -> f64 {
        0.5 * log2(spread * ROUNDING * self.samples / (energy * real(order)))
    }

    /// The solution of the highest sound order, as the factors of the error: 1, then the coefficients negated.
    #[inline(always)]
    pub fn factors(&self) -> Factors {
        let mut factors = [0.0; STRIDE];
        factors[0] = 1.0;
        self.substitute(self.order, 1.0, |at, exact| {
            factors[at + 1] = -exact;
            exact
        });
        factors
    }

    /// Solves for the coefficients of this order, `scale` times as large, from the last to the first. Each is used for
    /// those before as `take` gives it back.
    #[inline(always)]
    fn substitute(&self, order: usize, scale: f64, mut take: impl FnMut(usize, f64) -> f64) {
        let mut rest = [0.0; MAX_ORDER];
        for (rest, row) in rest.iter_mut().zip(self.rows.iter()).take(order) {
            *rest = row[self.last] * scale;
        }
        for at in (0..order).rev() {
            let value = take(at, rest[at] * self.inverses[at]);
            for (rest, row) in rest.iter_mut().zip(self.rows.iter()).take(at) {
                *rest -= row[at] * value;
            }
        }
    }

    /// The solution of this order, at most the sound one, in whole coefficients. None: all are zero.
    #[inline(always)]
    pub fn predictor(&self, order: usize) -> Option<Predictor> {
        if order == 0 {
            return None;
        }
        let spread = (0..order).map(|at| self.rows[at][at]).sum();
        let energy = self.energy[order] + self.unit * ROUNDING;
        let shift = (self.fitting_shift(order, energy, spread) + 0.5).clamp(0.0, f64::from(MAX_SHIFT));
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // 0 to 15
        let mut shift = shift as u32;
        loop {
            let predictor = self.rounded(order, shift);
            let excess = predictor.precision().saturating_sub(MAX_PRECISION);
            if excess == 0 {
                return predictor.trimmed();
            }
            // Coefficients that are too large even without a fraction belong to no sound signal.
            shift = shift.checked_sub(excess)?;
        }
    }

    #[inline(always)]
    fn rounded(&self, order: usize, shift: u32) -> Predictor {
        let mut predictor = Predictor { order, shift, coefficients: [0; MAX_ORDER] };
        self.substitute(order, f64::from(1_u32 << shift), |at, exact| {
            #[allow(clippy::cast_possible_truncation)] // what does not fit is too large for a predictor, too
            let rounded = (exact + if exact < 0.0 { -0.5 } else { 0.5 }) as i32;
            predictor.coefficients[at] = rounded;
            f64::from(rounded)
        });
        predictor
    }
}
