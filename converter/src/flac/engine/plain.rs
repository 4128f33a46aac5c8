//! Constant and verbatim subframes (RFC 9639 §9.2.3, §9.2.4), written here: for digital silence, which is most of some
//! long files, and as the bound on what an engine may make of a block.

use super::samples::Samples;
use crate::flac::shape::Shape;

/// The header of a constant subframe, and of a verbatim one, without wasted bits (§9.2.1).
const CONSTANT: u64 = 0b0000_0000;
const VERBATIM: u64 = 0b0000_0010;
const HEADER_BITS: u32 = 8;

/// Appends the subframes of a block whose channels each keep one value.
pub(super) fn constant(shape: Shape, samples: &Samples, out: &mut Vec<u8>) {
    let mut bits = Bits::new(out);
    for sample in samples.interleaved().iter().take(usize::from(shape.channels)) {
        bits.put(CONSTANT, HEADER_BITS);
        bits.put_signed(*sample, shape.bits_per_sample.into());
    }
    bits.align();
}

/// Appends the subframes of a block as it is.
pub(super) fn verbatim(shape: Shape, samples: &Samples, out: &mut Vec<u8>) {
    let channels = usize::from(shape.channels);
    let mut bits = Bits::new(out);
    for channel in 0..channels {
        bits.put(VERBATIM, HEADER_BITS);
        for sample in samples.interleaved().iter().skip(channel).step_by(channels) {
            bits.put_signed(*sample, shape.bits_per_sample.into());
        }
    }
    bits.align();
}

/// The bytes that [`verbatim`] appends for so many samples of each channel.
pub(super) fn verbatim_bytes(shape: Shape, samples: u16) -> usize {
    let bits = HEADER_BITS as usize + usize::from(shape.bits_per_sample) * usize::from(samples);
    (bits * usize::from(shape.channels)).div_ceil(8)
}

/// Bits into bytes, the highest first.
struct Bits<'a> {
    out: &'a mut Vec<u8>,
    /// The bits that fill no byte yet: the lowest `held`, fewer than 8.
    waiting: u64,
    held: u32,
}

impl<'a> Bits<'a> {
    fn new(out: &'a mut Vec<u8>) -> Self {
        Self { out, waiting: 0, held: 0 }
    }

    /// The lowest `count` bits, at most 32, of which those above must be zero.
    fn put(&mut self, value: u64, count: u32) {
        self.waiting = self.waiting << count | value;
        self.held += count;
        while self.held >= 8 {
            self.held -= 8;
            let [.., byte] = (self.waiting >> self.held).to_be_bytes();
            self.out.push(byte);
        }
        self.waiting &= (1 << self.held) - 1;
    }

    fn put_signed(&mut self, value: i32, count: u32) {
        self.put(u64::from(value.cast_unsigned()) & ((1 << count) - 1), count);
    }

    /// Fills the last byte with zero bits.
    fn align(&mut self) {
        self.put(0, (8 - self.held) % 8);
    }
}
