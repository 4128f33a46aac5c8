//! What a WAV file says beside its audio: tags, pictures, cue points, and whatever else it takes to build the very same
//! file again.
//!
//! A [`Collector`] is fed with the parser's pieces and keeps, within a bound, what can be used; the readers ([`info`],
//! [`bext`], [`id3`], [`cue`]) turn chunks into Vorbis comments and blocks; [`said`] is what of it
//! goes with an input that is gone on with later; [`foreign`] stores whole files' rests. How
//! FLAC's blocks look is [`crate::flac`]'s business, putting a WAV file together again that of [`crate::restore`].

mod bext;
mod collector;
mod cue;
pub mod foreign;
mod id3;
mod info;
mod said;
mod store;
mod tags;
mod text;

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

pub use collector::Collector;
pub use cue::CuePoint;
pub use foreign::Foreign;
pub use tags::with_user_tags;

pub(crate) use cue::Label;
pub(crate) use said::{Room, Said};

use crate::flac::{CueSheet, Picture};

/// What of a WAV file is kept beside its audio.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Metadata {
    /// What FLAC has a place for: tags, pictures, cue points.
    #[default]
    Tags,
    /// That, and all other bytes, so that the same WAV file can be built again.
    Foreign,
}

/// A text that names no [`Metadata`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is no choice of metadata: write tags or foreign")]
pub struct MetadataError {
    /// The text.
    pub given: String,
}

impl FromStr for Metadata {
    type Err = MetadataError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.to_ascii_lowercase().as_str() {
            "tags" => Ok(Self::Tags),
            "foreign" => Ok(Self::Foreign),
            _ => Err(MetadataError { given: text.to_owned() }),
        }
    }
}

impl fmt::Display for Metadata {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Tags => "tags",
            Self::Foreign => "foreign",
        })
    }
}

/// What a WAV file said beside its audio.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Collected {
    /// Vorbis comments: names and values. The speakers are not among them.
    pub tags: Vec<(String, String)>,
    /// Pictures.
    pub pictures: Vec<Picture>,
    /// Cue points, in order, each sample once.
    pub cue_points: Vec<CuePoint>,
    /// What is needed to build the same WAV file again, if that was asked for.
    pub foreign: Option<Foreign>,
    /// What the user should know.
    pub warnings: Vec<MetaWarning>,
}

impl Collected {
    /// The cue points of a stream of so many samples per channel as a block; none if there are none.
    pub fn cue_sheet(&self, total_samples: u64) -> Option<CueSheet> {
        let inside = |point: &&CuePoint| point.sample < total_samples;
        let tracks: Vec<_> = self.cue_points.iter().filter(inside).map(|point| point.sample).collect();
        (!tracks.is_empty()).then_some(CueSheet { tracks, lead_out: total_samples })
    }
}

/// Something that could not be kept, though the conversion can go on.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum MetaWarning {
    /// A chunk was too large to be read.
    TooLarge {
        /// The chunk's name.
        chunk: String,
        /// The most bytes of metadata that are kept.
        limit: u64,
    },
    /// A chunk, or a part of it, made no sense.
    Unreadable {
        /// The chunk's name.
        chunk: String,
        /// What made no sense.
        what: Cow<'static, str>,
    },
    /// There are more cue points than a FLAC file can hold.
    CuePoints {
        /// How many there are.
        points: usize,
    },
}

impl MetaWarning {
    /// A stable name for programs, `snake_case`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "metadata_too_large",
            Self::Unreadable { .. } => "metadata_unreadable",
            Self::CuePoints { .. } => "cue_points_left_out",
        }
    }
}

impl fmt::Display for MetaWarning {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { chunk, limit } => write!(
                formatter,
                "the {chunk} chunk was left out: with it there would be more than {limit} bytes of metadata, allow \
                 more with `--max-metadata` (a server's flag too) to keep it"
            ),
            Self::Unreadable { chunk, what } => {
                write!(formatter, "a part of the {chunk} chunk was left out: {what}")
            }
            Self::CuePoints { points } => write!(
                formatter,
                "the file has {points} cue points: a FLAC file holds the first {}, the others were left out",
                crate::flac::MAX_CUE_TRACKS
            ),
        }
    }
}

/// Why the rest of a WAV file could not be kept as [`Metadata::Foreign`] asks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MetaError {
    /// There is too much of it.
    #[error(
        "the file has more than {limit} bytes beside its audio: allow more with `--max-metadata` (a server's flag too), or \
         keep only its tags with `--metadata tags` (over HTTP `metadata=tags`)"
    )]
    TooLarge {
        /// The most bytes that are kept.
        limit: u64,
    },
    /// Floating-point samples are rounded, and the file cannot be built from rounded ones.
    #[error(
        "the file's samples are floating-point numbers, which FLAC can only hold rounded: the same file could not be \
         restored. Keep only its tags with `--metadata tags` (over HTTP `metadata=tags`)"
    )]
    Float,
    /// The bits above the samples follow no rule.
    #[error(
        "the bits above the valid ones repeat the sign in some samples and are zero in others: the same file could \
         not be restored. Keep only its tags with `--metadata tags` (over HTTP `metadata=tags`)"
    )]
    MixedHighBits,
}

impl MetaError {
    /// A stable name for programs, `snake_case`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "metadata_too_large",
            Self::Float => "foreign_float",
            Self::MixedHighBits => "foreign_high_bits",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_are_read_as_printed() {
        for choice in [Metadata::Tags, Metadata::Foreign] {
            assert_eq!(choice.to_string().parse(), Ok(choice));
            assert_eq!(choice.to_string().to_uppercase().parse(), Ok(choice));
        }
        let error = "all".parse::<Metadata>().unwrap_err();
        assert_eq!(error.to_string(), "\"all\" is no choice of metadata: write tags or foreign");
    }

    #[test]
    fn cue_points_past_the_end_are_no_tracks() {
        let point = |sample| CuePoint { sample, label: None };
        let collected = Collected { cue_points: vec![point(0), point(99), point(100)], ..Collected::default() };
        assert_eq!(collected.cue_sheet(100), Some(CueSheet { tracks: vec![0, 99], lead_out: 100 }));
        assert_eq!(collected.cue_sheet(0), None);
    }
}
