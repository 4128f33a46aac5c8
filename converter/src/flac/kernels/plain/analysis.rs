//! What is looked at before a block is coded.

#[cfg(test)]
mod tests;

use std::array::from_fn;

use crate::flac::kernels::{MAX_ORDER, Survey};

/// Samples for which differences are kept at a time: few enough for the nearest cache.
const BLOCK: usize = 256;
/// Lanes of sums that are kept beside each other, so that they can be those of a vector.
const LANES: usize = 8;
/// Samples of a segment that are converted to `f64` at a time.
const PIECE: usize = 256;
/// Samples of it that are multiplied at a time.
const WIDTH: usize = 4;

pub(in crate::flac::kernels) fn split(pcm: &[u8], bytes: usize, channels: &mut [Vec<i32>]) {
    let count = channels.len();
    let frames = pcm.len() / (bytes * count).max(1);
    // All that is in them is overwritten: the zeros cost time only when a block is larger than the one before.
    channels.iter_mut().for_each(|channel| channel.resize(frames, 0));
    match (bytes, &mut *channels) {
        (2, [left, right]) => split_16_bit_stereo(pcm, left, right),
        (1, _) => split_rest::<1>(pcm, channels, 0),
        (2, _) => split_rest::<2>(pcm, channels, 0),
        (3, _) => split_rest::<3>(pcm, channels, 0),
        _ => split_rest::<4>(pcm, channels, 0),
    }
}

/// Splits `pcm` from this frame (one sample of every channel) on.
pub(in crate::flac::kernels) fn split_rest<const BYTES: usize>(pcm: &[u8], channels: &mut [Vec<i32>], from: usize) {
    let step = BYTES * channels.len();
    let pcm = pcm.get(from * step..).unwrap_or_default();
    // Channel after channel, but of so few frames that all their bytes stay in the nearest cache.
    for (tile, pcm) in pcm.chunks(BLOCK * step.max(1)).enumerate() {
        for (number, channel) in channels.iter_mut().enumerate() {
            let channel = channel.get_mut(from + tile * BLOCK..).unwrap_or_default();
            for (sample, frame) in channel.iter_mut().zip(pcm.chunks_exact(step)) {
                *sample = frame[number * BYTES..].first_chunk().map_or(0, signed::<BYTES>);
            }
        }
    }
}

/// A little-endian number.
fn signed<const BYTES: usize>(bytes: &[u8; BYTES]) -> i32 {
    let mut wide = [0; 4];
    for (wide, byte) in wide.iter_mut().skip(4 - BYTES).zip(bytes) {
        *wide = *byte;
    }
    i32::from_le_bytes(wide) >> (32 - 8 * BYTES)
}

/// Both samples at once from a number of 32 bits, which vectors of any CPU can do.
fn split_16_bit_stereo(pcm: &[u8], left: &mut [i32], right: &mut [i32]) {
    for ((left, right), frame) in left.iter_mut().zip(right).zip(pcm.as_chunks().0) {
        let both = i32::from_le_bytes(*frame);
        *left = both << 16 >> 16;
        *right = both >> 16;
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

#[inline(always)]
pub(in crate::flac::kernels) fn stereo_sums(left: &[i32], right: &[i32]) -> [u64; 4] {
    let mut sums = [0; 4];
    let (mut left, mut right) = (left, right);
    while let (Some(l), Some(r)) = (left.first_chunk::<66>(), right.first_chunk::<66>()) {
        let mut lanes = [[0; LANES]; 4];
        for row in 0..64 / LANES {
            add_second_differences(&l[row * LANES..], &r[row * LANES..], &mut lanes);
        }
        add_up(lanes, &mut sums);
        (left, right) = (&left[64..], &right[64..]);
    }
    for (left, right) in left.windows(3).zip(right.windows(3)) {
        let mut lanes = [[0; 1]; 4];
        add_second_differences(left, right, &mut lanes);
        add_up(lanes, &mut sums);
    }
    sums
}

#[inline(always)]
fn add_second_differences<const L: usize>(left: &[i32], right: &[i32], sums: &mut [[u32; L]; 4]) {
    let (left, right) = (&left[..L + 2], &right[..L + 2]);
    for lane in 0..L {
        let l = [left[lane], left[lane + 1], left[lane + 2]];
        let r = [right[lane], right[lane + 1], right[lane + 2]];
        let m: [_; 3] = from_fn(|at| (l[at] + r[at]) >> 1);
        let second = |x: [i32; 3]| x[0] - 2 * x[1] + x[2];
        let (ls, rs, ms) = (second(l), second(r), second(m));
        for (sum, second) in sums.iter_mut().zip([ls, rs, ms, ls - rs]) {
            sum[lane] += second.unsigned_abs();
        }
    }
}

#[inline(always)]
pub(in crate::flac::kernels) fn fixed_sums(samples: &[i32]) -> [u64; 5] {
    let mut sums = [0; 5];
    let mut rest = samples;
    while let Some(block) = rest.first_chunk::<68>() {
        let mut lanes = [[0; LANES]; 5];
        for row in 0..64 / LANES {
            add_residuals(&block[row * LANES..], &mut lanes);
        }
        add_up(lanes, &mut sums);
        rest = &rest[64..];
    }
    for window in rest.windows(5) {
        let mut lanes = [[0; 1]; 5];
        add_residuals(window, &mut lanes);
        add_up(lanes, &mut sums);
    }
    sums
}

#[inline(always)]
fn add_residuals<const L: usize>(samples: &[i32], sums: &mut [[u32; L]; 5]) {
    let samples = &samples[..L + 4];
    let mut differences: [[i32; L]; 5] = from_fn(|back| from_fn(|lane| samples[4 - back + lane]));
    for (order, sums) in sums.iter_mut().enumerate() {
        for lane in 0..L {
            sums[lane] += differences[0][lane].unsigned_abs();
        }
        for back in 0..4 - order {
            for lane in 0..L {
                differences[back][lane] -= differences[back + 1][lane];
            }
        }
    }
}

fn add_up<const L: usize, const N: usize>(lanes: [[u32; L]; N], sums: &mut [u64; N]) {
    for (sum, lanes) in sums.iter_mut().zip(lanes) {
        *sum += lanes.into_iter().map(u64::from).sum::<u64>();
    }
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
