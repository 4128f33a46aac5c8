//! The checksum of a frame.
//!
//! It is what remains of the frame, as a polynomial whose coefficients are bits, divided by P = x^16 + x^15 + x^2 + 1.
//! Squaring such a polynomial squares each term, so P^64 = x^1024 + x^960 + x^128 + 1: all exponents are multiples of
//! 64. What P^64 leaves of the frame leaves the same to P, and is found without looking into words of 64 bits: a word
//! disappears when it is added to those 1, 14, and 16 words later.

/// The polynomial of the CRC-16 (§9.3), without its highest term.
pub(in crate::flac::kernels) const POLYNOMIAL: u16 = 0x8005;
/// Words that P^64 leaves.
const WORDS: usize = 16;

/// What each byte comes to as the last one.
static TABLE: [u16; 256] = table();

const fn table() -> [u16; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        #[allow(clippy::cast_possible_truncation)] // below 256; `try_from` is not const
        let mut crc = (byte as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ POLYNOMIAL };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
}

pub(in crate::flac::kernels) fn crc16(crc: u16, bytes: &[u8]) -> u16 {
    let (chunks, rest) = bytes.as_chunks::<{ 8 * WORDS }>();
    let [first, chunks @ ..] = chunks else { return one_by_one(crc, rest) };
    // The sum so far goes into the first two bytes.
    let mut first = *first;
    for (byte, crc) in first.iter_mut().zip(crc.to_be_bytes()) {
        *byte ^= crc;
    }
    // The words that are left of the bytes so far, not yet added to one another but to the words of the next chunk.
    let mut left = words(&first);
    for chunk in chunks {
        let next = words(chunk);
        // Each of those left is complete once the ones before it were added to it.
        for at in 0..WORDS {
            if at >= 1 {
                left[at] ^= left[at - 1];
            }
            if at >= 14 {
                left[at] ^= left[at - 14];
            }
        }
        let complete = left;
        for at in 0..WORDS {
            left[at] = next[at] ^ complete[at];
            if at < 14 {
                left[at] ^= complete[at + 2];
            }
        }
        left[0] ^= complete[15];
    }
    one_by_one(left.iter().fold(0, |crc, word| one_by_one(crc, &word.to_ne_bytes())), rest)
}

/// Bytes are only ever added to bytes in the same place of another word, so their order in it makes no difference.
fn words(bytes: &[u8; 8 * WORDS]) -> [u64; WORDS] {
    let mut words = [0; WORDS];
    for (word, bytes) in words.iter_mut().zip(bytes.as_chunks().0) {
        *word = u64::from_ne_bytes(*bytes);
    }
    words
}

fn one_by_one(crc: u16, bytes: &[u8]) -> u16 {
    bytes.iter().fold(crc, |crc, byte| {
        let [high, low] = crc.to_be_bytes();
        u16::from(low) << 8 ^ TABLE[usize::from(high ^ byte)]
    })
}
