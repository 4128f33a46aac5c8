//! The audio format that a header describes, and the `fmt ` chunk that describes it.

use super::WavError;

/// Largest sample rate that STREAMINFO can hold, in Hz (RFC 9639 §8.2: 20 bits).
const MAX_SAMPLE_RATE: u32 = (1 << 20) - 1;

/// The audio format of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Format {
    /// Number of channels, 1 to 8.
    pub channels: u8,
    /// Samples per second of each channel, in Hz.
    pub sample_rate: u32,
    /// Bits of each sample: 8, 16 or 24.
    pub bits_per_sample: u8,
    /// Speaker bits of WAVEFORMATEXTENSIBLE, where the input has them.
    pub channel_mask: Option<u32>,
    /// Samples per channel that the header declares, if it declares any. A claim, not a fact.
    pub declared_samples: Option<u64>,
}

/// Refuses what cannot be converted, in channels, rate and bits; returns channels and bits.
pub fn check_format(sample_rate: u32, channels: u16, bits: u16) -> Result<(u8, u8), WavError> {
    let channels = match u8::try_from(channels) {
        Ok(count @ 1..=8) => count,
        _ => return Err(WavError::UnsupportedChannels { channels }),
    };
    if !(1..=MAX_SAMPLE_RATE).contains(&sample_rate) {
        return Err(WavError::UnsupportedRate { sample_rate });
    }
    match bits {
        8 => Ok((channels, 8)),
        16 => Ok((channels, 16)),
        24 => Ok((channels, 24)),
        other => Err(WavError::UnsupportedBits {
            what: format!("samples of {other} bits"),
        }),
    }
}
