//! What encloses a frame's subframes: its header and its footer (RFC 9639 §9.1, §9.3).
//!
//! Every engine makes subframes and says how the channels were coded; the header and the checksums are always written
//! here, so that rates, depths and block sizes that an engine does not know in a header are no concern of it.

use super::encoder::EncodeError;
use super::kernels::Kernels;
use super::shape::Shape;

/// A coded number of a fixed block size has at most 31 bits (§9.1.5).
const MAX_NUMBER: u64 = (1 << 31) - 1;
/// The sync code, the reserved bit and a fixed block size (§9.1).
const SYNC: [u8; 2] = [0xFF, 0xF8];

/// How the channels of a frame were coded (§9.1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Assignment {
    /// Each by itself: so many channels, 1 to 8.
    Independent(u8),
    /// Left, and left minus right.
    LeftSide,
    /// Left minus right, and right.
    SideRight,
    /// The average of left and right, and left minus right.
    MidSide,
}

impl Assignment {
    fn code(self) -> u8 {
        match self {
            Self::Independent(channels) => channels.saturating_sub(1) & 0b0111,
            Self::LeftSide => 0b1000,
            Self::SideRight => 0b1001,
            Self::MidSide => 0b1010,
        }
    }
}

/// Whether a frame header can tell this rate (in Hz) by itself, as the streamable subset asks (§7, §9.1.2).
pub fn tells_rate(rate: u32) -> bool {
    rate_field(rate).0 != 0
}

/// Whether a frame header can tell this depth (in bits) by itself, as the streamable subset asks (§7, §9.1.4).
pub fn tells_depth(bits_per_sample: u8) -> bool {
    depth_code(bits_per_sample) != 0
}

/// Appends the header of the frame with this number, which holds so many samples of every channel.
pub(super) fn push_header(
    shape: Shape,
    number: u64,
    samples: u16,
    assignment: Assignment,
    frame: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    if number > MAX_NUMBER {
        let text = "the stream has more than 2^31 blocks; choose a larger block size";
        return Err(EncodeError::Refused(text.to_owned()));
    }
    let start = frame.len();
    let (size_code, size_bytes) = block_size_field(samples);
    let (rate_code, rate_bytes) = rate_field(shape.sample_rate);
    frame.extend(SYNC);
    frame.push(size_code << 4 | rate_code);
    frame.push(assignment.code() << 4 | depth_code(shape.bits_per_sample) << 1);
    push_coded_number(number, frame);
    for uncommon in [size_bytes, rate_bytes] {
        match uncommon {
            Uncommon::None => {}
            Uncommon::Byte(byte) => frame.push(byte),
            Uncommon::Pair(pair) => frame.extend(pair.to_be_bytes()),
        }
    }
    let crc = crc8(frame.get(start..).unwrap_or_default());
    frame.push(crc);
    Ok(())
}

/// Appends the footer of the frame that begins at `start`.
pub(super) fn push_footer(kernels: &Kernels, frame: &mut Vec<u8>, start: usize) {
    let crc = (kernels.crc16)(0, frame.get(start..).unwrap_or_default());
    frame.extend(crc.to_be_bytes());
}

/// What a header tells after the coded number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Uncommon {
    None,
    Byte(u8),
    Pair(u16),
}

/// §9.1.1: the code, and what follows the number.
fn block_size_field(samples: u16) -> (u8, Uncommon) {
    let code = match samples {
        192 => 1,
        576 => 2,
        1152 => 3,
        2304 => 4,
        4608 => 5,
        256 => 8,
        512 => 9,
        1024 => 10,
        2048 => 11,
        4096 => 12,
        8192 => 13,
        16_384 => 14,
        32_768 => 15,
        _ => {
            let less = samples.saturating_sub(1);
            return u8::try_from(less).map_or((7, Uncommon::Pair(less)), |byte| (6, Uncommon::Byte(byte)));
        }
    };
    (code, Uncommon::None)
}

/// §9.1.2: the code, and what follows the number; code 0 leaves the rate to STREAMINFO.
fn rate_field(rate: u32) -> (u8, Uncommon) {
    let code = match rate {
        88_200 => 1,
        176_400 => 2,
        192_000 => 3,
        8_000 => 4,
        16_000 => 5,
        22_050 => 6,
        24_000 => 7,
        32_000 => 8,
        44_100 => 9,
        48_000 => 10,
        96_000 => 11,
        _ => return uncommon_rate(rate),
    };
    (code, Uncommon::None)
}

fn uncommon_rate(rate: u32) -> (u8, Uncommon) {
    if rate.is_multiple_of(1000)
        && let Ok(kilohertz) = u8::try_from(rate / 1000)
    {
        return (0b1100, Uncommon::Byte(kilohertz));
    }
    if let Ok(hertz) = u16::try_from(rate) {
        return (0b1101, Uncommon::Pair(hertz));
    }
    match u16::try_from(rate / 10) {
        Ok(tens) if rate.is_multiple_of(10) => (0b1110, Uncommon::Pair(tens)),
        _ => (0, Uncommon::None),
    }
}

/// §9.1.4; 0 leaves the depth to STREAMINFO.
fn depth_code(bits_per_sample: u8) -> u8 {
    match bits_per_sample {
        8 => 1,
        12 => 2,
        16 => 4,
        20 => 5,
        24 => 6,
        32 => 7,
        _ => 0,
    }
}

/// §9.1.5: as UTF-8 codes a character, only longer.
fn push_coded_number(number: u64, out: &mut Vec<u8>) {
    let byte = |shift: u32, mask: u64, mark: u8| mark | u8::try_from(number >> shift & mask).unwrap_or(0);
    // The first byte of a number with so many bytes after it: its mark, and how many bits it holds.
    let (more, mark, bits) = match 64 - number.leading_zeros() {
        0..=7 => (0, 0, 7),
        8..=11 => (1, 0xC0, 5),
        12..=16 => (2, 0xE0, 4),
        17..=21 => (3, 0xF0, 3),
        22..=26 => (4, 0xF8, 2),
        _ => (5, 0xFC, 1),
    };
    out.push(byte(6 * more, (1 << bits) - 1, mark));
    out.extend((0..more).rev().map(|place| byte(6 * place, 0x3F, 0x80)));
}

/// The polynomial of a header's checksum (§9.1.8).
const CRC8_POLYNOMIAL: u8 = 0x07;

fn crc8(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ byte, |crc, _| if crc & 0x80 == 0 { crc << 1 } else { crc << 1 ^ CRC8_POLYNOMIAL })
    })
}

#[cfg(test)]
mod tests {
    use flac_codec::stream::{BlockSize, ChannelAssignment, FrameHeader, Independent};

    use super::*;

    fn shape(sample_rate: u32, bits_per_sample: u8) -> Shape {
        Shape { channels: 2, sample_rate, bits_per_sample, block_size: 4096 }
    }

    fn header(shape: Shape, number: u64, samples: u16, assignment: Assignment) -> Vec<u8> {
        let mut frame = vec![0xAA]; // headers are appended
        push_header(shape, number, samples, assignment, &mut frame).unwrap();
        frame.split_off(1)
    }

    #[test]
    fn another_reader_takes_every_header_of_the_subset() {
        for (rate, bits) in
            [(8_000, 8), (44_100, 16), (192_000, 24), (1, 12), (65_535, 20), (655_350, 32), (255_000, 16)]
        {
            for samples in [1, 15, 16, 192, 255, 256, 257, 576, 4096, 4608, 32_767, 32_768, 65_535] {
                for number in
                    [0, 127, 128, 2047, 2048, 65_535, 65_536, 0x1F_FFFF, 0x20_0000, 0x3FF_FFFF, 0x400_0000, MAX_NUMBER]
                {
                    let bytes = header(shape(rate, bits), number, samples, Assignment::MidSide);
                    let read = FrameHeader::read_subset(&mut bytes.as_slice()).unwrap();
                    assert_eq!(u32::from(read.sample_rate), rate);
                    assert_eq!(u32::from(read.bits_per_sample), u32::from(bits));
                    assert_eq!(u16::from(read.block_size), samples);
                    assert_eq!((read.frame_number.0, read.blocking_strategy), (number, false));
                }
            }
        }
    }

    #[test]
    fn every_assignment_is_told_and_read_back() {
        let independent = (1..=8).map(Assignment::Independent);
        for assignment in independent.chain([Assignment::LeftSide, Assignment::SideRight, Assignment::MidSide]) {
            let bytes = header(shape(44_100, 16), 0, 4096, assignment);
            let read = FrameHeader::read_subset(&mut bytes.as_slice()).unwrap();
            let same = match read.channel_assignment {
                ChannelAssignment::Independent(channels) => Assignment::Independent(Independent::into(channels)),
                ChannelAssignment::LeftSide => Assignment::LeftSide,
                ChannelAssignment::SideRight => Assignment::SideRight,
                ChannelAssignment::MidSide => Assignment::MidSide,
            };
            assert_eq!(same, assignment);
            assert_eq!(read.block_size, BlockSize::Samples4096);
        }
    }

    #[test]
    fn every_rate_and_depth_is_told_in_the_header_or_left_to_stream_info() {
        // RFC 9639 §9.1.2: the low four bits of the third byte.
        for (rate, code) in [
            (1, 0b1101),
            (44_100, 0b1001),
            (88_200, 0b0001),
            (96_000, 0b1011),
            (176_400, 0b0010),
            (192_000, 0b0011),
            (384_000, 0b1110),
            (655_350, 0b1110),
            (655_360, 0b0000),
            (250_000, 0b1100),
            (256_000, 0b1110),
            (65_537, 0b0000),
            (1_048_575, 0b0000),
        ] {
            assert_eq!(header(shape(rate, 16), 0, 4096, Assignment::LeftSide)[2] & 0xF, code, "{rate}");
            assert_eq!(tells_rate(rate), code != 0, "{rate}");
        }
        for bits in 4..=32 {
            let code = header(shape(44_100, bits), 0, 4096, Assignment::LeftSide)[3] >> 1 & 0b111;
            assert_eq!(code != 0, matches!(bits, 8 | 12 | 16 | 20 | 24 | 32), "{bits}");
            assert_eq!(tells_depth(bits), code != 0, "{bits}");
        }
    }

    #[test]
    fn more_blocks_than_a_number_can_tell_are_refused() {
        let error = push_header(shape(44_100, 16), MAX_NUMBER + 1, 16, Assignment::MidSide, &mut Vec::new());
        assert!(error.unwrap_err().to_string().contains("block size"));
    }

    #[test]
    fn a_frame_ends_with_its_checksum() {
        // RFC 9639, Appendix D.1: the only frame of the first example.
        let frame = [0xFF, 0xF8, 0x69, 0x18, 0x00, 0x00, 0xBF, 0x03, 0x58, 0xFD, 0x03, 0x12, 0x8B, 0xAA, 0x9A];
        assert_eq!(crc8(&frame[..6]), frame[6]);
        for kernels in [Kernels::portable(), Kernels::best()] {
            let mut same = [&[1, 2, 3], &frame[..13]].concat();
            push_footer(&kernels, &mut same, 3);
            assert_eq!(same[3..], frame);
        }
    }
}
