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

use super::real;
use crate::flac::kernels::{Kernels, MAX_ORDER};

/// Samples of a segment. The last one of a block has up to half as many more, or fewer.
const SEGMENT: usize = 512;
/// The fixed predictor of order 2 (RFC 9639 §9.2.5), as what multiplies `x[t]`, `x[t-1]`, `x[t-2]`.
const SECOND_DIFFERENCE: [f64; 3] = [1.0, -2.0, 1.0];
/// Added to the mean error energy of a segment before its weight is computed, in units of the unscaled samples: what
/// is below costs the same number of bits.
const FLOOR: f64 = 0.25;

/// The matrices of one signal. Memory is kept from block to block.
#[derive(Debug, Default)]
pub(super) struct Covariance {
    /// The highest order of a predictor, 2 to 32.
    order: usize,
    /// Samples were shifted right by so many bits.
    shift: u32,
    /// Samples in each segment.
    lengths: Vec<f64>,
    /// The segments' matrices one after the other, each of `order + 1` rows of so many; only from the diagonal on.
    matrices: Vec<f64>,
    /// What the last predictor that was looked at leaves of each segment: the error's energy.
    energies: Vec<f64>,
    /// The weighted sum of the matrices.
    sum: Vec<f64>,
    /// The weight of all samples together.
    weight: f64,
}

impl Covariance {
    /// Takes a signal of more than `order` samples, which have at most 21 bits once they are shifted.
    pub fn take(&mut self, kernels: &Kernels, samples: &[i32], order: usize, shift: u32) {
        (self.order, self.shift) = (order, shift);
        self.lengths.clear();
        let rows = order + 1;
        let mut start = order;
        let mut at = 0;
        while start < samples.len() {
            let end = if samples.len() - at < SEGMENT + SEGMENT / 2 { samples.len() } else { at + SEGMENT };
            // A block hardly longer than the order has its few samples in the first segment.
            let end = end.max(start + 1);
            self.lengths.push(real(end - start));
            let needed = self.lengths.len() * rows * rows;
            if self.matrices.len() < needed {
                self.matrices.resize(needed, 0.0);
            }
            if let Some(matrix) = self.matrices.get_mut(needed - rows * rows..needed) {
                fill(kernels, samples.get(..end).unwrap_or(samples), start, shift, matrix, rows);
            }
            (start, at) = (end, end);
        }
    }

    /// Looks at the fixed predictor of order 2.
    pub fn look_at_second_differences(&mut self) {
        self.look_at(&SECOND_DIFFERENCE);
    }

    /// Looks at what these factors leave of each segment, the first of which belongs to the sample itself.
    pub fn look_at(&mut self, factors: &[f64]) {
        let rows = self.order + 1;
        self.energies.clear();
        let matrices = self.matrices.chunks_exact(rows * rows).take(self.lengths.len());
        self.energies.extend(matrices.map(|matrix| energy(matrix, rows, factors).max(0.0)));
    }

    /// Weighs the segments by the predictor that was looked at last.
    pub fn weigh(&mut self) {
        let rows = self.order + 1;
        self.sum.clear();
        self.sum.resize(rows * rows, 0.0);
        self.weight = 0.0;
        let floor = FLOOR * scale(self.shift);
        let segments = self.matrices.chunks_exact(rows * rows).zip(self.lengths.iter().zip(&self.energies));
        for (matrix, (length, energy)) in segments {
            let weight = length / (energy + floor * length);
            self.weight += weight * length;
            for row in 0..rows {
                let span = row * rows + row..(row + 1) * rows;
                let (Some(sum), Some(of)) = (self.sum.get_mut(span.clone()), matrix.get(span)) else { continue };
                for (sum, of) in sum.iter_mut().zip(of) {
                    *sum += weight * of;
                }
            }
        }
    }

    /// The weighted sum, row by row, only from the diagonal on.
    pub fn weighted(&self) -> &[f64] {
        &self.sum
    }

    /// Samples in all segments.
    pub fn samples(&self) -> f64 {
        self.lengths.iter().sum()
    }

    /// The weighted energy that an error of one unscaled unit has, squared and summed over all samples.
    pub fn unit(&self) -> f64 {
        self.weight * scale(self.shift)
    }

    /// For each segment its number of samples, and the mean energy of the error, in unshifted units, that the predictor
    /// leaves which was looked at last.
    pub fn variances(&self) -> impl Iterator<Item = (f64, f64)> {
        let unscale = 1.0 / scale(self.shift);
        self.lengths.iter().zip(&self.energies).map(move |(length, energy)| (*length, energy / length * unscale))
    }
}

/// What a squared unit of unshifted samples is once they are shifted.
fn scale(shift: u32) -> f64 {
    1.0 / f64::from(1_u32 << shift.min(15)) / f64::from(1_u32 << shift.min(15))
}

/// The matrix of the segment from `start` to the end of `samples`.
fn fill(kernels: &Kernels, samples: &[i32], start: usize, shift: u32, matrix: &mut [f64], rows: usize) {
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
        let (done, rest) = matrix.split_at_mut(row * rows);
        let above = done.get((row - 1) * rows + row - 1..).unwrap_or_default();
        let (Some(enters), Some(leaves)) = (enter.get(row - 1..), leave.get(row - 1..)) else { return };
        let (Some(first_in), Some(first_out)) = (enters.first(), leaves.first()) else { return };
        let entries = rest.iter_mut().take(rows).skip(row);
        for (((entry, above), enters), leaves) in entries.zip(above).zip(enters).zip(leaves) {
            *entry = above + first_in * enters - first_out * leaves;
        }
    }
}

/// `v' C v` for these factors `v`.
fn energy(matrix: &[f64], rows: usize, factors: &[f64]) -> f64 {
    let mut sum = 0.0;
    for (row, factor) in factors.iter().enumerate() {
        let entries = matrix.get(row * rows + row..).unwrap_or_default();
        let (Some(diagonal), Some(entries)) = (entries.first(), entries.get(1..)) else { continue };
        sum += factor * (factor * diagonal + 2.0 * dot(entries, factors.get(row + 1..).unwrap_or_default()));
    }
    sum
}

/// The sum of products, as far as both go. Four sums at a time, since each addition waits for the one before.
fn dot(left: &[f64], right: &[f64]) -> f64 {
    let length = left.len().min(right.len());
    let (left, right) = (left.get(..length).unwrap_or_default(), right.get(..length).unwrap_or_default());
    let ((left, left_rest), (right, right_rest)) = (left.as_chunks::<4>(), right.as_chunks::<4>());
    let mut sums = [0.0; 4];
    for (left, right) in left.iter().zip(right) {
        for ((sum, left), right) in sums.iter_mut().zip(left).zip(right) {
            *sum += left * right;
        }
    }
    for ((sum, left), right) in sums.iter_mut().zip(left_rest).zip(right_rest) {
        *sum += left * right;
    }
    let [a, b, c, d] = sums;
    (a + c) + (b + d)
}
