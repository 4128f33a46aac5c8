//! Whole frames (RFC 9639 §9): from bytes to the samples of each channel.

use super::bits::Bits;
use super::crc::crc16;
use super::error::FrameError;
use super::header::{self, FrameHeader, Stereo};
use super::pack;
use super::predict::{check_magnitude, magnitude_of};
use super::subframe;
use crate::flac::Shape;

/// From this many bits on, sums of two channels need more than 32.
const WIDE_DEPTH: u8 = 31;

/// Decodes frames of one stream, each on its own. Buffers are kept from frame to frame; they grow with the blocks.
#[derive(Debug)]
pub struct FrameDecoder {
    shape: Shape,
    /// Samples per channel of the frame held.
    block_size: usize,
    /// The samples of the first channel, then those of the second, …
    samples: Vec<i32>,
    residuals: Vec<i32>,
    /// A difference of channels of 31 or 32 bits.
    wide: Vec<i64>,
}

/// A frame that was decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameFacts {
    /// What its header tells.
    pub header: FrameHeader,
    /// Its length in bytes.
    pub bytes: usize,
}

impl FrameDecoder {
    /// A decoder for frames of this shape; its block size is the largest that a frame may have.
    pub fn new(shape: Shape) -> Self {
        Self { shape, block_size: 0, samples: Vec::new(), residuals: Vec::new(), wide: Vec::new() }
    }

    /// Decodes the frame at the start of `bytes`; what follows it does not matter.
    ///
    /// After an error no samples are held.
    pub fn decode(&mut self, bytes: &[u8]) -> Result<FrameFacts, FrameError> {
        self.block_size = 0;
        let (header, header_bytes) = header::read(bytes, self.shape)?;
        let mut bits = Bits::new(bytes.get(header_bytes..).unwrap_or_default());
        self.subframes(&mut bits, &header)?;
        bits.align();
        let length = header_bytes + bits.bytes_read();
        let checksum = bits.unsigned(16)?;
        if checksum != u32::from(crc16(bytes.get(..length).unwrap_or_default())) {
            return Err(FrameError::Checksum);
        }
        self.block_size = header.block_size.into();
        Ok(FrameFacts { header, bytes: length + 2 })
    }

    /// The samples of a channel of the frame decoded last.
    pub fn channel(&self, channel: usize) -> &[i32] {
        self.samples.get(channel * self.block_size..).and_then(|rest| rest.get(..self.block_size)).unwrap_or_default()
    }

    /// Appends the samples of the frame decoded last in the form of [`Block::pcm`](crate::flac::Block::pcm).
    pub fn append_pcm(&self, pcm: &mut Vec<u8>) {
        pack::append(self.channels(&mut [&[]; 8]), self.shape.bytes_per_sample(), pcm);
    }

    /// Whether the frame decoded last holds these samples, in the same form.
    pub fn holds(&self, pcm: &[u8]) -> bool {
        pack::equal(self.channels(&mut [&[]; 8]), self.shape.bytes_per_sample(), pcm)
    }

    /// The samples of each channel of the frame decoded last.
    fn channels<'a, 'b>(&'a self, all: &'b mut [&'a [i32]; 8]) -> &'b [&'a [i32]] {
        let count = usize::from(self.shape.channels).min(all.len());
        let channels = all.split_at_mut(count).0;
        for (number, channel) in channels.iter_mut().enumerate() {
            *channel = self.channel(number);
        }
        channels
    }

    fn subframes(&mut self, bits: &mut Bits<'_>, header: &FrameHeader) -> Result<(), FrameError> {
        let block_size = usize::from(header.block_size);
        let depth = u32::from(self.shape.bits_per_sample);
        self.samples.resize(block_size * usize::from(self.shape.channels), 0);
        self.residuals.resize(block_size, 0);
        let residuals = self.residuals.as_mut_slice();
        if header.stereo == Stereo::Independent {
            for channel in self.samples.chunks_exact_mut(block_size) {
                subframe::decode(bits, depth, residuals, channel)?;
            }
            return Ok(());
        }
        let (first, second) = self.samples.split_at_mut(block_size);
        if self.shape.bits_per_sample < WIDE_DEPTH {
            let side_first = u32::from(header.stereo == Stereo::SideRight);
            subframe::decode(bits, depth + side_first, residuals, first)?;
            subframe::decode(bits, depth + 1 - side_first, residuals, second)?;
            return separate(header.stereo, depth, first, second);
        }
        self.wide.resize(block_size, 0);
        if header.stereo == Stereo::SideRight {
            subframe::decode(bits, depth + 1, residuals, &mut self.wide)?;
            subframe::decode(bits, depth, residuals, second)?;
        } else {
            subframe::decode(bits, depth, residuals, first)?;
            subframe::decode(bits, depth + 1, residuals, &mut self.wide)?;
        }
        separate_wide(header.stereo, depth, &self.wide, first, second)
    }
}

/// Turns a channel and the difference into left and right, in place (§4.2). The samples have at most 30 bits, the
/// difference one more, so that no sum overflows.
fn separate(stereo: Stereo, depth: u32, first: &mut [i32], second: &mut [i32]) -> Result<(), FrameError> {
    let pairs = first.iter_mut().zip(second);
    let magnitude = |left: i32, right: i32| left ^ (left >> 31) | right ^ (right >> 31);
    let mut all = 0;
    match stereo {
        Stereo::Independent => {}
        Stereo::LeftSide => {
            for (left, side) in pairs {
                *side = left.wrapping_sub(*side);
                all |= magnitude(*left, *side);
            }
        }
        Stereo::SideRight => {
            for (side, right) in pairs {
                *side = side.wrapping_add(*right);
                all |= magnitude(*side, *right);
            }
        }
        Stereo::MidSide => {
            for (mid, side) in pairs {
                // The sum's lowest bit is the difference's.
                let sum = *mid << 1 | *side & 1;
                let (left, right) = (sum.wrapping_add(*side) >> 1, sum.wrapping_sub(*side) >> 1);
                (*mid, *side) = (left, right);
                all |= magnitude(left, right);
            }
        }
    }
    check_magnitude(u64::from(all.cast_unsigned()), depth)
}

/// The same for samples of up to 32 bits, with the difference in 64.
fn separate_wide(
    stereo: Stereo,
    depth: u32,
    side: &[i64],
    first: &mut [i32],
    second: &mut [i32],
) -> Result<(), FrameError> {
    let mut all = 0;
    for ((first, second), side) in first.iter_mut().zip(second).zip(side) {
        let (left, right) = match stereo {
            Stereo::Independent | Stereo::LeftSide => (i64::from(*first), i64::from(*first) - side),
            Stereo::SideRight => (side + i64::from(*second), i64::from(*second)),
            Stereo::MidSide => {
                let sum = i64::from(*first) << 1 | side & 1;
                ((sum + side) >> 1, (sum - side) >> 1)
            }
        };
        all |= magnitude_of(left) | magnitude_of(right);
        // Beyond 32 bits is found below.
        *first = i32::try_from(left).unwrap_or_default();
        *second = i32::try_from(right).unwrap_or_default();
    }
    check_magnitude(all, depth)
}
