//! The audio format that a header describes, and the `fmt ` chunk that describes it.
//!
//! Layout and rules: Microsoft's "Multiple channel audio data and WAVE files" and `mmreg.h` (WAVEFORMATEX,
//! WAVEFORMATEXTENSIBLE). Average bytes per second and cbSize are ignored, as players do: they are wrong in many
//! files and say nothing that the other fields do not.

use super::WavError;

/// Largest sample rate that STREAMINFO can hold, in Hz (RFC 9639 §8.2: 20 bits).
const MAX_SAMPLE_RATE: u32 = (1 << 20) - 1;
/// Bytes of `fmt ` that mean something: WAVEFORMATEXTENSIBLE has 40.
pub(super) const FMT_KEPT: usize = 40;
/// The last 14 bytes of every `SubFormat` GUID that stands for a format tag.
const TAG_GUID: [u8; 14] = [0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71];

const TAG_PCM: u16 = 0x0001;
const TAG_FLOAT: u16 = 0x0003;
const TAG_EXTENSIBLE: u16 = 0xFFFE;

/// The audio format of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Format {
    /// Number of channels, 1 to 8.
    pub channels: u8,
    /// Samples per second of each channel, in Hz.
    pub sample_rate: u32,
    /// Bits of each sample: 8, 16 or 24.
    pub bits_per_sample: u8,
    /// Speaker bits of WAVEFORMATEXTENSIBLE, where the input has them; no more bits than channels.
    pub channel_mask: Option<u32>,
    /// Samples per channel that the header declares, if it declares any. A claim, not a fact.
    pub declared_samples: Option<u64>,
}

impl Format {
    /// Bytes of one sample of every channel.
    pub fn block_align(&self) -> usize {
        usize::from(self.channels) * self.bytes_per_sample()
    }

    /// Bytes of one sample of one channel.
    pub fn bytes_per_sample(&self) -> usize {
        usize::from(self.bits_per_sample / 8)
    }
}

/// Refuses channels, rates and sample sizes that cannot be converted; returns channels and bits.
pub fn check_format(sample_rate: u32, channels: u16, bits: u16) -> Result<(u8, u8), WavError> {
    let Ok(count @ 1..=8) = u8::try_from(channels) else {
        return Err(WavError::UnsupportedChannels { channels });
    };
    if !(1..=MAX_SAMPLE_RATE).contains(&sample_rate) {
        return Err(WavError::UnsupportedRate { sample_rate });
    }
    match bits {
        8 => Ok((count, 8)),
        16 => Ok((count, 16)),
        24 => Ok((count, 24)),
        other => Err(WavError::UnsupportedBits { what: format!("samples of {other} bits") }),
    }
}

/// Reads the body of a `fmt ` chunk (its first [`FMT_KEPT`] bytes, or all if it is shorter).
pub(super) fn parse_fmt(body: &[u8]) -> Result<Format, WavError> {
    let mut fields = Fields(body);
    let (Some(tag), Some(channels), Some(sample_rate), Some(_), Some(block_align), Some(container)) =
        (fields.u16(), fields.u16(), fields.u32(), fields.u32(), fields.u16(), fields.u16())
    else {
        return Err(WavError::Contradiction {
            what: format!(
                "the fmt chunk has {} bytes instead of at least 16: the header is damaged, write the file again",
                body.len()
            ),
        });
    };
    let (valid_bits, mask) = match tag {
        TAG_PCM => (container, None),
        TAG_EXTENSIBLE => {
            let extension = Extension::read(fields)?;
            extension.check_encoding()?;
            // 0 is common in the wild and can only mean "all of them".
            let valid = if extension.valid_bits == 0 { container } else { extension.valid_bits };
            (valid, Some(extension.mask))
        }
        other => return Err(WavError::UnsupportedEncoding { encoding: encoding_name(other) }),
    };
    if valid_bits > container {
        return Err(WavError::Contradiction {
            what: format!(
                "the header says that {valid_bits} bits of each {container}-bit sample are valid: it is damaged, write \
                 the file again"
            ),
        });
    }
    if valid_bits < container {
        return Err(WavError::UnsupportedBits {
            what: format!("samples of {valid_bits} bits in containers of {container} bits"),
        });
    }
    if channels > 0 && u32::from(block_align) != u32::from(channels) * u32::from(container.div_ceil(8)) {
        return Err(wrong_block_align(block_align, channels, container));
    }
    let (channels, bits_per_sample) = check_format(sample_rate, channels, container)?;
    Ok(Format {
        channels,
        sample_rate,
        bits_per_sample,
        channel_mask: mask.map(|mask| lowest_bits(mask, channels)),
        declared_samples: None,
    })
}

/// A block alignment that does not follow from channels and bits: wider containers, or damage.
fn wrong_block_align(block_align: u16, channels: u16, bits: u16) -> WavError {
    let bytes = block_align / channels;
    if block_align.is_multiple_of(channels) && bytes > bits.div_ceil(8) && bytes <= 8 {
        return WavError::UnsupportedBits {
            what: format!("samples of {bits} bits in containers of {} bits", u32::from(bytes) * 8),
        };
    }
    WavError::Contradiction {
        what: format!(
            "the header says {channels} channels of {bits} bits but {block_align} bytes for one sample of all of them: \
             it contradicts itself, write the file again"
        ),
    }
}

/// Keeps the lowest `channels` bits that are set: the standard says to ignore the others.
fn lowest_bits(mask: u32, channels: u8) -> u32 {
    let mut rest = mask;
    for _ in 0..channels {
        rest &= rest.wrapping_sub(1);
    }
    mask & !rest
}

/// What WAVEFORMATEXTENSIBLE adds to the common fields.
struct Extension {
    valid_bits: u16,
    mask: u32,
    tag: u16,
    guid: [u8; 14],
}

impl Extension {
    fn read(mut fields: Fields<'_>) -> Result<Self, WavError> {
        let missing = || WavError::Contradiction {
            what: "the header says WAVE_FORMAT_EXTENSIBLE, but its fmt chunk is shorter than the 40 bytes that it \
                   needs: the header is damaged, write the file again"
                .to_owned(),
        };
        fields.u16().ok_or_else(missing)?; // cbSize
        Ok(Self {
            valid_bits: fields.u16().ok_or_else(missing)?,
            mask: fields.u32().ok_or_else(missing)?,
            tag: fields.u16().ok_or_else(missing)?,
            guid: fields.take().ok_or_else(missing)?,
        })
    }

    fn check_encoding(&self) -> Result<(), WavError> {
        if self.guid != TAG_GUID {
            return Err(WavError::UnsupportedEncoding { encoding: "of an unknown kind (SubFormat GUID)".to_owned() });
        }
        match self.tag {
            TAG_PCM => Ok(()),
            other => Err(WavError::UnsupportedEncoding { encoding: encoding_name(other) }),
        }
    }
}

/// A format tag's name, for messages.
fn encoding_name(tag: u16) -> String {
    let name = match tag {
        0x0002 => "Microsoft ADPCM",
        TAG_FLOAT => "floating point",
        0x0006 => "A-law",
        0x0007 => "\u{b5}-law",
        0x0011 => "IMA ADPCM",
        0x0031 => "GSM 6.10",
        0x0050 => "MPEG audio",
        0x0055 => "MP3",
        0x0161 => "Windows Media Audio",
        0x00FF | 0x1600..=0x1610 => "AAC",
        0x2000 => "AC-3",
        0xF1AC => "FLAC inside WAV",
        _ => return format!("of an encoding that is no integer PCM (format tag {tag:#06x})"),
    };
    name.to_owned()
}

/// Little-endian fields, one after the other.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*field)
    }

    fn u16(&mut self) -> Option<u16> {
        self.take().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fmt(tag: u16, channels: u16, rate: u32, align: u16, bits: u16) -> Vec<u8> {
        let mut body = Vec::new();
        body.extend(tag.to_le_bytes());
        body.extend(channels.to_le_bytes());
        body.extend(rate.to_le_bytes());
        body.extend(12345_u32.to_le_bytes()); // average bytes per second: wrong, and ignored
        body.extend(align.to_le_bytes());
        body.extend(bits.to_le_bytes());
        body
    }

    fn extensible(channels: u16, align: u16, bits: u16, valid: u16, mask: u32, tag: u16) -> Vec<u8> {
        let mut body = fmt(TAG_EXTENSIBLE, channels, 48_000, align, bits);
        body.extend(22_u16.to_le_bytes());
        body.extend(valid.to_le_bytes());
        body.extend(mask.to_le_bytes());
        body.extend(tag.to_le_bytes());
        body.extend(TAG_GUID);
        body
    }

    fn refusal(body: &[u8]) -> (&'static str, String) {
        let error = parse_fmt(body).unwrap_err();
        (error.code(), error.to_string())
    }

    #[test]
    fn reads_plain_pcm_of_every_size_and_channel_count() {
        for bits in [8_u16, 16, 24] {
            for channels in 1..=8_u16 {
                let format = parse_fmt(&fmt(TAG_PCM, channels, 44_100, channels * bits / 8, bits)).unwrap();
                assert_eq!(u16::from(format.channels), channels);
                assert_eq!(u16::from(format.bits_per_sample), bits);
                assert_eq!(format.channel_mask, None);
                assert_eq!(format.block_align(), usize::from(channels * bits / 8));
            }
        }
    }

    #[test]
    fn reads_extensible_and_its_mask() {
        let format = parse_fmt(&extensible(6, 18, 24, 24, 0x3F, TAG_PCM)).unwrap();
        assert_eq!((format.channels, format.bits_per_sample, format.channel_mask), (6, 24, Some(0x3F)));
        let zero_valid_bits = parse_fmt(&extensible(2, 4, 16, 0, 3, TAG_PCM)).unwrap();
        assert_eq!(zero_valid_bits.bits_per_sample, 16);
        let too_many_speakers = parse_fmt(&extensible(2, 4, 16, 16, 0x3F, TAG_PCM)).unwrap();
        assert_eq!(too_many_speakers.channel_mask, Some(0x3));
    }

    #[test]
    fn accepts_the_whole_range_of_rates() {
        for rate in [1, 8_000, 96_000, 192_000, 655_350, 1_048_575] {
            assert_eq!(parse_fmt(&fmt(TAG_PCM, 1, rate, 2, 16)).unwrap().sample_rate, rate);
        }
        for rate in [0, 1_048_576, u32::MAX] {
            let (code, message) = refusal(&fmt(TAG_PCM, 1, rate, 2, 16));
            assert_eq!(code, "unsupported_rate");
            assert!(message.contains(&format!("{rate} Hz")) && message.contains("resample"), "{message}");
        }
    }

    #[test]
    fn refuses_other_encodings_by_name() {
        for (tag, name) in [
            (0x0002, "Microsoft ADPCM"),
            (0x0003, "floating point"),
            (0x0006, "A-law"),
            (0x0007, "\u{b5}-law"),
            (0x0011, "IMA ADPCM"),
            (0x0055, "MP3"),
            (0x1234, "format tag 0x1234"),
            (0x0000, "format tag 0x0000"),
        ] {
            let (code, message) = refusal(&fmt(tag, 2, 44_100, 8, 32));
            assert_eq!(code, "unsupported_encoding");
            assert!(message.contains(name) && message.contains("pcm_s24le"), "{message}");
        }
        assert!(refusal(&extensible(2, 8, 32, 32, 3, TAG_FLOAT)).1.contains("floating point"));
        let mut ambisonic = extensible(4, 8, 16, 16, 0, TAG_PCM);
        ambisonic.truncate(26);
        ambisonic.extend([0, 0, 0x21, 0x07, 0xD3, 0x11, 0x86, 0x44, 0xC8, 0xC1, 0xCA, 0, 0, 0]);
        assert_eq!(refusal(&ambisonic).0, "unsupported_encoding");
    }

    #[test]
    fn refuses_sizes_that_do_not_fill_their_bytes() {
        for (body, words) in [
            (fmt(TAG_PCM, 1, 44_100, 2, 12), "12 bits"),
            (fmt(TAG_PCM, 1, 44_100, 4, 24), "24 bits in containers of 32 bits"),
            (fmt(TAG_PCM, 1, 44_100, 4, 32), "32 bits"),
            (fmt(TAG_PCM, 1, 44_100, 8, 64), "64 bits"),
            (extensible(2, 8, 32, 24, 3, TAG_PCM), "24 bits in containers of 32 bits"),
            (extensible(2, 4, 16, 12, 3, TAG_PCM), "12 bits in containers of 16 bits"),
        ] {
            let (code, message) = refusal(&body);
            assert_eq!(code, "unsupported_bits", "{message}");
            assert!(message.contains(words) && message.contains("convert the file first"), "{message}");
        }
    }

    #[test]
    fn refuses_channel_counts_outside_flac() {
        for (channels, align) in [(0, 0), (9, 18), (255, 510), (65_535, 65_535)] {
            let (code, message) =
                refusal(&fmt(TAG_PCM, channels, 44_100, align, if channels == 65_535 { 8 } else { 16 }));
            assert_eq!(code, "unsupported_channels", "{message}");
            assert!(message.contains(&format!("{channels} channels")), "{message}");
        }
    }

    #[test]
    fn refuses_headers_that_contradict_themselves() {
        for (body, words) in [
            (fmt(TAG_PCM, 2, 44_100, 4, 16)[..15].to_vec(), "15 bytes"),
            (fmt(TAG_PCM, 2, 44_100, 3, 16), "3 bytes for one sample"),
            (fmt(TAG_PCM, 2, 44_100, 0, 16), "0 bytes for one sample"),
            (fmt(TAG_PCM, 2, 44_100, 2, 16), "2 bytes for one sample"),
            (extensible(2, 4, 16, 17, 3, TAG_PCM), "17 bits of each 16-bit sample"),
            (extensible(2, 4, 16, 16, 3, TAG_PCM)[..39].to_vec(), "40 bytes"),
            (fmt(TAG_EXTENSIBLE, 2, 44_100, 4, 16), "40 bytes"),
        ] {
            let (code, message) = refusal(&body);
            assert_eq!(code, "contradicting_header", "{message}");
            assert!(message.contains(words) && message.contains("write the file again"), "{message}");
        }
    }
}
