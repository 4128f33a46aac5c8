//! What is about to get its name. A worker that dies between the names of a group and its records leaves FLACs that no
//! record tells of; the next worker finds them here and records them as what they are: converted by this run.
//!
//! Nothing depends on this file. Where it is lost, those FLACs are as new as their sources and count as skipped.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::super::journal;
use super::super::records::{Done, Stamp};

/// A FLAC that is about to get its name.
#[derive(Debug, Serialize, Deserialize)]
pub struct Pending {
    /// Its inode, which a rename keeps: a FLAC that somebody else made has another.
    pub inode: u64,
    /// Its record, if it gets its name.
    #[serde(flatten)]
    pub done: Done,
}

impl Pending {
    /// Whether it has got its name, and is still what was written.
    pub fn is_at(&self, target: &Path) -> bool {
        let Ok(metadata) = fs::symlink_metadata(target) else { return false };
        let written = Stamp { size: self.done.output_bytes, mtime_ns: self.done.mtime_ns };
        metadata.is_file() && metadata.ino() == self.inode && Stamp::of(&metadata) == written
    }
}

/// The file of them.
#[derive(Debug)]
pub struct PendingFile(File);

impl PendingFile {
    /// Opens the file, and hands on what a worker that died has left.
    pub fn open(path: &Path, take: impl FnMut(Pending)) -> io::Result<Self> {
        journal::read(path, take)?;
        OpenOptions::new().append(true).create(true).open(path).map(Self)
    }

    /// Writes down what is about to get its name.
    pub fn note(&mut self, pending: &[Pending]) -> io::Result<()> {
        let mut lines = Vec::new();
        for one in pending {
            serde_json::to_writer(&mut lines, one)?;
            lines.push(b'\n');
        }
        self.0.write_all(&lines).inspect_err(|_| {
            // Half of it would be in the way of the next.
            _ = self.clear();
        })
    }

    /// All of it is recorded.
    pub fn clear(&mut self) -> io::Result<()> {
        self.0.set_len(0)
    }
}
