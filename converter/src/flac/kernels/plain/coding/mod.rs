//! Residuals and what is written of them.

mod crc;
mod residual;
mod rice;
#[cfg(test)]
mod tests;

#[cfg(target_arch = "x86_64")]
pub(in crate::flac::kernels) use self::crc::POLYNOMIAL;
pub(in crate::flac::kernels) use self::crc::crc16;
pub(in crate::flac::kernels) use self::residual::{fixed_residual, linear_residual};
pub(in crate::flac) use self::residual::{fixed_residual_checked, linear_residual_checked};
pub(in crate::flac::kernels) use self::rice::{partition_sums, put_rice, quotients};
