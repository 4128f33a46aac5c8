//! Residuals and what is written of them.

mod crc;
mod residual;
mod rice;

pub(super) use self::crc::crc16;
pub(super) use self::residual::{fixed_residual, linear_residual};
pub(in crate::flac) use self::residual::{fixed_residual_checked, linear_residual_checked};
pub(super) use self::rice::{partition_sums, put_rice, quotients};
