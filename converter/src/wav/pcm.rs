//! Headerless PCM: a format that somebody says instead of a header.

use super::format::check_format;
use super::{Encoding, Endian, Format, Kind, WavError};

/// Headerless PCM: interleaved integers, by default as WAV files hold them (little-endian, signed above 8 bits, in as
/// few bytes as hold the bits, in the highest bits of these).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PcmFormat {
    sample_rate: u32,
    channels: u8,
    bits_per_sample: u8,
    encoding: Encoding,
}

/// Whether numbers of headerless PCM have a sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// Two's complement.
    Signed,
    /// Half the range is added to each sample.
    Unsigned,
}

/// Where in a wider container the bits of headerless PCM are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Justify {
    /// The highest bits; those below are zero.
    High,
    /// The lowest bits; those above repeat the sign or are zero.
    Low,
}

impl PcmFormat {
    /// A PCM format: `sample_rate` in Hz (1 to 1,048,575), 1 to 8 `channels`, 4 to 32 `bits_per_sample`.
    ///
    /// Anything else is refused with the same errors as a WAV header that says so.
    pub fn new(sample_rate: u32, channels: u16, bits_per_sample: u16) -> Result<Self, WavError> {
        let (channels, bits_per_sample) = check_format(sample_rate, channels, bits_per_sample)?;
        Ok(Self { sample_rate, channels, bits_per_sample, encoding: Encoding::wav(bits_per_sample) })
    }

    /// The same with each sample in so many bytes, 1 to 8, which must hold its bits.
    pub fn in_containers(mut self, bytes: u8) -> Result<Self, WavError> {
        if !(self.bits_per_sample.div_ceil(8)..=8).contains(&bytes) {
            return Err(WavError::Contradiction {
                what: format!(
                    "samples of {} bits are not held by {bytes} bytes each: give enough bytes for the bits, and no \
                     more than 8",
                    self.bits_per_sample
                ),
            });
        }
        self.encoding.container_bytes = bytes;
        Ok(self)
    }

    /// The same with or without a sign.
    #[must_use]
    pub fn with_sign(mut self, sign: Sign) -> Self {
        self.encoding.kind = match (sign, self.justify()) {
            (Sign::Signed, Justify::High) => Kind::Signed,
            (Sign::Signed, Justify::Low) => Kind::SignedLow,
            (Sign::Unsigned, Justify::High) => Kind::Unsigned,
            (Sign::Unsigned, Justify::Low) => Kind::UnsignedLow,
        };
        self
    }

    /// The same with its bytes in this order.
    #[must_use]
    pub fn with_endian(mut self, endian: Endian) -> Self {
        self.encoding.endian = endian;
        self
    }

    /// The same with its bits at this end of wider containers.
    #[must_use]
    pub fn justified(mut self, justify: Justify) -> Self {
        self.encoding.kind = match (self.encoding.kind, justify) {
            (kind, Justify::Low) => kind.low(),
            (kind, Justify::High) => kind.high(),
        };
        self
    }

    /// The headerless PCM that has this format; none is floating point.
    pub(crate) fn of(format: &Format) -> Option<Self> {
        let Format { channels, sample_rate, bits_per_sample, encoding, .. } = *format;
        let fits = encoding.kind != Kind::Float;
        fits.then_some(Self { sample_rate, channels, bits_per_sample, encoding })
    }

    fn justify(self) -> Justify {
        if self.encoding.kind == self.encoding.kind.low() { Justify::Low } else { Justify::High }
    }

    /// Samples per second of each channel, in Hz.
    pub fn sample_rate(self) -> u32 {
        self.sample_rate
    }

    /// Number of channels, 1 to 8.
    pub fn channels(self) -> u8 {
        self.channels
    }

    /// Bits of each sample, 4 to 32.
    pub fn bits_per_sample(self) -> u8 {
        self.bits_per_sample
    }
}

impl From<PcmFormat> for Format {
    fn from(pcm: PcmFormat) -> Self {
        Self {
            channels: pcm.channels,
            sample_rate: pcm.sample_rate,
            bits_per_sample: pcm.bits_per_sample,
            channel_mask: None,
            declared_samples: None,
            encoding: pcm.encoding,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wav::Unpacker;

    fn samples(format: PcmFormat, pcm: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        Unpacker::new(&format.into()).unpack(pcm, &mut out).unwrap();
        out
    }

    #[test]
    fn headerless_pcm_is_what_wav_files_hold_unless_said_otherwise() {
        for (bits, bytes, kind) in [(8, 1, Kind::Unsigned), (12, 2, Kind::Signed), (24, 3, Kind::Signed)] {
            let format = Format::from(PcmFormat::new(48_000, 2, bits).unwrap());
            assert_eq!(format.encoding, Encoding { container_bytes: bytes, kind, endian: Endian::Little });
        }
    }

    #[test]
    fn every_form_of_headerless_pcm_can_be_told() {
        let twelve = PcmFormat::new(48_000, 1, 12).unwrap();
        assert_eq!(samples(twelve, &[0x10, 0x80]), [0x01, 0xF8]);
        let low = twelve.justified(Justify::Low);
        assert_eq!(samples(low, &[0x01, 0xF8]), [0x01, 0xF8]);
        assert_eq!(samples(low.with_endian(Endian::Big), &[0xF8, 0x01]), [0x01, 0xF8]);
        assert_eq!(samples(low.with_sign(Sign::Unsigned), &[0x01, 0x00]), [0x01, 0xF8]);
        assert_eq!(samples(twelve.with_sign(Sign::Unsigned), &[0x10, 0x00]), [0x01, 0xF8]);
        assert_eq!(samples(low.justified(Justify::High), &[0x10, 0x80]), [0x01, 0xF8]);
        let signed_bytes = PcmFormat::new(8_000, 1, 8).unwrap().with_sign(Sign::Signed);
        assert_eq!(samples(signed_bytes, &[0x81]), [0x81]);
        let wide = PcmFormat::new(48_000, 1, 24).unwrap().in_containers(4).unwrap();
        assert_eq!(samples(wide.justified(Justify::Low), &[1, 2, 3, 0]), [1, 2, 3]);
        assert_eq!(samples(wide, &[0, 1, 2, 3]), [1, 2, 3]);
    }

    #[test]
    fn formats_that_flac_cannot_hold_are_refused() {
        for (result, code) in [
            (PcmFormat::new(44_100, 9, 16), "unsupported_channels"),
            (PcmFormat::new(0, 1, 16), "unsupported_rate"),
            (PcmFormat::new(44_100, 1, 33), "unsupported_bits"),
            (PcmFormat::new(44_100, 1, 3), "unsupported_bits"),
            (PcmFormat::new(44_100, 1, 24).and_then(|pcm| pcm.in_containers(2)), "contradicting_header"),
            (PcmFormat::new(44_100, 1, 24).and_then(|pcm| pcm.in_containers(9)), "contradicting_header"),
        ] {
            assert_eq!(result.unwrap_err().code(), code);
        }
    }
}
