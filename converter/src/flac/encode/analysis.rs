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
use crate::flac::kernels::{Kernels, Task};

/// Bits of a sample that covariances are computed from; further low bits are left out. Their sums stay exact.
const COVARIANCE_DEPTH: u32 = 21;
/// Bits of a sample that fixed predictors are compared by.
const FIXED_DEPTH: u32 = 26;
/// Fixed predictors are compared on one of every four pieces of so many samples; on all of a block that is not long.
const PIECE: usize = 128;
const LONG: usize = 2048;
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
    /// Bits of the linear predictor's residual as its energy lets expect them.
    pub linear_bits: f64,
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
            kernels.vectorize(Solve { analysis: self, kernels, search, signal, order });
        }
        self.look_at_fixed(kernels, signal);
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
        let (step, piece) = if count < LONG { (count, count) } else { (4 * PIECE, PIECE) };
        let (mut sums, mut summed) = ([0; MAX_FIXED_ORDER + 1], 0);
        for part in samples.chunks(step) {
            let part = part.get(..piece).unwrap_or(part);
            let more = (kernels.fixed_sums)(part);
            sums.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
            summed += part.len().saturating_sub(MAX_FIXED_ORDER);
        }
        // Folded, a residual's value is twice its size, or one less.
        let bits = |sum: u64| rice::parameter(summed, 2 * (sum << shift)).1 * count as u64 / summed as u64;
        let orders = sums.iter().enumerate();
        self.fixed = orders
            .map(|(order, sum)| (order, bits(*sum) + order as u64 * u64::from(signal.depth)))
            .min_by_key(|(_, bits)| *bits);
    }

    #[inline(always)]
    fn solve(&mut self, kernels: &Kernels, search: &Search, signal: &Signal, order: usize) {
        let shift = signal.used_depth.saturating_sub(COVARIANCE_DEPTH);
        let Self { covariance, solver, next_solver, .. } = self;
        covariance.take(kernels, &signal.samples, order, shift);
        covariance.look_at_second_differences();
        let of_second_differences = bits_by_energies(covariance);
        covariance.weigh();
        solver.take(covariance);
        // The energy that is left is a part of that of the second differences, by which it was weighed: about the same
        // part in every segment.
        let samples = covariance.samples();
        self.linear_bits = of_second_differences + 0.5 * samples * log2(solver.least_energy() / samples);
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

/// The finding of a linear predictor.
struct Solve<'a> {
    analysis: &'a mut Analysis,
    kernels: &'a Kernels,
    search: &'a Search,
    signal: &'a Signal,
    order: usize,
}

impl Task for Solve<'_> {
    #[inline(always)]
    fn run(self) {
        self.analysis.solve(self.kernels, self.search, self.signal, self.order);
    }
}

/// About the bits of the residual that the solution leaves.
#[inline(always)]
fn expected_bits(covariance: &mut Covariance, solver: &Solver) -> f64 {
    covariance.look_at(&solver.factors(), solver.order());
    bits_by_energies(covariance)
}

/// About the bits of the residual of the predictor that was looked at last.
#[inline(always)]
fn bits_by_energies(covariance: &Covariance) -> f64 {
    let mut bits = ExpectedBits::default();
    for (samples, variance) in covariance.variances() {
        bits.add(samples, variance);
    }
    bits.sum()
}

/// About the bits that Rice codes spend on the residuals of segments: of each with the variance v, 0.5 log2 v + 1.95,
/// and at least about one.
#[derive(Debug, Clone, Copy)]
struct ExpectedBits {
    bits: f64,
    /// Of segments that are equally long there is one logarithm, of their product.
    product: f64,
    factors: u32,
    samples: f64,
}

impl Default for ExpectedBits {
    fn default() -> Self {
        Self { bits: 0.0, product: 1.0, factors: 0, samples: 0.0 }
    }
}

impl ExpectedBits {
    /// No fixed predictor leaves a variance above 2^70, so that a product of so many is far below 2^1023.
    const MAX_FACTORS: u32 = 8;

    #[inline(always)]
    fn add(&mut self, samples: f64, variance: f64) {
        #[allow(clippy::float_cmp)] // whole numbers
        if samples != self.samples || self.factors == Self::MAX_FACTORS {
            *self = Self { bits: self.sum(), samples, ..Self::default() };
        }
        self.product *= variance + 0.27;
        self.factors += 1;
        self.bits += samples * 1.95;
    }

    #[inline(always)]
    fn sum(&self) -> f64 {
        self.bits + self.samples * 0.5 * log2(self.product)
    }
}
