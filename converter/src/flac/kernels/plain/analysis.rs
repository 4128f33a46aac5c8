//! What is looked at before a block is coded.
#![allow(clippy::inline_always)] // loops become vectors, for this and other CPUs, only with all of them inlined

#[cfg(test)]
mod tests;

use std::array::from_fn;

use crate::flac::kernels::{MAX_ORDER, Survey};

/// Samples for which differences are kept at a time: few enough for the nearest cache.
const BLOCK: usize = 1024;
/// Samples of a segment that are converted to `f64` at a time.
const PIECE: usize = 256;
/// Samples of it that are multiplied at a time.
const WIDTH: usize = 4;

pub(in crate::flac::kernels) fn split(pcm: &[u8], bytes: usize, channels: &mut [Vec<i32>]) {
    let count = channels.len();
    let frames = pcm.len() / (bytes * count).max(1);
    // All that is in them is overwritten: the zeros cost time only when a block is larger than the one before.
    for channel in channels.iter_mut() {
        channel.resize(frames, 0);
    }
    match bytes {
        1 => split_rest::<1>(pcm, channels, 0),
        2 => split_rest::<2>(pcm, channels, 0),
        3 => split_rest::<3>(pcm, channels, 0),
        _ => split_rest::<4>(pcm, channels, 0),
    }
}

/// Splits `pcm` from this frame (one sample of every channel) on.
pub(in crate::flac::kernels) fn split_rest<const BYTES: usize>(pcm: &[u8], channels: &mut [Vec<i32>], from: usize) {
    let count = channels.len();
    let samples = pcm.as_chunks::<BYTES>().0.get(from * count..).unwrap_or_default();
    match channels {
        [mono] => {
            for (to, sample) in mono.iter_mut().skip(from).zip(samples) {
                *to = signed(sample);
            }
        }
        [left, right] => {
            for ((left, right), frame) in left.iter_mut().zip(right).skip(from).zip(samples.as_chunks().0) {
                [*left, *right] = both(frame);
            }
        }
        // Channel after channel, but of so few frames that all their bytes stay in the nearest cache.
        _ => {
            let step = BYTES * count.max(1);
            for (tile, samples) in samples.as_flattened().chunks(BLOCK * step).enumerate() {
                for (number, channel) in channels.iter_mut().enumerate() {
                    let channel = channel.get_mut(from + tile * BLOCK..).unwrap_or_default();
                    for (to, frame) in channel.iter_mut().zip(samples.chunks_exact(step)) {
                        *to = frame[number * BYTES..].first_chunk().map_or(0, signed::<BYTES>);
                    }
                }
            }
        }
    }
}

/// A little-endian number.
fn signed<const BYTES: usize>(bytes: &[u8; BYTES]) -> i32 {
    match *bytes.as_slice() {
        [a] => i8::from_le_bytes([a]).into(),
        [a, b] => i16::from_le_bytes([a, b]).into(),
        [a, b, c] => i32::from(i8::from_le_bytes([c])) << 16 | i32::from(u16::from_le_bytes([a, b])),
        [a, b, c, d] => i32::from_le_bytes([a, b, c, d]),
        _ => 0,
    }
}

/// Two little-endian numbers.
fn both<const BYTES: usize>([left, right]: &[[u8; BYTES]; 2]) -> [i32; 2] {
    match (left.as_slice(), right.as_slice()) {
        // Of one number of 32 bits, which vectors of any CPU can do.
        (&[a, b], &[c, d]) => {
            let both = i32::from_le_bytes([a, b, c, d]);
            [both << 16 >> 16, both >> 16]
        }
        _ => [signed(left), signed(right)],
    }
}

#[inline(always)] // so that it is also compiled for other CPUs
pub(in crate::flac::kernels) fn mid_side(left: &[i32], right: &[i32], mid: &mut [i32], side: &mut [i32]) {
    for ((left, right), (mid, side)) in left.iter().zip(right).zip(mid.iter_mut().zip(side)) {
        *mid = (left + right) >> 1;
        *side = left - right;
    }
}

#[inline(always)] // so that it is also compiled for other CPUs
pub(in crate::flac::kernels) fn survey(samples: &[i32]) -> Survey {
    let (mut any, mut all, mut magnitude) = (0, u32::MAX, 0);
    for sample in samples {
        any |= sample.cast_unsigned();
        all &= sample.cast_unsigned();
        magnitude |= (sample ^ sample >> 31).cast_unsigned();
    }
    Survey { used: any, spread: any & !all, magnitude }
}

pub(in crate::flac::kernels) fn stereo_sums(left: &[i32], right: &[i32]) -> [u64; 4] {
    let mut sums = [0; 4];
    for (left, right) in overlapping::<2>(left).zip(overlapping::<2>(right)) {
        let few = if are_small(left) && are_small(right) {
            stereo_sums_of_few::<u32>(left, right)
        } else {
            stereo_sums_of_few::<Few>(left, right)
        };
        sums.iter_mut().zip(few).for_each(|(sum, few)| *sum += few);
    }
    sums
}

#[inline(always)]
fn stereo_sums_of_few<S: Sum>(left: &[i32], right: &[i32]) -> [u64; 4] {
    let mut sums = [S::default(); 4];
    for (left, right) in left.array_windows().zip(right.array_windows()) {
        let second = |[two, one, now]: [i32; 3]| now - 2 * one + two;
        let mid = from_fn(|at| (left[at] + right[at]) >> 1);
        let (left, right) = (second(*left), second(*right));
        for (sum, difference) in sums.iter_mut().zip([left, right, second(mid), left - right]) {
            sum.add(difference.unsigned_abs());
        }
    }
    sums.map(S::sum)
}

pub(in crate::flac::kernels) fn fixed_sums(samples: &[i32]) -> [u64; 5] {
    let mut sums = [0; 5];
    for block in overlapping::<4>(samples) {
        let few = if are_small(block) { fixed_sums_of_small(block) } else { fixed_sums_of_large(block) };
        sums.iter_mut().zip(few).for_each(|(sum, few)| *sum += few);
    }
    sums
}

/// The residuals of all fixed predictors for the last of these samples.
#[inline(always)]
fn residuals([four, three, two, one, now]: [i32; 5]) -> [i32; 5] {
    let first = [now - one, one - two, two - three, three - four];
    let second = [first[0] - first[1], first[1] - first[2], first[2] - first[3]];
    let third = [second[0] - second[1], second[1] - second[2]];
    [now, first[0], second[0], third[0], third[0] - third[1]]
}

fn fixed_sums_of_large(samples: &[i32]) -> [u64; 5] {
    let mut sums = [Few::default(); 5];
    for window in samples.array_windows() {
        for (sum, residual) in sums.iter_mut().zip(residuals(*window)) {
            sum.add(residual.unsigned_abs());
        }
    }
    sums.map(Sum::sum)
}

/// A residual's size is twice what it is above zero, less itself. What residuals of one order add up to themselves is
/// how much that of the order below has changed from before the first to the last.
fn fixed_sums_of_small(samples: &[i32]) -> [u64; 5] {
    let mut few = [0_u32; 5];
    for window in samples.array_windows() {
        let [zero, rest @ ..] = residuals(*window);
        let [first, second, third, fourth] = rest.map(|residual| residual.max(0).cast_unsigned());
        for (few, part) in few.iter_mut().zip([zero.unsigned_abs(), first, second, third, fourth]) {
            *few += part;
        }
    }
    let [zero, rest @ ..] = few.map(u64::from);
    let [first, second, third, fourth] = rest.map(|above| 2 * above);
    let mut sums = [zero, first, second, third, fourth];
    if let (Some([zero, one, two, three]), Some(last)) = (samples.first_chunk(), samples.last_chunk()) {
        // Of the order below, no sample before the first of these is needed.
        let before = residuals([0, *zero, *one, *two, *three]);
        for ((sum, before), last) in sums.iter_mut().skip(1).zip(before).zip(residuals(*last)) {
            *sum = sum.wrapping_add_signed(i64::from(before - last));
        }
    }
    sums
}

/// Whether no sample has more than 18 bits. Then the residuals of a block, each at most 2^4 times as large, add up in 32
/// bits.
fn are_small(samples: &[i32]) -> bool {
    const { assert!(BLOCK << 4 << 17 <= 1 << 31) };
    let above = |above, sample: &i32| above | (sample + (1 << 17)).cast_unsigned();
    // So few at a time that little is done in vain where samples are larger.
    samples.chunks(128).all(|samples| samples.iter().fold(0, above) < 1 << 18)
}

/// A sum of many numbers in lanes of 32 bits, of which a vector holds twice as many as of 64.
trait Sum: Copy + Default {
    fn add(&mut self, value: u32);
    fn sum(self) -> u64;
}

/// Of numbers that are small enough.
impl Sum for u32 {
    #[inline(always)]
    fn add(&mut self, value: u32) {
        *self += value;
    }

    fn sum(self) -> u64 {
        self.into()
    }
}

/// Of at most 2^16 numbers.
#[derive(Debug, Clone, Copy, Default)]
struct Few {
    /// Modulo 2^32.
    whole: u32,
    /// Of the upper halves: the rest of `whole` is that of the lower ones, and is all there.
    upper: u32,
}

impl Sum for Few {
    #[inline(always)]
    fn add(&mut self, value: u32) {
        self.whole = self.whole.wrapping_add(value);
        self.upper += value >> 16;
    }

    fn sum(self) -> u64 {
        let lower = self.whole.wrapping_sub(self.upper << 16);
        (u64::from(self.upper) << 16) + u64::from(lower)
    }
}

/// Blocks of up to [`BLOCK`] samples, each after the last `HISTORY` samples of the block before.
fn overlapping<const HISTORY: usize>(samples: &[i32]) -> impl Iterator<Item = &[i32]> {
    let starts = (0..samples.len().saturating_sub(HISTORY)).step_by(BLOCK);
    starts.map(move |start| &samples[start..samples.len().min(start + BLOCK + HISTORY)])
}

pub(in crate::flac::kernels) fn lag_sums(samples: &[i32], from: usize, shift: u32, sums: &mut [f64]) {
    let order = sums.len().saturating_sub(1).min(MAX_ORDER);
    // What is left of it behind the samples are zeros, with which the last row of lanes is filled.
    let mut buffer = [0.0; MAX_ORDER + PIECE + WIDTH];
    sums.fill(0.0);
    for start in (from.max(order)..samples.len()).step_by(PIECE) {
        let end = samples.len().min(start + PIECE);
        let (wide, rest) = buffer.split_at_mut(order + end - start);
        for (wide, sample) in wide.iter_mut().zip(&samples[start - order..end]) {
            *wide = f64::from(sample >> shift);
        }
        rest.fill(0.0);
        let rows = (end - start).div_ceil(WIDTH);
        let mut sums = &mut *sums;
        let mut past = order;
        while !sums.is_empty() {
            // Groups of 3 to 5 lags where there are enough.
            let few = sums.len().div_ceil(sums.len().div_ceil(5));
            let (group, rest) = sums.split_at_mut(few);
            match few {
                1 => add_products::<1>(&buffer, order, past, rows, group),
                2 => add_products::<2>(&buffer, order, past, rows, group),
                3 => add_products::<3>(&buffer, order, past, rows, group),
                4 => add_products::<4>(&buffer, order, past, rows, group),
                _ => add_products::<5>(&buffer, order, past, rows, group),
            }
            past = past.saturating_sub(few);
            sums = rest;
        }
    }
}

/// Adds to `sums[j]` the products of so many rows of samples from `now` on with those from `past - j` on.
fn add_products<const N: usize>(samples: &[f64], now: usize, past: usize, rows: usize, sums: &mut [f64]) {
    let mut lanes = [[0.0; WIDTH]; N];
    let rows_from = |at: usize| samples.get(at..).unwrap_or_default().as_chunks::<WIDTH>().0;
    let now = &rows_from(now)[..rows];
    let past: [_; N] = std::array::from_fn(|lag| &rows_from(past - lag)[..rows]);
    for row in 0..rows {
        for (lanes, past) in lanes.iter_mut().zip(past) {
            for at in 0..WIDTH {
                lanes[at] += now[row][at] * past[row][at];
            }
        }
    }
    for (sum, lanes) in sums.iter_mut().zip(&lanes) {
        *sum += lanes.iter().sum::<f64>();
    }
}
