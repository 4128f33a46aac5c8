//! Why a file could not be converted.

use std::io;
use std::path::{Path, PathBuf};

use crate::convert::ConvertError;

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
    /// Another process is writing the same target, or what has the partial file's name is no plain file.
    #[error("{} is in another's hands: wait until it is gone, or choose another name for the result", path.display())]
    TargetBusy {
        /// The partial file.
        path: PathBuf,
    },
    /// The written file does not decode to the source's samples.
    #[error(
        "{} does not decode to what was encoded ({detail}); nothing was kept: check the disk and memory, and report \
         this if they are sound",
        path.display()
    )]
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
    /// The error of a failed write of `target`.
    pub(crate) fn writing(target: &Path, error: io::Error) -> Self {
        let path = target.to_path_buf();
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull { path },
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Self::PermissionDenied { path },
            _ => Self::Io { path, source: error },
        }
    }

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
