//! The two checksums of a frame (RFC 9639 §9.1.8, §9.3).

// Each cast keeps bits that a mask or shift has left.
#![allow(clippy::cast_possible_truncation)]

/// x^8 + x^2 + x + 1.
const CRC_8: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = (remainder(byte, 8, 0x07) & 0xFF) as u8;
        byte += 1;
    }
    table
};

/// Bytes that one step of the CRC-16 takes.
const AT_ONCE: usize = 16;

/// x^16 + x^15 + x^2 + 1: what a byte adds when it is followed by as many more bytes as the table's number.
static CRC_16: [[u16; 256]; AT_ONCE] = {
    let mut tables = [[0; 256]; AT_ONCE];
    let mut byte = 0;
    while byte < 256 {
        tables[0][byte] = (remainder(byte, 16, 0x8005) & 0xFFFF) as u16;
        byte += 1;
    }
    let mut later = 1;
    while later < AT_ONCE {
        let mut byte = 0;
        while byte < 256 {
            let before = tables[later - 1][byte];
            tables[later][byte] = before << 8 ^ tables[0][(before >> 8) as usize];
            byte += 1;
        }
        later += 1;
    }
    tables
};

/// The remainder of a byte's polynomial, shifted by `bits`, in the low `bits`.
const fn remainder(byte: usize, bits: u32, polynomial: usize) -> usize {
    let mut value = byte << (bits - 8);
    let mut step = 0;
    while step < 8 {
        let carry = value >> (bits - 1) & 1;
        value = (value << 1) ^ (carry * polynomial);
        step += 1;
    }
    value
}

/// The CRC-8 of a frame's header.
pub(super) fn crc8(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |crc, byte| CRC_8[usize::from(crc ^ byte)])
}

/// The CRC-16 of a frame.
pub(super) fn crc16(bytes: &[u8]) -> u16 {
    let (words, rest) = bytes.as_chunks::<AT_ONCE>();
    let crc = words.iter().fold(0_u16, |crc, word| {
        let [high, low] = crc.to_be_bytes();
        // Only the first two bytes wait for the word before.
        let [first, second, later @ ..] = word;
        let tables = CRC_16[..AT_ONCE - 2].iter().rev();
        let later = later.iter().zip(tables).fold(0, |crc, (byte, table)| crc ^ table[usize::from(*byte)]);
        later ^ (CRC_16[AT_ONCE - 1][usize::from(first ^ high)] ^ CRC_16[AT_ONCE - 2][usize::from(second ^ low)])
    });
    rest.iter().fold(crc, |crc, byte| crc << 8 ^ CRC_16[0][usize::from(crc.to_be_bytes()[0] ^ byte)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_known_check_values_come_out() {
        // CRC-8/SMBUS and CRC-16/UMTS of the catalogue of parametrised CRC algorithms.
        assert_eq!(crc8(b"123456789"), 0xF4);
        assert_eq!(crc16(b"123456789"), 0xFEE8);
        assert_eq!((crc8(b""), crc16(b"")), (0, 0));
    }

    #[test]
    fn many_bytes_at_a_time_are_the_same_as_one_by_one() {
        let bytes: Vec<u8> = (0..100_u8).map(|at| at.wrapping_mul(at)).collect();
        for end in 0..bytes.len() {
            let slow = bytes[..end].iter().fold(0_u16, |crc, byte| {
                (0..8).fold(crc ^ u16::from(*byte) << 8, |crc, _| (crc << 1) ^ ((crc >> 15) * 0x8005))
            });
            assert_eq!(crc16(&bytes[..end]), slow, "{end}");
        }
    }
}
