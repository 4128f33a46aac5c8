//! What a conversion tells about itself: progress, summary and warnings.

use crate::wav::{Format, WavWarning};

/// How far a conversion has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of input taken.
    pub bytes_in: u64,
    /// Bytes handed to the output, head included.
    pub bytes_out: u64,
    /// Samples per channel in the frames handed to the output.
    pub samples: u64,
}

/// A finished conversion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// The audio format.
    pub format: Format,
    /// Samples per channel.
    pub samples: u64,
    /// Bytes of input taken, header and trailing chunks included.
    pub bytes_in: u64,
    /// Bytes of FLAC, head included.
    pub bytes_out: u64,
    /// MD5 of the decoded audio as STREAMINFO has it (RFC 9639 §8.2): signed, little-endian, interleaved.
    pub md5: [u8; 16],
    /// The final body of STREAMINFO, for bytes 8..42 of the file.
    pub streaminfo: [u8; 34],
    /// What the user should know about the input or the output.
    pub warnings: Vec<Warning>,
    /// Whether the output lies in the streamable subset (RFC 9639 §7).
    pub subset: bool,
}

/// Something that did not stop the conversion but that the user should know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Warning {
    /// About the input's container.
    #[error(transparent)]
    Wav(#[from] WavWarning),
    /// The audio's last bytes are no whole sample of every channel.
    #[error("the last {bytes} bytes of audio make no whole sample of every channel and were left out")]
    PartialSample {
        /// Bytes left out.
        bytes: u64,
    },
    /// The sample rate has no code in a frame header, so the output is outside the streamable subset.
    #[error(
        "a sample rate of {sample_rate} Hz cannot be told in FLAC's frame headers: some players will not stream or \
         seek this file (it lies outside the streamable subset)"
    )]
    RateOutsideSubset {
        /// The sample rate in Hz.
        sample_rate: u32,
    },
    /// The channels have no order that FLAC knows; a tag tells it.
    #[error(
        "the channels' places (mask {mask:#x}) are none of FLAC's own orders and are kept in the tag \
         WAVEFORMATEXTENSIBLE_CHANNEL_MASK: players that do not read it may swap speakers (outside the streamable \
         subset)"
    )]
    MaskOutsideSubset {
        /// The speaker bits of WAVEFORMATEXTENSIBLE.
        mask: u32,
    },
}

impl Warning {
    /// A stable name for programs, `snake_case`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Wav(warning) => warning.code(),
            Self::PartialSample { .. } => "partial_sample",
            Self::RateOutsideSubset { .. } => "rate_outside_subset",
            Self::MaskOutsideSubset { .. } => "mask_outside_subset",
        }
    }

    /// Whether the warning is about the output lying outside the streamable subset.
    pub(super) fn leaves_subset(&self) -> bool {
        match self {
            Self::RateOutsideSubset { .. } | Self::MaskOutsideSubset { .. } => true,
            Self::Wav(_) | Self::PartialSample { .. } => false,
        }
    }
}
