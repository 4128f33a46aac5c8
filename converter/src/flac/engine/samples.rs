//! One block's samples in the forms that the engines take.

use crate::flac::encoder::EncodeError;
use crate::flac::shape::Shape;

/// The samples of one block. Its buffers are kept from block to block.
#[derive(Debug, Default)]
pub(super) struct Samples {
    interleaved: Vec<i32>,
    channels: usize,
    /// Each channel, and of two channels also their middle and their side.
    split: Vec<Vec<i32>>,
}

/// Where left, right, middle and side lie in [`Samples::split`] when there are two channels.
pub(super) const LEFT: usize = 0;
pub(super) const RIGHT: usize = 1;
pub(super) const MID: usize = 2;
pub(super) const SIDE: usize = 3;

impl Samples {
    /// Takes a block, whole samples of every channel. Refuses samples that need more bits than the shape has.
    pub fn fill(&mut self, shape: Shape, pcm: &[u8]) -> Result<(), EncodeError> {
        self.channels = usize::from(shape.channels);
        self.interleaved.clear();
        match shape.bytes_per_sample() {
            1 => self.interleaved.extend(pcm.iter().map(|byte| i32::from(byte.cast_signed()))),
            2 => self.interleaved.extend(pcm.as_chunks().0.iter().map(|pair| i32::from(i16::from_le_bytes(*pair)))),
            3 => self.interleaved.extend(pcm.as_chunks().0.iter().map(|[a, b, c]| {
                // The sign of 24 bits: shifted in from the top.
                i32::from_le_bytes([0, *a, *b, *c]) >> 8
            })),
            _ => self.interleaved.extend(pcm.as_chunks().0.iter().map(|four| i32::from_le_bytes(*four))),
        }
        let spare = 32_u32.saturating_sub(shape.bits_per_sample.into());
        if !shape.bits_per_sample.is_multiple_of(8)
            && self.interleaved.iter().any(|sample| sample << spare >> spare != *sample)
        {
            let text = format!("a sample does not fit into {} bits", shape.bits_per_sample);
            return Err(EncodeError::Refused(text));
        }
        Ok(())
    }

    /// Samples of each channel.
    pub fn count(&self) -> usize {
        self.interleaved.len() / self.channels.max(1)
    }

    /// A sample of every channel after the other.
    pub fn interleaved(&self) -> &[i32] {
        &self.interleaved
    }

    /// What [`Samples::split_and_look_for_wasted_bits`] made.
    pub fn split(&self) -> &[Vec<i32>] {
        &self.split
    }

    /// Splits the channels, and says whether a subframe of any of them could have wasted bits (RFC 9639 §9.2.2): all
    /// its samples are even, and not all are zero. Only for samples of at most 24 bits.
    pub fn split_and_look_for_wasted_bits(&mut self) -> bool {
        self.split.resize_with(if self.channels == 2 { 4 } else { self.channels }, Vec::new);
        self.split.iter_mut().for_each(Vec::clear);
        if let [left, right, mid, side] = self.split.as_mut_slice()
            && self.channels == 2
        {
            let (pairs, _) = self.interleaved.as_chunks();
            left.extend(pairs.iter().map(|[left, _]| left));
            right.extend(pairs.iter().map(|[_, right]| right));
            mid.extend(pairs.iter().map(|[left, right]| (left + right) >> 1));
            side.extend(pairs.iter().map(|[left, right]| left - right));
        } else {
            for (number, channel) in self.split.iter_mut().enumerate() {
                channel.extend(self.interleaved.iter().skip(number).step_by(self.channels.max(1)));
            }
        }
        self.split.iter().any(|channel| {
            let used = channel.iter().fold(0, |bits, sample| bits | sample);
            used != 0 && used & 1 == 0
        })
    }
}
