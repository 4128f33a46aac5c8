//! Where a conversion stands at the boundary of a frame, so that another process can go on with it.
//!
//! Frames do not depend on each other (RFC 9639 §9.1), so what ties the rest of a stream to its beginning is little: what
//! the input's header said, the state of the MD5, a few counts and places. What is known of the block that is not full yet
//! is no part of it: the input is sent again from that block's first sample on.
//!
//! Here is what a checkpoint is; `form` has its bytes, `field` what they are made of.

mod field;
mod form;

use super::options::{HeadPlace, Input, MetadataOptions, Options};
use crate::flac::{LeftOut, Picture, StreamPlace};
use crate::meta::{Collector, Metadata, Room, Said};
use crate::wav::{AudioStart, Format, PcmFormat, Tally};

/// The most bytes of a checkpoint.
pub const CHECKPOINT_BYTES: usize = 4096;
/// Bytes that tags, cue points and warnings may take of it: all else takes less than the rest.
const SAID_BYTES: usize = 2048;
/// Seek points that a checkpoint holds.
pub(super) const SEEK_POINTS: usize = 64;
/// The longest head that is written anew by whoever goes on.
pub(super) const LONGEST_HEAD: usize = 32 << 20;
/// The most bytes of metadata that whoever goes on holds in memory.
const LARGEST_LIMIT: u64 = 64 << 20;

/// Where a stream stands at the boundary of a frame: all that is needed to go on with it in another process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The stream's own: with a head that is reserved, on one thread, without pictures.
    pub(super) options: Options,
    pub(super) origin: Origin,
    pub(super) head_bytes: usize,
    pub(super) stream: StreamPlace,
    pub(super) tally: Tally,
    pub(super) kept: Kept,
}

/// Where the audio comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    Wav(AudioStart),
    Pcm(PcmFormat),
}

/// What the head will tell in the end, as far as it goes with a checkpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Kept {
    pub said: Said,
    pub user_tags: Vec<(String, String)>,
    /// What does not, in the order of [`PARTS`].
    pub left_out: Vec<LeftOut>,
}

/// What may be left out.
const PARTS: [LeftOut; 4] = [LeftOut::SeekTable, LeftOut::Pictures, LeftOut::CueSheet, LeftOut::Tags];

/// Why bytes are no checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// They are no checkpoint at all, or a damaged one.
    #[error("this is no state of a conversion, or it was damaged on its way: start the stream anew")]
    Malformed,
    /// Another version of this program wrote them.
    #[error(
        "the state of the conversion is of form {found}, but this converter reads form {}: it was written by another \
         version, start the stream anew",
        form::VERSION
    )]
    Version {
        /// The version of the form.
        found: u8,
    },
}

impl Checkpoint {
    /// How the stream is encoded.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Samples per channel in the frames so far.
    pub fn samples(&self) -> u64 {
        self.stream.samples
    }

    /// Bytes of input before the first sample that is in no frame yet: from there on it has to be sent again.
    pub fn bytes_in(&self) -> u64 {
        let before = match &self.origin {
            Origin::Wav(start) => start.at,
            Origin::Pcm(_) => 0,
        };
        before.saturating_add(self.audio_bytes())
    }

    /// Bytes handed to the output, head and frames.
    pub fn bytes_out(&self) -> u64 {
        self.stream.bytes.saturating_add(self.head_bytes as u64)
    }

    /// The checkpoint as bytes: at most [`CHECKPOINT_BYTES`], some hundred mostly.
    pub fn to_bytes(&self) -> Vec<u8> {
        form::write(self)
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote. Anything else is refused, or is a checkpoint of another stream.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CheckpointError> {
        form::read(bytes)
    }

    /// The audio's format.
    pub fn format(&self) -> Format {
        match &self.origin {
            Origin::Wav(start) => start.format(),
            Origin::Pcm(pcm) => Format::from(*pcm),
        }
    }

    /// Bytes of audio in the frames so far, as the input has it.
    pub(super) fn audio_bytes(&self) -> u64 {
        self.samples().saturating_mul(self.format().block_align() as u64)
    }
}

impl Kept {
    /// What of a conversion's beginning goes with its checkpoints.
    pub fn of(collector: Option<&Collector>, options: &MetadataOptions) -> Self {
        let mut room = Room::new(SAID_BYTES);
        let mut user_tags = options.tags.clone();
        room.keep_tags(&mut user_tags);
        let (mut said, pictures) = collector.map(Collector::said).unwrap_or_default();
        room.keep(&mut said);
        if pictures || !options.pictures.is_empty() {
            room.leave_out(LeftOut::Pictures);
        }
        Self { said, user_tags, left_out: Vec::new() }.without(&room.left_out())
    }

    /// The same where these parts are left out too.
    #[must_use]
    pub fn without(mut self, parts: &[LeftOut]) -> Self {
        let before = std::mem::take(&mut self.left_out);
        self.left_out = PARTS.into_iter().filter(|part| before.contains(part) || parts.contains(part)).collect();
        self
    }
}

/// Whether a conversion with these options can be gone on with. What all of the input is needed for cannot: its digest has
/// a state that is not ours to keep. Where the head is not reserved, it is the caller who has it.
pub(super) fn can_be_resumed(options: &Options) -> bool {
    options.head == HeadPlace::Reserved && options.metadata.keep == Metadata::Tags
}

/// The options that whoever goes on has.
pub(super) fn options_of(options: &Options, origin: &Origin, kept: &Kept) -> Options {
    let metadata = MetadataOptions {
        keep: Metadata::Tags,
        limit: options.metadata.limit.min(LARGEST_LIMIT),
        padding: MetadataOptions::PADDING,
        tags: kept.user_tags.clone(),
        pictures: Vec::<Picture>::new(),
    };
    let (input, rules) = match origin {
        Origin::Wav(start) => (Input::Wav, start.rules),
        Origin::Pcm(format) => (Input::Pcm(*format), options.rules),
    };
    Options {
        level: options.level,
        engine: options.engine,
        block_size: options.block_size,
        input,
        rules,
        subset: options.subset,
        threads: std::num::NonZeroUsize::MIN,
        spare: None,
        verify: options.verify,
        metadata,
        head: HeadPlace::Reserved,
    }
}
