//! How the samples of a signal depend on those just before: covariance matrices of short segments, and their weighted
//! sum.
//!
//! For a segment of the block, `C[i][j]` is the sum of `x[t-i] x[t-j]` over its samples `t`, for `i` and `j` from 0 to
//! the highest order. The error energy of any predictor `a` over the segment is then `e = v' C v` with
//! `v = (1, -a1, -a2 …)`, without another look at the samples. Only the first row, the lag sums, is computed from all
//! samples; each further row follows from the one above by the products that enter and leave at the segment's ends:
//!
//! `C[i+1][j+1] = C[i][j] + x[s-1-i] x[s-1-j] - x[e-1-i] x[e-1-j]`, for a segment from `s` up to `e`.
//!
//! All of this is exact: whole numbers below 2^53.
//!
//! What a block costs in bits grows with the sum of `n/2 log2 e` over its segments, not with the sum of `e`: a loud
//! segment must not outvote nine quiet ones. Weighing each segment by `n/e` makes the sum of energies the tangent of
//! that sum of logarithms: for the first solution `e` is the energy that the fixed predictor of order 2 leaves, for a
//! further one that of the solution before.

#[cfg(test)]
mod tests;

use super::real;
use crate::flac::kernels::{Kernels, MAX_ORDER};

/// Samples of a segment. The last one of a block has up to half as many more, or fewer.
const SEGMENT: usize = 512;
/// The fixed predictor of order 2 (RFC 9639 §9.2.5), as what multiplies `x[t]`, `x[t-1]`, `x[t-2]`.
const SECOND_DIFFERENCE: [f64; 3] = [1.0, -2.0, 1.0];
/// Numbers that are worked on at a time.
pub(super) const LANES: usize = 4;
/// The most numbers in a row of a matrix.
pub(super) const STRIDE: usize = (MAX_ORDER + 1).next_multiple_of(LANES);
/// Added to the mean error energy of a segment before its weight is computed, in units of the unscaled samples: what
/// is below costs the same number of bits.
const FLOOR: f64 = 0.25;

/// The matrices of one signal. Memory is kept from block to block.
///
/// Rows are filled up to whole [`LANES`], and hold zeros there and left of the diagonal: so loops over them have no
/// ends to mind, and the compiler makes vectors of them.
#[derive(Debug, Default)]
pub(super) struct Covariance {
    /// The highest order of a predictor, 2 to 32.
    order: usize,
    /// Samples were shifted right by so many bits.
    shift: u32,
    /// Samples in each segment.
    lengths: Vec<f64>,
    /// The segments' matrices one after the other.
    matrices: Vec<f64>,
    /// What the last predictor that was looked at leaves of each segment: the error's energy.
    energies: Vec<f64>,
    /// The weighted sum of the matrices.
    sum: Vec<f64>,
    /// The weight of all samples together.
    weight: f64,
}

/// A factor for the sample itself and for each of those before, filled up with zeros.
pub(super) type Factors = [f64; STRIDE];

impl Covariance {
    /// Takes a signal of more than `order` samples, which have at most 21 bits once they are shifted.
    #[inline(always)]
    pub fn take(&mut self, kernels: &Kernels, samples: &[i32], order: usize, shift: u32) {
        if order != self.order {
            // What is left in them lies elsewhere now.
            self.matrices.clear();
        }
        (self.order, self.shift) = (order, shift);
        self.lengths.clear();
        let mut start = order;
        let mut at = 0;
        while start < samples.len() {
            let end = if samples.len() - at < SEGMENT + SEGMENT / 2 { samples.len() } else { at + SEGMENT };
            // A block hardly longer than the order has its few samples in the first segment.
            let end = end.max(start + 1);
            self.lengths.push(real(end - start));
            let (size, stride) = (self.size(), stride(order));
            let needed = self.lengths.len() * size;
            if self.matrices.len() < needed {
                self.matrices.resize(needed, 0.0);
            }
            if let Some(matrix) = self.matrices.get_mut(needed - size..needed) {
                fill(kernels, samples.get(..end).unwrap_or(samples), start, shift, matrix, (order + 1, stride));
            }
            (start, at) = (end, end);
        }
    }

    /// Numbers in a matrix.
    #[inline(always)]
    fn size(&self) -> usize {
        (self.order + 1) * stride(self.order)
    }

    /// Looks at the fixed predictor of order 2.
    #[inline(always)]
    pub fn look_at_second_differences(&mut self) {
        let mut factors = [0.0; STRIDE];
        factors[..3].copy_from_slice(&SECOND_DIFFERENCE);
        self.look_at(&factors, 2);
    }

    /// Looks at what these factors of a predictor of this order, 1 to the highest, leave of each segment. The first of
    /// them belongs to the sample itself.
    #[inline(always)]
    pub fn look_at(&mut self, factors: &Factors, order: usize) {
        let (size, stride) = (self.size(), stride(self.order));
        self.energies.clear();
        let matrices = self.matrices.chunks_exact(size).take(self.lengths.len());
        for matrix in matrices {
            self.energies.push(energy(matrix, stride, factors, order + 1).max(0.0));
        }
    }

    /// Weighs the segments by the predictor that was looked at last.
    #[inline(always)]
    pub fn weigh(&mut self) {
        let size = self.size();
        self.sum.clear();
        self.sum.resize(size, 0.0);
        self.weight = 0.0;
        let floor = FLOOR * scale(self.shift);
        let segments = self.matrices.chunks_exact(size).zip(self.lengths.iter().zip(&self.energies));
        for (matrix, (length, energy)) in segments {
            let weight = length / (energy + floor * length);
            self.weight += weight * length;
            for (sum, of) in self.sum.iter_mut().zip(matrix) {
                *sum += weight * of;
            }
        }
    }

    /// The rows of the weighted sum, each from the first column on.
    #[inline(always)]
    pub fn weighted(&self) -> impl Iterator<Item = &[f64]> {
        self.sum.chunks_exact(stride(self.order))
    }

    /// The highest order.
    #[inline(always)]
    pub fn order(&self) -> usize {
        self.order
    }

    /// Samples in all segments.
    #[inline(always)]
    pub fn samples(&self) -> f64 {
        self.lengths.iter().sum()
    }

    /// The weighted energy that an error of one unscaled unit has, squared and summed over all samples.
    #[inline(always)]
    pub fn unit(&self) -> f64 {
        self.weight * scale(self.shift)
    }

    /// For each segment its number of samples, and the mean energy of the error, in unshifted units, that the predictor
    /// leaves which was looked at last.
    #[inline(always)]
    pub fn variances(&self) -> impl Iterator<Item = (f64, f64)> {
        let unscale = 1.0 / scale(self.shift);
        self.lengths.iter().zip(&self.energies).map(move |(length, energy)| (*length, energy / length * unscale))
    }
}

/// What a squared unit of unshifted samples is once they are shifted.
#[inline(always)]
fn scale(shift: u32) -> f64 {
    1.0 / f64::from(1_u32 << shift.min(15)) / f64::from(1_u32 << shift.min(15))
}

/// The matrix of the segment from `start` to the end of `samples`, of so many rows, and numbers in each.
#[inline(always)]
fn fill(
    kernels: &Kernels,
    samples: &[i32],
    start: usize,
    shift: u32,
    matrix: &mut [f64],
    (rows, stride): (usize, usize),
) {
    let Some(first) = matrix.get_mut(..rows) else { return };
    (kernels.lag_sums)(samples, start, shift, first);
    // The samples just before the segment, and the last of it: the nearest first.
    let before = |end: usize| {
        let mut last = [0.0; MAX_ORDER];
        let past = samples.get(..end).unwrap_or_default().iter().rev();
        last.iter_mut().zip(past).for_each(|(last, sample)| *last = f64::from(sample >> shift));
        last
    };
    let (enter, leave) = (before(start), before(samples.len()));
    for row in 1..rows {
        let count = rows - row;
        let (above, below) = matrix.split_at_mut(row * stride);
        let above = &above[(row - 1) * stride + row - 1..][..count];
        let entries = &mut below[row..][..count];
        let (enters, leaves) = (&enter[row - 1..][..count], &leave[row - 1..][..count]);
        for at in 0..count {
            entries[at] = above[at] + enters[0] * enters[at] - leaves[0] * leaves[at];
        }
    }
}

/// `v' C v` for so many factors `v`.
#[inline(always)]
fn energy(matrix: &[f64], stride: usize, factors: &Factors, count: usize) -> f64 {
    // Half of the matrix is there, and the diagonal whole: twice the sum over that half, less the diagonal once.
    let mut sums = [0.0; LANES];
    for start in (0..count).step_by(LANES) {
        let mut column = [0.0; LANES];
        for (row, factor) in matrix.chunks_exact(stride).zip(&factors[..count.min(start + LANES)]) {
            for (sum, entry) in column.iter_mut().zip(&row[start..start + LANES]) {
                *sum += factor * entry;
            }
        }
        for ((sum, column), factor) in sums.iter_mut().zip(column).zip(&factors[start..start + LANES]) {
            *sum += column * factor;
        }
    }
    let [a, b, c, d] = sums;
    let diagonal: f64 = (0..count).map(|at| factors[at] * factors[at] * matrix[at * stride + at]).sum();
    2.0 * ((a + c) + (b + d)) - diagonal
}

/// Numbers in a row of a matrix for this order.
#[inline(always)]
fn stride(order: usize) -> usize {
    (order + 1).next_multiple_of(LANES)
}
