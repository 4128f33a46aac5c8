//! Metadata blocks: STREAMINFO and VORBIS_COMMENT (RFC 9639 §8).

use super::shape::Shape;

/// Where the body of STREAMINFO lies in a FLAC file: after the marker and the block's header.
pub const STREAM_INFO_AT: std::ops::Range<usize> = 8..42;

/// The most samples per channel that STREAMINFO can count (§8.2: 36 bits).
pub(super) const MAX_SAMPLES: u64 = (1 << 36) - 1;

/// The stream marker (RFC 9639 §6).
const MARKER: &[u8; 4] = b"fLaC";
/// The bit of a block's header that marks the last one (§8.1).
const LAST_BLOCK: u8 = 0x80;
const TYPE_STREAM_INFO: u8 = 0;
const TYPE_VORBIS_COMMENT: u8 = 4;
/// What the Vorbis comment names as the writer.
const VENDOR: &str = concat!("Flacship ", env!("CARGO_PKG_VERSION"));

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
}

/// Everything before the first frame: the marker, STREAMINFO, and a Vorbis comment with the writer's name and, where
/// FLAC's own channel orders do not fit, the speakers.
pub fn head(info: &StreamInfo, channel_mask: Option<u32>) -> Vec<u8> {
    let mut bytes = MARKER.to_vec();
    push_block(&mut bytes, TYPE_STREAM_INFO, &info.to_bytes());
    let mask = channel_mask.map(|mask| format!("WAVEFORMATEXTENSIBLE_CHANNEL_MASK={mask:#X}").replace("0X", "0x"));
    push_block(&mut bytes, TYPE_VORBIS_COMMENT | LAST_BLOCK, &vorbis_comment(mask.as_slice()));
    bytes
}

/// The body of a Vorbis comment (§8.6): lengths are little-endian, unlike everything else in FLAC.
fn vorbis_comment(fields: &[String]) -> Vec<u8> {
    let mut body = Vec::new();
    push_counted(&mut body, VENDOR);
    body.extend(short(fields.len()).to_le_bytes());
    for field in fields {
        push_counted(&mut body, field);
    }
    body
}

fn push_counted(body: &mut Vec<u8>, text: &str) {
    body.extend(short(text.len()).to_le_bytes());
    body.extend(text.as_bytes());
}

fn push_block(bytes: &mut Vec<u8>, kind: u8, body: &[u8]) {
    let [_, size2, size1, size0] = short(body.len()).to_be_bytes();
    bytes.extend([kind, size2, size1, size0]);
    bytes.extend(body);
}

/// Lengths here are of a few dozen bytes that this module writes itself.
fn short(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
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
    fn head_is_marker_stream_info_and_comment() {
        let bytes = head(&info(), Some(0x33F));
        assert_eq!(&bytes[..8], b"fLaC\0\0\0\x22");
        assert_eq!(bytes[STREAM_INFO_AT], info().to_bytes());
        assert_eq!(bytes[42], 0x84);
        let body = &bytes[46..];
        assert_eq!(body.len(), usize::from(bytes[45]));
        let text = String::from_utf8_lossy(body);
        assert!(text.contains(VENDOR) && text.ends_with("WAVEFORMATEXTENSIBLE_CHANNEL_MASK=0x33F"), "{text}");
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
