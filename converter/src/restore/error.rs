//! Why a file could not be restored.

use std::io;
use std::path::PathBuf;

use crate::file::FileError;

/// Why a file could not be restored.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The input is no FLAC file.
    #[error("it is no FLAC file")]
    NotFlac,
    /// The input has none of what it takes.
    #[error(
        "no foreign metadata: it was not made with `--keep-foreign-metadata` or `--metadata foreign`. Decode it with a \
         player or `flac -d`"
    )]
    NoForeignMetadata,
    /// What is stored is not all there, or contradicts itself.
    #[error("it is damaged: {0}. Restore it from another copy")]
    Damaged(&'static str),
    /// What is stored was stored by a later version.
    #[error("its foreign metadata was stored by a later version of this program: use that one")]
    LaterVersion,
    /// `flac` stored what cannot be checked.
    #[error(
        "`flac` stored its foreign metadata, and the lengths in it do not agree with the audio: the same file cannot \
         be restored. Decode it with `flac -d`"
    )]
    NotProvable,
    /// The result is not the file that was converted.
    #[error(
        "what came out is not the file that was converted: the FLAC file was changed since, restore from another copy"
    )]
    Differs,
    /// The audio could not be decoded.
    #[error("its audio could not be decoded ({0}): restore it from another copy")]
    Decode(String),
    /// The input could not be read.
    #[error("it could not be read: {0}")]
    Input(#[source] io::Error),
    /// The output could not be written.
    #[error("the result could not be written: {0}")]
    Output(#[source] io::Error),
}

impl RestoreError {
    /// A stable name for programs, `snake_case`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotFlac => "not_flac",
            Self::NoForeignMetadata => "no_foreign_metadata",
            Self::Damaged(_) | Self::Decode(_) => "damaged_flac",
            Self::LaterVersion => "later_version",
            Self::NotProvable => "not_provable",
            Self::Differs => "restored_file_differs",
            Self::Input(_) => "source_unreadable",
            Self::Output(_) => "output",
        }
    }
}

/// Why a file could not be restored under its name.
#[derive(Debug, thiserror::Error)]
pub enum RestoreFileError {
    /// It could not be restored.
    #[error("{}: {source}", path.display())]
    Restore {
        /// The FLAC file.
        path: PathBuf,
        /// Why.
        source: RestoreError,
    },
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
}

impl RestoreFileError {
    /// A stable name for programs, `snake_case`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Restore { source, .. } => source.code(),
            Self::File(error) => error.code(),
        }
    }
}
