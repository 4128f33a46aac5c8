//! Logarithms that come out the same on every CPU.
//!
//! The system's `log2` may round differently from one CPU to the next, and what is decided by it would then change the
//! encoded bytes. These use only operations that IEEE 754 rounds in one way.

/// The binary logarithm, to about eight decimal places. Of zero and less: far below that of any energy.
#[inline]
pub(super) fn log2(value: f64) -> f64 {
    const MANTISSA: u64 = (1 << 52) - 1;
    const ONE: u64 = 1023 << 52;
    if value < f64::MIN_POSITIVE {
        return -1023.0;
    }
    let bits = value.to_bits();
    // 1 to 2; then as near to 1 as a power of two brings it.
    let mut mantissa = f64::from_bits(bits & MANTISSA | ONE);
    let mut exponent = f64::from(u32::try_from(bits >> 52 & 0x7FF).unwrap_or(0)) - 1023.0;
    if mantissa > std::f64::consts::SQRT_2 {
        mantissa *= 0.5;
        exponent += 1.0;
    }
    // ln m = 2 artanh((m - 1) / (m + 1)), whose argument is below 0.172.
    let x = (mantissa - 1.0) / (mantissa + 1.0);
    let xx = x * x;
    let series = 1.0 + xx * (1.0 / 3.0 + xx * (0.2 + xx * (1.0 / 7.0 + xx * (1.0 / 9.0 + xx * (1.0 / 11.0)))));
    exponent + 2.0 * std::f64::consts::LOG2_E * x * series
}

/// The whole part of the binary logarithm of a number of at least 1; 0 for less.
#[inline]
pub(super) fn floor_log2(value: f64) -> u64 {
    // Signed, and of 64 bits: vectors have a maximum of these.
    let exponent = (value.to_bits() >> 52 & 0x7FF).cast_signed() - 1023;
    exponent.max(0).cast_unsigned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[allow(clippy::float_cmp, clippy::cast_precision_loss)] // of small whole numbers
    fn it_is_near_the_systems() {
        for step in 1..20_000 {
            let value = f64::from(step) * 0.37 * 10_f64.powi(step % 60 - 30);
            assert!((log2(value) - value.log2()).abs() < 1e-8, "{value}");
            if value >= 1.0 {
                assert_eq!(floor_log2(value) as f64, value.log2().floor(), "{value}");
            }
        }
        assert_eq!((log2(1.0), log2(0.5), log2(1024.0)), (0.0, -1.0, 10.0));
        assert_eq!((floor_log2(0.99), floor_log2(0.0), floor_log2(1.0)), (0, 0, 0));
        assert!(log2(0.0) < -1000.0 && log2(-1.0) < -1000.0);
    }
}
