//! Residuals of predictors.
//!
//! Linear predictions are computed in `f64`, of which any CPU multiplies and adds several at a time. This is exact:
//! by what each [`Width`] promises, all partial sums are integers below 2^31 * 2^15. Samples are converted a tile at a
//! time.

use crate::flac::kernels::{MAX_ORDER, Width};

/// Samples that are predicted from one conversion.
const TILE: usize = 256;
/// Sums beside each other, so that none waits for itself.
const LANES: usize = 8;

/// 0, -1, 1, -2, 2 … become 0, 1, 2, 3, 4 … (§9.2.7).
#[inline(always)]
#[allow(clippy::inline_always)]
fn fold(residual: i32) -> u32 {
    (residual << 1 ^ residual >> 31).cast_unsigned()
}

#[inline(always)]
#[allow(clippy::inline_always)] // so that it can be compiled for other CPUs too
pub(in crate::flac::kernels) fn fixed_residual(samples: &[i32], order: usize, residual: &mut Vec<u32>) {
    match order {
        0 => weighted(samples, [1], residual),
        1 => weighted(samples, [1, -1], residual),
        2 => weighted(samples, [1, -2, 1], residual),
        3 => weighted(samples, [1, -3, 3, -1], residual),
        _ => weighted(samples, [1, -4, 6, -4, 1], residual),
    }
}

/// Sums of samples, the newest first, times constants.
#[inline(always)]
#[allow(clippy::inline_always)] // so that few multiplications are left
fn weighted<const N: usize>(samples: &[i32], weights: [i32; N], residual: &mut Vec<u32>) {
    let count = (samples.len() + 1).saturating_sub(N);
    residual.resize(count, 0);
    let newest_first: [&[i32]; N] = std::array::from_fn(|back| samples.get(N - 1 - back..).unwrap_or_default());
    for (at, residual) in residual.iter_mut().enumerate() {
        let products = newest_first.iter().zip(weights).map(|(samples, weight)| samples[at].wrapping_mul(weight));
        *residual = fold(products.fold(0, i32::wrapping_add));
    }
}

pub(in crate::flac::kernels) fn linear_residual(
    samples: &[i32],
    coefficients: &[i32],
    shift: u32,
    _: Width,
    residual: &mut Vec<u32>,
) {
    let predict = match coefficients.len() {
        1 => in_f64::<1>,
        2 => in_f64::<2>,
        3 => in_f64::<3>,
        4 => in_f64::<4>,
        5 => in_f64::<5>,
        6 => in_f64::<6>,
        7 => in_f64::<7>,
        8 => in_f64::<8>,
        9 => in_f64::<9>,
        10 => in_f64::<10>,
        11 => in_f64::<11>,
        12 => in_f64::<12>,
        13..=16 => in_f64::<16>,
        17..=24 => in_f64::<24>,
        _ => in_f64::<MAX_ORDER>,
    };
    residual.resize(samples.len().saturating_sub(coefficients.len()), 0);
    predict(samples, coefficients, shift, residual);
}

/// With at most `ORDER` coefficients, a constant so that they stay in registers.
fn in_f64<const ORDER: usize>(samples: &[i32], coefficients: &[i32], shift: u32, residual: &mut [u32]) {
    /// Added to a small number, this leaves a sum of which the lowest bit is the unit: the nearest integer, whose lowest
    /// 32 bits are those of an `i32` in two's complement.
    const TO_INTEGER: f64 = 1.5 * 4_503_599_627_370_496.0; // 2^52
    let order = coefficients.len().min(ORDER);
    let scale = 1.0 / f64::from(1_u32 << shift);
    // Begun so, a sum's nearest integer is the one below: half the smallest fraction keeps ties away.
    let start = scale / 2.0 - 0.5;
    // In the order of the samples; what lacks is zero, and older.
    let mut factors = [0.0; ORDER];
    for (factor, coefficient) in factors.iter_mut().rev().zip(coefficients) {
        *factor = f64::from(*coefficient) * scale;
    }
    let mut past = [0.0; MAX_ORDER + TILE];
    let mut sums = [[0.0; LANES]; TILE / LANES];
    for (tile, residual) in residual.chunks_mut(TILE).enumerate() {
        let samples = samples.get(tile * TILE..).unwrap_or_default();
        for (past, sample) in past[ORDER - order..].iter_mut().zip(samples) {
            *past = f64::from(*sample);
        }
        let needed = residual.len().div_ceil(LANES);
        for (chunk, sums) in sums.iter_mut().enumerate().take(needed) {
            let past = &past[chunk * LANES..][..LANES + ORDER];
            *sums = [start; LANES];
            for (past, factor) in past.array_windows::<LANES>().zip(&factors) {
                for (sum, sample) in sums.iter_mut().zip(past) {
                    *sum += sample * factor;
                }
            }
        }
        let current = samples.iter().skip(order);
        for ((residual, sample), sum) in residual.iter_mut().zip(current).zip(sums.as_flattened()) {
            #[allow(clippy::cast_possible_truncation)] // see TO_INTEGER
            let predicted = (sum + TO_INTEGER).to_bits() as u32;
            *residual = fold(sample.wrapping_sub(predicted.cast_signed()));
        }
    }
}

/// As [`fixed_residual`] for samples of any depth; `false` when a residual is none that §9.2.7.3 allows.
pub(in crate::flac) fn fixed_residual_checked(samples: &[i32], order: usize, residual: &mut Vec<u32>) -> bool {
    const FACTORS: [&[i32]; 5] = [&[], &[1], &[2, -1], &[3, -3, 1], &[4, -6, 4, -1]];
    linear_residual_checked(samples, FACTORS[order], 0, residual)
}

/// As [`linear_residual`] for samples and coefficients of any size; `false` when a residual is none that §9.2.7.3
/// allows.
pub(in crate::flac) fn linear_residual_checked(
    samples: &[i32],
    coefficients: &[i32],
    shift: u32,
    residual: &mut Vec<u32>,
) -> bool {
    residual.clear();
    for window in samples.windows(coefficients.len() + 1) {
        let past = window.iter().rev().skip(1);
        let sum: i64 = past.zip(coefficients).map(|(sample, factor)| i64::from(*sample) * i64::from(*factor)).sum();
        match i32::try_from(i64::from(window[coefficients.len()]) - (sum >> shift)) {
            Ok(value) if value != i32::MIN => residual.push(fold(value)),
            _ => return false,
        }
    }
    true
}
