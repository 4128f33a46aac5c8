//! The audio format that a header describes, and the `fmt ` chunk that describes it.
//!
//! Layout and rules: Microsoft's "Multiple channel audio data and WAVE files" and `mmreg.h` (WAVEFORMATEX,
//! WAVEFORMATEXTENSIBLE). Average bytes per second and cbSize are ignored, as players do: they are wrong in many
//! files and say nothing that the other fields do not.

use super::{Float, Rules, ValidBits, WavError};

/// Largest sample rate that STREAMINFO can hold, in Hz (RFC 9639 §8.2: 20 bits).
const MAX_SAMPLE_RATE: u32 = (1 << 20) - 1;
/// Fewest bits of a sample that STREAMINFO can tell (RFC 9639 §8.2).
pub const MIN_BITS: u8 = 4;
/// Most bits of a sample that STREAMINFO can tell (RFC 9639 §8.2).
pub const MAX_BITS: u8 = 32;
/// Most bytes of a container that are read.
const MAX_CONTAINER: u16 = 8;
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
    /// Bits of each sample as FLAC will have it, 4 to 32.
    pub bits_per_sample: u8,
    /// Speaker bits of WAVEFORMATEXTENSIBLE, where the input has them; no more bits than channels.
    pub channel_mask: Option<u32>,
    /// Samples per channel that the header declares, if it declares any. A claim, not a fact.
    pub declared_samples: Option<u64>,
    /// How the input's bytes mean samples.
    pub encoding: Encoding,
}

/// How the bytes of one sample of one channel mean a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Encoding {
    /// Bytes of each sample in the input, 1 to 8.
    pub container_bytes: u8,
    /// What their bits mean.
    pub kind: Kind,
    /// The order of the bytes.
    pub endian: Endian,
}

/// What the bits of a container mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The highest bits are the sample, in two's complement; the others are zero.
    Signed,
    /// The highest bits are the sample plus half its range; the others are zero.
    Unsigned,
    /// The lowest bits are the sample, in two's complement; the others repeat its sign or are zero.
    SignedLow,
    /// The lowest bits are the sample plus half its range; the others are zero.
    UnsignedLow,
    /// A number of IEEE 754 in 4 or 8 bytes, where -1 to 1 is the full range.
    Float,
}

/// The order of a number's bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Endian {
    /// The lowest byte comes first, as in WAV files.
    #[default]
    Little,
    /// The highest byte comes first.
    Big,
}

impl Encoding {
    /// As WAV files hold samples of so many bits that nothing else is said about: in as few bytes as hold them,
    /// little-endian, in the highest bits; unsigned up to 8 bits, signed above.
    pub fn wav(bits: u8) -> Self {
        Self::wav_in(bits.div_ceil(8))
    }

    fn wav_in(container_bytes: u8) -> Self {
        let kind = if container_bytes <= 1 { Kind::Unsigned } else { Kind::Signed };
        Self { container_bytes, kind, endian: Endian::Little }
    }
}

impl Format {
    /// Bytes of one sample of every channel in the input.
    pub fn block_align(&self) -> usize {
        usize::from(self.channels) * usize::from(self.encoding.container_bytes)
    }

    /// Playing time of so many samples of each channel, in seconds.
    #[allow(clippy::cast_precision_loss)] // for people: 2^53 samples are out of reach
    pub fn seconds(&self, samples: u64) -> f64 {
        samples as f64 / f64::from(self.sample_rate.max(1))
    }
}

/// Refuses channels, rates and sample sizes that FLAC cannot hold; returns channels and bits.
pub fn check_format(sample_rate: u32, channels: u16, bits: u16) -> Result<(u8, u8), WavError> {
    let channels = check_channels_and_rate(sample_rate, channels)?;
    Ok((channels, check_bits(bits)?))
}

fn check_channels_and_rate(sample_rate: u32, channels: u16) -> Result<u8, WavError> {
    let Ok(count @ 1..=8) = u8::try_from(channels) else {
        return Err(WavError::UnsupportedChannels { channels });
    };
    if !(1..=MAX_SAMPLE_RATE).contains(&sample_rate) {
        return Err(WavError::UnsupportedRate { sample_rate });
    }
    Ok(count)
}

fn check_bits(bits: u16) -> Result<u8, WavError> {
    match u8::try_from(bits) {
        Ok(bits @ MIN_BITS..=MAX_BITS) => Ok(bits),
        _ => Err(WavError::UnsupportedBits { what: format!("samples of {bits} bits") }),
    }
}

/// Reads the body of a `fmt ` chunk (its first [`FMT_KEPT`] bytes, or all if it is shorter).
pub(super) fn parse_fmt(body: &[u8], rules: Rules) -> Result<Format, WavError> {
    let mut fields = Fields(body);
    let (Some(tag), Some(channels), Some(sample_rate), Some(_), Some(block_align), Some(bits)) =
        (fields.u16(), fields.u16(), fields.u32(), fields.u32(), fields.u16(), fields.u16())
    else {
        return Err(WavError::Contradiction {
            what: format!(
                "the fmt chunk has {} bytes instead of at least 16: the header is damaged, write the file again",
                body.len()
            ),
        });
    };
    let (tag, valid_bits, mask) = if tag == TAG_EXTENSIBLE {
        let extension = Extension::read(fields)?;
        // 0 is common in the wild and can only mean "all of them".
        let valid_bits = if extension.valid_bits == 0 { bits } else { extension.valid_bits };
        (extension.encoding_tag()?, valid_bits, Some(extension.mask))
    } else {
        (tag, bits, None)
    };
    let is_float = tag == TAG_FLOAT;
    match tag {
        TAG_FLOAT if rules.float == Float::Refuse => return Err(WavError::Float),
        TAG_PCM | TAG_FLOAT => {}
        other => return Err(WavError::UnsupportedEncoding { encoding: encoding_name(other) }),
    }
    let channels = check_channels_and_rate(sample_rate, channels)?;
    if valid_bits > bits {
        return Err(WavError::Contradiction {
            what: format!(
                "the header says that {valid_bits} bits of each {bits}-bit sample are valid: it is damaged, write the \
                 file again"
            ),
        });
    }
    let container_bytes = container_bytes(block_align, channels, bits)?;
    let (bits_per_sample, encoding) = if is_float {
        float_encoding(container_bytes, valid_bits, rules.float)?
    } else {
        integer_encoding(container_bytes, valid_bits, rules.valid_bits)?
    };
    Ok(Format {
        channels,
        sample_rate,
        bits_per_sample,
        channel_mask: mask.map(|mask| lowest_bits(mask, channels)),
        declared_samples: None,
        encoding,
    })
}

/// Bytes of one sample of one channel, which the block alignment tells: containers may be wider than their bits.
fn container_bytes(block_align: u16, channels: u8, bits: u16) -> Result<u8, WavError> {
    let bytes = block_align / u16::from(channels.max(1));
    let fits = block_align.is_multiple_of(channels.into()) && bytes >= bits.div_ceil(8).max(1);
    match u8::try_from(bytes) {
        Ok(narrow) if fits && bytes <= MAX_CONTAINER => Ok(narrow),
        _ => Err(WavError::Contradiction {
            what: format!(
                "the header says {channels} channels of {bits} bits but {block_align} bytes for one sample of all of \
                 them: it contradicts itself, write the file again"
            ),
        }),
    }
}

fn integer_encoding(container_bytes: u8, valid_bits: u16, rule: ValidBits) -> Result<(u8, Encoding), WavError> {
    let container_bits = u16::from(container_bytes) * 8;
    let mut encoding = Encoding::wav_in(container_bytes);
    if rule == ValidBits::Container {
        return Ok((check_bits(container_bits)?, encoding));
    }
    if rule == ValidBits::Low && valid_bits < container_bits {
        encoding.kind = encoding.kind.low();
    }
    Ok((check_bits(valid_bits)?, encoding))
}

fn float_encoding(container_bytes: u8, valid_bits: u16, float: Float) -> Result<(u8, Encoding), WavError> {
    if !matches!(container_bytes, 4 | 8) || valid_bits != u16::from(container_bytes) * 8 {
        return Err(WavError::UnsupportedEncoding {
            encoding: format!("floating point of {valid_bits} bits in containers of {} bits", container_bytes * 8),
        });
    }
    let bits = if float == Float::To16 { 16 } else { 24 };
    Ok((bits, Encoding { container_bytes, kind: Kind::Float, endian: Endian::Little }))
}

impl Kind {
    /// The same with the sample in the lowest bits.
    #[must_use]
    pub fn low(self) -> Self {
        match self {
            Self::Signed | Self::SignedLow => Self::SignedLow,
            Self::Unsigned | Self::UnsignedLow => Self::UnsignedLow,
            Self::Float => Self::Float,
        }
    }

    /// The same with the sample in the highest bits.
    #[must_use]
    pub fn high(self) -> Self {
        match self {
            Self::Signed | Self::SignedLow => Self::Signed,
            Self::Unsigned | Self::UnsignedLow => Self::Unsigned,
            Self::Float => Self::Float,
        }
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

    /// The format tag that the `SubFormat` stands for.
    fn encoding_tag(&self) -> Result<u16, WavError> {
        if self.guid == TAG_GUID {
            Ok(self.tag)
        } else {
            Err(WavError::UnsupportedEncoding { encoding: "of an unknown kind (SubFormat GUID)".to_owned() })
        }
    }
}

/// A format tag's name, for messages.
fn encoding_name(tag: u16) -> String {
    let name = match tag {
        0x0002 => "Microsoft ADPCM",
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
mod tests;
