//! From the command line's words to the settings of a conversion.

use std::fs::File;
use std::io::{self, Read as _};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::thread;

use super::args::{
    Args, FloatRule, LONGEST_BLOCK, LengthRule, MetadataArgs, MetadataRule, OutputArgs, SubsetRule, ValidBitsRule,
    rules,
};
use super::pcm::PcmSpec;
use super::tag::Tag;
use crate::convert::{HeadPlace, Input, Metadata, MetadataOptions, Options, Picture, Subset};
use crate::file::{Existing, FileOptions, Times, Verify};
use crate::flac::{BLOCK_SIZE, Engine, Level, PictureError};
use crate::wav::WavError;

/// All that was chosen about how inputs are converted: the flags without their contradictions, pictures read.
#[derive(Debug, Clone)]
pub struct Chosen {
    /// `--level`, `-0` to `-8`.
    pub level: Level,
    /// `--engine`.
    pub engine: Engine,
    /// `--threads`, with 0 resolved to the number of cores.
    pub threads: NonZeroUsize,
    /// `--verify`.
    pub verify: Verify,
    /// `--block-size`, 16 to 65535.
    pub block_size: Option<u16>,
    /// `--subset`.
    pub subset: SubsetRule,
    /// `--length`.
    pub length: LengthRule,
    /// `--valid-bits`; none: as the header declares.
    pub valid_bits: Option<ValidBitsRule>,
    /// `--float`; none: refused.
    pub float: Option<FloatRule>,
    /// `--pcm`.
    pub pcm: Option<PcmSpec>,
    /// `--metadata`, `--keep-foreign-metadata`.
    pub metadata: MetadataRule,
    /// `--tag`, in their order.
    pub tags: Vec<Tag>,
    /// `--picture`, in their order.
    pub pictures: Vec<PictureFile>,
    /// `--padding` in bytes, at most 2^24 - 1.
    pub padding: u32,
    /// `--max-metadata` in bytes.
    pub max_metadata: u64,
    /// `--preserve-modtime`, `--no-preserve-modtime`.
    pub modification_time: ModificationTime,
    /// `--force`.
    pub existing: Existing,
}

/// A picture's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PictureFile {
    /// Where it is.
    pub path: PathBuf,
    /// What is in it: no more than a metadata block holds.
    pub bytes: Vec<u8>,
}

/// The modification time of a FLAC file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModificationTime {
    /// That of its source.
    Kept,
    /// When it was written.
    Own,
}

/// A choice that cannot be met, whatever the input.
#[derive(Debug, thiserror::Error)]
pub enum ChoiceError {
    /// The picture could not be read.
    #[error("the picture {} could not be read: {source}", path.display())]
    Picture {
        /// Its file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A metadata block cannot hold the picture.
    #[error("the picture {} is too large: FLAC holds pictures of less than 16 MiB", .0.display())]
    PictureSize(PathBuf),
    /// No audio can have this format.
    #[error("--pcm: {0}")]
    Pcm(#[from] WavError),
    /// It is no picture that players show.
    #[error("the picture {}: {source}", path.display())]
    NoPicture {
        /// Its file.
        path: PathBuf,
        /// What is wrong with it.
        source: PictureError,
    },
}

impl Chosen {
    /// Puts the flags together.
    pub fn new(args: &Args) -> Result<Self, ChoiceError> {
        let cores = || thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        Ok(Self {
            level: args.encoding.level.level,
            engine: args.encoding.engine,
            threads: NonZeroUsize::new(args.encoding.threads.into()).unwrap_or_else(cores),
            verify: if args.encoding.verify { Verify::Yes } else { Verify::No },
            block_size: args.encoding.block_size,
            subset: args.encoding.subset,
            length: args.input.rules.length,
            valid_bits: args.input.rules.valid_bits,
            float: args.input.rules.float,
            pcm: args.input.pcm,
            metadata: metadata(&args.metadata),
            tags: args.metadata.tags.clone(),
            pictures: args.metadata.pictures.iter().map(|path| read_picture(path)).collect::<Result<_, _>>()?,
            padding: args.metadata.padding,
            max_metadata: args.metadata.max_metadata.0,
            modification_time: modification_time(&args.output),
            existing: if args.output.force { Existing::Replace } else { Existing::Refuse },
        })
    }
}

fn metadata(args: &MetadataArgs) -> MetadataRule {
    if args.keep_foreign_metadata { MetadataRule::Foreign } else { args.metadata }
}

/// The last of the two flags holds: the parser has taken the other away.
fn modification_time(args: &OutputArgs) -> ModificationTime {
    if args.no_preserve_modtime && !args.preserve_modtime { ModificationTime::Own } else { ModificationTime::Kept }
}

fn read_picture(path: &Path) -> Result<PictureFile, ChoiceError> {
    let unreadable = |source| ChoiceError::Picture { path: path.to_path_buf(), source };
    let mut bytes = Vec::new();
    let mut file = File::open(path).map_err(unreadable)?.take(u64::from(LONGEST_BLOCK) + 1);
    file.read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() > LONGEST_BLOCK as usize {
        return Err(ChoiceError::PictureSize(path.to_path_buf()));
    }
    Ok(PictureFile { path: path.to_path_buf(), bytes })
}

/// The settings of every conversion of a run.
pub fn options(chosen: &Chosen) -> Result<FileOptions, ChoiceError> {
    let rules = rules(chosen.length, chosen.valid_bits, chosen.float);
    let metadata = MetadataOptions {
        keep: match chosen.metadata {
            MetadataRule::Tags => Metadata::Tags,
            MetadataRule::Foreign => Metadata::Foreign,
        },
        limit: chosen.max_metadata,
        padding: chosen.padding,
        tags: chosen.tags.iter().map(|tag| (tag.name.clone(), tag.value.clone())).collect(),
        pictures: chosen.pictures.iter().map(picture).collect::<Result<_, _>>()?,
    };
    let convert = Options {
        level: chosen.level,
        engine: chosen.engine,
        block_size: chosen.block_size.unwrap_or(BLOCK_SIZE),
        input: chosen.pcm.map(|pcm| pcm.format(rules.valid_bits)).transpose()?.map_or(Input::Auto, Input::Pcm),
        rules,
        subset: match chosen.subset {
            SubsetRule::Prefer => Subset::Prefer,
            SubsetRule::Strict => Subset::Strict,
        },
        threads: chosen.threads,
        spare: None,
        verify: chosen.verify,
        metadata,
        head: HeadPlace::default(),
    };
    let times = match chosen.modification_time {
        ModificationTime::Kept => Times::Source,
        ModificationTime::Own => Times::Own,
    };
    Ok(FileOptions { convert, verify: chosen.verify, existing: chosen.existing, times })
}

fn picture(file: &PictureFile) -> Result<Picture, ChoiceError> {
    Picture::from_image(Picture::FRONT_COVER, "", file.bytes.clone())
        .map_err(|source| ChoiceError::NoPicture { path: file.path.clone(), source })
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(Debug, clap::Parser)]
    struct Probe {
        #[command(flatten)]
        args: Args,
    }

    fn chosen(args: &[&str]) -> Chosen {
        let args = ["probe", "a.wav"].iter().chain(args);
        Chosen::new(&Probe::try_parse_from(args).unwrap().args).unwrap()
    }

    #[test]
    fn nothing_said_means_the_defaults() {
        let chosen = chosen(&[]);
        assert_eq!((chosen.level.get(), chosen.block_size, chosen.padding), (5, None, 8192));
        assert_eq!((chosen.verify, chosen.existing), (Verify::No, Existing::Refuse));
        assert_eq!(chosen.engine, Engine::Native);
        assert_eq!(chosen.max_metadata, MetadataOptions::LIMIT);
        assert_eq!((chosen.length, chosen.subset), (LengthRule::Auto, SubsetRule::Prefer));
        assert_eq!((chosen.valid_bits, chosen.float, chosen.pcm), (None, None, None));
        assert_eq!((chosen.metadata, chosen.modification_time), (MetadataRule::Tags, ModificationTime::Kept));
        assert_eq!(Some(chosen.threads), thread::available_parallelism().ok());
    }

    #[test]
    fn all_that_is_said_arrives() {
        let folder = tempfile::tempdir().unwrap();
        let picture = folder.path().join("cover.png");
        std::fs::write(&picture, b"\x89PNG").unwrap();
        let chosen = chosen(&[
            "-8",
            "--engine",
            "portable",
            "-j3",
            "-V",
            "-b",
            "65535",
            "--subset",
            "strict",
            "--valid-bits",
            "low",
            "--pcm",
            "48000:2:20/24",
            "--metadata",
            "Foreign",
            "-T",
            "A=1",
            "--tag",
            "A=2",
            "--picture",
            picture.to_str().unwrap(),
            "-P",
            "0",
            "--max-metadata",
            "64Ki",
            "--no-preserve-modtime",
            "-f",
        ]);
        assert_eq!((chosen.level.get(), chosen.threads.get(), chosen.block_size), (8, 3, Some(65_535)));
        assert_eq!((chosen.verify, chosen.existing), (Verify::Yes, Existing::Replace));
        assert_eq!(chosen.engine, Engine::Portable);
        assert_eq!((chosen.subset, chosen.valid_bits), (SubsetRule::Strict, Some(ValidBitsRule::Low)));
        assert_eq!(chosen.pcm.map(|pcm| (pcm.bits, pcm.container_bytes)), Some((20, 3)));
        assert_eq!((chosen.metadata, chosen.modification_time), (MetadataRule::Foreign, ModificationTime::Own));
        assert_eq!(chosen.tags, ["A=1", "A=2"].map(|tag| tag.parse().unwrap()));
        assert_eq!(chosen.pictures, [PictureFile { path: picture, bytes: b"\x89PNG".to_vec() }]);
        assert_eq!((chosen.padding, chosen.max_metadata), (0, 65_536));
    }

    #[test]
    fn the_last_of_two_flags_holds() {
        let time = |args| chosen(args).modification_time;
        assert_eq!(time(&["--preserve-modtime", "--no-preserve-modtime"]), ModificationTime::Own);
        assert_eq!(time(&["--no-preserve-modtime", "--preserve-modtime"]), ModificationTime::Kept);
        assert_eq!(chosen(&["--keep-foreign-metadata"]).metadata, MetadataRule::Foreign);
        assert_eq!(chosen(&["--float", "24"]).float, Some(FloatRule::To24));
    }

    #[test]
    fn a_picture_that_no_block_holds_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("huge.png");
        File::create(&path).unwrap().set_len(1 << 24).unwrap();
        assert!(matches!(read_picture(&path), Err(ChoiceError::PictureSize(_))));
        assert!(matches!(read_picture(folder.path()), Err(ChoiceError::Picture { .. })));
    }
}
