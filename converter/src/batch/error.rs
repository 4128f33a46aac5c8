//! Why a stage ends without its summary, and what exit code tells it. A file that cannot be converted is no such
//! reason: it is a record.

use std::io;
use std::path::Path;

use serde::Serialize;

use crate::interrupt::Stopped;

/// Something that is wrong with what was asked for: trying again changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum ConfigReason {
    /// The source folder is not there, or is no folder.
    SourceNotFound,
    /// The source folder may not be read.
    SourceNotReadable,
    /// The destination or records folder cannot be made or written.
    DestinationNotWritable,
    /// A glob does not parse, or can match nothing.
    InvalidGlob,
    /// There is no plan, or it has no such shard.
    PlanNotFound,
    /// Sources may only be deleted if every byte of them is kept.
    DeleteNeedsForeign,
    /// Sources cannot be moved there.
    MoveToNotUsable,
    /// More files have failed than may.
    TooManyFailedFiles,
}

/// Why a stage ended without its summary.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The user has to change something: exit code 42.
    #[error("{message}")]
    Config {
        /// Which thing.
        reason: ConfigReason,
        /// What is wrong and what to change.
        message: String,
    },
    /// The volume failed: exit code 1, worth another try.
    #[error("{doing}: {source}")]
    Io {
        /// What was being done.
        doing: String,
        /// How it failed.
        source: io::Error,
    },
    /// A signal came: its exit code.
    #[error("{0}; a further run of this shard goes on from here")]
    Stopped(#[from] Stopped),
}

impl Error {
    /// A mistake of the user's.
    pub fn config(reason: ConfigReason, message: impl Into<String>) -> Self {
        Self::Config { reason, message: message.into() }
    }

    /// There is no room at the destination.
    pub fn no_room(destination: &Path) -> Self {
        Self::io("writing to", destination)(io::ErrorKind::StorageFull.into())
    }

    /// For `map_err`: the volume failed while `doing` something at `path`.
    pub fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { doing: format!("{doing} {}", path.display()), source }
    }

    /// For `map_err` where something is made at the destination: no permission, a read-only volume or a file in the
    /// way is the user's to change; anything else is the volume's failure.
    pub fn making(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| match source.kind() {
            io::ErrorKind::PermissionDenied
            | io::ErrorKind::ReadOnlyFilesystem
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::AlreadyExists
            | io::ErrorKind::NotFound => Self::config(
                ConfigReason::DestinationNotWritable,
                format!(
                    "{} cannot be written ({source}): let the user or group that this runs as write there (in a \
                     ConversionJob: podTemplate.securityContext, fsGroup), mount the volume writable, or choose \
                     another destination",
                    path.display()
                ),
            ),
            _ => Self::Io { doing: format!("writing {}", path.display()), source },
        }
    }
}
