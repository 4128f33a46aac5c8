//! The coding kernels with AVX2, BMI2 and PCLMULQDQ.

mod crc;
mod residual;
mod rice;

pub(super) use self::crc::crc16;
pub(super) use self::residual::{fixed_residual, linear_residual};
pub(super) use self::rice::{partition_sums, put_rice, quotients};
