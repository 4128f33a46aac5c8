//! The kernels for x86-64 CPUs with AVX2, BMI2, FMA and PCLMULQDQ: the only place with `unsafe`.

mod analysis;
mod coding;
mod md5;

use super::Kernels;

/// These kernels, if this CPU has what they need.
pub(super) fn detected() -> Option<Kernels> {
    let has = is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("bmi2")
        && is_x86_feature_detected!("fma")
        && is_x86_feature_detected!("pclmulqdq");
    has.then_some(KERNELS)
}

/// Only for CPUs that [`detected`] looked at.
const KERNELS: Kernels = Kernels {
    // analysis
    split: analysis::split,
    mid_side: analysis::mid_side,
    survey: analysis::survey,
    stereo_sums: analysis::stereo_sums,
    fixed_sums: analysis::fixed_sums,
    lag_sums: analysis::lag_sums,
    // coding
    fixed_residual: coding::fixed_residual,
    linear_residual: coding::linear_residual,
    partition_sums: coding::partition_sums,
    quotients: coding::quotients,
    put_rice: coding::put_rice,
    crc16: coding::crc16,
    // md5
    md5: md5::md5,
};
