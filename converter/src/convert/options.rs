//! What a caller may choose about a conversion.

<<<<<<< HEAD
use std::num::NonZeroUsize;

use crate::flac::{BLOCK_SIZE, Level, Picture, Verify};
use crate::meta::Metadata;
use crate::wav::{PcmFormat, Rules};
=======
use crate::flac::Level;
use crate::wav::{Encoding, Endian, Format, Kind, Length, WavError, check_format};
>>>>>>> issue4-wav

/// Settings of one conversion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// How hard the encoder tries.
    pub level: Level,
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

<<<<<<< HEAD
/// What happens to audio that the streamable subset (RFC 9639 §7) cannot express.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Subset {
    /// It is converted with a warning.
    #[default]
    Prefer,
    /// It is refused.
    Strict,
}

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
=======
/// Headerless PCM: interleaved integers, by default as WAV files hold them (little-endian, signed above 8 bits, in as
/// few bytes as hold the bits, in the highest bits of these).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PcmFormat {
    sample_rate: u32,
    channels: u8,
    bits_per_sample: u8,
    encoding: Encoding,
}

/// Whether numbers of headerless PCM have a sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// Two's complement.
    Signed,
    /// Half the range is added to each sample.
    Unsigned,
}

/// Where in a wider container the bits of headerless PCM are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Justify {
    /// The highest bits; those below are zero.
    High,
    /// The lowest bits; those above repeat the sign or are zero.
    Low,
}

impl PcmFormat {
    /// A PCM format: `sample_rate` in Hz (1 to 1,048,575), 1 to 8 `channels`, 4 to 32 `bits_per_sample`.
    ///
    /// Anything else is refused with the same errors as a WAV header that says so.
    pub fn new(sample_rate: u32, channels: u16, bits_per_sample: u16) -> Result<Self, WavError> {
        let (channels, bits_per_sample) = check_format(sample_rate, channels, bits_per_sample)?;
        Ok(Self { sample_rate, channels, bits_per_sample, encoding: Encoding::wav(bits_per_sample) })
    }

    /// The same with each sample in so many bytes, 1 to 8, which must hold its bits.
    pub fn in_containers(mut self, bytes: u8) -> Result<Self, WavError> {
        if !(self.bits_per_sample.div_ceil(8)..=8).contains(&bytes) {
            return Err(WavError::Contradiction {
                what: format!(
                    "samples of {} bits are not held by {bytes} bytes each: give enough bytes for the bits, and no \
                     more than 8",
                    self.bits_per_sample
                ),
            });
        }
        self.encoding.container_bytes = bytes;
        Ok(self)
    }

    /// The same with or without a sign.
    #[must_use]
    pub fn with_sign(mut self, sign: Sign) -> Self {
        self.encoding.kind = match (sign, self.justify()) {
            (Sign::Signed, Justify::High) => Kind::Signed,
            (Sign::Signed, Justify::Low) => Kind::SignedLow,
            (Sign::Unsigned, Justify::High) => Kind::Unsigned,
            (Sign::Unsigned, Justify::Low) => Kind::UnsignedLow,
        };
        self
    }

    /// The same with its bytes in this order.
    #[must_use]
    pub fn with_endian(mut self, endian: Endian) -> Self {
        self.encoding.endian = endian;
        self
    }

    /// The same with its bits at this end of wider containers.
    #[must_use]
    pub fn justified(mut self, justify: Justify) -> Self {
        self.encoding.kind = match (self.encoding.kind, justify) {
            (kind, Justify::Low) => kind.low(),
            (kind, Justify::High) => kind.high(),
        };
        self
    }

    fn justify(self) -> Justify {
        if self.encoding.kind == self.encoding.kind.low() { Justify::Low } else { Justify::High }
    }

    /// Samples per second of each channel, in Hz.
    pub fn sample_rate(self) -> u32 {
        self.sample_rate
    }

    /// Number of channels, 1 to 8.
    pub fn channels(self) -> u8 {
        self.channels
    }

    /// Bits of each sample, 4 to 32.
    pub fn bits_per_sample(self) -> u8 {
        self.bits_per_sample
    }
>>>>>>> issue4-wav
}

impl Default for Options {
    fn default() -> Self {
        Self {
<<<<<<< HEAD
            level: Level::default(),
            block_size: BLOCK_SIZE,
            input: Input::default(),
            rules: Rules::default(),
            subset: Subset::default(),
            threads: NonZeroUsize::MIN,
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
=======
            channels: pcm.channels,
            sample_rate: pcm.sample_rate,
            bits_per_sample: pcm.bits_per_sample,
            channel_mask: None,
            declared_samples: None,
            encoding: pcm.encoding,
>>>>>>> issue4-wav
        }
    }
}
