//! Residuals of predictors with AVX2.
#![allow(unsafe_code)]

use std::arch::asm;
use std::arch::x86_64::{
    __m128i, __m256i, _mm_cvtsi32_si128, _mm256_add_epi32, _mm256_add_epi64, _mm256_blend_epi32,
    _mm256_castsi256_si128, _mm256_cvtepi16_epi32, _mm256_extracti128_si256, _mm256_loadu_si256, _mm256_madd_epi16,
    _mm256_mul_epi32, _mm256_mullo_epi32, _mm256_permute2x128_si256, _mm256_set1_epi32, _mm256_setzero_si256,
    _mm256_slli_epi64, _mm256_sra_epi32, _mm256_srai_epi32, _mm256_srl_epi64, _mm256_storeu_si256, _mm256_sub_epi32,
    _mm256_unpackhi_epi32, _mm256_unpacklo_epi32, _mm256_xor_si256,
};

use crate::flac::kernels::{MAX_ORDER, Width, plain};

/// `i32` lanes of a vector.
const LANES: usize = 8;
/// Samples of 16 bits that are predicted from one conversion, and what goes before them.
const TILE: usize = 1024;
const TILE_AND_PAST: usize = MAX_ORDER + TILE;

/// The plain one, compiled for AVX2.
pub(in crate::flac::kernels::x86) fn fixed_residual(samples: &[i32], order: usize, residual: &mut Vec<u32>) {
    #[target_feature(enable = "avx2")]
    fn with_avx2(samples: &[i32], order: usize, residual: &mut Vec<u32>) {
        plain::fixed_residual(samples, order, residual);
    }
    // SAFETY: `detected` has found AVX2.
    unsafe { with_avx2(samples, order, residual) }
}

/// Calls a function with the number of coefficients as a constant, so that they stay in registers where they fit.
macro_rules! with_order {
    ($function:ident($samples:expr, $coefficients:expr, $shift:expr, $residual:expr)) => {
        match $coefficients.len() {
            1 => $function::<1>($samples, $coefficients, $shift, $residual),
            2 => $function::<2>($samples, $coefficients, $shift, $residual),
            3 => $function::<3>($samples, $coefficients, $shift, $residual),
            4 => $function::<4>($samples, $coefficients, $shift, $residual),
            5 => $function::<5>($samples, $coefficients, $shift, $residual),
            6 => $function::<6>($samples, $coefficients, $shift, $residual),
            7 => $function::<7>($samples, $coefficients, $shift, $residual),
            8 => $function::<8>($samples, $coefficients, $shift, $residual),
            9 => $function::<9>($samples, $coefficients, $shift, $residual),
            10 => $function::<10>($samples, $coefficients, $shift, $residual),
            11 => $function::<11>($samples, $coefficients, $shift, $residual),
            12 => $function::<12>($samples, $coefficients, $shift, $residual),
            13..=16 => $function::<16>($samples, $coefficients, $shift, $residual),
            17..=24 => $function::<24>($samples, $coefficients, $shift, $residual),
            _ => $function::<MAX_ORDER>($samples, $coefficients, $shift, $residual),
        }
    };
}

pub(in crate::flac::kernels::x86) fn linear_residual(
    samples: &[i32],
    coefficients: &[i32],
    shift: u32,
    width: Width,
    residual: &mut Vec<u32>,
) {
    let order = coefficients.len();
    let padded = padded(order);
    if !(1..=MAX_ORDER).contains(&order) || samples.len() < padded + LANES {
        return (plain::KERNELS.linear_residual)(samples, coefficients, shift, width, residual);
    }
    if padded > order && width != Width::Pairs {
        // For these there are not enough samples before.
        (plain::KERNELS.linear_residual)(&samples[..padded], coefficients, shift, width, residual);
    }
    residual.resize(samples.len() - order, 0);
    // SAFETY: `detected` has found AVX2.
    unsafe {
        match width {
            Width::Pairs => with_order!(pairs(samples, coefficients, shift, residual)),
            Width::Narrow => with_order!(narrow(samples, coefficients, shift, &mut residual[padded - order..])),
            Width::Wide => with_order!(wide(samples, coefficients, shift, &mut residual[padded - order..])),
        }
    }
}

/// The order that is computed, with zeros as further coefficients.
fn padded(order: usize) -> usize {
    match order {
        0..=12 => order,
        13..=16 => 16,
        17..=24 => 24,
        _ => MAX_ORDER,
    }
}

/// Does something for each of so many taps, without a loop: the compiler does not unroll what is as long as these are.
macro_rules! for_taps {
    ($taps:expr, $tap:ident => $body:block) => {
        for_taps!($taps, $tap => $body,
            0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31)
    };
    ($taps:expr, $tap:ident => $body:block, $($number:literal)*) => {
        $(if $number < $taps {
            let $tap = $number;
            $body
        })*
    };
}

#[target_feature(enable = "avx2")]
fn narrow<const ORDER: usize>(samples: &[i32], coefficients: &[i32], shift: u32, residual: &mut [u32]) {
    let factors = spread::<ORDER>(coefficients);
    let shift = count(shift);
    by_eights::<ORDER>(samples, residual, |window| {
        let mut sum = _mm256_setzero_si256();
        for_taps!(ORDER, tap => {
            let past = load(window, ORDER - 1 - tap);
            sum = in_order(_mm256_add_epi32(sum, _mm256_mullo_epi32(past, factors[tap])));
        });
        _mm256_sra_epi32(sum, shift)
    });
}

/// A product takes the place of two samples, so those at even and at odd places are predicted apart; what is an even
/// one's past is that of the next odd one too, one tap further.
#[target_feature(enable = "avx2")]
fn wide<const ORDER: usize>(samples: &[i32], coefficients: &[i32], shift: u32, residual: &mut [u32]) {
    let factors = spread::<ORDER>(coefficients);
    let shift = count(shift);
    by_eights::<ORDER>(samples, residual, |window| {
        let mut even = _mm256_setzero_si256();
        let mut odd = _mm256_mul_epi32(load(window, ORDER), factors[0]);
        for_taps!(ORDER, tap => {
            let past = load(window, ORDER - 1 - tap);
            even = in_order(_mm256_add_epi64(even, _mm256_mul_epi32(past, factors[tap])));
            if tap + 1 < ORDER {
                odd = in_order(_mm256_add_epi64(odd, _mm256_mul_epi32(past, factors[tap + 1])));
            }
        });
        // The prediction fits into the lower half, where a shift that brings no sign in above does no harm.
        let even = _mm256_srl_epi64(even, shift);
        let odd = _mm256_slli_epi64::<32>(_mm256_srl_epi64(odd, shift));
        _mm256_blend_epi32::<0b1010_1010>(even, odd)
    });
}

/// Makes the residual of what a function predicts: eight samples from a window of `ORDER` samples and these. There are at
/// least eight: the last eight are done once more, together, where they are no whole eight.
#[inline]
#[target_feature(enable = "avx2")]
fn by_eights<const ORDER: usize>(samples: &[i32], residual: &mut [u32], predict: impl Fn(&[i32]) -> __m256i) {
    let Some(last) = samples.len().checked_sub(ORDER + LANES) else { return };
    for at in (0..last + LANES).step_by(LANES) {
        let at = at.min(last);
        let window = &samples[at..at + ORDER + LANES];
        if let Some(residual) = residual[at..].first_chunk_mut() {
            store(residual, fold(_mm256_sub_epi32(load(window, ORDER), predict(window))));
        }
    }
}

/// With samples as `i16`, of which two neighbours' products are added at once: sixteen samples at a time, those at even
/// and at odd places apart.
#[target_feature(enable = "avx2")]
fn pairs<const ORDER: usize>(samples: &[i32], coefficients: &[i32], shift: u32, residual: &mut [u32]) {
    const STEP: usize = 2 * LANES;
    let reach = const { ORDER.next_multiple_of(2) };
    let order = coefficients.len();
    // Two coefficients each, the earlier sample's in the lower half, the earliest samples' last. What lacks is zero.
    let mut factors = [_mm256_setzero_si256(); MAX_ORDER];
    for (factor, pair) in factors.iter_mut().zip(coefficients.chunks(2)) {
        let (newer, earlier) = (pair[0], pair.get(1).copied().unwrap_or(0));
        *factor = _mm256_set1_epi32(newer << 16 | earlier & 0xFFFF);
    }
    let shift = count(shift);
    let mut past = [0_i16; TILE_AND_PAST];
    for (tile, residual) in residual.chunks_mut(TILE).enumerate() {
        let samples = &samples[tile * TILE..][..order + residual.len()];
        for (past, sample) in past[reach - order..].iter_mut().zip(samples) {
            #[allow(clippy::cast_possible_truncation)] // the width promises that it fits
            let narrow = *sample as i16;
            *past = narrow;
        }
        let windows = past.windows(reach + STEP).step_by(STEP);
        for (window, residual) in windows.zip(residual.chunks_mut(STEP)) {
            let mut even = _mm256_setzero_si256();
            let mut odd = _mm256_setzero_si256();
            for_taps!(reach / 2, pair => {
                let earlier = reach - 2 - 2 * pair;
                even = in_order(_mm256_add_epi32(even, _mm256_madd_epi16(load_16(window, earlier), factors[pair])));
                odd = in_order(_mm256_add_epi32(odd, _mm256_madd_epi16(load_16(window, earlier + 1), factors[pair])));
            });
            let even = _mm256_sra_epi32(even, shift);
            let odd = _mm256_sra_epi32(odd, shift);
            // Samples 0 to 3 and 8 to 11 of the sixteen, and the others.
            let (low, high) = (_mm256_unpacklo_epi32(even, odd), _mm256_unpackhi_epi32(even, odd));
            let first = _mm256_permute2x128_si256::<0x20>(low, high);
            let last = _mm256_permute2x128_si256::<0x31>(low, high);
            let current = load_16(window, reach);
            let current = [_mm256_castsi256_si128(current), _mm256_extracti128_si256::<1>(current)];
            let put = |to: &mut [u32; STEP]| {
                for ((to, current), predicted) in to.as_chunks_mut().0.iter_mut().zip(current).zip([first, last]) {
                    store(to, fold(_mm256_sub_epi32(_mm256_cvtepi16_epi32(current), predicted)));
                }
            };
            if let Some(residual) = residual.first_chunk_mut() {
                put(residual);
            } else {
                let mut folded = [0; STEP];
                put(&mut folded);
                residual.copy_from_slice(&folded[..residual.len()]);
            }
        }
    }
}

/// Each coefficient in all lanes, the others zero.
#[inline]
#[target_feature(enable = "avx2")]
fn spread<const ORDER: usize>(coefficients: &[i32]) -> [__m256i; ORDER] {
    let mut factors = [_mm256_setzero_si256(); ORDER];
    for (factor, coefficient) in factors.iter_mut().zip(coefficients) {
        *factor = _mm256_set1_epi32(*coefficient);
    }
    factors
}

#[inline]
#[target_feature(enable = "avx2")]
fn count(shift: u32) -> __m128i {
    _mm_cvtsi32_si128(shift.cast_signed())
}

/// Keeps the compiler from adding in another order, in which it would need more registers than there are.
#[inline]
#[target_feature(enable = "avx2")]
fn in_order(mut sum: __m256i) -> __m256i {
    // SAFETY: it has no instructions.
    unsafe { asm!("/* {} */", inout(ymm_reg) sum, options(nomem, nostack, preserves_flags)) }
    sum
}

/// 0, -1, 1, -2, 2 … become 0, 1, 2, 3, 4 … (§9.2.7).
#[inline]
#[target_feature(enable = "avx2")]
fn fold(residual: __m256i) -> __m256i {
    _mm256_xor_si256(_mm256_add_epi32(residual, residual), _mm256_srai_epi32::<31>(residual))
}

/// Eight from a place on; zero where there are none.
#[inline]
#[target_feature(enable = "avx2")]
fn load(from: &[i32], place: usize) -> __m256i {
    let Some(lanes) = from.get(place..).and_then(<[i32]>::first_chunk::<LANES>) else {
        return _mm256_setzero_si256();
    };
    // SAFETY: eight `i32` are the 32 bytes that this reads, at any alignment.
    unsafe { _mm256_loadu_si256(lanes.as_ptr().cast()) }
}

/// Sixteen from a place on; zero where there are none.
#[inline]
#[target_feature(enable = "avx2")]
fn load_16(from: &[i16], place: usize) -> __m256i {
    let Some(lanes) = from.get(place..).and_then(<[i16]>::first_chunk::<{ 2 * LANES }>) else {
        return _mm256_setzero_si256();
    };
    // SAFETY: sixteen `i16` are the 32 bytes that this reads, at any alignment.
    unsafe { _mm256_loadu_si256(lanes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn store(to: &mut [u32; LANES], lanes: __m256i) {
    // SAFETY: eight `u32` are the 32 bytes that this writes, at any alignment.
    unsafe { _mm256_storeu_si256(to.as_mut_ptr().cast(), lanes) }
}
