//! One signal's subframe (RFC 9639 §9.2): what it could be, which of that is smallest, and its bits.

#[cfg(test)]
mod tests;

use super::analysis::Analysis;
use super::predictor::Predictor;
use super::rice::{self, Partitions};
use super::search::Search;
use super::signal::Signal;
use crate::flac::bits::BitWriter;
use crate::flac::kernels::Kernels;
use crate::flac::kernels::plain::{fixed_residual_checked, linear_residual_checked};

/// The highest order of a fixed predictor (§9.2.5).
pub(super) const MAX_FIXED_ORDER: usize = 4;
/// Samples of so many bits have fixed residuals, and estimates, in 32-bit arithmetic.
const NARROW_DEPTH: u32 = 26;
/// Below so many bits a sample, Rice parameters are always chosen by counting, and more fixed predictors tried: residuals
/// that are mostly zero are not distributed as the estimates assume.
const FEW_BITS: u64 = 4;

/// A residual that takes less than this part of the bits that its energy lets expect is mostly small.
const SPARSE: f64 = 0.875;

/// How a signal's samples are predicted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Constant,
    Verbatim,
    Fixed(usize),
    Linear(Predictor),
}

/// A residual and its partitions.
#[derive(Debug, Default)]
struct Coded {
    residual: Vec<u32>,
    partitions: Partitions,
}

/// The best subframe so far for a signal. Memory is kept from block to block.
#[derive(Debug)]
pub(super) struct Subframe {
    kind: Kind,
    /// Bits of it, as they are expected.
    pub bits: u64,
    best: Coded,
    attempt: Coded,
}

impl Default for Subframe {
    fn default() -> Self {
        Self { kind: Kind::Verbatim, bits: u64::MAX, best: Coded::default(), attempt: Coded::default() }
    }
}

impl Subframe {
    /// Finds the subframe of a signal that was analysed.
    pub fn choose(&mut self, kernels: &Kernels, search: &Search, signal: &Signal, analysis: &Analysis) {
        let header = 8 + u64::from(signal.wasted);
        if signal.constant {
            (self.kind, self.bits) = (Kind::Constant, header + u64::from(signal.depth));
            return;
        }
        self.take_verbatim(signal);
        for predictor in analysis.predictors() {
            self.linear(kernels, search, signal, predictor);
        }
        let Some((order, bits)) = analysis.fixed else { return };
        // Far fewer bits than its energy lets expect: a few large values among small ones, as square waves leave them.
        #[allow(clippy::cast_precision_loss)] // the nearest is near enough, and the same everywhere
        let sparse = matches!(self.kind, Kind::Linear(_)) && (self.bits as f64) < SPARSE * analysis.linear_bits;
        if sparse || bits < self.bits + self.bits / 16 {
            self.fixed(kernels, search, signal, order);
        }
        let few = self.bits < FEW_BITS * signal.samples.len() as u64;
        if sparse || few || self.best.partitions.restless {
            // Sums say little of such a residual: whether its few large values or its many small ones count.
            for other in 1..=2 {
                if other != order {
                    self.fixed(kernels, search, signal, other);
                }
            }
        }
    }

    /// The samples as they are.
    pub fn take_verbatim(&mut self, signal: &Signal) {
        (self.kind, self.bits) = (Kind::Verbatim, signal.verbatim_bits());
        // What is left there is another block's.
        self.best.partitions.restless = false;
    }

    fn linear(&mut self, kernels: &Kernels, search: &Search, signal: &Signal, predictor: &Predictor) {
        let Predictor { order, shift, .. } = *predictor;
        let (samples, coefficients) = (&signal.samples, predictor.coefficients());
        let residual = &mut self.attempt.residual;
        match predictor.width(signal.used_depth) {
            Some(width) => (kernels.linear_residual)(samples, coefficients, shift, width, residual),
            None if linear_residual_checked(samples, coefficients, shift, residual) => {}
            None => return,
        }
        let coefficient_bits = u64::from(predictor.precision()) * order as u64;
        self.offer(kernels, search, signal, Kind::Linear(*predictor), order, 9 + coefficient_bits);
    }

    fn fixed(&mut self, kernels: &Kernels, search: &Search, signal: &Signal, order: usize) {
        let residual = &mut self.attempt.residual;
        if signal.used_depth <= NARROW_DEPTH {
            (kernels.fixed_residual)(&signal.samples, order, residual);
        } else if !fixed_residual_checked(&signal.samples, order, residual) {
            return;
        }
        self.offer(kernels, search, signal, Kind::Fixed(order), order, 0);
    }

    /// Takes the attempted residual if it makes the subframe smaller. Its predictor takes `bits`.
    fn offer(&mut self, kernels: &Kernels, search: &Search, signal: &Signal, kind: Kind, order: usize, bits: u64) {
        let Coded { residual, partitions } = &mut self.attempt;
        rice::partition(kernels, residual, order, search.partition_order, partitions);
        let samples = signal.samples.len() as u64;
        let head = 8 + u64::from(signal.wasted) + bits + order as u64 * u64::from(signal.depth);
        let verbatim = u64::from(signal.depth) * samples;
        if search.exact || partitions.restless || partitions.bits < FEW_BITS * samples {
            partitions.refine(kernels, residual, order);
        } else if head + partitions.bits + samples > verbatim {
            // So near to the samples themselves the estimate is not good enough. It is too low by at most half a bit a
            // sample, and one for each partition: what is not counted is never larger than the samples.
            partitions.count(kernels, residual, order);
        }
        let bits = head + partitions.bits;
        if bits < self.bits {
            (self.kind, self.bits) = (kind, bits);
            std::mem::swap(&mut self.best, &mut self.attempt);
        }
    }

    /// Appends the subframe.
    pub fn write(&self, kernels: &Kernels, signal: &Signal, out: &mut BitWriter) {
        let order = match self.kind {
            Kind::Constant => 0,
            Kind::Verbatim => 1,
            Kind::Fixed(order) => 8 + order as u64,
            Kind::Linear(predictor) => 31 + predictor.order as u64,
        };
        out.put(order << 1 | u64::from(signal.wasted > 0), 8);
        if signal.wasted > 0 {
            out.put(1, signal.wasted);
        }
        let put_samples = |count: usize, out: &mut BitWriter| {
            for sample in signal.samples.iter().take(count) {
                out.put_signed(i64::from(*sample), signal.depth);
            }
        };
        let order = match self.kind {
            Kind::Constant => return put_samples(1, out),
            Kind::Verbatim => return put_samples(signal.samples.len(), out),
            Kind::Fixed(order) => order,
            Kind::Linear(predictor) => predictor.order,
        };
        put_samples(order, out);
        if let Kind::Linear(predictor) = self.kind {
            let precision = predictor.precision();
            out.put(u64::from(precision - 1), 4);
            out.put(u64::from(predictor.shift), 5);
            for coefficient in predictor.coefficients() {
                out.put_signed(i64::from(*coefficient), precision);
            }
        }
        self.best.partitions.write(kernels, &self.best.residual, order, out);
    }
}
