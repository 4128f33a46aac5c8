//! Residuals of predictors with AVX2.
#![allow(unsafe_code)]

use std::arch::x86_64::{
    __m128i, __m256i, _mm_cvtsi32_si128, _mm256_add_epi32, _mm256_add_epi64, _mm256_blend_epi32,
 _mm256_castsi256_si128, _mm256_cvtepi16_epi32, _mm256_extracti128_si256, _mm256_loadu_si256,
    _mm256_madd_epi16, _mm256_mul_epi32, _mm256_mullo_epi32, _mm256_permute2x128_si256, _mm256_set1_epi32,
    _mm256_setzero_si256, _mm256_slli_epi64, _mm256_sra_epi32, _mm256_srai_epi32, _mm256_srl_epi64,
    _mm256_storeu_si256, _mm256_sub_epi32, _mm256_unpackhi_epi32, _mm256_unpacklo_epi32, _mm256_xor_si256,
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

/// Calls a function with the number of coefficients as a constant, so that they stay in registers, for the orders
/// within the subset; with 0 for those above.
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
            _ => $function::<0>($samples, $coefficients, $shift, $residual),
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
    if order == 0 || order > MAX_ORDER || samples.len() < order + LANES {
        return (plain::KERNELS.linear_residual)(samples, coefficients, shift, width, residual);
    }
    residual.resize(samples.len() - order, 0);
    // SAFETY: `detected` has found AVX2.
    unsafe {
        match width {
            Width::Pairs => pairs(samples, coefficients, shift, residual),
            Width::Narrow => with_order!(narrow(samples, coefficients, shift, residual)),
            Width::Wide => with_order!(wide(samples, coefficients, shift, residual)),
        }
    }
}

#[target_feature(enable = "avx2")]
fn narrow<const ORDER: usize>(samples: &[i32], coefficients: &[i32], shift: u32, residual: &mut [u32]) {
    let order = if ORDER == 0 { coefficients.len() } else { ORDER };
    let factors = spread(coefficients);
    let shift = count(shift);
    by_eights(samples, order, residual, |window| {
        let mut sum = _mm256_setzero_si256();
        for (tap, factor) in factors[..order].iter().enumerate() {
            let past = load(window, order - 1 - tap);
            sum = _mm256_add_epi32(sum, _mm256_mullo_epi32(past, *factor));
        }
        _mm256_sra_epi32(sum, shift)
    });
}

/// A product takes the place of two samples, so those at even and at odd places are predicted apart; what is an even
/// one's past is that of the next odd one too, one tap further.
#[target_feature(enable = "avx2")]
fn wide<const ORDER: usize>(samples: &[i32], coefficients: &[i32], shift: u32, residual: &mut [u32]) {
    let order = if ORDER == 0 { coefficients.len() } else { ORDER };
    let factors = spread(coefficients);
    let shift = count(shift);
    by_eights(samples, order, residual, |window| {
        let mut even = _mm256_setzero_si256();
        let mut odd = _mm256_mul_epi32(load(window, order), factors[0]);
        for tap in 0..order {
            let past = load(window, order - 1 - tap);
            even = _mm256_add_epi64(even, _mm256_mul_epi32(past, factors[tap]));
            if tap + 1 < order {
                odd = _mm256_add_epi64(odd, _mm256_mul_epi32(past, factors[tap + 1]));
            }
        }
        // The prediction fits into the lower half, where a shift that brings no sign in above does no harm.
        let even = _mm256_srl_epi64(even, shift);
        let odd = _mm256_slli_epi64::<32>(_mm256_srl_epi64(odd, shift));
        _mm256_blend_epi32::<0b1010_1010>(even, odd)
    });
}

/// Makes the residual of what a function predicts for eight samples, from a window of `order` samples and these. There
/// are at least eight: the last eight are done once more, together, when their number is none of whole eights.
#[inline]
#[target_feature(enable = "avx2")]
fn by_eights(samples: &[i32], order: usize, residual: &mut [u32], predict: impl Fn(&[i32]) -> __m256i) {
    let size = order + LANES;
    let one = |window: &[i32], residual: &mut [u32; LANES]| {
        store(residual, fold(_mm256_sub_epi32(load(window, order), predict(window))));
    };
    for (window, residual) in samples.windows(size).step_by(LANES).zip(residual.as_chunks_mut().0) {
        one(window, residual);
    }
    if let (Some(window), Some(residual)) = (samples.windows(size).next_back(), residual.last_chunk_mut()) {
        one(window, residual);
    }
}

#[target_feature(enable = "avx2")]
fn pairs(samples: &[i32], coefficients: &[i32], shift: u32, residual: &mut [u32]) {
    match coefficients.len().div_ceil(2) {
        1 => in_pairs::<2>(samples, coefficients, shift, residual),
        2 => in_pairs::<4>(samples, coefficients, shift, residual),
        3 => in_pairs::<6>(samples, coefficients, shift, residual),
        4 => in_pairs::<8>(samples, coefficients, shift, residual),
        5 => in_pairs::<10>(samples, coefficients, shift, residual),
        6 => in_pairs::<12>(samples, coefficients, shift, residual),
        7 | 8 => in_pairs::<16>(samples, coefficients, shift, residual),
        9..=12 => in_pairs::<24>(samples, coefficients, shift, residual),
        _ => in_pairs::<MAX_ORDER>(samples, coefficients, shift, residual),
    }
}

/// With samples as `i16`, of which two neighbours' products are added at once: sixteen samples at a time, those at even
/// and at odd places apart. `ORDER` is even.
#[target_feature(enable = "avx2")]
fn in_pairs<const ORDER: usize>(samples: &[i32], coefficients: &[i32], shift: u32, residual: &mut [u32]) {
    const STEP: usize = 2 * LANES;
    let order = coefficients.len();
    // Two coefficients each, the older sample's in the lower half, the oldest samples' last. What lacks is zero.
    let mut factors = [_mm256_setzero_si256(); MAX_ORDER / 2];
    for (factor, pair) in factors.iter_mut().zip(coefficients.chunks(2)) {
        let (newer, older) = (pair[0], pair.get(1).copied().unwrap_or(0));
        *factor = _mm256_set1_epi32(newer << 16 | older & 0xFFFF);
    }
    let shift = count(shift);
    let mut past = [0_i16; TILE_AND_PAST];
    for (tile, residual) in residual.chunks_mut(TILE).enumerate() {
        let samples = &samples[tile * TILE..][..order + residual.len()];
        for (past, sample) in past[ORDER - order..].iter_mut().zip(samples) {
            #[allow(clippy::cast_possible_truncation)] // the width promises that it fits
            let narrow = *sample as i16;
            *past = narrow;
        }
        let windows = past.windows(ORDER + STEP).step_by(STEP);
        for (window, residual) in windows.zip(residual.chunks_mut(STEP)) {
            let mut even = _mm256_setzero_si256();
            let mut odd = _mm256_setzero_si256();
            for (pair, factor) in factors[..ORDER / 2].iter().enumerate() {
                let older = ORDER - 2 - 2 * pair;
                even = _mm256_add_epi32(even, _mm256_madd_epi16(load_16(window, older), *factor));
                odd = _mm256_add_epi32(odd, _mm256_madd_epi16(load_16(window, older + 1), *factor));
            }
            let even = _mm256_sra_epi32(even, shift);
            let odd = _mm256_sra_epi32(odd, shift);
            // Samples 0 to 3 and 8 to 11 of the sixteen, and the others.
            let (low, high) = (_mm256_unpacklo_epi32(even, odd), _mm256_unpackhi_epi32(even, odd));
            let first = _mm256_permute2x128_si256::<0x20>(low, high);
            let last = _mm256_permute2x128_si256::<0x31>(low, high);
            let mut folded = [0; STEP];
            let (to_first, to_last) = folded.split_at_mut(LANES);
            let current = load_16(window, ORDER);
            let current = [_mm256_castsi256_si128(current), _mm256_extracti128_si256::<1>(current)];
            for ((to, current), predicted) in [to_first, to_last].into_iter().zip(current).zip([first, last]) {
                if let Some(to) = to.first_chunk_mut() {
                    store(to, fold(_mm256_sub_epi32(_mm256_cvtepi16_epi32(current), predicted)));
                }
            }
            match residual.first_chunk_mut() {
                Some(residual) => *residual = folded,
                None => residual.copy_from_slice(&folded[..residual.len()]),
            }
        }
    }
}

/// Each coefficient in all lanes, the others zero.
#[inline]
#[target_feature(enable = "avx2")]
fn spread(coefficients: &[i32]) -> [__m256i; MAX_ORDER] {
    let mut factors = [_mm256_setzero_si256(); MAX_ORDER];
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
