//! What STREAMINFO tells of a stream that is read (RFC 9639 §8.2).

use super::error::DecodeError;
use crate::flac::Shape;

/// The body of STREAMINFO, as a decoder meets it. What is 0 there is unknown, and none here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadInfo {
    /// Samples per channel in the smallest block but the last.
    pub min_block_size: Option<u16>,
    /// Samples per channel in the largest block.
    pub max_block_size: Option<u16>,
    /// Bytes of the largest frame.
    pub max_frame_size: Option<u32>,
    /// In Hz; 0 if the stream holds no sound.
    pub sample_rate: u32,
    /// 1 to 8.
    pub channels: u8,
    /// 4 to 32.
    pub bits_per_sample: u8,
    /// Samples per channel.
    pub total_samples: Option<u64>,
    /// MD5 of the decoded audio.
    pub md5: Option<[u8; 16]>,
}

impl ReadInfo {
    /// Bytes of the block's body.
    pub(super) const BYTES: u32 = 34;

    /// Reads the body.
    pub(super) fn parse(body: &[u8]) -> Result<Self, DecodeError> {
        let number = |from: usize, to: usize| {
            body.get(from..to).unwrap_or_default().iter().fold(0_u64, |value, byte| value << 8 | u64::from(*byte))
        };
        let low = |value: u64, bits: u32| u32::try_from(value & ((1 << bits) - 1)).unwrap_or_default();
        // 20 bits rate, 3 bits channels - 1, 5 bits bits per sample - 1, 36 bits samples
        let packed = number(10, 18);
        let block_size = |size: u64| match u16::try_from(size).unwrap_or_default() {
            0 => Ok(None),
            1..16 => Err(DecodeError::Metadata("STREAMINFO tells a block size below 16")),
            size => Ok(Some(size)),
        };
        let info = Self {
            min_block_size: block_size(number(0, 2))?,
            max_block_size: block_size(number(2, 4))?,
            max_frame_size: Some(low(number(7, 10), 24)).filter(|size| *size > 0),
            sample_rate: low(packed >> 44, 20),
            channels: u8::try_from(low(packed >> 41, 3) + 1).unwrap_or_default(),
            bits_per_sample: u8::try_from(low(packed >> 36, 5) + 1).unwrap_or_default(),
            total_samples: Some(packed & ((1 << 36) - 1)).filter(|samples| *samples > 0),
            md5: body.get(18..).and_then(|md5| md5.try_into().ok()).filter(|md5| *md5 != [0; 16]),
        };
        if info.bits_per_sample < 4 {
            return Err(DecodeError::Metadata("STREAMINFO tells fewer than 4 bits per sample"));
        }
        if let (Some(min), Some(max)) = (info.min_block_size, info.max_block_size)
            && min > max
        {
            return Err(DecodeError::Metadata("STREAMINFO tells a smallest block that is larger than the largest"));
        }
        Ok(info)
    }

    /// The shape of its frames. The block size is the largest that may come.
    pub fn shape(&self) -> Shape {
        Shape {
            channels: self.channels,
            sample_rate: self.sample_rate,
            bits_per_sample: self.bits_per_sample,
            block_size: self.max_block_size.unwrap_or(u16::MAX),
        }
    }

    /// Whether all blocks but the last have one size, by what STREAMINFO tells; none if it does not.
    pub(super) fn fixed_block_size(&self) -> Option<u16> {
        self.max_block_size.filter(|size| self.min_block_size == Some(*size))
    }
}
