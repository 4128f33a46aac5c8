//! Residuals and what is written of them.

use crate::flac::bits::BitWriter;
use crate::flac::kernels::Width;

/// 0, -1, 1, -2, 2 … become 0, 1, 2, 3, 4 … (§9.2.7).
fn fold(residual: i32) -> u32 {
    (residual << 1 ^ residual >> 31).cast_unsigned()
}

pub(super) fn fixed_residual(samples: &[i32], order: usize, residual: &mut Vec<u32>) {
    residual.clear();
    residual.extend(samples.iter().skip(order).enumerate().map(|(at, _)| {
        let x = |back: usize| samples[at + order - back];
        fold(match order {
            0 => x(0),
            1 => x(0) - x(1),
            2 => x(0) - 2 * x(1) + x(2),
            3 => x(0) - 3 * x(1) + 3 * x(2) - x(3),
            _ => x(0) - 4 * x(1) + 6 * x(2) - 4 * x(3) + x(4),
        })
    }));
}

pub(super) fn linear_residual(samples: &[i32], coefficients: &[i32], shift: u32, _: Width, residual: &mut Vec<u32>) {
    residual.clear();
    residual.extend(samples.windows(coefficients.len() + 1).map(|window| {
        let past = window.iter().rev().skip(1);
        let sum: i64 = past.zip(coefficients).map(|(sample, factor)| i64::from(*sample) * i64::from(*factor)).sum();
        #[allow(clippy::cast_possible_truncation)] // the width promises that it fits
        fold(window[coefficients.len()] - (sum >> shift) as i32)
    }));
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

pub(super) fn partition_sums(residual: &[u32], order: usize, sums: &mut [u64]) {
    let length = (residual.len() + order) / sums.len().max(1);
    let mut rest = residual;
    for (number, sum) in sums.iter_mut().enumerate() {
        let (partition, after) = rest.split_at(if number == 0 { length - order } else { length });
        *sum = partition.iter().map(|value| u64::from(*value)).sum();
        rest = after;
    }
}

pub(super) fn quotients(residual: &[u32], parameter: u32) -> u64 {
    residual.iter().map(|value| u64::from(value >> parameter)).sum()
}

pub(super) fn put_rice(residual: &[u32], parameter: u32, out: &mut BitWriter) {
    for value in residual {
        out.put_zeros(u64::from(value >> parameter));
        out.put(1 << parameter | u64::from(value & ((1 << parameter) - 1)), parameter + 1);
    }
}

pub(super) fn crc16(crc: u16, bytes: &[u8]) -> u16 {
    bytes.iter().fold(crc, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte) << 8, |crc, _| if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x8005 })
    })
}
