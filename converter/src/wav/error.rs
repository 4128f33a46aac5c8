//! Why an input was refused: one sentence each that says what is wrong and what to change.

/// Why an input was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WavError {
    /// No bytes at all.
    #[error("the input is empty: send a WAV file")]
    Empty,
    /// The first bytes are no WAV file's.
    #[error("this is no WAV file, it {found}: send a WAV file (RIFF WAVE)")]
    NotWav {
        /// What was found, as the rest of "it …".
        found: &'static str,
    },
    /// A relative of WAV that is not read yet.
    #[error(
        "{container} files are not supported: rewrite the file as plain WAV, for example with `ffmpeg -i IN OUT.wav`"
    )]
    UnsupportedContainer {
        /// Its name.
        container: &'static str,
    },
    /// The input ends before its audio begins.
    #[error("the input ends {place}, before its audio begins: it was cut off, send the whole file")]
    TruncatedHeader {
        /// Where, as the rest of "the input ends …".
        place: String,
    },
    /// A sample encoding other than integer PCM.
    #[error(
        "the samples are {encoding}, which FLAC cannot hold losslessly as they are: convert them to integer PCM \
         first, for example with `ffmpeg -i IN -c:a pcm_s24le OUT.wav`"
    )]
    UnsupportedEncoding {
        /// The encoding's name.
        encoding: String,
    },
    /// A sample size that is not converted.
    #[error(
        "{what} are not supported, only 8, 16 and 24 bits that fill their bytes: convert the file first, for example \
         with `ffmpeg -i IN -c:a pcm_s24le OUT.wav`"
    )]
    UnsupportedBits {
        /// The sample size in words.
        what: String,
    },
    /// A sample rate that FLAC cannot hold.
    #[error(
        "a sample rate of {sample_rate} Hz is not supported: FLAC holds 1 to 1,048,575 Hz, resample the file first"
    )]
    UnsupportedRate {
        /// The rate in Hz.
        sample_rate: u32,
    },
    /// A channel count that FLAC cannot hold.
    #[error("{channels} channels are not supported: FLAC holds 1 to 8, split the file into files of fewer channels")]
    UnsupportedChannels {
        /// The number of channels.
        channels: u16,
    },
    /// The header contradicts itself or the file.
    #[error("{what}")]
    Contradiction {
        /// What contradicts what, and what to change.
        what: String,
    },
}

/// What kind of refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WavErrorClass {
    /// Empty, or cut off before the audio.
    Malformed,
    /// No WAV file.
    NotWav,
    /// A WAV file of a kind that is not converted.
    Unsupported,
    /// A WAV file that contradicts itself.
    Contradiction,
}

impl WavError {
    /// A stable name for programs, `snake_case`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Empty => "empty_input",
            Self::NotWav { .. } => "not_wav",
            Self::TruncatedHeader { .. } => "truncated_header",
            Self::UnsupportedContainer { .. } | Self::UnsupportedEncoding { .. } => "unsupported_encoding",
            Self::UnsupportedBits { .. } => "unsupported_bits",
            Self::UnsupportedRate { .. } => "unsupported_rate",
            Self::UnsupportedChannels { .. } => "unsupported_channels",
            Self::Contradiction { .. } => "contradicting_header",
        }
    }

    /// What kind of refusal this is.
    pub fn class(&self) -> WavErrorClass {
        match self {
            Self::Empty | Self::TruncatedHeader { .. } => WavErrorClass::Malformed,
            Self::NotWav { .. } => WavErrorClass::NotWav,
            Self::UnsupportedContainer { .. }
            | Self::UnsupportedEncoding { .. }
            | Self::UnsupportedBits { .. }
            | Self::UnsupportedRate { .. }
            | Self::UnsupportedChannels { .. } => WavErrorClass::Unsupported,
            Self::Contradiction { .. } => WavErrorClass::Contradiction,
        }
    }
}

/// Something about an input that did not stop its conversion but that the user should know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WavWarning {
    /// The header leaves the audio's length open (0 or 0xFFFFFFFF, as pipes and recorders write it).
    #[error("the header leaves the length of the audio open; converted everything up to the end of the input")]
    UnknownLength,
    /// The input ends before the length that its header declares.
    #[error(
        "the header declares {declared} bytes of audio, but the input ends after {actual}; converted what is there. \
         The recording may have been cut off"
    )]
    Truncated {
        /// Bytes of audio that the header declares.
        declared: u64,
        /// Bytes of audio found.
        actual: u64,
    },
    /// A well-known chunk after the audio is cut off; the audio is whole.
    #[error("the {name} chunk after the audio is cut off; the audio is whole")]
    TruncatedChunk {
        /// The chunk's name.
        name: String,
    },
    /// A few bytes after the last chunk, too few to be a chunk or audio whose length went wrong.
    #[error("{bytes} bytes after the last chunk of the file are no chunk and were left out")]
    TrailingBytes {
        /// Bytes left out.
        bytes: u64,
    },
    /// Bytes after the audio that are no chunks, left out because the caller said that the header is right.
    #[error("{bytes} bytes after the audio are no chunks and were left out, as --length header asks")]
    IgnoredBytes {
        /// Bytes left out.
        bytes: u64,
    },
}

impl WavWarning {
    /// A stable name for programs, `snake_case`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownLength => "unknown_length",
            Self::Truncated { .. } => "truncated_audio",
            Self::TruncatedChunk { .. } => "truncated_chunk",
            Self::TrailingBytes { .. } => "trailing_bytes",
            Self::IgnoredBytes { .. } => "ignored_bytes",
        }
    }
}
