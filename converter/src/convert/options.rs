//! What a caller may choose about a conversion.

use std::num::NonZeroUsize;
use std::str::FromStr;

use crate::flac::{BLOCK_SIZE, Engine, Level, Picture, SpareCores, Verify};
use crate::meta::Metadata;
use crate::wav::{PcmFormat, Rules};

/// Settings of one conversion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// How hard the encoder tries.
    pub level: Level,
    /// Which encoder makes the frames.
    pub engine: Engine,
    /// Samples per channel in each block but the last, 16 to 65,535.
    pub block_size: u16,
    /// What the input is.
    pub input: Input,
    /// How a WAV file is read where it leaves a choice.
    pub rules: Rules,
    /// What happens to audio that the streamable subset cannot express.
    pub subset: Subset,
    /// How many threads encode; with one, the caller's own does.
    pub threads: NonZeroUsize,
    /// Where the cores for all threads but the caller's come from, if several conversions share them.
    pub spare: Option<SpareCores>,
    /// Whether each frame is decoded and compared before it is handed out.
    pub verify: Verify,
    /// What is kept beside the audio.
    pub metadata: MetadataOptions,
    /// What becomes of the head once everything is known.
    pub head: HeadPlace,
}

/// What is kept beside the audio.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetadataOptions {
    /// Tags only, or every byte of the input.
    pub keep: Metadata,
    /// Most bytes of the input's metadata that are held in memory.
    pub limit: u64,
    /// Bytes of padding, so that editors can add tags without writing the file anew.
    pub padding: u32,
    /// Further tags, by their Vorbis names; they replace those of the input with the same name.
    pub tags: Vec<(String, String)>,
    /// Further pictures.
    pub pictures: Vec<Picture>,
}

/// What the input is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Input {
    /// The first bytes decide: one of the containers, or a refusal that names what was found.
    #[default]
    Auto,
    /// A WAV file: RIFF, RF64, BW64 or Wave64.
    Wav,
    /// Headerless PCM of this format.
    Pcm(PcmFormat),
}

/// What happens to audio that the streamable subset (RFC 9639 §7) cannot express.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Subset {
    /// It is converted with a warning.
    #[default]
    Prefer,
    /// It is refused.
    Strict,
}

impl FromStr for Subset {
    type Err = UnknownSubset;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "prefer" => Ok(Self::Prefer),
            "strict" => Ok(Self::Strict),
            _ => Err(UnknownSubset),
        }
    }
}

/// A text that names no [`Subset`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is prefer or strict")]
pub struct UnknownSubset;

/// What becomes of the head (the marker and all metadata blocks) once everything is known: the seek table, the MD5, the
/// tags that come after the audio.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum HeadPlace {
    /// The output is held back: no head goes out before the frames, [`Summary::head`](super::Summary::head) is put
    /// before them in the end.
    Held,
    /// A head goes out first, and the final one, of any length, replaces it.
    #[default]
    Rewritable,
    /// A head goes out first, and the final one has the same length.
    Reserved,
    /// The head that goes out is final: what only the end tells stays unknown.
    Final,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            level: Level::default(),
            engine: Engine::default(),
            block_size: BLOCK_SIZE,
            input: Input::default(),
            rules: Rules::default(),
            subset: Subset::default(),
            threads: NonZeroUsize::MIN,
            spare: None,
            verify: Verify::No,
            metadata: MetadataOptions::default(),
            head: HeadPlace::default(),
        }
    }
}

impl MetadataOptions {
    /// Padding unless another is asked for, as `flac` has it.
    pub const PADDING: u32 = 8192;
    /// Metadata held in memory unless another bound is asked for.
    pub const LIMIT: u64 = 4 << 20;
}

impl Default for MetadataOptions {
    fn default() -> Self {
        Self {
            keep: Metadata::default(),
            limit: Self::LIMIT,
            padding: Self::PADDING,
            tags: Vec::new(),
            pictures: Vec::new(),
        }
    }
}
