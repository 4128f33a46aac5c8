//! STREAMINFO (RFC 9639 §8.2), and the speakers, which it has no room for.

use crate::flac::shape::Shape;

/// Where the body of STREAMINFO lies in a FLAC file: after the marker and the block's header.
pub const STREAM_INFO_AT: std::ops::Range<usize> = 8..42;

/// The most samples per channel that STREAMINFO can count (§8.2: 36 bits).
pub(crate) const MAX_SAMPLES: u64 = (1 << 36) - 1;

/// The body of STREAMINFO (RFC 9639 §8.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamInfo {
    /// Samples per channel in every block but the last.
    pub block_size: u16,
    /// Bytes of the smallest frame; 0 is unknown.
    pub min_frame_size: u32,
    /// Bytes of the largest frame; 0 is unknown.
    pub max_frame_size: u32,
    /// In Hz, below 2^20.
    pub sample_rate: u32,
    /// 1 to 8.
    pub channels: u8,
    /// 4 to 32.
    pub bits_per_sample: u8,
    /// Samples per channel, below 2^36; 0 is unknown.
    pub total_samples: u64,
    /// MD5 of the decoded audio; all zero is unknown.
    pub md5: [u8; 16],
}

impl StreamInfo {
    /// The block of a stream of which only the shape is known.
    pub fn of_unknown_length(shape: Shape) -> Self {
        Self {
            block_size: shape.block_size,
            min_frame_size: 0,
            max_frame_size: 0,
            sample_rate: shape.sample_rate,
            channels: shape.channels,
            bits_per_sample: shape.bits_per_sample,
            total_samples: 0,
            md5: [0; 16],
        }
    }

    /// The 34 bytes of the body.
    ///
    /// With a fixed block size both block sizes are that one: the last block does not count (§8.2).
    pub fn to_bytes(&self) -> [u8; 34] {
        let [b1, b0] = self.block_size.to_be_bytes();
        let [_, min2, min1, min0] = self.min_frame_size.to_be_bytes();
        let [_, max2, max1, max0] = self.max_frame_size.to_be_bytes();
        // 20 bits rate, 3 bits channels - 1, 5 bits bits per sample - 1, 36 bits samples
        let packed = u64::from(self.sample_rate) << 44
            | (u64::from(self.channels.saturating_sub(1)) & 0x7) << 41
            | (u64::from(self.bits_per_sample.saturating_sub(1)) & 0x1F) << 36
            | self.total_samples & MAX_SAMPLES;
        let mut bytes = [0; 34];
        let (fields, md5) = bytes.split_at_mut(18);
        let (sizes, rest) = fields.split_at_mut(10);
        sizes.copy_from_slice(&[b1, b0, b1, b0, min2, min1, min0, max2, max1, max0]);
        rest.copy_from_slice(&packed.to_be_bytes());
        md5.copy_from_slice(&self.md5);
        bytes
    }

    /// Reads the 34 bytes of the body. Of two block sizes it keeps the larger.
    pub fn from_bytes(bytes: &[u8; 34]) -> Self {
        let mut block_sizes = [0; 4];
        let mut frame_sizes = [0; 8];
        let mut packed = [0; 8];
        let mut md5 = [0; 16];
        let targets = block_sizes
            .iter_mut()
            .chain(frame_sizes.iter_mut().enumerate().filter(|(at, _)| at % 4 != 0).map(|(_, byte)| byte))
            .chain(&mut packed)
            .chain(&mut md5);
        for (target, byte) in targets.zip(bytes) {
            *target = *byte;
        }
        let [_, _, max1, max0] = block_sizes;
        let frame_sizes = u64::from_be_bytes(frame_sizes);
        let packed = u64::from_be_bytes(packed);
        let low = |bits: u64, width: u32| u32::try_from(bits & ((1 << width) - 1)).unwrap_or(0);
        let narrow = |bits: u32| u8::try_from(bits + 1).unwrap_or(u8::MAX);
        Self {
            block_size: u16::from_be_bytes([max1, max0]),
            min_frame_size: low(frame_sizes >> 32, 24),
            max_frame_size: low(frame_sizes, 24),
            sample_rate: low(packed >> 44, 20),
            channels: narrow(low(packed >> 41, 3)),
            bits_per_sample: narrow(low(packed >> 36, 5)),
            total_samples: packed & MAX_SAMPLES,
            md5,
        }
    }
}

/// The tag that tells a stream's speakers (RFC 9639 §8.6.2), as `flac` writes it.
pub fn mask_tag(mask: u32) -> (String, String) {
    ("WAVEFORMATEXTENSIBLE_CHANNEL_MASK".to_owned(), format!("0x{mask:X}"))
}

/// The speaker mask that has to be told by a tag: one that differs from what FLAC takes for granted (RFC 9639 §9.1.3,
/// with the back and side pairs that its table calls alike).
pub fn mask_to_tell(channels: u8, mask: Option<u32>) -> Option<u32> {
    let mask = mask?;
    let usual: &[u32] = match channels {
        // Writers call mono's only channel front centre or front left, and leave the mask of mono and stereo empty,
        // and mean nothing by it.
        1 => &[0x4, 0x1, 0x0],
        2 => &[0x3, 0x0],
        3 => &[0x7],
        4 => &[0x33],
        5 => &[0x37, 0x607],
        6 => &[0x3F, 0x60F],
        7 => &[0x70F],
        8 => &[0x63F],
        _ => &[],
    };
    (!usual.contains(&mask)).then_some(mask)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info() -> StreamInfo {
        StreamInfo {
            block_size: 4096,
            min_frame_size: 0x01_02_03,
            max_frame_size: 0x04_05_06,
            sample_rate: 1_048_575,
            channels: 8,
            bits_per_sample: 24,
            total_samples: (1 << 36) - 1,
            md5: *b"0123456789abcdef",
        }
    }

    #[test]
    fn packs_every_field_of_stream_info() {
        let mut expected = vec![0x10, 0, 0x10, 0, 1, 2, 3, 4, 5, 6];
        // 20 bits of rate and 3 of channels all set, bits per sample - 1 = 10111, 36 bits of samples all set
        expected.extend([0xFF, 0xFF, 0xFF, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF]);
        expected.extend(b"0123456789abcdef");
        assert_eq!(info().to_bytes().as_slice(), expected);
    }

    #[test]
    fn reads_what_it_writes() {
        let other = StreamInfo { sample_rate: 44_100, channels: 2, bits_per_sample: 16, total_samples: 5, ..info() };
        for info in [info(), other] {
            assert_eq!(StreamInfo::from_bytes(&info.to_bytes()), info);
        }
    }

    #[test]
    fn tells_only_masks_that_flac_does_not_take_for_granted() {
        for (channels, mask, told) in [
            (2, None, None),
            (2, Some(0x3), None),
            (2, Some(0), None),
            (1, Some(0x4), None),
            (1, Some(0x1), None),
            (1, Some(0x8), Some(0x8)),
            (2, Some(0x30), Some(0x30)),
            (4, Some(0x33), None),
            (4, Some(0x603), Some(0x603)),
            (4, Some(0x107), Some(0x107)),
            (4, Some(0), Some(0)),
            (6, Some(0x3F), None),
            (6, Some(0x60F), None),
            (8, Some(0x63F), None),
            (8, Some(0xFF), Some(0xFF)),
        ] {
            assert_eq!(mask_to_tell(channels, mask), told, "{channels} channels, {mask:x?}");
        }
    }
}
