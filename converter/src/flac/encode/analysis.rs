//! What can be said of a signal before anything of it is coded: predictors that may suit it, and about how many bits
//! they would take.

use super::covariance::Covariance;
use super::log2::log2;
use super::predictor::Predictor;
use super::rice;
use super::search::Search;
use super::signal::Signal;
use super::solve::Solver;
use super::subframe::MAX_FIXED_ORDER;
use crate::flac::kernels::Kernels;

/// Bits of a sample that covariances are computed from; further low bits are left out. Their sums stay exact.
const COVARIANCE_DEPTH: u32 = 21;
/// Bits of a sample that fixed predictors are compared by.
const FIXED_DEPTH: u32 = 26;
/// For fewer samples than this many times its order, a linear predictor's coefficients cost more than they gain.
const SAMPLES_PER_LAG: usize = 4;

/// What was found out about one signal. Memory is kept from block to block.
#[derive(Debug, Default)]
pub(super) struct Analysis {
    covariance: Covariance,
    solver: Solver,
    /// The equations of a further solution, which may be no better.
    next_solver: Solver,
    predictor: Option<Predictor>,
    /// The best fixed predictor's order, and the bits of its residual in one partition, as they are expected. None for
    /// blocks that are too short.
    pub fixed: Option<(usize, u64)>,
    /// Bits of the subframe, as they are expected.
    pub bits: f64,
    scaled: Vec<i32>,
}

impl Analysis {
    /// Looks at a signal.
    pub fn analyse(&mut self, kernels: &Kernels, search: &Search, signal: &Signal) {
        (self.predictor, self.fixed) = (None, None);
        self.bits = f64::from(signal.depth);
        if signal.constant {
            return;
        }
        let order = search.order.min(signal.samples.len() / SAMPLES_PER_LAG);
        if order >= MAX_FIXED_ORDER {
            self.solve(kernels, search, signal, order);
        } else {
            self.look_at_fixed(kernels, signal);
        }
    }

    fn look_at_fixed(&mut self, kernels: &Kernels, signal: &Signal) {
        let count = signal.samples.len();
        if count <= 2 * MAX_FIXED_ORDER {
            return;
        }
        let shift = signal.used_depth.saturating_sub(FIXED_DEPTH);
        let samples = if shift == 0 {
            &signal.samples
        } else {
            self.scaled.clear();
            self.scaled.extend(signal.samples.iter().map(|sample| sample >> shift));
            &self.scaled
        };
        let sums = (kernels.fixed_sums)(samples);
        // Folded, a residual's value is twice its size, or one less.
        let bits = |sum: u64| rice::parameter(count - MAX_FIXED_ORDER, 2 * (sum << shift)).1;
        let orders = sums.iter().enumerate();
        self.fixed = orders
            .map(|(order, sum)| (order, bits(*sum) + order as u64 * u64::from(signal.depth)))
            .min_by_key(|(_, bits)| *bits);
    }

    fn solve(&mut self, kernels: &Kernels, search: &Search, signal: &Signal, order: usize) {
        let shift = signal.used_depth.saturating_sub(COVARIANCE_DEPTH);
        let Self { covariance, solver, next_solver, .. } = self;
        covariance.take(kernels, &signal.samples, order, shift);
        self.fixed = best_fixed(covariance, signal.depth);
        covariance.look_at_second_differences();
        covariance.weigh();
        solver.take(covariance);
        if search.estimates() {
            self.bits = expected_bits(covariance, solver);
        }
        for _ in 0..search.further_solves {
            covariance.weigh();
            next_solver.take(covariance);
            let bits = expected_bits(covariance, next_solver);
            if bits >= self.bits {
                break;
            }
            self.bits = bits;
            std::mem::swap(solver, next_solver);
        }
        self.predictor = solver.predictor(solver.best_order());
    }

    /// The linear predictors to try.
    pub fn predictors(&self) -> impl Iterator<Item = &Predictor> {
        self.predictor.iter()
    }
}

/// About the bits of the residual that the solution leaves.
fn expected_bits(covariance: &mut Covariance, solver: &Solver) -> f64 {
    covariance.look_at(&solver.factors(), solver.order());
    covariance.variances().map(|(samples, variance)| samples * bits_of(variance)).sum()
}

/// The best fixed predictor's order and bits, as they are expected.
fn best_fixed(covariance: &Covariance, depth: u32) -> Option<(usize, u64)> {
    let mut bits = [0.0; MAX_FIXED_ORDER + 1];
    for (samples, variances) in covariance.fixed_variances() {
        for (bits, variance) in bits.iter_mut().zip(variances) {
            *bits += samples * bits_of(variance);
        }
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // below 2^21
    let whole = |(order, bits): (usize, f64)| (order, bits as u64 + order as u64 * u64::from(depth));
    bits.into_iter().enumerate().map(whole).min_by_key(|(_, bits)| *bits)
}

/// About the bits that a Rice code spends on a residual with this variance: at least one.
fn bits_of(variance: f64) -> f64 {
    0.5 * log2(variance + 0.27) + 1.95
}
