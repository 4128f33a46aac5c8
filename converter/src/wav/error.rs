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
    /// A relative of WAV that is not read.
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
    /// Floating-point samples, and nobody asked for them to be rounded.
    #[error(
        "the samples are floating point, which FLAC cannot hold losslessly as they are: convert them to integer PCM \
         first, for example with `ffmpeg -i IN -c:a pcm_s24le OUT.wav`, or have them rounded with `--float 16|24` \
         (over HTTP `float=16`)"
    )]
    Float,
    /// A sample size that FLAC cannot hold.
    #[error(
        "{what} are not supported, FLAC holds 4 to 32 bits: convert the file first, for example with \
         `ffmpeg -i IN -c:a pcm_s24le OUT.wav`"
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
    /// The bits that should only fill up a container are not zero.
    #[error(
        "sample {sample} of channel {channel} has bits set below the {valid_bits} bits that the header declares for \
         each container of {container_bits}: if all bits of the container are audio, say `--valid-bits container`; if \
         the audio is in the lowest bits (as ALSA's S24_LE has it), say `--valid-bits low` (over HTTP `valid_bits=…`)"
    )]
    PaddingNotZero {
        /// The sample's number in its channel, from 0.
        sample: u64,
        /// The channel's number, from 1.
        channel: u64,
        /// Bits that the header declares.
        valid_bits: u8,
        /// Bits of the container.
        container_bits: u8,
    },
    /// The lowest bits of a container should be the sample, but it does not fit into them.
    #[error(
        "sample {sample} of channel {channel} needs more than the lowest {valid_bits} bits of its container of \
         {container_bits}: the audio is not in the lowest bits; leave out `--valid-bits low`, or say \
         `--valid-bits container` (over HTTP `valid_bits=container`) if all bits are audio"
    )]
    HighBitsNotEmpty {
        /// The sample's number in its channel, from 0.
        sample: u64,
        /// The channel's number, from 1.
        channel: u64,
        /// Bits that the header declares.
        valid_bits: u8,
        /// Bits of the container.
        container_bits: u8,
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
            Self::UnsupportedContainer { .. } | Self::UnsupportedEncoding { .. } | Self::Float => {
                "unsupported_encoding"
            }
            Self::UnsupportedBits { .. } => "unsupported_bits",
            Self::UnsupportedRate { .. } => "unsupported_rate",
            Self::UnsupportedChannels { .. } => "unsupported_channels",
            Self::PaddingNotZero { .. } => "padding_not_zero",
            Self::HighBitsNotEmpty { .. } => "high_bits_not_empty",
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
            | Self::Float
            | Self::UnsupportedBits { .. }
            | Self::UnsupportedRate { .. }
            | Self::UnsupportedChannels { .. } => WavErrorClass::Unsupported,
            Self::PaddingNotZero { .. } | Self::HighBitsNotEmpty { .. } | Self::Contradiction { .. } => {
                WavErrorClass::Contradiction
            }
        }
    }
}

/// Something about an input that did not stop its conversion but that the user should know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WavWarning {
    /// The header leaves the audio's length open (0 or the highest number, as pipes and recorders write it).
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
    /// An ID3v1 tag at the end of the file.
    #[error("the file ends with an ID3v1 tag, which is no part of a WAV file; it was left out")]
    Id3v1,
    /// Floating-point samples outside the range of integers.
    #[error(
        "{samples} samples were louder than full scale (or no numbers) and were clipped; if that is too many, turn the \
         file down before it is converted"
    )]
    Clipped {
        /// Samples clipped, over all channels.
        samples: u64,
    },
    /// Containers that look as if their lowest bits were the audio, though no bit contradicts the header.
    #[error(
        "the audio is below -48 dB throughout, as if it were in the lowest and not the highest {valid_bits} bits of \
         each container of {container_bits}: if it sounds far too quiet, convert again with `--valid-bits low` (over \
         HTTP `valid_bits=low`)"
    )]
    MaybeLowBits {
        /// Bits that the header declares.
        valid_bits: u8,
        /// Bits of the container.
        container_bits: u8,
    },
    /// Bytes after the audio that are no chunks, left out because the caller said that the header is right.
    #[error("{bytes} bytes after the audio are no chunks and were left out, as `--length header` asks")]
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
            Self::Id3v1 => "id3v1",
            Self::Clipped { .. } => "clipped_samples",
            Self::MaybeLowBits { .. } => "maybe_low_bits",
            Self::IgnoredBytes { .. } => "ignored_bytes",
        }
    }
}
