//! Two kernels for every x86-64 CPU. All of these have SSE2, and in it an instruction that multiplies eight `i16` and
//! adds neighbouring products; but the compiler rarely finds it in a plain loop. Where samples fit into an `i16`, it
//! takes the place of three to four times as many instructions for `f64`.
#![allow(unsafe_code)]

use std::arch::x86_64::{
    __m128i, _mm_add_epi32, _mm_and_si128, _mm_cvtsi32_si128, _mm_loadu_si128, _mm_madd_epi16, _mm_set1_epi16,
    _mm_set1_epi32, _mm_setzero_si128, _mm_sra_epi32, _mm_srai_epi16, _mm_srai_epi32, _mm_storeu_si128, _mm_sub_epi32,
    _mm_xor_si128,
};

use crate::flac::kernels::{MAX_ORDER, Width, plain};

/// Samples of a row of lag sums.
const ROW: usize = 8;
/// Samples of a segment that are made narrow at a time: at most 127 rows.
const PIECE: usize = 512;
/// Lags whose sums are computed beside each other: their 12 sums, two of the present, and two for products are the 16
/// registers.
const LAGS: usize = 6;

pub(super) fn lag_sums(samples: &[i32], from: usize, shift: u32, sums: &mut [f64]) {
    // SAFETY: every x86-64 CPU has SSE2.
    if !unsafe { sums_of_pairs(samples, from, shift, sums) } {
        plain::analysis::lag_sums(samples, from, shift, sums);
    }
}

/// The sums if the samples fit into 16 bits; `false` if they do not.
#[target_feature(enable = "sse2")]
fn sums_of_pairs(samples: &[i32], from: usize, shift: u32, sums: &mut [f64]) -> bool {
    let longest = sums.len().saturating_sub(1);
    if longest > from.min(MAX_ORDER) || shift > 31 {
        return false;
    }
    sums.fill(0.0);
    // What is behind the samples are zeros, with which the last row is filled.
    let mut buffer = [0; MAX_ORDER + PIECE + ROW];
    for start in (from..samples.len()).step_by(PIECE) {
        let piece = &samples[start - longest..samples.len().min(start + PIECE)];
        let (narrow, rest) = buffer.split_at_mut(piece.len());
        if !narrowed(piece, shift, narrow) {
            return false;
        }
        rest.fill(0);
        let rows = (piece.len() - longest).div_ceil(ROW);
        let (mut past, mut sums) = (longest, &mut *sums);
        while !sums.is_empty() {
            // Groups that are about equally large.
            let few = sums.len().div_ceil(sums.len().div_ceil(LAGS));
            let (group, rest) = sums.split_at_mut(few);
            match few {
                1 => add_products::<1>(&buffer, longest, past, rows, group),
                2 => add_products::<2>(&buffer, longest, past, rows, group),
                3 => add_products::<3>(&buffer, longest, past, rows, group),
                4 => add_products::<4>(&buffer, longest, past, rows, group),
                5 => add_products::<5>(&buffer, longest, past, rows, group),
                _ => add_products::<LAGS>(&buffer, longest, past, rows, group),
            }
            past = past.saturating_sub(few);
            sums = rest;
        }
    }
    true
}

/// Puts the shifted samples into 16 bits each; `false` if they do not fit.
fn narrowed(samples: &[i32], shift: u32, narrow: &mut [i16]) -> bool {
    // So few that little is done in vain where samples are larger.
    samples.chunks(128).zip(narrow.chunks_mut(128)).all(|(samples, narrow)| {
        let mut above = 0;
        for (narrow, sample) in narrow.iter_mut().zip(samples) {
            let sample = sample >> shift;
            above |= sample.wrapping_sub(i16::MIN.into());
            #[allow(clippy::cast_possible_truncation)] // if it is, that shows in `above`
            let same = sample as i16;
            *narrow = same;
        }
        u16::try_from(above).is_ok()
    })
}

/// Adds to `sums[j]` the products of so many rows of samples from `now` on with those from `past - j` on.
///
/// A sample is cut into its upper and its lower byte, so that products of a whole piece add up in 32 bits: at most
/// 2 * 2^15 * 255 a row.
#[target_feature(enable = "sse2")]
fn add_products<const N: usize>(samples: &[i16], now: usize, past: usize, rows: usize, sums: &mut [f64]) {
    let mut lanes = [[_mm_setzero_si128(); 2]; N];
    let rows_from = |at: usize| samples.get(at..).unwrap_or_default().as_chunks::<ROW>().0;
    let now = &rows_from(now)[..rows];
    let past: [_; N] = std::array::from_fn(|lag| &rows_from(past - lag)[..rows]);
    for row in 0..rows {
        let sample = load(&now[row]);
        let (upper, lower) = (_mm_srai_epi16::<8>(sample), _mm_and_si128(sample, _mm_set1_epi16(0xFF)));
        for (lanes, past) in lanes.iter_mut().zip(past) {
            let past = load(&past[row]);
            lanes[0] = _mm_add_epi32(lanes[0], _mm_madd_epi16(past, upper));
            lanes[1] = _mm_add_epi32(lanes[1], _mm_madd_epi16(past, lower));
        }
    }
    for (sum, [upper, lower]) in sums.iter_mut().zip(lanes) {
        *sum += add_up(upper) * 256.0 + add_up(lower);
    }
}

#[target_feature(enable = "sse2")]
fn add_up(lanes: __m128i) -> f64 {
    let mut parts = [0_u32; 4];
    store(&mut parts, lanes);
    parts.iter().map(|part| f64::from(part.cast_signed())).sum()
}

/// Samples that are predicted from one conversion.
const TILE: usize = 256;
/// Samples that are predicted beside each other.
const LANES: usize = 4;

pub(super) fn linear_residual(
    samples: &[i32],
    coefficients: &[i32],
    shift: u32,
    width: Width,
    residual: &mut Vec<u32>,
) {
    if width != Width::Pairs || shift > 31 {
        return (plain::KERNELS.linear_residual)(samples, coefficients, shift, width, residual);
    }
    residual.resize(samples.len().saturating_sub(coefficients.len()), 0);
    // SAFETY: every x86-64 CPU has SSE2.
    unsafe {
        match coefficients.len().div_ceil(2) {
            0 | 1 => in_pairs::<1>(samples, coefficients, shift, residual),
            2 => in_pairs::<2>(samples, coefficients, shift, residual),
            3 => in_pairs::<3>(samples, coefficients, shift, residual),
            4 => in_pairs::<4>(samples, coefficients, shift, residual),
            5 => in_pairs::<5>(samples, coefficients, shift, residual),
            6 => in_pairs::<6>(samples, coefficients, shift, residual),
            7 | 8 => in_pairs::<8>(samples, coefficients, shift, residual),
            9..=12 => in_pairs::<12>(samples, coefficients, shift, residual),
            _ => in_pairs::<{ MAX_ORDER / 2 }>(samples, coefficients, shift, residual),
        }
    }
}

/// With at most `PAIRS` pairs of coefficients, a constant so that they stay in registers.
#[target_feature(enable = "sse2")]
fn in_pairs<const PAIRS: usize>(samples: &[i32], coefficients: &[i32], shift: u32, residual: &mut [u32]) {
    let order = coefficients.len();
    // In the order of the samples, the older in the lower half; what lacks is zero, and older.
    let mut factors = [_mm_setzero_si128(); PAIRS];
    for (factor, two) in factors.iter_mut().rev().zip(coefficients.chunks(2)) {
        let second = two.get(1).copied().unwrap_or(0);
        *factor = _mm_set1_epi32(two[0] << 16 | second & 0xFFFF);
    }
    let shift = _mm_cvtsi32_si128(shift.cast_signed());
    // Each sample, and the one after it in the upper half.
    let mut pairs = [0_i32; MAX_ORDER + TILE];
    let lacking = (2 * PAIRS).saturating_sub(order);
    for (tile, residual) in residual.chunks_mut(TILE).enumerate() {
        let samples = samples.get(tile * TILE..).unwrap_or_default();
        let (before, pairs_of_two) = pairs[..2 * PAIRS + TILE].split_at_mut(lacking);
        // An odd first coefficient is in the upper half.
        if let (Some(before), Some(first)) = (before.last_mut(), samples.first()) {
            *before = first << 16;
        }
        for ((pair, older), newer) in pairs_of_two.iter_mut().zip(samples).zip(samples.iter().skip(1)) {
            *pair = newer << 16 | older & 0xFFFF;
        }
        let predict = |past: &[i32], current: &[i32; LANES], residual: &mut [u32; LANES]| {
            let mut sum = _mm_setzero_si128();
            for (past, factor) in past.array_windows::<LANES>().step_by(2).zip(factors) {
                sum = _mm_add_epi32(sum, _mm_madd_epi16(load(past), factor));
            }
            let left = _mm_sub_epi32(load(current), _mm_sra_epi32(sum, shift));
            // 0, -1, 1, -2, 2 … become 0, 1, 2, 3, 4 … (§9.2.7).
            store(residual, _mm_xor_si128(_mm_add_epi32(left, left), _mm_srai_epi32::<31>(left)));
        };
        let current = samples.get(order..).unwrap_or_default();
        let ((current, current_rest), (residual, residual_rest)) = (current.as_chunks(), residual.as_chunks_mut());
        for (chunk, (residual, current)) in residual.iter_mut().zip(current).enumerate() {
            predict(&pairs[chunk * LANES..][..2 * PAIRS + 2], current, residual);
        }
        if !residual_rest.is_empty() {
            let (mut last, mut left) = ([0; LANES], [0; LANES]);
            last.iter_mut().zip(current_rest).for_each(|(last, sample)| *last = *sample);
            predict(&pairs[residual.len() * LANES..][..2 * PAIRS + 2], &last, &mut left);
            residual_rest.copy_from_slice(&left[..residual_rest.len()]);
        }
    }
}

/// A vector of 16 bytes.
#[inline]
#[target_feature(enable = "sse2")]
fn load<T: Copy, const N: usize>(from: &[T; N]) -> __m128i {
    const { assert!(size_of::<[T; N]>() == 16) };
    // SAFETY: it reads the array's 16 bytes, at any alignment.
    unsafe { _mm_loadu_si128(from.as_ptr().cast()) }
}

/// A vector of four numbers.
#[inline]
#[target_feature(enable = "sse2")]
fn store(to: &mut [u32; LANES], lanes: __m128i) {
    // SAFETY: it writes the array's 16 bytes, at any alignment.
    unsafe { _mm_storeu_si128(to.as_mut_ptr().cast(), lanes) }
}
