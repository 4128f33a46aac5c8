//! Why a frame or a stream could not be decoded.

use std::io;

/// Why a frame could not be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// More bytes may complete it.
    #[error("the input ends inside it")]
    Incomplete,
    /// Here no frame begins (RFC 9639 §9.1).
    #[error("it does not begin with a sync code")]
    NoSync,
    /// A field has a value that the RFC reserves or forbids.
    #[error("{0} has a value that FLAC reserves or forbids")]
    Reserved(&'static str),
    /// Fields that contradict each other.
    #[error("{0}")]
    Contradiction(&'static str),
    /// The frame is of another format than STREAMINFO tells. FLAC allows it; nothing here could go on with it.
    #[error("its {what} is {found}, but STREAMINFO tells {told}")]
    Differs {
        /// What differs.
        what: &'static str,
        /// By STREAMINFO.
        told: u32,
        /// By the frame's header.
        found: u32,
    },
    /// A residual or sample has more bits than FLAC or the stream allows.
    #[error("it holds {0} that is out of range")]
    OutOfRange(&'static str),
    /// The header is damaged (§9.1.8).
    #[error("the checksum of its header (CRC-8) is wrong")]
    HeaderChecksum,
    /// The frame is damaged (§9.3).
    #[error("its checksum (CRC-16) is wrong")]
    Checksum,
}

/// Why a stream could not be decoded.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The input could not be read.
    #[error("the FLAC stream could not be read: {0}")]
    Input(#[from] io::Error),
    /// It does not begin as FLAC does.
    #[error("this is no FLAC stream: it does not begin with \"fLaC\"")]
    NotFlac,
    /// FLAC in an Ogg container.
    #[error("this is FLAC in an Ogg container: only native FLAC is read")]
    Ogg,
    /// The input ends within the metadata.
    #[error("the FLAC stream ends inside its metadata")]
    MetadataCut,
    /// A metadata block that breaks the rules (RFC 9639 §8).
    #[error("the FLAC stream's metadata is wrong: {0}")]
    Metadata(&'static str),
    /// A frame could not be decoded.
    #[error("frame {frame} cannot be decoded: {error}")]
    Frame {
        /// How many frames came before it.
        frame: u64,
        /// Why.
        error: FrameError,
    },
    /// A frame that belongs elsewhere: one before it is missing or doubled.
    #[error("frame {frame} is out of order: its number is {found}, not {expected}")]
    OutOfOrder {
        /// How many frames came before it.
        frame: u64,
        /// The number that its header should have.
        expected: u64,
        /// The number that it has.
        found: u64,
    },
    /// A frame after one that only the last may be: shorter than the stream's block size.
    #[error("frame {frame} follows a shorter one, and only the last may be shorter")]
    AfterLast {
        /// How many frames came before it.
        frame: u64,
    },
    /// STREAMINFO tells another number of samples than the frames hold.
    #[error("the frames hold {found} samples per channel or more, but STREAMINFO tells {told}")]
    TooMany {
        /// By STREAMINFO.
        told: u64,
        /// So far.
        found: u64,
    },
    /// STREAMINFO tells another number of samples than the frames hold.
    #[error("the stream ends after {found} samples per channel, but STREAMINFO tells {told}")]
    TooFew {
        /// By STREAMINFO.
        told: u64,
        /// In all frames.
        found: u64,
    },
}
