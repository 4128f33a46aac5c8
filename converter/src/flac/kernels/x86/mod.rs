//! The kernels for x86-64 CPUs with AVX2, BMI2, FMA and PCLMULQDQ, and a few for all others: the only place with
//! `unsafe`.

mod analysis;
mod coding;
mod md5;
mod sse2;

use super::{Kernels, Task, Vectors, plain};

/// The plain ones, but for what SSE2 makes much faster: every x86-64 CPU has it.
pub(super) const BASELINE: Kernels =
    Kernels { lag_sums: sse2::lag_sums, linear_residual: sse2::linear_residual, ..plain::KERNELS };

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
    vectors: Vectors::Avx2,
};

/// Does a task, which is compiled for AVX2.
#[allow(unsafe_code)] // only the function within is a boundary
pub(super) fn with_avx2(task: impl Task) {
    #[target_feature(enable = "avx2")]
    fn compiled(task: impl Task) {
        task.run();
    }
    // SAFETY: only `KERNELS` say that there is AVX2, and they are only for CPUs in which `detected` has found it.
    unsafe { compiled(task) }
}
