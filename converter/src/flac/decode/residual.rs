//! Coded residuals (RFC 9639 §9.2.7).

use super::bits::Bits;
use super::error::FrameError;

/// Decodes the residuals of a subframe whose first `order` samples have none.
pub(super) fn decode(bits: &mut Bits<'_>, order: usize, residuals: &mut [i32]) -> Result<(), FrameError> {
    let method = bits.unsigned(2)?;
    if method > 1 {
        return Err(FrameError::Reserved("the residual coding method"));
    }
    // Rice parameters have 4 or 5 bits; the highest is an escape.
    let parameter_bits = 4 + method;
    let escape = (1 << parameter_bits) - 1;
    let partition_order = bits.unsigned(4)?;
    let samples = residuals.len() >> partition_order;
    if samples << partition_order != residuals.len() {
        return Err(FrameError::Contradiction("its block cannot be split into as many partitions as it tells"));
    }
    // The first partition lacks the samples that have no residual.
    if samples < order {
        return Err(FrameError::Contradiction("its first partition is shorter than the predictor's order"));
    }
    let (_, mut rest) = residuals.split_at_mut(order);
    let mut length = samples - order;
    for _ in 0..1 << partition_order {
        let (partition, later) = rest.split_at_mut(length);
        rest = later;
        length = samples;
        let parameter = bits.unsigned(parameter_bits)?;
        if parameter == escape {
            escaped(bits, partition)?;
        } else {
            bits.rice(parameter, partition)?;
        }
    }
    Ok(())
}

/// A partition of plain numbers (§9.2.7.1).
fn escaped(bits: &mut Bits<'_>, partition: &mut [i32]) -> Result<(), FrameError> {
    let width = bits.unsigned(5)?;
    for residual in partition {
        // At most 31 bits, so it fits.
        *residual = i32::try_from(bits.signed(width)?).unwrap_or_default();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Decodes residuals that are written as bits.
    fn residuals(order: usize, samples: usize, text: &str) -> Result<Vec<i32>, FrameError> {
        let mut bytes = Vec::new();
        let bits: Vec<u8> = text.bytes().filter(|byte| *byte != b' ').map(|byte| byte - b'0').collect();
        for byte in bits.chunks(8) {
            bytes.push(byte.iter().enumerate().fold(0, |value, (at, bit)| value | bit << (7 - at)));
        }
        let mut residuals = vec![77; samples];
        decode(&mut Bits::new(&bytes), order, &mut residuals)?;
        Ok(residuals)
    }

    #[test]
    fn partitions_have_their_own_parameters_and_escapes() {
        // Method 0, 4 partitions of 2; the first lacks a sample.
        let found = residuals(1, 8, "00 0010  0000 01  0010 101 0111 1111 00011 100 011  1111 00000").unwrap();
        assert_eq!(found, [77, -1, -1, -4, -4, 3, 0, 0]);
        // Method 1: 5 bits, 15 is an ordinary parameter and 31 the escape.
        let found =
            residuals(0, 2, "01 0001  01111 1 000000000000011  11111 11111 1000000000000000000000000000001").unwrap();
        assert_eq!(found, [-2, -(1 << 30) + 1]);
    }

    #[test]
    fn a_first_partition_may_be_empty() {
        assert_eq!(residuals(2, 4, "00 0001  0000  0000 1 1").unwrap(), [77, 77, 0, 0]);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        assert_eq!(residuals(0, 4, "10 0000 0000 1111"), Err(FrameError::Reserved("the residual coding method")));
        assert!(matches!(residuals(0, 5, "00 0001 0000 1111"), Err(FrameError::Contradiction(_))));
        assert!(matches!(residuals(3, 4, "00 0001 0000 1111"), Err(FrameError::Contradiction(_))));
        assert!(matches!(residuals(0, 4, "00 1111 0000 1111"), Err(FrameError::Contradiction(_))));
        assert_eq!(residuals(0, 4, "00 0000 0000 1110 0000"), Err(FrameError::Incomplete));
    }
}
