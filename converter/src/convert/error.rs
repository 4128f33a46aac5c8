//! Why a conversion failed, in words for people, codes for programs and classes for protocols.

use std::io;

use super::summary::Warning;
use crate::flac::{EncodeError, StreamError};
use crate::meta::MetaError;
use crate::wav::{WavError, WavErrorClass};

/// Why a conversion failed.
#[derive(Debug, thiserror::Error)]
pub enum ConvertError {
    /// The input is no WAV file that can be converted.
    #[error(transparent)]
    Wav(#[from] WavError),
    /// The input's metadata cannot be kept as asked.
    #[error(transparent)]
    Metadata(#[from] MetaError),
    /// The audio lies outside the streamable subset, and the caller wants nothing else.
    #[error("refused, since only the streamable subset is wanted (`--subset strict`, over HTTP `subset=strict`): {0}")]
    OutsideSubset(Warning),
    /// All of the input was to be kept, but the output cannot be gone back to and the input not be read ahead.
    #[error(
        "the whole WAV file can only be kept in an output that can be gone back to: write to a file, or keep tags only \
         (`--metadata tags`)"
    )]
    ForeignNeedsFile,
    /// FLAC counts samples with 36 bits (RFC 9639 §8.2).
    #[error("the audio is longer than FLAC can count (2^36 - 1 samples per channel): split it into shorter files")]
    TooLong,
    /// The input could not be read.
    #[error("the input could not be read: {0}")]
    Input(#[source] io::Error),
    /// The output took no more bytes.
    #[error("the output could not be written: {0}")]
    Output(#[source] io::Error),
    /// The encoder failed: a fault of ours.
    #[error("the encoder failed, which is a fault of the converter and not of the input: {0}")]
    Encoder(#[from] EncodeError),
    /// The conversion was used after it had failed: a fault of the caller.
    #[error("this conversion has already failed and takes no more input")]
    Finished,
}

/// What kind of failure, for a protocol's status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorClass {
    /// The input is empty or cut off before its audio (HTTP 400).
    Malformed,
    /// The input is no WAV file (415).
    NotWav,
    /// A WAV file of a kind that is not converted (415).
    Unsupported,
    /// A WAV file that contradicts itself (422).
    Contradiction,
    /// The input could not be read. Only [`convert_reader`](super::convert_reader) and files meet it.
    Input,
    /// The output could not be written (500).
    Output,
    /// A fault of the converter (500).
    Internal,
}

impl ConvertError {
    /// A stable name for programs, `snake_case`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Wav(error) => error.code(),
            Self::Metadata(error) => error.code(),
            Self::OutsideSubset(_) => "outside_subset",
            Self::ForeignNeedsFile => "foreign_needs_file",
            Self::TooLong => "too_long",
            Self::Input(_) => "input",
            Self::Output(_) => "output",
            Self::Encoder(EncodeError::Verify { .. }) => "verify_failed",
            Self::Encoder(_) | Self::Finished => "internal",
        }
    }

    /// What kind of failure this is.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Wav(error) => match error.class() {
                WavErrorClass::Malformed => ErrorClass::Malformed,
                WavErrorClass::NotWav => ErrorClass::NotWav,
                WavErrorClass::Unsupported => ErrorClass::Unsupported,
                WavErrorClass::Contradiction => ErrorClass::Contradiction,
            },
            Self::Metadata(_) | Self::OutsideSubset(_) | Self::ForeignNeedsFile | Self::TooLong => {
                ErrorClass::Unsupported
            }
            Self::Input(_) => ErrorClass::Input,
            Self::Output(_) => ErrorClass::Output,
            Self::Encoder(_) | Self::Finished => ErrorClass::Internal,
        }
    }
}

impl From<StreamError> for ConvertError {
    fn from(error: StreamError) -> Self {
        match error {
            StreamError::Encode(error) => Self::Encoder(error),
            StreamError::TooLong => Self::TooLong,
            StreamError::Output(error) => Self::Output(error),
        }
    }
}
