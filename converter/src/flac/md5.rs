//! MD5 (RFC 1321) of a stream, for STREAMINFO (RFC 9639 §8.2).

use super::kernels::Kernels;

/// Bytes that are digested at once.
const BLOCK: usize = 64;

/// A digest on its way. What it has taken is all in the state, the number of bytes, and those of them that fill no
/// block yet.
#[derive(Debug, Clone)]
pub(super) struct Md5 {
    compress: fn(&mut [u32; 4], &[[u8; BLOCK]]),
    state: [u32; 4],
    bytes: u64,
    /// As many as `bytes` is beyond a multiple of a block.
    pending: [u8; BLOCK],
}

/// Where a digest on its way stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Digested {
    pub words: [u32; 4],
    /// Bytes taken.
    pub bytes: u64,
    /// Those of them that fill no block yet, as many as `bytes` is beyond a multiple of 64; then zeros.
    pub pending: [u8; BLOCK],
}

impl Md5 {
    /// A digest that goes on from there.
    pub fn resume(kernels: &Kernels, place: &Digested) -> Self {
        let Digested { words, bytes, pending } = *place;
        Self { compress: kernels.md5, state: words, bytes, pending }
    }

    /// Where it stands.
    pub fn place(&self) -> Digested {
        let mut pending = [0; BLOCK];
        for (kept, byte) in pending.iter_mut().zip(self.pending).take(self.pending()) {
            *kept = byte;
        }
        Digested { words: self.state, bytes: self.bytes, pending }
    }

    /// The digest of nothing.
    pub fn new(kernels: &Kernels) -> Self {
        let state = [0x6745_2301, 0xEFCD_AB89, 0x98BA_DCFE, 0x1032_5476];
        Self { compress: kernels.md5, state, bytes: 0, pending: [0; BLOCK] }
    }

    /// Takes the next bytes.
    pub fn update(&mut self, mut bytes: &[u8]) {
        let pending = self.pending();
        self.bytes = self.bytes.wrapping_add(bytes.len() as u64);
        if pending > 0 {
            let free = self.pending.get_mut(pending..).unwrap_or_default();
            let (now, later) = bytes.split_at(free.len().min(bytes.len()));
            for (kept, byte) in free.iter_mut().zip(now) {
                *kept = *byte;
            }
            if pending + now.len() < BLOCK {
                return;
            }
            (self.compress)(&mut self.state, &[self.pending]);
            bytes = later;
        }
        let (blocks, rest) = bytes.as_chunks();
        (self.compress)(&mut self.state, blocks);
        for (kept, byte) in self.pending.iter_mut().zip(rest) {
            *kept = *byte;
        }
    }

    /// The digest of all that was taken.
    pub fn finalize(mut self) -> [u8; 16] {
        const LENGTH: usize = BLOCK - 8;
        let bits = self.bytes.wrapping_mul(8).to_le_bytes();
        // A one, and zeros up to the length.
        let mut padding = [0; BLOCK];
        padding[0] = 0x80;
        let zeros = (2 * BLOCK + LENGTH - 1 - self.pending()) % BLOCK;
        self.update(padding.get(..=zeros).unwrap_or_default());
        self.update(&bits);
        let mut digest = [0; 16];
        for (bytes, word) in digest.as_chunks_mut().0.iter_mut().zip(self.state) {
            *bytes = word.to_le_bytes();
        }
        digest
    }

    /// Bytes that fill no block yet.
    fn pending(&self) -> usize {
        // Below a block, so it fits.
        usize::try_from(self.bytes % BLOCK as u64).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use md5::Digest as _;

    use super::*;
    use crate::support::Random;

    fn both() -> [Kernels; 2] {
        [Kernels::portable(), Kernels::best()]
    }

    fn digest(kernels: &Kernels, bytes: &[u8]) -> [u8; 16] {
        let mut md5 = Md5::new(kernels);
        md5.update(bytes);
        md5.finalize()
    }

    #[test]
    fn the_digests_of_the_rfc_come_out() {
        let letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        let digits = "1234567890".repeat(8);
        for (text, expected) in [
            ("", 0xd41d_8cd9_8f00_b204_e980_0998_ecf8_427e_u128),
            ("a", 0x0cc1_75b9_c0f1_b6a8_31c3_99e2_6977_2661),
            ("abc", 0x9001_5098_3cd2_4fb0_d696_3f7d_28e1_7f72),
            ("message digest", 0xf96b_697d_7cb7_938d_525a_2f31_aaf1_61d0),
            ("abcdefghijklmnopqrstuvwxyz", 0xc3fc_d3d7_6192_e400_7dfb_496c_ca67_e13b),
            (letters, 0xd174_ab98_d277_d9f5_a561_1c2c_9f41_9d9f),
            (&digits, 0x57ed_f4a2_2be3_c955_ac49_da2e_2107_b67a),
        ] {
            for kernels in both() {
                assert_eq!(u128::from_be_bytes(digest(&kernels, text.as_bytes())), expected, "{text}");
            }
        }
    }

    #[test]
    fn any_length_in_any_pieces_is_digested_as_another_implementation_does() {
        let mut random = Random::new(1321);
        for length in (0..300).chain((0..50).map(|at| 300 + at * 311)) {
            let bytes: Vec<u8> = (0..length).map(|_| random.bits().to_le_bytes()[3]).collect();
            let expected = <[u8; 16]>::from(md5::Md5::digest(&bytes));
            for kernels in both() {
                assert_eq!(digest(&kernels, &bytes), expected, "{length}");
                let mut pieces = Md5::new(&kernels);
                let mut rest = bytes.as_slice();
                while !rest.is_empty() {
                    let (piece, later) = rest.split_at((random.bits() as usize % 150).min(rest.len()));
                    pieces.update(piece);
                    rest = later;
                }
                assert_eq!(pieces.finalize(), expected, "{length} in pieces");
            }
        }
    }

    #[test]
    fn the_kernels_agree_on_any_state() {
        let mut random = Random::new(5);
        for count in 0..20 {
            let blocks: Vec<[u8; BLOCK]> =
                (0..count).map(|_| std::array::from_fn(|_| random.bits().to_le_bytes()[3])).collect();
            let state = std::array::from_fn(|_| random.bits());
            let [mut plain, mut best] = [state; 2];
            (Kernels::portable().md5)(&mut plain, &blocks);
            (Kernels::best().md5)(&mut best, &blocks);
            assert_eq!(plain, best);
        }
    }
}
