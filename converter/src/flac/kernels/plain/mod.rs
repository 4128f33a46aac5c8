//! The kernels in safe Rust: the definition of each. Written so that the compiler vectorises them for any CPU.

pub(super) mod analysis;
mod coding;
mod md5;

use super::{Kernels, Vectors};
#[cfg(target_arch = "x86_64")]
pub(super) use coding::{POLYNOMIAL, crc16, fixed_residual, partition_sums, put_rice, quotients};
pub(in crate::flac) use coding::{fixed_residual_checked, linear_residual_checked};
pub(super) use md5::SINES;

pub(in crate::flac) const KERNELS: Kernels = Kernels {
    split: analysis::split,
    mid_side: analysis::mid_side,
    survey: analysis::survey,
    stereo_sums: analysis::stereo_sums,
    fixed_sums: analysis::fixed_sums,
    lag_sums: analysis::lag_sums,
    fixed_residual: coding::fixed_residual,
    linear_residual: coding::linear_residual,
    partition_sums: coding::partition_sums,
    quotients: coding::quotients,
    put_rice: coding::put_rice,
    crc16: coding::crc16,
    md5: md5::md5,
    vectors: Vectors::None,
};
