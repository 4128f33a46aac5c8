//! What a caller may choose about a conversion.

use crate::flac::Level;
use crate::wav::{Format, Length, WavError, check_format};

/// Settings of one conversion.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// How hard the encoder tries.
    pub level: Level,
    /// What the input is.
    pub input: Input,
    /// Where the audio ends in a WAV file whose header and length disagree.
    pub length: Length,
}

/// What the input is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Input {
    /// The first bytes decide. Today that means a RIFF WAVE file or a refusal that names what was found.
    #[default]
    Auto,
    /// A WAV file.
    Wav,
    /// Headerless PCM of this format.
    Pcm(PcmFormat),
}

/// Headerless PCM as WAV files hold it: interleaved little-endian integers, signed with 16 and 24 bits, unsigned
/// (middle at 128) with 8 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PcmFormat {
    sample_rate: u32,
    channels: u8,
    bits_per_sample: u8,
}

impl PcmFormat {
    /// A PCM format: `sample_rate` in Hz (1 to 1,048,575), 1 to 8 `channels`, 8, 16 or 24 `bits_per_sample`.
    ///
    /// Anything else is refused with the same errors as a WAV header that says so.
    pub fn new(sample_rate: u32, channels: u16, bits_per_sample: u16) -> Result<Self, WavError> {
        let (channels, bits_per_sample) = check_format(sample_rate, channels, bits_per_sample)?;
        Ok(Self { sample_rate, channels, bits_per_sample })
    }

    /// Samples per second of each channel, in Hz.
    pub fn sample_rate(self) -> u32 {
        self.sample_rate
    }

    /// Number of channels, 1 to 8.
    pub fn channels(self) -> u8 {
        self.channels
    }

    /// Bits of each sample: 8, 16 or 24.
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
        }
    }
}
