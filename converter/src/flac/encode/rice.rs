//! How a residual is cut into partitions, and which Rice parameter each gets (RFC 9639 §9.2.7).
//!
//! Of a partition only the number of its residuals and the sum of their folded values are looked at. For residuals
//! that are distributed geometrically, which those of audio nearly are, the best parameter follows from their mean:
//! `floor(log2(0.9624 mean))`. The sums of a partition order are the sums of pairs of the next, so that only the finest
//! partitions are summed over samples.

#[cfg(test)]
mod tests;

use super::log2::floor_log2;
use super::real;
use crate::flac::bits::BitWriter;
use crate::flac::kernels::Kernels;

/// The finest partitions that any level tries: 2^8, the streamable subset's limit (§7).
pub(super) const MAX_PARTITION_ORDER: u32 = 8;
/// Rice parameters that 4 bits tell; one more means an escape code (§9.2.7.1).
const MAX_PARAMETER: u32 = 14;
/// Rice parameters that 5 bits tell.
const MAX_WIDE_PARAMETER: u32 = 30;
/// The coding method and the partition order.
const HEADER_BITS: u32 = 2 + 4;
/// Where the best parameter changes: the mean of a geometric distribution for which two of them cost the same, as a
/// part of the power of two between them.
const TURN: f64 = 0.9624;

/// The partitions of one residual.
#[derive(Debug, Clone)]
pub(super) struct Partitions {
    /// There are 2^order partitions.
    pub order: u32,
    parameters: [u8; 1 << MAX_PARTITION_ORDER],
    /// Bits of the whole coded residual, as they are expected.
    pub bits: u64,
    /// The residual changes within a few samples.
    pub restless: bool,
}

impl Default for Partitions {
    fn default() -> Self {
        Self { order: 0, parameters: [0; 1 << MAX_PARTITION_ORDER], bits: u64::MAX, restless: false }
    }
}

/// Bits of the parameter of each partition, where this is the largest.
fn parameter_bits(largest: u8) -> u32 {
    if u32::from(largest) > MAX_PARAMETER { 5 } else { 4 }
}

/// Bits of a partition's residuals with this parameter.
fn count(kernels: &Kernels, partition: &[u32], parameter: u32) -> u64 {
    (kernels.quotients)(partition, parameter) + partition.len() as u64 * u64::from(parameter + 1)
}

/// The best parameter for so many residuals with this sum, and the bits that they are then expected to take.
pub(super) fn parameter(count: usize, sum: u64) -> (u32, u64) {
    parameter_for(count as u64, TURN / real(count), sum)
}

/// As [`parameter`], where `turn` is [`TURN`] divided by the count.
fn parameter_for(count: u64, turn: f64, sum: u64) -> (u32, u64) {
    #[allow(clippy::cast_precision_loss)] // the nearest is near enough, and the same everywhere
    let scaled = turn * sum.cast_signed() as f64 + 0.5 * TURN;
    let parameter = floor_log2(scaled).min(MAX_WIDE_PARAMETER);
    // Shifting each value right loses half of what its lower bits can be, on average.
    let lost = (count << parameter) - count;
    (parameter, count * u64::from(parameter + 1) + ((2 * sum).saturating_sub(lost) >> (parameter + 1)))
}

/// Finds partitions for a residual that follows `order` warm-up samples: with at most 2^`finest` of them at first. Where
/// so many turn out to be the best, the residual changes within them, and up to 2^8 are tried.
pub(super) fn partition(kernels: &Kernels, residual: &[u32], order: usize, finest: u32, best: &mut Partitions) {
    best.bits = u64::MAX;
    partition_from(kernels, residual, order, finest, best);
    best.restless = finest > 0 && best.order >= finest;
    if best.restless {
        partition_from(kernels, residual, order, MAX_PARTITION_ORDER, best);
    }
}

/// Offers `best` the partitions of each order from `finest`, or what the block allows, down to 0.
fn partition_from(kernels: &Kernels, residual: &[u32], order: usize, finest: u32, best: &mut Partitions) {
    let block = residual.len() + order;
    let finest = finest.min(MAX_PARTITION_ORDER).min(block.trailing_zeros());
    // The first partition holds at least one residual.
    let finest = (0..=finest).rev().find(|finest| block >> finest > order).unwrap_or(0);
    let mut sums = [0; 1 << MAX_PARTITION_ORDER];
    let Some(sums) = sums.get_mut(..1 << finest) else { return };
    (kernels.partition_sums)(residual, order, sums);
    let mut parameters = [0_u8; 1 << MAX_PARTITION_ORDER];
    for partition_order in (0..=finest).rev() {
        let count = 1 << partition_order;
        let (Some(sums), Some(parameters)) = (sums.get_mut(..count), parameters.get_mut(..count)) else { return };
        let bits = choose_parameters(sums, block >> partition_order, order, parameters);
        if bits < best.bits {
            (best.order, best.bits) = (partition_order, bits);
            if let Some(kept) = best.parameters.get_mut(..count) {
                kept.copy_from_slice(parameters);
            }
        }
        for at in 0..count / 2 {
            sums[at] = sums[2 * at] + sums[2 * at + 1];
        }
    }
}

/// Chooses the parameters of partitions with these sums and this length, the first of which lacks `order` residuals;
/// gives the bits of all.
fn choose_parameters(sums: &[u64], length: usize, order: usize, parameters: &mut [u8]) -> u64 {
    let whole = length as u64;
    let turn = TURN / real(length);
    let (mut bits, mut used) = (u64::from(HEADER_BITS), 0);
    for (number, (sum, chosen)) in sums.iter().zip(parameters.iter_mut()).enumerate() {
        let (parameter, expected) =
            if number == 0 { parameter(length - order, *sum) } else { parameter_for(whole, turn, *sum) };
        #[allow(clippy::cast_possible_truncation)] // at most 30
        let parameter = parameter as u8;
        (*chosen, used) = (parameter, used.max(parameter));
        bits += expected;
    }
    bits + u64::from(parameter_bits(used)) * sums.len() as u64
}

impl Partitions {
    fn parameters(&self) -> &[u8] {
        self.parameters.get(..1 << self.order).unwrap_or_default()
    }

    /// Each partition's residuals, and its parameter.
    fn each<'a>(&'a self, residual: &'a [u32], order: usize) -> impl Iterator<Item = (&'a [u32], u32)> {
        let length = (residual.len() + order) >> self.order;
        let mut rest = residual;
        self.parameters().iter().enumerate().map(move |(number, parameter)| {
            let (partition, after) = rest.split_at(if number == 0 { length - order } else { length }.min(rest.len()));
            rest = after;
            (partition, u32::from(*parameter))
        })
    }

    /// Replaces each parameter by the better of itself and the neighbour that may be better, counted exactly; `bits` is
    /// exact then.
    pub fn refine(&mut self, kernels: &Kernels, residual: &[u32], order: usize) {
        self.recount(residual, order, |partition, parameter| {
            let exact = |parameter: u32| count(kernels, partition, parameter);
            let best = (exact(parameter), parameter);
            let below = parameter.saturating_sub(1);
            let lower = (exact(below), below);
            // The bits as a function of the parameter have one minimum.
            let above = (parameter + 1).min(MAX_WIDE_PARAMETER);
            let (bits, parameter) = if lower < best { lower } else { best.min((exact(above), above)) };
            (parameter, bits)
        });
    }

    /// Makes `bits` exact.
    pub fn count(&mut self, kernels: &Kernels, residual: &[u32], order: usize) {
        self.recount(residual, order, |partition, parameter| (parameter, count(kernels, partition, parameter)));
    }

    /// Sets each partition's parameter to what `choose` makes of it, and `bits` to the sum of the bits that it tells.
    fn recount(&mut self, residual: &[u32], order: usize, choose: impl Fn(&[u32], u32) -> (u32, u64)) {
        let mut parameters = [0_u8; 1 << MAX_PARTITION_ORDER];
        let (mut all, mut used) = (u64::from(HEADER_BITS), 0);
        for ((partition, parameter), kept) in self.each(residual, order).zip(&mut parameters) {
            let (parameter, bits) = choose(partition, parameter);
            *kept = u8::try_from(parameter).unwrap_or(0);
            used = used.max(*kept);
            all += bits;
        }
        self.parameters = parameters;
        self.bits = all + (u64::from(parameter_bits(used)) << self.order);
    }

    /// Appends the coded residual.
    pub fn write(&self, kernels: &Kernels, residual: &[u32], order: usize, out: &mut BitWriter) {
        let width = parameter_bits(self.parameters().iter().copied().max().unwrap_or(0));
        out.put(u64::from(width - 4), 2);
        out.put(u64::from(self.order), 4);
        for (partition, parameter) in self.each(residual, order) {
            out.put(u64::from(parameter), width);
            (kernels.put_rice)(partition, parameter, out);
        }
    }
}
