//! What a conversion tells about itself: progress, summary and warnings.

use crate::flac::LeftOut;
use crate::meta::MetaWarning;
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

/// An MD5 as people write it.
pub fn md5_text(md5: [u8; 16]) -> String {
    format!("{:032x}", u128::from_be_bytes(md5))
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
    /// The final head: the marker and all metadata blocks. With [`HeadPlace::Final`](super::HeadPlace::Final) it is the
    /// one that went out.
    pub head: Vec<u8>,
    /// Bytes of the head that went out first; those of `head` if none did.
    pub head_sent: usize,
    /// Fields and metadata that the head has no place for or that came too late for it: stable names, `snake_case`.
    pub left_out: Vec<&'static str>,
    /// Samples that were clipped when floating-point audio was quantised, over all channels.
    pub clipped: u64,
    /// What the user should know about the input or the output.
    pub warnings: Vec<Warning>,
    /// Whether the output lies in the streamable subset (RFC 9639 §7).
    pub subset: bool,
}

impl Summary {
    /// Playing time in seconds.
    pub fn seconds(&self) -> f64 {
        self.format.seconds(self.samples)
    }
}

/// Something that did not stop the conversion but that the user should know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Warning {
    /// About the input's container.
    #[error(transparent)]
    Wav(#[from] WavWarning),
    /// About the input's metadata.
    #[error("{0}")]
    Metadata(MetaWarning),
    /// Something had no place in the head.
    #[error(
        "{} left out: the stream's head went out first and has no room for it. Convert the whole file to keep it",
        .0.iter().map(|part| part.as_str().replace('_', " ")).collect::<Vec<_>>().join(", ")
    )]
    LeftOut(Vec<LeftOut>),
    /// Floating-point samples became integers.
    #[error("the floating-point samples were quantised to {bits_per_sample} bits, which is not lossless")]
    Quantised {
        /// Bits of each sample now.
        bits_per_sample: u8,
    },
    /// The source file changed between the first look and the end.
    #[error("the file changed while it was read: it may still be being written, convert it again when it is whole")]
    SourceChanged,
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
    /// The sample size has no code in a frame header.
    #[error(
        "a sample size of {bits_per_sample} bits cannot be told in FLAC's frame headers: some players will not stream this \
         file (it lies outside the streamable subset)"
    )]
    BitsOutsideSubset {
        /// Bits of each sample.
        bits_per_sample: u8,
    },
    /// The block size is above the subset's.
    #[error(
        "blocks of {block_size} samples are larger than the {largest} that simple players must take at this rate (outside \
         the streamable subset): choose a smaller `--block-size` (over HTTP `block_size`)"
    )]
    BlockOutsideSubset {
        /// Samples per channel in a block.
        block_size: u16,
        /// The subset's most at this sample rate.
        largest: u16,
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
            Self::Metadata(warning) => warning.code(),
            Self::LeftOut(_) => "left_out",
            Self::Quantised { .. } => "quantised",
            Self::SourceChanged => "source_changed",
            Self::PartialSample { .. } => "partial_sample",
            Self::RateOutsideSubset { .. } => "rate_outside_subset",
            Self::BitsOutsideSubset { .. } => "bits_outside_subset",
            Self::BlockOutsideSubset { .. } => "block_outside_subset",
            Self::MaskOutsideSubset { .. } => "mask_outside_subset",
        }
    }
}
