//! From the samples of FLAC back to those of a WAV file: the inverse of [`Unpacker`](super::Unpacker).

use super::{Encoding, Endian, Kind};

/// What is above a sample that is in the lowest bits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Spare {
    /// Its sign.
    #[default]
    Sign,
    /// Zeros.
    Zero,
}

/// All that it takes to write a sample as the input had it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packing {
    /// How its bytes mean a number.
    pub encoding: Encoding,
    /// What is above it.
    pub spare: Spare,
}

/// Turns samples as [`Unpacker`](super::Unpacker) makes them (signed, little-endian, each in as few bytes as hold its
/// bits) into the input's bytes.
#[derive(Debug)]
pub struct Packer {
    packing: Packing,
    bits: u8,
    /// The start of a sample whose end has not come.
    held: Vec<u8>,
}

impl Packer {
    /// A packer of samples of so many bits, 1 to 32.
    pub fn new(packing: Packing, bits: u8) -> Self {
        Self { packing, bits: bits.clamp(1, 32), held: Vec::new() }
    }

    /// Takes the next samples, split anywhere, and appends the input's bytes of every whole one to `out`.
    pub fn pack(&mut self, mut pcm: &[u8], out: &mut Vec<u8>) {
        if self.is_plain() {
            out.extend_from_slice(pcm);
            return;
        }
        let bytes = usize::from(self.bits.div_ceil(8));
        if !self.held.is_empty() {
            let missing = bytes.saturating_sub(self.held.len());
            let (now, later) = pcm.split_at_checked(missing).unwrap_or((pcm, &[]));
            self.held.extend_from_slice(now);
            pcm = later;
            if self.held.len() < bytes {
                return;
            }
            let held = std::mem::take(&mut self.held);
            self.whole(&held, out);
        }
        let samples = pcm.chunks_exact(bytes);
        self.held.extend_from_slice(samples.remainder());
        samples.for_each(|sample| self.whole(sample, out));
    }

    /// Whether the input's bytes are the samples' own.
    fn is_plain(&self) -> bool {
        let Encoding { container_bytes, kind, endian } = self.packing.encoding;
        container_bytes.checked_mul(8) == Some(self.bits)
            && endian == Endian::Little
            && matches!(kind, Kind::Signed | Kind::SignedLow)
    }

    fn whole(&self, sample: &[u8], out: &mut Vec<u8>) {
        let Encoding { container_bytes, kind, endian } = self.packing.encoding;
        let container_bits = u32::from(container_bytes.min(8)) * 8;
        let bits = u32::from(self.bits);
        let number = sample.iter().rev().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        let unused = 64 - bits;
        let signed = (number << unused).cast_signed() >> unused;
        let half = 1_i64 << (bits - 1);
        let left = container_bits.saturating_sub(bits);
        let container = match kind {
            Kind::Signed | Kind::Float => signed << left,
            Kind::Unsigned => (signed + half) << left,
            Kind::SignedLow if self.packing.spare == Spare::Zero => signed & ((1_i64 << bits) - 1),
            Kind::SignedLow => signed,
            Kind::UnsignedLow => signed + half,
        };
        let little = container.to_le_bytes();
        let little = little.iter().take(usize::from(container_bytes));
        match endian {
            Endian::Little => out.extend(little),
            Endian::Big => out.extend(little.rev()),
        }
    }
}

/// Looks at what is above samples that are in the lowest bits: zeros, or their sign.
#[derive(Debug)]
pub struct SpareBits {
    encoding: Encoding,
    bits: u32,
    held: [u8; 8],
    held_len: usize,
    /// A negative sample had its sign above it; a negative sample had zeros.
    sign: bool,
    zero: bool,
}

impl SpareBits {
    /// None if there are no such bits.
    pub fn new(encoding: Encoding, bits: u8) -> Option<Self> {
        let spare = encoding.kind == Kind::SignedLow && encoding.container_bytes.saturating_mul(8) > bits;
        (spare && (1..=32).contains(&bits) && encoding.container_bytes <= 8).then_some(Self {
            encoding,
            bits: bits.into(),
            held: [0; 8],
            held_len: 0,
            sign: false,
            zero: false,
        })
    }

    /// Looks at the next bytes, split anywhere.
    pub fn look_at(&mut self, bytes: &[u8]) {
        let container = usize::from(self.encoding.container_bytes);
        for byte in bytes {
            if let Some(slot) = self.held.get_mut(self.held_len) {
                *slot = *byte;
            }
            self.held_len += 1;
            if self.held_len == container {
                self.held_len = 0;
                self.whole(container);
            }
        }
    }

    fn whole(&mut self, container: usize) {
        let mut bytes = [0; 8];
        let held = self.held.iter().take(container);
        match self.encoding.endian {
            Endian::Little => bytes.iter_mut().zip(held).for_each(|(slot, byte)| *slot = *byte),
            Endian::Big => bytes.iter_mut().zip(held.rev()).for_each(|(slot, byte)| *slot = *byte),
        }
        let number = u64::from_le_bytes(bytes);
        if number >> (self.bits - 1) & 1 == 1 {
            if number >> self.bits == 0 {
                self.zero = true;
            } else {
                self.sign = true;
            }
        }
    }

    /// What is above every sample; none if it is now this, now that.
    pub fn found(&self) -> Option<Spare> {
        match (self.sign, self.zero) {
            (true, true) => None,
            (_, false) => Some(Spare::Sign),
            (false, true) => Some(Spare::Zero),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pack(kind: Kind, spare: Spare, endian: Endian, container_bytes: u8, bits: u8, samples: &[i32]) -> Vec<u8> {
        let encoding = Encoding { container_bytes, kind, endian };
        let pcm = crate::support::signed_pcm(samples, bits.into());
        let mut whole = Vec::new();
        Packer::new(Packing { encoding, spare }, bits).pack(&pcm, &mut whole);
        for step in 1..=5 {
            let mut packer = Packer::new(Packing { encoding, spare }, bits);
            let mut out = Vec::new();
            pcm.chunks(step).for_each(|piece| packer.pack(piece, &mut out));
            assert_eq!(out, whole);
        }
        whole
    }

    #[test]
    fn samples_go_where_they_were() {
        use Endian::{Big, Little};
        use Kind::{Signed, SignedLow, Unsigned, UnsignedLow};
        use Spare::{Sign, Zero};
        for (kind, spare, endian, container, bits, expected) in [
            (Signed, Sign, Little, 2, 16, &[0xFE, 0xFF, 3, 0][..]),
            (Signed, Sign, Big, 2, 16, &[0xFF, 0xFE, 0, 3]),
            (Unsigned, Sign, Little, 1, 8, &[0x7E, 0x83]),
            (Unsigned, Sign, Little, 1, 4, &[0x60, 0xB0]),
            (Signed, Sign, Little, 2, 12, &[0xE0, 0xFF, 0x30, 0]),
            (Signed, Sign, Little, 4, 24, &[0, 0xFE, 0xFF, 0xFF, 0, 3, 0, 0]),
            (SignedLow, Sign, Little, 4, 24, &[0xFE, 0xFF, 0xFF, 0xFF, 3, 0, 0, 0]),
            (SignedLow, Zero, Little, 4, 24, &[0xFE, 0xFF, 0xFF, 0, 3, 0, 0, 0]),
            (SignedLow, Zero, Big, 4, 20, &[0, 0x0F, 0xFF, 0xFE, 0, 0, 0, 3]),
            (UnsignedLow, Zero, Little, 2, 12, &[0xFE, 0x07, 3, 0x08]),
            (Signed, Sign, Little, 8, 32, &[0, 0, 0, 0, 0xFE, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0, 3, 0, 0, 0]),
            (SignedLow, Sign, Little, 5, 32, &[0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 3, 0, 0, 0, 0]),
        ] {
            assert_eq!(pack(kind, spare, endian, container, bits, &[-2, 3]), expected, "{kind:?} {container} {bits}");
        }
    }

    #[test]
    fn spare_bits_are_told_apart() {
        let found = |bytes: &[u8]| {
            let encoding = Encoding { container_bytes: 4, kind: Kind::SignedLow, endian: Endian::Little };
            let mut spare = SpareBits::new(encoding, 24).unwrap();
            bytes.chunks(3).for_each(|piece| spare.look_at(piece));
            spare.found()
        };
        let (zero, sign, positive) = ([0xFE, 0xFF, 0xFF, 0], [0xFE, 0xFF, 0xFF, 0xFF], [3, 0, 0, 0]);
        assert_eq!(found(&positive), Some(Spare::Sign));
        assert_eq!(found(&[positive, zero, zero].concat()), Some(Spare::Zero));
        assert_eq!(found(&[sign, positive, sign].concat()), Some(Spare::Sign));
        assert_eq!(found(&[zero, sign].concat()), None);
        let left = Encoding { container_bytes: 4, kind: Kind::Signed, endian: Endian::Little };
        assert!(SpareBits::new(left, 24).is_none());
    }
}
