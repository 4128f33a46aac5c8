//! What is looked at before a block is coded.

#[cfg(test)]
mod tests;

use crate::flac::kernels::{MAX_ORDER, Survey};

/// Samples for which differences are kept at a time: few enough for the nearest cache.
const BLOCK: usize = 256;
/// Lanes of sums that are kept beside each other, so that they can be those of a vector.
const LANES: usize = 8;
/// Samples of a segment that are converted to `f64` at a time.
const PIECE: usize = 256;

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

pub(in crate::flac::kernels) fn stereo_sums(left: &[i32], right: &[i32]) -> [u64; 4] {
    let mut sums = [0; 4];
    let (mut mid, mut side) = ([0; BLOCK + 2], [0; BLOCK + 2]);
    for (left, right) in overlapping::<2>(left).zip(overlapping::<2>(right)) {
        let (mid, side) = (&mut mid[..left.len()], &mut side[..left.len()]);
        mid_side(left, right, mid, side);
        for (sum, channel) in sums.iter_mut().zip([left, right, mid, side]) {
            let mut second = [0; BLOCK];
            let triples = channel.iter().zip(&channel[1..]).zip(&channel[2..]);
            for (second, ((two_back, back), sample)) in second.iter_mut().zip(triples) {
                *second = sample - 2 * back + two_back;
            }
            *sum += sum_of_magnitudes(&second[..channel.len() - 2]);
        }
    }
    sums
}

pub(in crate::flac::kernels) fn fixed_sums(samples: &[i32]) -> [u64; 5] {
    let mut sums = [0; 5];
    let mut buffer = [0; BLOCK + 4];
    for block in overlapping::<4>(samples) {
        let differences = &mut buffer[..block.len()];
        differences.copy_from_slice(block);
        for (order, sum) in sums.iter_mut().enumerate() {
            // differences[i] is the residual of this order of the block's sample i + order.
            let last = block.len() - order;
            *sum += sum_of_magnitudes(&differences[4 - order..last]);
            for at in 1..last {
                differences[at - 1] = differences[at] - differences[at - 1];
            }
        }
    }
    sums
}

/// Blocks of up to [`BLOCK`] samples, each after the last `HISTORY` samples of the block before.
fn overlapping<const HISTORY: usize>(samples: &[i32]) -> impl Iterator<Item = &[i32]> {
    let starts = (0..samples.len().saturating_sub(HISTORY)).step_by(BLOCK);
    starts.map(move |start| &samples[start..samples.len().min(start + BLOCK + HISTORY)])
}

/// Sums in 32 bits for as long as that holds: each |value| is at most 2^29.
fn sum_of_magnitudes(values: &[i32]) -> u64 {
    let (rows, rest) = values.as_chunks::<LANES>();
    let mut sum = rest.iter().map(|value| u64::from(value.unsigned_abs())).sum();
    for few in rows.chunks(7) {
        let mut lanes = [0; LANES];
        for row in few {
            for (lane, value) in lanes.iter_mut().zip(row) {
                *lane += value.unsigned_abs();
            }
        }
        sum += lanes.iter().map(|lane| u64::from(*lane)).sum::<u64>();
    }
    sum
}

pub(in crate::flac::kernels) fn lag_sums(samples: &[i32], from: usize, shift: u32, sums: &mut [f64]) {
    let order = sums.len().saturating_sub(1).min(MAX_ORDER);
    let mut buffer = [0.0; MAX_ORDER + PIECE];
    sums.fill(0.0);
    for start in (from.max(order)..samples.len()).step_by(PIECE) {
        let end = samples.len().min(start + PIECE);
        let wide = &mut buffer[..order + end - start];
        for (wide, sample) in wide.iter_mut().zip(&samples[start - order..end]) {
            *wide = f64::from(sample >> shift);
        }
        let mut sums = &mut *sums;
        let mut first = 0;
        while !sums.is_empty() {
            // Groups of 3 to 5 lags where there are enough.
            let few = sums.len().div_ceil(sums.len().div_ceil(5));
            let (group, rest) = sums.split_at_mut(few);
            let (now, past) = (&wide[order..], &wide[(order + 1).saturating_sub(first + few)..]);
            match few {
                1 => add_products::<1>(now, past, group),
                2 => add_products::<2>(now, past, group),
                3 => add_products::<3>(now, past, group),
                4 => add_products::<4>(now, past, group),
                _ => add_products::<5>(now, past, group),
            }
            first += few;
            sums = rest;
        }
    }
}

/// Adds to `sums[j]` the products of `now[t]` and `past[t + N - 1 - j]`.
fn add_products<const N: usize>(now: &[f64], past: &[f64], sums: &mut [f64]) {
    const WIDTH: usize = 4;
    let mut lanes = [[0.0; WIDTH]; N];
    let (rows, rest) = now.as_chunks::<WIDTH>();
    for (number, row) in rows.iter().enumerate() {
        let past = &past[number * WIDTH..][..WIDTH + N - 1];
        for (lag, lanes) in lanes.iter_mut().enumerate() {
            for (at, lane) in lanes.iter_mut().enumerate() {
                *lane += row[at] * past[at + N - 1 - lag];
            }
        }
    }
    let past = &past[rows.len() * WIDTH..];
    for (lag, (sum, lanes)) in sums.iter_mut().zip(&lanes).enumerate() {
        let more = rest.iter().zip(&past[N - 1 - lag..]).map(|(now, past)| now * past);
        *sum += lanes.iter().copied().chain(more).sum::<f64>();
    }
}
