//! Residuals of predictors.
//!
//! Linear predictions are computed in `f64`, of which any CPU multiplies and adds several at a time. This is exact:
//! by what each [`Width`] promises, all partial sums are integers below 2^31 * 2^15. Samples are converted a tile at a
//! time.

use crate::flac::kernels::{MAX_ORDER, Width};

/// Samples that are predicted from one conversion, and what goes before them.
const TILE: usize = 256;
const LANES: usize = 8;
const TILE_AND_PAST: usize = MAX_ORDER + TILE;

/// 0, -1, 1, -2, 2 … become 0, 1, 2, 3, 4 … (§9.2.7).
fn fold(residual: i32) -> u32 {
    (residual << 1 ^ residual >> 31).cast_unsigned()
}

pub(in crate::flac::kernels) fn fixed_residual(samples: &[i32], order: usize, residual: &mut Vec<u32>) {
    match order {
        0 => differences(samples, residual, |[x]: [i32; 1]| x),
        1 => differences(samples, residual, |[b, x]: [i32; 2]| x.wrapping_sub(b)),
        2 => differences(samples, residual, |x: [i32; 3]| dot(x, [1, -2, 1])),
        3 => differences(samples, residual, |x: [i32; 4]| dot(x, [-1, 3, -3, 1])),
        _ => differences(samples, residual, |x: [i32; 5]| dot(x, [1, -4, 6, -4, 1])),
    }
}

#[inline(always)]
#[allow(clippy::inline_always)] // so that the factors are constants, and multiplications by them additions
fn dot<const N: usize>(samples: [i32; N], factors: [i32; N]) -> i32 {
    samples.iter().zip(factors).fold(0, |sum, (sample, factor)| sum.wrapping_add(sample.wrapping_mul(factor)))
}

fn differences<const N: usize>(samples: &[i32], residual: &mut Vec<u32>, difference: impl Fn([i32; N]) -> i32) {
    let windows = samples.array_windows::<N>();
    residual.resize(windows.len(), 0);
    for (residual, window) in residual.iter_mut().zip(windows) {
        *residual = fold(difference(*window));
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
    const TO_INTEGER: f64 = 1.5 * (1_u64 << 52) as f64;
    let order = coefficients.len().min(ORDER);
    // In the order of the samples; what lacks counts as zero, and is older.
    let mut factors = [0.0; ORDER];
    for (factor, coefficient) in factors.iter_mut().rev().zip(coefficients) {
        *factor = f64::from(*coefficient);
    }
    let scale = 1.0 / f64::from(1_u32 << shift);
    // To the integer below, not the nearest: half the smallest fraction keeps ties away.
    let down = 0.5 - scale / 2.0;
    let mut past = [0.0; TILE_AND_PAST];
    let mut predicted = [0.0; TILE];
    for (tile, residual) in residual.chunks_mut(TILE).enumerate() {
        let Some((_, samples)) = samples.split_at_checked(tile * TILE) else { break };
        for (past, sample) in past.iter_mut().skip(ORDER - order).zip(samples) {
            *past = f64::from(*sample);
        }
        for (chunk, predicted) in
            predicted.as_chunks_mut::<LANES>().0.iter_mut().enumerate().take(residual.len().div_ceil(LANES))
        {
            let past: &[f64] = &past[chunk * LANES..][..LANES + ORDER];
            let mut sums = [0.0; LANES];
            for (past, factor) in past.array_windows::<LANES>().zip(&factors) {
                for (sum, sample) in sums.iter_mut().zip(past) {
                    *sum += sample * factor;
                }
            }
            *predicted = sums.map(|sum| sum * scale - down + TO_INTEGER);
        }
        for ((residual, sample), predicted) in residual.iter_mut().zip(samples.iter().skip(order)).zip(predicted) {
            #[allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap)] // see TO_INTEGER
            let predicted = predicted.to_bits() as i32;
            *residual = fold(sample.wrapping_sub(predicted));
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
