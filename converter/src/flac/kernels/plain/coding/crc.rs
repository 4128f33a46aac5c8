//! The checksum of a frame.

/// The polynomial of the CRC-16 (§9.3), without its highest term.
pub(in crate::flac::kernels) const POLYNOMIAL: u16 = 0x8005;
/// How many bytes it takes in one step.
const SLICES: usize = 8;

/// `TABLES[n][byte]`: what `byte` comes to when `n` more bytes have followed it.
static TABLES: [[u16; 256]; SLICES] = tables();

const fn tables() -> [[u16; 256]; SLICES] {
    let mut tables = [[0; 256]; SLICES];
    let mut byte = 0;
    while byte < 256 {
        #[allow(clippy::cast_possible_truncation)] // below 256; `try_from` is not const
        let mut crc = (byte as u16) << 8;
        let mut slice = 0;
        while slice < SLICES {
            let mut bit = 0;
            while bit < 8 {
                crc = if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ POLYNOMIAL };
                bit += 1;
            }
            tables[slice][byte] = crc;
            slice += 1;
        }
        byte += 1;
    }
    tables
}

pub(in crate::flac::kernels) fn crc16(crc: u16, bytes: &[u8]) -> u16 {
    let (steps, rest) = bytes.as_chunks::<SLICES>();
    let crc = steps.iter().fold(crc, |crc, step| {
        // The sum so far goes into the first two of the bytes, and each of the eight has its own table.
        let mut step = *step;
        for (byte, crc) in step.iter_mut().zip(crc.to_be_bytes()) {
            *byte ^= crc;
        }
        step.iter().zip(TABLES.iter().rev()).fold(0, |sum, (byte, table)| sum ^ table[usize::from(*byte)])
    });
    rest.iter().fold(crc, |crc, byte| {
        let [high, low] = crc.to_be_bytes();
        u16::from(low) << 8 ^ TABLES[0][usize::from(high ^ byte)]
    })
}
