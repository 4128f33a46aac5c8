//! How a residual is cut into partitions, and which Rice parameter each gets (RFC 9639 §9.2.7).
//!
//! Of a partition only the number of its residuals and the sum of their folded values are looked at. For residuals
//! that are distributed geometrically, which those of audio nearly are, the best parameter follows from their mean:
//! `floor(log2(0.9624 mean))`. The sums of a partition order are the sums of pairs of the next, so that only the finest
//! partitions are summed over samples.

#[cfg(test)]
mod tests;

use super::covariance::LANES;
use super::log2::floor_log2;
use super::real;
use crate::flac::bits::BitWriter;
use crate::flac::kernels::{Kernels, Task};

/// The finest partitions that any level tries: 2^8, the streamable subset's limit (§7).
pub(super) const MAX_PARTITION_ORDER: u32 = 8;
/// Rice parameters that 4 bits tell; one more means an escape code (§9.2.7.1).
const MAX_PARAMETER: u64 = 14;
/// Rice parameters that 5 bits tell.
const MAX_WIDE_PARAMETER: u32 = 30;
/// The coding method and the partition order.
const HEADER_BITS: u32 = 2 + 4;
/// Where the best parameter changes: the mean of a geometric distribution for which two of them cost the same, as a
/// part of the power of two between them.
const TURN: f64 = 0.9624;
/// The lower half of a number: of two such numbers vectors have the product at once.
const LOW: u64 = 0xFFFF_FFFF;

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
#[inline(always)]
fn parameter_bits(largest: u64) -> u32 {
    if largest > MAX_PARAMETER { 5 } else { 4 }
}

/// The best parameter for so many residuals with this sum, and the bits that they are then expected to take.
#[inline(always)]
pub(super) fn parameter(count: usize, sum: u64) -> (u64, u64) {
    parameter_for(count as u64, TURN / real(count), sum)
}

/// As [`parameter`], where `turn` is [`TURN`] divided by the count, which is below 2^32.
#[inline(always)]
fn parameter_for(count: u64, turn: f64, sum: u64) -> (u64, u64) {
    let scaled = turn * exact(sum) + 0.5 * TURN;
    let parameter = floor_log2(scaled).cast_signed().min(MAX_WIDE_PARAMETER.into()).cast_unsigned();
    // Shifting each value right loses half of what its lower bits can be, on average.
    let lost = (count << parameter) - count;
    let left = (2 * sum).cast_signed() - lost.cast_signed();
    let quotients = left.max(0).cast_unsigned() >> (parameter + 1);
    (parameter, (count & LOW) * ((parameter + 1) & LOW) + quotients)
}

/// A sum below 2^52 as a real number, without a branch.
#[inline(always)]
fn exact(sum: u64) -> f64 {
    const TWO_52: f64 = 4_503_599_627_370_496.0;
    f64::from_bits(sum | TWO_52.to_bits()) - TWO_52
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
    kernels.vectorize(Choose { sums, block, order, best });
}

/// The choice of the partition order, of 2^0 up to as many partitions as there are sums.
struct Choose<'a> {
    sums: &'a [u64],
    block: usize,
    order: usize,
    best: &'a mut Partitions,
}

impl Task for Choose<'_> {
    #[inline(always)]
    fn run(self) {
        let Self { sums: finest, block, order, best } = self;
        let mut sums = [0; 1 << MAX_PARTITION_ORDER];
        sums[..finest.len()].copy_from_slice(finest);
        let mut chosen = None;
        let mut count = finest.len();
        while count > 0 {
            let bits = expected_bits(&mut sums, count, block / count, order);
            if bits < best.bits {
                (best.order, best.bits) = (count.ilog2(), bits);
                chosen = Some(count);
            }
            for at in 0..count / 2 {
                sums[at] = sums[2 * at] + sums[2 * at + 1];
            }
            count /= 2;
        }
        let Some(count) = chosen else { return };
        let length = block / count;
        let turn = TURN / real(length);
        for (number, (parts, chosen)) in finest.chunks(finest.len() / count).zip(&mut best.parameters).enumerate() {
            let sum = parts.iter().sum();
            let (parameter, _) =
                if number == 0 { parameter(length - order, sum) } else { parameter_for(length as u64, turn, sum) };
            *chosen = u8::try_from(parameter).unwrap_or(0);
        }
    }
}

/// The bits of so many partitions with these sums and this length, the first of which lacks `order` residuals.
#[inline(always)]
fn expected_bits(sums: &mut [u64; 1 << MAX_PARTITION_ORDER], count: usize, length: usize, order: usize) -> u64 {
    let mut lengths = [0; LANES];
    lengths[..count.min(LANES)].fill(length as u64);
    lengths[0] = (length - order) as u64;
    let turn = TURN / real(length);
    // Where there are fewer partitions than lanes, the others are empty.
    sums[count..count.max(LANES)].fill(0);
    let (first, rest) = sums[..count.max(LANES)].split_at(LANES);
    let mut found = ([0; LANES], [0; LANES]);
    add_expected(&mut found, first, &lengths, &[TURN / real(length - order), turn, turn, turn]);
    for sums in rest.chunks_exact(LANES) {
        add_expected(&mut found, sums, &[length as u64; LANES], &[turn; LANES]);
    }
    let (bits, largest) = found;
    let largest = largest.into_iter().fold(0, i64::max).cast_unsigned();
    u64::from(HEADER_BITS) + bits.iter().sum::<u64>() + u64::from(parameter_bits(largest)) * count as u64
}

/// Adds the bits of as many partitions as there are lanes; keeps the largest parameter.
#[inline(always)]
fn add_expected(
    (bits, largest): &mut ([u64; LANES], [i64; LANES]),
    sums: &[u64],
    lengths: &[u64; LANES],
    turns: &[f64; LANES],
) {
    for at in 0..LANES {
        let (parameter, expected) = parameter_for(lengths[at], turns[at], sums[at]);
        bits[at] += expected;
        largest[at] = largest[at].max(parameter.cast_signed());
    }
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
        self.recount(kernels, residual, order, |[lower, same, higher]| {
            // The bits as a function of the parameter have one minimum.
            if lower < same { lower } else { same.min(higher) }
        });
    }

    /// Makes `bits` exact.
    pub fn count(&mut self, kernels: &Kernels, residual: &[u32], order: usize) {
        self.recount(kernels, residual, order, |[_, same, _]| same);
    }

    /// Sets each partition's parameter to what `choose` takes of the bits, and the parameters, one below, as it is and
    /// one above; and `bits` to the sum of those bits.
    fn recount(
        &mut self,
        kernels: &Kernels,
        residual: &[u32],
        order: usize,
        choose: impl Fn([(u64, u32); 3]) -> (u64, u32),
    ) {
        let mut quotients = [[0; 3]; 1 << MAX_PARTITION_ORDER];
        let Some(quotients) = quotients.get_mut(..1 << self.order) else { return };
        (kernels.quotients)(residual, order, self.parameters(), quotients);
        let (mut all, mut used) = (u64::from(HEADER_BITS), 0);
        let length = (residual.len() + order) >> self.order;
        for (number, (quotients, kept)) in quotients.iter().zip(&mut self.parameters).enumerate() {
            let length = if number == 0 { length - order } else { length } as u64;
            let parameter = u32::from(*kept);
            let parameters = [parameter.saturating_sub(1), parameter, (parameter + 1).min(MAX_WIDE_PARAMETER)];
            let bits = |at: usize| (quotients[at] + length * u64::from(parameters[at] + 1), parameters[at]);
            let (bits, parameter) = choose([bits(0), bits(1), bits(2)]);
            *kept = u8::try_from(parameter).unwrap_or(0);
            used = used.max(parameter.into());
            all += bits;
        }
        self.bits = all + (u64::from(parameter_bits(used)) << self.order);
    }

    /// Appends the coded residual.
    pub fn write(&self, kernels: &Kernels, residual: &[u32], order: usize, out: &mut BitWriter) {
        let width = parameter_bits(self.parameters().iter().copied().max().unwrap_or(0).into());
        out.put(u64::from(width - 4), 2);
        out.put(u64::from(self.order), 4);
        for (partition, parameter) in self.each(residual, order) {
            out.put(u64::from(parameter), width);
            (kernels.put_rice)(partition, parameter, out);
        }
    }
}
