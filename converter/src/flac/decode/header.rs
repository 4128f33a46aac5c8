//! The header of a frame (RFC 9639 §9.1).

use super::bits::Bits;
use super::crc::crc8;
use super::error::FrameError;
use crate::flac::Shape;

/// What a frame's header tells, checked against the stream's shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHeader {
    /// Which frame it is.
    pub place: Place,
    /// Samples per channel, 1 to 65,535.
    pub block_size: u16,
    /// How the channels are coded.
    pub(super) stereo: Stereo,
}

/// Where in the stream a frame belongs (§9.1.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The frame's number, in a stream of blocks of one size.
    Frame(u64),
    /// The number of its first sample, in a stream of blocks of different sizes.
    Sample(u64),
}

/// How the channels are coded (§9.1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stereo {
    Independent,
    LeftSide,
    SideRight,
    MidSide,
}

/// Reads the header at the start of `bytes`; returns its length too.
pub(super) fn read(bytes: &[u8], shape: Shape) -> Result<(FrameHeader, usize), FrameError> {
    let mut bits = Bits::new(bytes);
    // 14 ones and a reserved zero. What begins otherwise is no frame, whatever follows.
    if bytes.first().is_some_and(|byte| *byte != 0xFF) || bytes.get(1).is_some_and(|byte| byte & 0xFE != 0xF8) {
        return Err(FrameError::NoSync);
    }
    bits.unsigned(15)?;
    let variable = bits.unsigned(1)? == 1;
    let size_code = bits.unsigned(4)?;
    let rate_code = bits.unsigned(4)?;
    let channel_code = bits.unsigned(4)?;
    let depth_code = bits.unsigned(3)?;
    if bits.unsigned(1)? != 0 {
        return Err(FrameError::Reserved("the last bit of its fourth byte"));
    }
    let number = coded_number(&mut bits)?;
    let block_size = block_size(size_code, &mut bits)?;
    let rate = sample_rate(rate_code, &mut bits)?;
    let (channels, stereo) = channels(channel_code)?;
    let depth = depth(depth_code)?;
    let length = bits.bytes_read();
    let checksum = bits.unsigned(8)?;
    if checksum != u32::from(crc8(&bytes[..length])) {
        return Err(FrameError::HeaderChecksum);
    }
    // Only now can its values be trusted enough to complain about them.
    let place = if variable { Place::Sample(number) } else { Place::Frame(number) };
    differs("sample rate", shape.sample_rate, rate.unwrap_or(shape.sample_rate))?;
    differs("number of channels", shape.channels.into(), channels)?;
    differs("number of bits per sample", shape.bits_per_sample.into(), depth.unwrap_or(shape.bits_per_sample.into()))?;
    match u16::try_from(block_size) {
        Ok(size) if size <= shape.block_size => Ok((FrameHeader { place, block_size: size, stereo }, length + 1)),
        Ok(size) => Err(FrameError::Differs { what: "block size", told: shape.block_size.into(), found: size.into() }),
        Err(_) => Err(FrameError::Reserved("its block size")),
    }
}

fn differs(what: &'static str, told: u32, found: u32) -> Result<(), FrameError> {
    if told == found { Ok(()) } else { Err(FrameError::Differs { what, told, found }) }
}

/// §9.1.1 and §9.1.6.
fn block_size(code: u32, bits: &mut Bits<'_>) -> Result<u32, FrameError> {
    match code {
        0 => Err(FrameError::Reserved("its block size")),
        1 => Ok(192),
        2..=5 => Ok(144 << code),
        6 => Ok(bits.unsigned(8)? + 1),
        7 => Ok(bits.unsigned(16)? + 1),
        _ => Ok(1 << code),
    }
}

/// In Hz; none if STREAMINFO tells it. §9.1.2 and §9.1.7.
fn sample_rate(code: u32, bits: &mut Bits<'_>) -> Result<Option<u32>, FrameError> {
    const RATES: [u32; 11] = [88_200, 176_400, 192_000, 8_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000];
    Ok(Some(match code {
        0 => return Ok(None),
        1..=11 => RATES[code as usize - 1],
        12 => bits.unsigned(8)? * 1000,
        13 => bits.unsigned(16)?,
        14 => bits.unsigned(16)? * 10,
        _ => return Err(FrameError::Reserved("its sample rate")),
    }))
}

/// §9.1.3.
fn channels(code: u32) -> Result<(u32, Stereo), FrameError> {
    match code {
        0..=7 => Ok((code + 1, Stereo::Independent)),
        8 => Ok((2, Stereo::LeftSide)),
        9 => Ok((2, Stereo::SideRight)),
        10 => Ok((2, Stereo::MidSide)),
        _ => Err(FrameError::Reserved("the assignment of its channels")),
    }
}

/// None if STREAMINFO tells it. §9.1.4.
fn depth(code: u32) -> Result<Option<u32>, FrameError> {
    match code {
        0 => Ok(None),
        3 => Err(FrameError::Reserved("its number of bits per sample")),
        _ => Ok([0, 8, 12, 0, 16, 20, 24, 32].get(code as usize).copied()),
    }
}

/// A number of up to 36 bits, coded as UTF-8 codes up to 31 (§9.1.5).
fn coded_number(bits: &mut Bits<'_>) -> Result<u64, FrameError> {
    const REFUSED: FrameError = FrameError::Reserved("its number");
    let first = bits.unsigned(8)?;
    // The ones on top tell the bytes in all; a single one marks a byte that is not the first.
    let ones = (first << 24).leading_ones();
    let following = match ones {
        0 => return Ok(first.into()),
        2..=7 => ones - 1,
        _ => return Err(REFUSED),
    };
    let mut number = u64::from(first & (0x7F >> ones));
    for _ in 0..following {
        let byte = bits.unsigned(8)?;
        if byte >> 6 != 0b10 {
            return Err(REFUSED);
        }
        number = number << 6 | u64::from(byte & 0x3F);
    }
    Ok(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: Shape = Shape { channels: 2, sample_rate: 44_100, bits_per_sample: 16, block_size: 4096 };

    fn sealed(header: &[u8]) -> Vec<u8> {
        let mut bytes = header.to_vec();
        bytes.push(crc8(header));
        bytes
    }

    #[test]
    fn a_header_tells_its_place_and_size() {
        let bytes = sealed(&[0xFF, 0xF8, 0xC9, 0xA8, 0x05]);
        let header = FrameHeader { place: Place::Frame(5), block_size: 4096, stereo: Stereo::MidSide };
        assert_eq!(read(&bytes, SHAPE), Ok((header, 6)));
        let bytes = sealed(&[0xFF, 0xF9, 0x70, 0x10, 0xFE, 0xBF, 0xBF, 0xBF, 0xBF, 0xBF, 0xBF, 0x03, 0xE7]);
        let header = FrameHeader { place: Place::Sample((1 << 36) - 1), block_size: 1000, stereo: Stereo::Independent };
        assert_eq!(read(&bytes, SHAPE), Ok((header, 14)));
        for end in 0..bytes.len() {
            assert_eq!(read(&bytes[..end], SHAPE), Err(FrameError::Incomplete));
        }
    }

    #[test]
    fn every_code_of_size_and_rate_is_understood() {
        let size = |code, more: &[u8]| block_size(code, &mut Bits::new(more)).ok();
        let sizes: Vec<_> = (0..16).filter_map(|code| size(code, &[0xFF, 0xFE])).collect();
        let powers = [256, 512, 1024, 2048, 4096, 8192, 16_384, 32_768];
        assert_eq!(sizes, [[192, 576, 1152, 2304, 4608, 256, 65_535].as_slice(), &powers].concat());
        let rate = |code| sample_rate(code, &mut Bits::new(&[0, 44])).unwrap();
        assert_eq!((rate(0), rate(12), rate(13), rate(14)), (None, Some(0), Some(44), Some(440)));
        assert_eq!((rate(1), rate(9), rate(11)), (Some(88_200), Some(44_100), Some(96_000)));
        assert!(sample_rate(15, &mut Bits::new(&[0; 4])).is_err());
    }

    #[test]
    fn what_is_reserved_or_differs_is_refused() {
        for (header, error) in [
            (vec![0xFF, 0xFA, 0xC9, 0x18, 0], FrameError::NoSync),
            (vec![0xFF, 0xFC, 0xC9, 0x18, 0], FrameError::NoSync),
            (vec![0xFE, 0xF8, 0xC9, 0x18, 0], FrameError::NoSync),
            (vec![0xFF, 0xF8, 0x09, 0x18, 0], FrameError::Reserved("its block size")),
            (vec![0xFF, 0xF8, 0x79, 0x18, 0, 0xFF, 0xFF], FrameError::Reserved("its block size")),
            (vec![0xFF, 0xF8, 0xCF, 0x18, 0], FrameError::Reserved("its sample rate")),
            (vec![0xFF, 0xF8, 0xC9, 0xB8, 0], FrameError::Reserved("the assignment of its channels")),
            (vec![0xFF, 0xF8, 0xC9, 0x16, 0], FrameError::Reserved("its number of bits per sample")),
            (vec![0xFF, 0xF8, 0xC9, 0x19, 0], FrameError::Reserved("the last bit of its fourth byte")),
            (vec![0xFF, 0xF8, 0xC9, 0x18, 0x80], FrameError::Reserved("its number")),
            (vec![0xFF, 0xF8, 0xC9, 0x18, 0xFF], FrameError::Reserved("its number")),
            (vec![0xFF, 0xF8, 0xC9, 0x18, 0xC3, 0x00], FrameError::Reserved("its number")),
            (vec![0xFF, 0xF8, 0xCA, 0x18, 0], FrameError::Differs { what: "sample rate", told: 44_100, found: 48_000 }),
            (vec![0xFF, 0xF8, 0xC9, 0x08, 0], FrameError::Differs { what: "number of channels", told: 2, found: 1 }),
            (
                vec![0xFF, 0xF8, 0xC9, 0x1C, 0],
                FrameError::Differs { what: "number of bits per sample", told: 16, found: 24 },
            ),
            (vec![0xFF, 0xF8, 0xD9, 0x18, 0], FrameError::Differs { what: "block size", told: 4096, found: 8192 }),
        ] {
            assert_eq!(read(&sealed(&header), SHAPE), Err(error), "{header:x?}");
        }
        assert_eq!(read(&[0xFF, 0xF8, 0xC9, 0xA8, 0x05, 0], SHAPE), Err(FrameError::HeaderChecksum));
    }
}
